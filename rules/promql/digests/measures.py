"""What digests measure of windows, and how it is taken from their samples."""

from __future__ import annotations

from collections.abc import Callable
from enum import Flag, auto
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.promql.compensated import Columns, totals
from rules.promql.kernels import (
    add_resets,
    changed_steps,
    compensated_sum,
    count_steps,
    exact_sum,
    extreme,
    fallen_steps,
)
from rules.promql.summation import quick_increment
from rules.promql.values import Floats, Index, Mask, Times, Windows

VAST = 1e140
"""From here on the sum of a value's squares might leave float64, and then it matters in which order one adds."""

Arrays = dict[str, NDArray[Any]]
"""Arrays of :class:`rules.promql.digests.digests.Digests` by their names."""


class Measure(Flag):
    """What digests hold beside the number of samples, the first and the last of them."""

    NONE = 0
    SUMS = auto()
    LOW = auto()
    HIGH = auto()
    RESETS = auto()
    CHANGES = auto()
    PREVIOUS = auto()
    SQUARES = auto()
    LINE = auto()
    EXTREMES = LOW | HIGH
    ALL = SUMS | EXTREMES | RESETS | CHANGES | PREVIOUS | SQUARES | LINE


def _everywhere(value: bool | float) -> NDArray[Any]:
    array = np.array([[value]])
    array.setflags(write=False)
    return array


NO_FLOAT, NO_INT, NO_FLAG = _everywhere(0.0), _everywhere(0), _everywhere(False)
"""What is zero in all windows of all series, ``[1, 1]``."""

NO_VALUE = _everywhere(np.nan)


def slim(array: NDArray[Any]) -> NDArray[Any]:
    """The array, or one number in its place if it is zero everywhere."""
    if array.any():
        return array
    return NO_FLOAT if array.dtype.kind == "f" else NO_INT if array.dtype.kind == "i" else NO_FLAG


def measured(windows: Windows, measures: Measure) -> Arrays:
    """The arrays of windows' digests, those of measures that are not wanted left out; ``[n, T]`` or ``[1, T]``."""
    shared, values = windows.of_clocks(), windows.values
    count = windows.spread(shared.counts)
    filled = count > 0
    first_at = shared.timestamps.take(shared.low, mode="clip")
    found: Arrays = {
        "count": count,
        "first_at": windows.spread(first_at),
        "last_at": windows.spread(shared.timestamps.take(shared.high - 1, mode="clip")),
        "first": values.take(windows.low, mode="clip"),
        "last": values.take(windows.high - 1, mode="clip"),
        "vast": _vast(windows),
    }
    if measures & Measure.SUMS:
        total = exact_sum(windows)
        found["total"], lost = compensated_sum(windows) if total is None else (total, NO_FLOAT)
        found["lost"] = slim(lost)
    if measures & Measure.LOW:
        found["low"] = np.where(filled, extreme(windows, np.fmin)[0], np.nan)
    if measures & Measure.HIGH:
        found["high"] = np.where(filled, extreme(windows, np.fmax)[0], np.nan)
    if measures & Measure.RESETS:
        dropped, dropped_lost = np.zeros((2, *windows.low.shape))
        add_resets(windows, dropped, dropped_lost)
        found["dropped"], found["dropped_lost"] = slim(dropped), slim(dropped_lost)
        found["resets"] = slim(count_steps(windows, fallen_steps(values)) * filled)
    if measures & Measure.CHANGES:
        found["changes"] = slim(count_steps(windows, changed_steps(values)) * filled)
    if measures & Measure.PREVIOUS:
        found["previous_at"] = windows.spread(shared.timestamps.take(shared.high - 2, mode="clip"))
        found["previous"] = values.take(windows.high - 2, mode="clip")
    if measures & (Measure.SQUARES | Measure.LINE):
        of_values = _distances(values, 0, mean(count, found["total"], found["lost"]))
        if measures & Measure.SQUARES:
            found["squares"] = slim(_sum_of_products(windows, of_values, of_values))
        if measures & Measure.LINE:
            elapsed = _elapsed(shared, first_at)
            middle = elapsed / np.maximum(shared.counts, 1) / 1e3
            of_clocks = _distances(windows.timestamps, first_at, middle, 1e3)
            of_times = _distances(windows.timestamps, found["first_at"], windows.spread(middle), 1e3)
            found["elapsed"] = windows.spread(elapsed)
            found["spread"] = windows.spread(_sum_of_products(shared, of_clocks, of_clocks))
            found["products"] = slim(_sum_of_products(windows, of_times, of_values))
    return found


def mean(count: Index, total: Floats, lost: Floats) -> Floats:
    """The mean of values whose compensated sum is given, the same however that is split in two; 0 where there are none."""
    counts = np.maximum(count, 1)
    whole = total + lost
    rest = np.where(np.isfinite(whole), (total - whole) + lost, 0.0)
    found: Floats = whole / counts + rest / counts
    return found


def _vast(windows: Windows) -> Mask:
    sizes = np.abs(windows.values)
    if float(sizes.max(initial=0.0)) < VAST:
        return NO_FLAG
    until = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum((sizes >= VAST) & np.isfinite(sizes), out=until[1:])
    return slim(until.take(windows.high) > until.take(windows.low))


def _elapsed(windows: Windows, first_at: Times) -> Index:
    # From the column's first time on: sums of milliseconds since 1970 would leave int64 with some millions of samples.
    timestamps = windows.timestamps
    origin = int(timestamps.min(initial=int(timestamps[0])))
    until = np.zeros(len(timestamps) + 1, np.int64)
    np.cumsum(timestamps - origin, out=until[1:])
    elapsed: Index = until.take(windows.high) - until.take(windows.low) - windows.counts * (first_at - origin)
    return elapsed


_Distances = Callable[[Columns], Callable[[int, int], Floats]]


def _distances(column: NDArray[Any], origins: NDArray[Any] | int, centres: Floats, unit: float = 1.0) -> _Distances:
    """How far the samples of a column, counted from their windows' origins in a unit, are from the windows' centres."""

    def of(columns: Columns) -> Callable[[int, int], Floats]:
        origin, centre = columns.arranged(np.asarray(origins)), columns.arranged(centres)

        def distance(nth: int, holding: int) -> Floats:
            found: Floats = (columns.take(column, nth, holding) - origin[:holding]) / unit - centre[:holding]
            return found

        return distance

    return of


def _sum_of_products(windows: Windows, one: _Distances, other: _Distances) -> Floats:
    columns = Columns(windows)
    left = one(columns)
    right = left if other is one else other(columns)

    def terms(nth: int, holding: int) -> Floats:
        distance = left(nth, holding)
        return distance * (distance if right is left else right(nth, holding))

    sums, lost = totals(columns, terms, quick_increment)
    return columns.restored(sums + lost)
