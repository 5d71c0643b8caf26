"""Functions whose value is finished from the digests of their windows, instead of from the samples.

They are those of :mod:`rules.promql.functions`, in names, presence, annotations and limits. Values are the same wherever no rounding is involved; see
:mod:`rules.promql.digests.digests`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from rules.promql.context import Context
from rules.promql.digests.digests import Digests
from rules.promql.digests.measures import Measure
from rules.promql.functions.counters import Sampled, doubt_counter, extrapolated, stepped
from rules.promql.functions.presence import absent_where
from rules.promql.functions.windowed import nameless
from rules.promql.labels import LabelFrame
from rules.promql.syntax import ast
from rules.promql.values import Floats, InstantVector, Mask, Scalar, Times, Value

_COUNTERS = frozenset({"rate", "increase"})
# These act like an offset and keep the metric name.
_NAMED = frozenset({"last_over_time", "first_over_time"})


@dataclass(frozen=True, slots=True)
class DigestedRange:
    """A range vector of which the digests are known.

    Attributes:
        labels: one row a series.
        digests: of the windows of each series.
        starts: ``[T]`` exclusive lower bounds, ms; or ``[1]``, one window for all instants.
        ends: inclusive upper bounds, beside ``starts``.
    """

    labels: LabelFrame
    digests: Digests
    starts: Times
    ends: Times


class _Asked(NamedTuple):
    """A range, the instants ``[T]`` of the evaluation (ms), and the numbers ``[T]`` that the call has beside the range."""

    ranged: DigestedRange
    times: Times
    numbers: list[Floats]


_Finish = Callable[[Digests, _Asked], Floats]


def _rate(digests: Digests, asked: _Asked) -> Floats:
    return _extrapolated(digests, asked, counter=True, per_second=True)


def _increase(digests: Digests, asked: _Asked) -> Floats:
    return _extrapolated(digests, asked, counter=True, per_second=False)


def _delta(digests: Digests, asked: _Asked) -> Floats:
    return _extrapolated(digests, asked, counter=False, per_second=False)


def _extrapolated(digests: Digests, asked: _Asked, *, counter: bool, per_second: bool) -> Floats:
    starts, ends = asked.ranged.starts, asked.ranged.ends
    shape = (digests.size, max(digests.instants, len(starts)))
    growth = np.empty(shape)
    np.subtract(digests.last, digests.first, out=growth)
    if counter:
        np.add(growth, digests.dropped + digests.dropped_lost, out=growth, where=digests.resets > 0)
    sampled = Sampled(digests.count, digests.first_at, digests.last_at, starts, ends, lambda of_clocks: of_clocks)
    first = np.broadcast_to(digests.first, shape)
    return extrapolated(sampled, first, growth, counter=counter, per_second=per_second)


def _sum(digests: Digests, _: _Asked) -> Floats:
    return np.where(np.isinf(digests.total), digests.total, digests.total + digests.lost)


def _variance(digests: Digests, _: _Asked) -> Floats:
    variance: Floats = np.where(_constant(digests), 0.0, digests.squares / digests.count)
    return variance


def _constant(digests: Digests) -> Mask:
    # Extremes are silent about NaN, sums are not; and what is constantly infinite has no moments.
    constant: Mask = (digests.low == digests.high) & np.isfinite(digests.total)
    return constant


def _slope(digests: Digests, _: _Asked) -> Floats:
    return np.where(_constant(digests), 0.0, digests.products / digests.spread)


def _predict_linear(digests: Digests, asked: _Asked) -> Floats:
    slope = _slope(digests, asked)
    # From the instant of the evaluation, whatever the offset of the range.
    middle = (digests.first_at - asked.times + digests.elapsed / digests.count) / 1e3
    at_instant = np.where(_constant(digests), digests.first, digests.mean - slope * middle)
    return slope * asked.numbers[0] + at_instant


def _always(digests: Digests) -> bool:
    return True


def _tame(digests: Digests) -> bool:
    """Whether no sum can have overflown."""
    return not digests.vast.any()


def _finite(digests: Digests) -> bool:
    return _tame(digests) and not np.isinf(digests.low).any() and not np.isinf(digests.high).any()


class _Function(NamedTuple):
    """How a function is finished.

    Attributes:
        needs: what digests have to hold.
        finish: values, ``[n, T]`` or what broadcasts to it.
        least: how many samples a window must have for there to be a value.
        trusted: whether digests give it at all. Otherwise the samples do.
    """

    needs: Measure
    finish: _Finish
    least: int = 1
    trusted: Callable[[Digests], bool] = _always


_SPREAD = Measure.SUMS | Measure.EXTREMES | Measure.SQUARES
_LINE = Measure.SUMS | Measure.EXTREMES | Measure.LINE

_FUNCTIONS: Final[dict[str, _Function]] = {
    "count_over_time": _Function(Measure.NONE, lambda digests, _: digests.count.astype(np.float64)),
    "present_over_time": _Function(Measure.NONE, lambda digests, _: np.ones((1, 1))),
    "first_over_time": _Function(Measure.NONE, lambda digests, _: digests.first),
    "last_over_time": _Function(Measure.NONE, lambda digests, _: digests.last),
    "min_over_time": _Function(Measure.LOW, lambda digests, _: digests.low),
    "max_over_time": _Function(Measure.HIGH, lambda digests, _: digests.high),
    "sum_over_time": _Function(Measure.SUMS, _sum, 1, _tame),
    "avg_over_time": _Function(Measure.SUMS, lambda digests, _: digests.mean, 1, _tame),
    "stdvar_over_time": _Function(_SPREAD, _variance, 1, _tame),
    "stddev_over_time": _Function(_SPREAD, lambda digests, asked: np.sqrt(_variance(digests, asked)), 1, _tame),
    "rate": _Function(Measure.RESETS, _rate, 2, _tame),
    "increase": _Function(Measure.RESETS, _increase, 2, _tame),
    "delta": _Function(Measure.NONE, _delta, 2),
    "irate": _Function(
        Measure.PREVIOUS,
        lambda digests, _: stepped(digests.previous, digests.last, digests.last_at - digests.previous_at),
        2,
    ),
    "idelta": _Function(Measure.PREVIOUS, lambda digests, _: stepped(digests.previous, digests.last, None), 2),
    "resets": _Function(Measure.RESETS, lambda digests, _: digests.resets.astype(np.float64)),
    "changes": _Function(Measure.CHANGES, lambda digests, _: digests.changes.astype(np.float64)),
    "deriv": _Function(_LINE, _slope, 2, _finite),
    "predict_linear": _Function(_LINE, _predict_linear, 2, _finite),
}

NEEDS: Final[dict[str, Measure]] = {
    "absent_over_time": Measure.NONE,
    **{name: function.needs for name, function in _FUNCTIONS.items()},
}
"""What digests must hold for a function, by its name."""

DIGESTED: Final = frozenset(NEEDS)
"""The functions that can be finished from digests."""


def finished(expr: ast.Call, ranged: DigestedRange, numbers: Sequence[Value], context: Context) -> InstantVector | None:
    """The value of one of the functions; None if only the samples give it, as for sums that may leave float64.

    Args:
        expr: the call.
        ranged: its range.
        numbers: its other arguments.
        context: the evaluation.

    Raises:
        EvaluationError: two series differ in nothing but the name.
        LimitExceeded: the result would be too large.
        ValueError: the digests do not hold what the function needs.
    """
    labels, digests = ranged.labels, ranged.digests
    if NEEDS[expr.func] & ~digests.measures:
        raise ValueError(f"{expr.func} needs digests of {NEEDS[expr.func]}, not of {digests.measures}")
    if expr.func == "absent_over_time":
        found = (digests.count > 0).any(axis=0) if digests.size else np.zeros(1, np.bool_)
        return absent_where(expr, ~np.broadcast_to(found, context.instants))
    if not labels.size:
        return InstantVector.empty(context.instants)
    function = _FUNCTIONS[expr.func]
    if not function.trusted(digests):
        return None
    context.reserve(labels.size, context.instants, expr.span)
    asked = _Asked(ranged, context.times, [value.values for value in numbers if isinstance(value, Scalar)])
    shape = (labels.size, context.instants)
    values = np.broadcast_to(function.finish(digests, asked), shape).copy()
    present = np.broadcast_to(digests.count >= function.least, shape).copy()
    vector = InstantVector(labels, values, present).compact()
    if expr.func in _COUNTERS:
        doubt_counter(vector, expr, context)
    return vector if expr.func in _NAMED else nameless(expr, vector, context)
