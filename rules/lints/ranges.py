"""Between which bounds the values of an expression lie, whatever the data: what proves that a condition cannot be true.

Not-a-number is outside of all bounds: no comparison with it is true but ``!=``, of which nothing is said here.
"""

from __future__ import annotations

import math
import operator
from typing import NamedTuple

from rules.promql.syntax.ast import Aggregate, Binary, Call, Expr, NumberLiteral, Unary, ValueType, unwrap

INF = math.inf


class Range(NamedTuple):
    """Values from ``low`` to ``high``; an open end is not one of them."""

    low: float = -INF
    high: float = INF
    low_open: bool = False
    high_open: bool = False

    @property
    def empty(self) -> bool:
        return self.low > self.high or (self.low == self.high and (self.low_open or self.high_open))

    def meet(self, other: Range) -> Range:
        """The values in both."""
        low, low_open = max((self.low, self.low_open), (other.low, other.low_open))
        high, high_closed = min((self.high, not self.high_open), (other.high, not other.high_open))
        return Range(low, high, low_open, not high_closed)

    def within(self, other: Range) -> bool:
        """Whether every value is in the other range too."""
        return self.meet(other) == self

    def hull(self, other: Range) -> Range:
        """The least range around both."""
        low, low_open = min((self.low, self.low_open), (other.low, other.low_open))
        high, high_closed = max((self.high, not self.high_open), (other.high, not other.high_open))
        return Range(low, high, low_open, not high_closed)


ALL = Range()
_FROM_ZERO = Range(0, INF)
_FROM_ONE = Range(1, INF)

# What functions yield whatever they are given; a missing result is no result.
_CALLS = {
    **dict.fromkeys(("abs", "changes", "resets", "stddev_over_time", "stdvar_over_time", "exp", "sqrt"), _FROM_ZERO),
    **dict.fromkeys(("absent", "absent_over_time", "present_over_time"), Range(1, 1)),
    "count_over_time": _FROM_ONE,
    "sgn": Range(-1, 1),
    "sin": Range(-1, 1),
    "cos": Range(-1, 1),
    "tanh": Range(-1, 1),
    "minute": Range(0, 59),
    "hour": Range(0, 23),
    "day_of_week": Range(0, 6),
    "day_of_month": Range(1, 31),
    "day_of_year": Range(1, 366),
    "days_in_month": Range(28, 31),
    "month": Range(1, 12),
    "pi": Range(math.pi, math.pi),
}
_AGGREGATES = {
    "count": _FROM_ONE,
    "count_values": _FROM_ONE,
    "group": Range(1, 1),
    "stddev": _FROM_ZERO,
    "stdvar": _FROM_ZERO,
}
# These choose among the values they are given, or lie between them.
_KEEPING = (
    "min_over_time",
    "max_over_time",
    "last_over_time",
    "first_over_time",
    "sort",
    "sort_desc",
    "label_replace",
    "label_join",
    "vector",
    "scalar",
)
_KEEPING_AGGREGATES = ("min", "max", "topk", "bottomk", "limitk", "limit_ratio")
_MIRRORED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "=="}


def passing(op: str, bound: Range) -> Range:
    """The values for which ``value op b`` can be true for some ``b`` within bounds."""
    match op:
        case ">":
            return Range(bound.low, INF, low_open=True)
        case ">=":
            return Range(bound.low, INF, low_open=bound.low_open)
        case "<":
            return Range(-INF, bound.high, high_open=True)
        case "<=":
            return Range(-INF, bound.high, high_open=bound.high_open)
        case "==":
            return bound
        case _:
            return ALL


def mirrored(op: str) -> str:
    """The comparison that says the same with its sides exchanged."""
    return _MIRRORED.get(op, op)


def values_of(expr: Expr) -> Range:
    """Bounds of the values of an expression that is a scalar or a vector."""
    match expr:
        case NumberLiteral():
            return Range(expr.value, expr.value) if not math.isnan(expr.value) else ALL
        case Unary():
            inner = values_of(expr.expr)
            return inner if expr.op == "+" else Range(-inner.high, -inner.low, inner.high_open, inner.low_open)
        case Call():
            return _of_call(expr)
        case Aggregate() if expr.op in _KEEPING_AGGREGATES:
            return values_of(expr.expr)
        case Aggregate():
            return _AGGREGATES.get(expr.op, ALL)
        case Binary():
            return _of_binary(expr)
    inside = getattr(expr, "expr", None)
    return ALL if inside is None else values_of(inside)


def _of_call(expr: Call) -> Range:
    if expr.func in _KEEPING and expr.args:
        return values_of(expr.args[0])
    if expr.func in ("clamp_min", "clamp_max", "clamp"):
        inner = values_of(expr.args[0])
        bounds = [values_of(arg) for arg in expr.args[1:]]
        if any(bound.low != bound.high or math.isinf(bound.low) for bound in bounds):
            return ALL
        low = inner.low if expr.func == "clamp_max" else max(inner.low, bounds[0].low)
        high = inner.high if expr.func == "clamp_min" else min(inner.high, bounds[-1].high)
        return Range(low, high) if low <= high else ALL
    return _CALLS.get(expr.func, ALL)


def _of_binary(expr: Binary) -> Range:
    left, right = values_of(expr.lhs), values_of(expr.rhs)
    match expr.op:
        case _ if expr.return_bool:
            return Range(0, 1)
        case "and" | "unless":
            return left
        case "or":
            return left.hull(right)
        case ">" | ">=" | "<" | "<=" | "==":
            met = _meeting(expr, left, right)
            return met
        case "!=":
            return left if expr.lhs.type is not ValueType.SCALAR else right
        case "/" | "-" if _same(expr):
            # Not-a-number where it is neither.
            return Range(1, 1) if expr.op == "/" else Range(0, 0)
        case "+" | "-" | "*" | "/":
            return _arithmetic(expr.op, left, right)
        case "%" if right.low == right.high and 0 < abs(right.low) < INF:
            size = abs(right.low)
            return Range(0 if left.low >= 0 else -size, size, left.low < 0, True)
    return ALL


def _meeting(expr: Binary, left: Range, right: Range) -> Range:
    """What a filter lets through: values of its vector, the left one of two."""
    if expr.lhs.type is ValueType.SCALAR and expr.rhs.type is not ValueType.SCALAR:
        return right.meet(passing(mirrored(expr.op), left))
    return left.meet(passing(expr.op, right))


def _same(expr: Binary) -> bool:
    """Whether both sides are one and the same, matched series by series."""
    matching = expr.matching
    plain = matching is None or not (matching.on or matching.labels or matching.include)
    return plain and expr.type is ValueType.VECTOR and unwrap(expr.lhs) == unwrap(expr.rhs)


def _arithmetic(op: str, left: Range, right: Range) -> Range:
    """Of a range and a finite constant; rounding may reach an open end, so ends close."""
    if op in "+*" and left.low == left.high:
        left, right = right, left
    if right.low != right.high or math.isinf(right.low):
        return ALL
    by = right.low
    if op in "*/" and by == 0:
        return ALL
    applied = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}[op]
    low, high = sorted((applied(left.low, by), applied(left.high, by)))
    return Range(low, high)
