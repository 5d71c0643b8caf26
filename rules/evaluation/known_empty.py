"""Which expressions yield nothing at all when some of their selectors find nothing: they need not be evaluated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rules.promql.context import Options
from rules.promql.engine import at_instants
from rules.promql.storage import MemoryStorage
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError
from rules.promql.values import InstantVector, SeriesSet, Times

# What yields something for an empty vector, or checks its other arguments first.
_YIELDING = frozenset(
    {"absent", "absent_over_time", "double_exponential_smoothing", "label_join", "label_replace", "scalar", "vector"}
)

# Without an argument they are about the evaluation time.
_DATES = frozenset({"day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month", "year"})


def is_known_empty(
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
                return expr.func not in _YIELDING and bool(vectors) and all(map(silent, vectors))
            case ast.Binary():
                # The other side of an empty one may fail by itself, so what has something on either side is evaluated.
                sides = [part for part in (expr.lhs, expr.rhs) if part.type is ast.ValueType.VECTOR]
                return bool(sides) and all(map(silent, sides))
            case _:
                return False

    return silent(expr)


def needs_samples(expr: ast.Expr, options: Options) -> bool:
    """Whether an expression yields nothing, and does not fail, at every evaluation time at which its selectors and fragments find nothing.

    ``False`` means that it has to be evaluated to know: ``absent(x)``, ``vector(1)`` and what depends on the time yield something without samples.
    """
    if is_known_empty(expr, lambda _: True, lambda _: True):
        return True
    if any(map(_is_timed, ast.walk(expr))):
        return False
    # Without samples, and without the time, it comes out the same at every evaluation time.
    try:
        value = at_instants(expr, _NoSamples(), np.zeros(1, np.int64), options).value
    except PromQLError:
        return False
    return isinstance(value, InstantVector) and not value.size


def _is_timed(node: ast.Expr) -> bool:
    """Whether a node may come out differently at another evaluation time although it reads the same."""
    match node:
        case ast.Call(func="time" | "timestamp"):
            return True
        case ast.Call(func=func, args=()):
            return func in _DATES
        case _:
            return isinstance(node, ast.Subquery)


class _NoSamples:
    """A store, of fragments too, in which there is nothing."""

    _nothing = MemoryStorage.from_series(())

    def select(self, matchers: Sequence[ast.Matcher], start_ms: int, end_ms: int, *, stale: bool) -> SeriesSet:
        return self._nothing.select(matchers, start_ms, end_ms, stale=stale)

    def fragment(self, number: int, times: Times) -> InstantVector:
        return InstantVector.empty(len(times))
