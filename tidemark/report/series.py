"""Stored rows as lines to draw: one column of numbers for each series and statistic, on one grid of windows for each tier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.batch import Float64, Int64
from schemas.series import parse_labels, parse_metric
from tidemark.report.lateness import late


@dataclass(frozen=True)
class Line:
    """One series of one tier, a number for each window of the grid, NaN where there is none.

    Attributes:
        metric, target: canonical texts.
        value: a gauge's average; a counter's rate a second since the window before.
        low, high: least and greatest sample of a gauge's window; None for counters.
        late: windows (indices of the grid) that late samples changed, and how many there were.
    """

    metric: str
    target: str
    value: Float64
    low: Float64 | None
    high: Float64 | None
    late: list[tuple[int, int]] = field(default_factory=list)


MAX_WINDOWS = 100_000
"""Windows of a grid at most: one sample whose clock is wrong must not stretch it over decades. Two months of minutes."""


@dataclass(frozen=True)
class Lines:
    """All series of one tier.

    Attributes:
        start, step: of the grid's windows, ms; windows: how many.
        lines: by metric and target.
        undrawn: rows of windows that lie more than :data:`MAX_WINDOWS` before the newest.
    """

    start: int
    step: int
    windows: int
    lines: list[Line]
    undrawn: int = 0


@dataclass(frozen=True)
class RawLine:
    """The samples of one series: event times (ms) and values, a counter's as rate a second since the sample before (the first is NaN)."""

    metric: str
    target: str
    ts: Int64
    value: Float64


def metric_name(metric: str) -> str:
    """The name in a metric part's text."""
    return parse_metric(metric)[0]


def labels_of(metric: str, target: str) -> dict[str, str]:
    """All labels of a series but its name."""
    return {**parse_labels(target), **parse_metric(metric)[1]}


def increase(first: Float64, last: Float64) -> Float64:
    """What a counter gained from one value to the next; a step down is a reset to zero, and the new value is the gain."""
    step: Float64 = np.where(last >= first, last - first, last)
    return step


LateSamples = Mapping[tuple[str, str], Int64]
"""Event times (ms) of the samples that came late, by metric and target."""


def rollup_lines(table: pa.Table, step: int, counters: Collection[str], came_late: LateSamples | None = None) -> Lines:
    """The lines of a tier's rows.

    Args:
        table: rows as :func:`transforms.io.parquet.store.read_rollups` gives them, sorted by metric, target and window.
        step: length of the tier's windows, ms.
        counters: names of the metrics that are counters.
        came_late: samples that were late for this tier's windows.
    """
    window = _integers(table, "window")
    if not len(window):
        return Lines(0, step, 0, [])
    drawn = window > int(window.max()) - MAX_WINDOWS * step
    undrawn = int(np.count_nonzero(~drawn))
    if undrawn:
        table, window = table.filter(pa.array(drawn)), window[drawn]
    start = int(window.min())
    windows = int(window.max() - start) // step + 1
    lines = []
    for metric, target, rows in _runs(table):
        series = table.slice(rows.start, rows.stop - rows.start)
        place = (window[rows] - start) // step

        def on_grid(values: Float64, place: Int64 = place) -> Float64:
            grid = np.full(windows, np.nan)
            grid[place] = values
            return grid

        late_windows = ((came_late or {}).get((metric, target), window[:0]) - start) // step
        late_counts = sorted(Counter(late_windows[late_windows >= 0].tolist()).items())
        if metric_name(metric) in counters:
            lines.append(Line(metric, target, on_grid(_counter_rate(series)), None, None, late_counts))
        else:
            average = _floats(series, "sum") / _floats(series, "count")
            low, high = on_grid(_floats(series, "min")), on_grid(_floats(series, "max"))
            lines.append(Line(metric, target, on_grid(average), low, high, late_counts))
    return Lines(start, step, windows, lines, undrawn)


def late_samples(table: pa.Table, step: int, delay_ms: int) -> LateSamples:
    """The samples of raw rows (:func:`transforms.io.parquet.store.read_raw`) that were late for windows of ``step`` ms."""
    ts = _integers(table, "ts")
    behind = late(ts, _integers(table, "seq"), step, delay_ms)
    found = {(metric, target): ts[rows][behind[rows]] for metric, target, rows in _runs(table)}
    return {series: times for series, times in found.items() if len(times)}


def raw_lines(table: pa.Table, counters: Collection[str]) -> list[RawLine]:
    """The lines of raw samples, as :func:`transforms.io.parquet.store.read_raw` gives them."""
    ts, values = _integers(table, "ts"), _floats(table, "value")
    lines = []
    for metric, target, rows in _runs(table):
        value = values[rows]
        if metric_name(metric) in counters:
            seconds = np.diff(ts[rows]) / 1000
            value = np.concatenate([[np.nan], increase(value[:-1], value[1:]) / seconds])
        lines.append(RawLine(metric, target, ts[rows], value))
    return lines


def _counter_rate(rows: pa.Table) -> Float64:
    """Rate a second from each window's last sample to the next one's: exact, since neighbouring windows join by one step."""
    first, last = _floats(rows, "first"), _floats(rows, "last")
    rate = np.full(len(last), np.nan)
    gained = _floats(rows, "increase")[1:] + increase(last[:-1], first[1:])
    rate[1:] = gained / (np.diff(_integers(rows, "last_ts")) / 1000)
    return rate


def _floats(table: pa.Table, name: str) -> Float64:
    column: Float64 = table.column(name).cast(pa.float64()).to_numpy()
    return column


def _integers(table: pa.Table, name: str) -> Int64:
    column: Int64 = table.column(name).cast(pa.int64()).to_numpy()
    return column


def _runs(table: pa.Table) -> Iterator[tuple[str, str, slice]]:
    """Each series of sorted rows, and its rows."""
    if not len(table):
        return
    metric = table.column("metric").cast(pa.utf8()).combine_chunks()
    target = table.column("target").cast(pa.utf8()).combine_chunks()
    same = pc.and_(pc.equal(metric[1:], metric[:-1]), pc.equal(target[1:], target[:-1]))
    starts = [0, *(np.flatnonzero(~same.to_numpy(zero_copy_only=False)) + 1).tolist(), len(table)]
    for begin, end in pairwise(starts):
        yield metric[begin].as_py(), target[begin].as_py(), slice(begin, end)
