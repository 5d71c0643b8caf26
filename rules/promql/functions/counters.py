"""How fast values grow: rate, increase and delta, extrapolated to their windows; irate and idelta; resets and changes.

Semantics: ``extrapolatedRate``, ``instantValue``, ``funcResets`` and ``funcChanges`` of Prometheus 3's ``promql/functions.go``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.golang.durations import seconds
from rules.golang.quoting import quote
from rules.promql.context import Context
from rules.promql.functions.arguments import Function, ranges
from rules.promql.functions.windowed import Kernel, nameless, over_windows, windowed
from rules.promql.kernels import add_resets, changed_steps, count_steps, fallen_steps
from rules.promql.labels import METRIC_NAME
from rules.promql.syntax import ast
from rules.promql.values import Floats, Index, InstantVector, Mask, Times, Value, Windows

COUNTER_SUFFIXES = ("_total", "_sum", "_count", "_bucket")


@dataclass(frozen=True, slots=True)
class Sampled:
    """When windows have samples.

    Attributes:
        counts: samples of each window; ``[C, T]`` of the clocks.
        first_at: the time of the first one, ms, beside ``counts``.
        last_at: that of the last one.
        starts: ``[T]`` bounds of the windows, ms, exclusive.
        ends: ``[T]``, inclusive.
        spread: from ``[C, T]`` of the clocks to what broadcasts to ``[n, T]`` of the series (:meth:`Windows.spread`).
    """

    counts: Index
    first_at: Times
    last_at: Times
    starts: Times
    ends: Times
    spread: Callable[[NDArray[Any]], NDArray[Any]]

    @classmethod
    def of(cls, windows: Windows) -> Sampled:
        """When these windows have samples."""
        shared = windows.of_clocks()
        first_at = shared.timestamps.take(shared.low, mode="clip")
        last_at = shared.timestamps.take(shared.high - 1, mode="clip")
        return cls(shared.counts, first_at, last_at, shared.starts, shared.ends, windows.spread)


def extrapolated(sampled_at: Sampled, first: Floats, growth: Floats, *, counter: bool, per_second: bool) -> Floats:
    """Growth from the first sample to the last, extended towards the window's ends.

    An end is reached when its sample is no further away than 1.1 mean intervals; otherwise half a mean interval is added. A counter
    is not followed to before it was zero.

    Args:
        sampled_at: when there are samples; with fewer than two, what comes out means nothing.
        first: ``[n, T]``, the first values.
        growth: ``[n, T]``, how much the last ones are above them, and of a counter what it lost by resets; it is overwritten.
    """
    counts, first_at, last_at = sampled_at.counts, sampled_at.first_at, sampled_at.last_at
    spread = sampled_at.spread
    sampled = (last_at - first_at) / 1000.0
    to_start = (first_at - sampled_at.starts) / 1000.0
    to_end = (sampled_at.ends - last_at) / 1000.0
    mean = sampled / (counts - 1)
    threshold = mean * 1.1
    half = mean / 2
    to_start = np.where(to_start >= threshold, half, to_start)
    to_end = np.where(to_end >= threshold, half, to_end)

    if counter:
        sampled, to_start, to_end = spread(sampled), spread(to_start), spread(to_end)
        to_zero = first / growth
        to_zero *= sampled
        nearer = to_zero < to_start
        nearer &= growth > 0
        nearer &= first >= 0
        factor = np.where(nearer, to_zero, to_start)
        factor += sampled
        factor += to_end
        factor /= sampled
        if per_second:
            factor /= seconds(sampled_at.ends - sampled_at.starts)
    else:
        factor = spread((sampled + to_start + to_end) / sampled)
    growth *= factor
    return growth


def _grown(windows: Windows, *, counter: bool, per_second: bool) -> tuple[Floats, Mask]:
    first = windows.values.take(windows.low, mode="clip")
    growth = windows.values.take(windows.high - 1, mode="clip")
    growth -= first
    if counter:
        add_resets(windows, growth)
    sampled = Sampled.of(windows)
    growth = extrapolated(sampled, first, growth, counter=counter, per_second=per_second)
    return growth, windows.spread(sampled.counts >= 2)


def _rate(windows: Windows) -> tuple[Floats, Mask]:
    return _grown(windows, counter=True, per_second=True)


def _increase(windows: Windows) -> tuple[Floats, Mask]:
    return _grown(windows, counter=True, per_second=False)


def _delta(windows: Windows) -> tuple[Floats, Mask]:
    return _grown(windows, counter=False, per_second=False)


def _of_counter(kernel: Kernel) -> Function:
    def function(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
        found = over_windows(expr, ranges(expr, args), context, kernel)
        doubt_counter(found, expr, context)
        return nameless(expr, found, context)

    return function


def doubt_counter(found: InstantVector, expr: ast.Call, context: Context) -> None:
    """Remark on each metric that is not named as counters are."""
    names = found.labels.columns.get(METRIC_NAME)
    if names is None or not found.size:
        return
    used = np.flatnonzero(np.bincount(names.codes, minlength=len(names.values)))
    for code in used.tolist():
        name = names.values[code]
        if name and not name.endswith(COUNTER_SUFFIXES):
            context.annotations.info(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: " + quote(name),
                expr.args[0].span,
            )


def stepped(previous: Floats, last: Floats, apart_ms: Times | None) -> Floats:
    """From the last sample but one to the last: of a counter (with the time between, ms) its growth a second, else the difference."""
    growth = last - previous
    if apart_ms is not None:
        growth = np.where(last < previous, last, growth) / (apart_ms / 1000.0)
    return growth


def _last_two(windows: Windows, *, counter: bool) -> tuple[Floats, Mask]:
    shared = windows.of_clocks()
    last = windows.values.take(windows.high - 1, mode="clip")
    previous = windows.values.take(windows.high - 2, mode="clip")
    apart = None
    if counter:
        last_at = shared.timestamps.take(shared.high - 1, mode="clip")
        apart = windows.spread(last_at - shared.timestamps.take(shared.high - 2, mode="clip"))
    return stepped(previous, last, apart), windows.spread(shared.counts >= 2)


def _irate(windows: Windows) -> tuple[Floats, Mask]:
    return _last_two(windows, counter=True)


def _idelta(windows: Windows) -> tuple[Floats, Mask]:
    return _last_two(windows, counter=False)


def _resets(windows: Windows) -> tuple[Floats, Mask]:
    fallen = count_steps(windows, fallen_steps(windows.values))
    return fallen.astype(np.float64), windows.spread(windows.of_clocks().counts > 0)


def _changes(windows: Windows) -> tuple[Floats, Mask]:
    changed = count_steps(windows, changed_steps(windows.values))
    return changed.astype(np.float64), windows.spread(windows.of_clocks().counts > 0)


FUNCTIONS: dict[str, Function] = {
    "rate": _of_counter(_rate),
    "increase": _of_counter(_increase),
    "delta": windowed(_delta, whole=True),
    "irate": windowed(_irate, whole=True),
    "idelta": windowed(_idelta, whole=True),
    "resets": windowed(_resets),
    "changes": windowed(_changes),
}
