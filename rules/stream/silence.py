"""Which expressions yield nothing at all when some of their selectors find nothing: they need not be evaluated."""

from __future__ import annotations

from collections.abc import Callable

from rules.promql import ast

# What yields something for an empty vector, or checks its other arguments first.
_SPEAKING = frozenset(
    {"absent", "absent_over_time", "double_exponential_smoothing", "label_join", "label_replace", "scalar", "vector"}
)


def is_silent(
    expr: ast.Expr,
    is_empty: Callable[[ast.VectorSelector], bool],
    is_empty_fragment: Callable[[ast.Fragment], bool] = lambda _: False,
) -> bool:
    """Whether an expression certainly yields no series, given which selectors, and which fragments, find none; it cannot fail then either.

    ``False`` means that it has to be evaluated to know.
    """

    def silent(expr: ast.Expr) -> bool:
        match expr:
            case ast.VectorSelector():
                return is_empty(expr)
            case ast.Fragment():
                return is_empty_fragment(expr)
            case ast.MatrixSelector():
                return is_empty(expr.selector)
            case ast.Subquery() | ast.Paren() | ast.Unary():
                return silent(expr.expr)
            case ast.Aggregate():
                return expr.param is None and silent(expr.expr)
            case ast.Call():
                vectors = [part for part in expr.args if part.type in (ast.ValueType.VECTOR, ast.ValueType.MATRIX)]
                return expr.func not in _SPEAKING and bool(vectors) and all(map(silent, vectors))
            case ast.Binary():
                # The other side of an empty one may fail by itself, so what has something on either side is evaluated.
                sides = [part for part in (expr.lhs, expr.rhs) if part.type is ast.ValueType.VECTOR]
                return bool(sides) and all(map(silent, sides))
            case _:
                return False

    return silent(expr)
