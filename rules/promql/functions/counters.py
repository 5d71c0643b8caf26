"""How fast values grow: rate, increase and delta, extrapolated to their windows; irate and idelta; resets and changes.

Semantics: ``extrapolatedRate``, ``instantValue``, ``funcResets`` and ``funcChanges`` of Prometheus 3's ``promql/functions.go``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rules.durations import seconds
from rules.promql import ast
from rules.promql.context import Context
from rules.promql.functions.arguments import Function, ranges
from rules.promql.functions.windowed import Kernel, nameless, over_windows, windowed
from rules.promql.labels import METRIC_NAME
from rules.promql.values import Floats, Index, InstantVector, Mask, Value, Windows
from rules.quoting import quote

COUNTER_SUFFIXES = ("_total", "_sum", "_count", "_bucket")


def extrapolated(windows: Windows, *, counter: bool, per_second: bool) -> tuple[Floats, Mask]:
    """Growth from the first sample to the last, extended towards the window's ends.

    An end is reached when its sample is no further away than 1.1 mean intervals; otherwise half a mean interval is added. A counter
    is not followed to before it was zero, and what it lost by resets is added.
    """
    shared = windows.of_clocks()
    counts = shared.counts
    first_at = shared.timestamps.take(shared.low, mode="clip")
    last_at = shared.timestamps.take(shared.high - 1, mode="clip")
    sampled = (last_at - first_at) / 1000.0
    to_start = (first_at - shared.starts) / 1000.0
    to_end = (shared.ends - last_at) / 1000.0
    mean = sampled / (counts - 1)
    threshold = mean * 1.1
    half = mean / 2
    to_start = np.where(to_start >= threshold, half, to_start)
    to_end = np.where(to_end >= threshold, half, to_end)

    first = windows.values.take(windows.low, mode="clip")
    growth = windows.values.take(windows.high - 1, mode="clip")
    growth -= first
    present = windows.spread(counts >= 2)
    if counter:
        _add_resets(windows, growth)
        sampled, to_start, to_end = windows.spread(sampled), windows.spread(to_start), windows.spread(to_end)
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
            factor /= seconds(int(windows.ends[0] - windows.starts[0]))
    else:
        factor = windows.spread((sampled + to_start + to_end) / sampled)
    growth *= factor
    return growth, present


def _add_resets(windows: Windows, growth: Floats) -> None:
    """Add, in order, the value before each reset inside a window; most windows have none and are not touched."""
    values = windows.values
    fell = np.zeros(len(values) + 1, np.bool_)
    np.less(values[1:], values[:-1], out=fell[1:-1])
    fell[windows.low[:, 0]] = False
    resets = np.flatnonzero(fell)
    if not len(resets):
        return
    before = np.searchsorted(resets, windows.low[:, 0], side="right")
    rows = np.flatnonzero(np.searchsorted(resets, windows.high[:, -1]) > before)
    if not len(rows):
        return
    next_reset = np.searchsorted(resets, windows.low[rows], side="right")
    counts = np.searchsorted(resets, windows.high[rows]) - next_reset
    corrected = growth[rows]
    for nth in range(int(counts.max())):
        more = counts > nth
        corrected[more] += values[resets[next_reset[more] + nth] - 1]
    growth[rows] = corrected


def _rate(windows: Windows) -> tuple[Floats, Mask]:
    return extrapolated(windows, counter=True, per_second=True)


def _increase(windows: Windows) -> tuple[Floats, Mask]:
    return extrapolated(windows, counter=True, per_second=False)


def _delta(windows: Windows) -> tuple[Floats, Mask]:
    return extrapolated(windows, counter=False, per_second=False)


def _of_counter(kernel: Kernel) -> Function:
    def function(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
        found = over_windows(expr, ranges(expr, args), context, kernel)
        _doubt(found, expr, context)
        return nameless(expr, found, context)

    return function


def _doubt(found: InstantVector, expr: ast.Call, context: Context) -> None:
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


def _last_two(windows: Windows, *, counter: bool) -> tuple[Floats, Mask]:
    shared = windows.of_clocks()
    newest, before = windows.high - 1, windows.high - 2
    last = windows.values.take(newest, mode="clip")
    previous = windows.values.take(before, mode="clip")
    growth = last - previous
    if counter:
        growth = np.where(last < previous, last, growth)
        apart = shared.timestamps.take(shared.high - 1, mode="clip") - shared.timestamps.take(
            shared.high - 2, mode="clip"
        )
        growth /= windows.spread(apart / 1000.0)
    return growth, windows.spread(shared.counts >= 2)


def _irate(windows: Windows) -> tuple[Floats, Mask]:
    return _last_two(windows, counter=True)


def _idelta(windows: Windows) -> tuple[Floats, Mask]:
    return _last_two(windows, counter=False)


def count_steps(windows: Windows, steps: Mask) -> Index:
    """How many of the flagged steps are inside each window; ``steps[j]`` is the one from sample ``j`` to ``j + 1``."""
    until = np.zeros(len(windows.values) + 1, np.int64)
    np.cumsum(steps, out=until[1:-1])
    inside: Index = until.take(windows.high - 1, mode="clip") - until.take(windows.low, mode="clip")
    return inside


def _resets(windows: Windows) -> tuple[Floats, Mask]:
    values = windows.values
    return count_steps(windows, values[1:] < values[:-1]).astype(np.float64), windows.spread(
        windows.of_clocks().counts > 0
    )


def _changes(windows: Windows) -> tuple[Floats, Mask]:
    before, after = windows.values[:-1], windows.values[1:]
    changed = (before != after) & ~(np.isnan(before) & np.isnan(after))
    return count_steps(windows, changed).astype(np.float64), windows.spread(windows.of_clocks().counts > 0)


FUNCTIONS: dict[str, Function] = {
    "rate": _of_counter(_rate),
    "increase": _of_counter(_increase),
    "delta": windowed(_delta, whole=True),
    "irate": windowed(_irate, whole=True),
    "idelta": windowed(_idelta, whole=True),
    "resets": windowed(_resets),
    "changes": windowed(_changes),
}
