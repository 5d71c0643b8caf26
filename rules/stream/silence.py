"""Which expressions yield nothing at all when some of their selectors find nothing: they need not be evaluated."""

from __future__ import annotations

from collections.abc import Callable

from rules.promql import ast

# What yields something for an empty vector, or checks its other arguments first.
_SPEAKING = frozenset(
    {"absent", "absent_over_time", "double_exponential_smoothing", "label_join", "label_replace", "scalar", "vector"}
)


def is_silent(expr: ast.Expr, is_empty: Callable[[ast.VectorSelector], bool]) -> bool:
    """Whether an expression certainly yields no series, given which selectors find none; it cannot fail then either.

    ``False`` means that it has to be evaluated to know.
    """
    match expr:
        case ast.VectorSelector():
            return is_empty(expr)
        case ast.MatrixSelector():
            return is_empty(expr.selector)
        case ast.Subquery() | ast.Paren() | ast.Unary():
            return is_silent(expr.expr, is_empty)
        case ast.Aggregate():
            return expr.param is None and is_silent(expr.expr, is_empty)
        case ast.Call():
            vectors = [part for part in expr.args if part.type in (ast.ValueType.VECTOR, ast.ValueType.MATRIX)]
            return expr.func not in _SPEAKING and bool(vectors) and all(is_silent(part, is_empty) for part in vectors)
        case ast.Binary():
            # The other side of an empty one may fail by itself, so what has something on either side is evaluated.
            sides = [part for part in (expr.lhs, expr.rhs) if part.type is ast.ValueType.VECTOR]
            return bool(sides) and all(is_silent(part, is_empty) for part in sides)
        case _:
            return False
