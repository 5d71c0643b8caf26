"""What expressions evaluate to: columns over all series and all instants at once.

``T`` is the number of instants of the evaluation, ``n`` the number of series. Presence is a mask of its own, because NaN is an
ordinary sample value in PromQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.promql.labels import METADATA, Column, LabelFrame
from rules.promql.search import bisect_right, places, renumbered

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Times = NDArray[np.int64]
Index = NDArray[np.int64]

STALE_BITS = np.uint64(0x7FF0000000000002)
"""The one NaN that marks the end of a series (``value.StaleNaN`` of Prometheus); any other NaN is a value."""

_MANY_INSTANTS = 16

STALE = np.array([STALE_BITS]).view(np.float64)[0]


def is_stale(values: Floats) -> Mask:
    """Which of the values are staleness markers; their bits distinguish them from other NaNs."""
    found: Mask = np.ascontiguousarray(values).view(np.uint64) == STALE_BITS
    return found


@dataclass(frozen=True, slots=True)
class String:
    """A string literal."""

    value: str


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number at each instant: ``values[T]``."""

    values: Floats


@dataclass(frozen=True, slots=True)
class InstantVector:
    """An instant vector at each instant.

    Attributes:
        labels: one row a series.
        values: ``[n, T]``; undefined where not present.
        present: ``[n, T]``.
        drop_name: ``[n]``, the series whose metric name is yet to be dropped (delayed name removal), or None for none of them.
    """

    labels: LabelFrame
    values: Floats
    present: Mask
    drop_name: Mask | None = None

    @classmethod
    def empty(cls, instants: int) -> InstantVector:
        """No series at ``instants`` instants."""
        return cls(LabelFrame.empty(), np.empty((0, instants)), np.empty((0, instants), np.bool_))

    @property
    def size(self) -> int:
        return self.labels.size

    def take(self, rows: Index) -> InstantVector:
        """The given series, in the given order."""
        dropped = None if self.drop_name is None else self.drop_name[rows]
        return InstantVector(self.labels.take(rows), self.values[rows], self.present[rows], dropped)

    def compact(self) -> InstantVector:
        """Without the series that are present at no instant."""
        alive = self.present.any(axis=1)
        return self if alive.all() else self.take(np.flatnonzero(alive))

    def visible_labels(self) -> LabelFrame:
        """The labels with pending name removals carried out."""
        if self.drop_name is None or not self.drop_name.any():
            return self.labels
        if self.drop_name.all():
            return self.labels.drop(METADATA)
        labels = self.labels
        for name in METADATA:
            if name in labels.columns:
                column = labels.columns[name]
                values = (*column.values, "")
                codes = np.where(self.drop_name, np.int32(len(column.values)), column.codes)
                labels = labels.with_column(name, Column(codes, values).recoded(values))
        return labels


@dataclass(frozen=True, slots=True)
class SeriesSet:
    """Samples of ``n`` series, as views into flat columns: nothing is copied to select from a store.

    Attributes:
        labels: one row a series.
        timestamps: flat, milliseconds, ascending within a series.
        values: flat, beside ``timestamps``.
        begin: ``[n]``, index of each series' first sample.
        end: ``[n]``, index after each series' last sample.
        clocks: ``[n]``, a number that series share which have the very same timestamps (one scrape yields many series),
            so that a window is looked up once for all of them. Numbers are dense from 0.
    """

    labels: LabelFrame
    timestamps: Times
    values: Floats
    begin: Index
    end: Index
    clocks: Index

    @property
    def size(self) -> int:
        return self.labels.size

    def take(self, rows: Index) -> SeriesSet:
        """The given series, in the given order."""
        clocks, _ = renumbered(self.clocks[rows])
        return SeriesSet(self.labels.take(rows), self.timestamps, self.values, self.begin[rows], self.end[rows], clocks)

    def positions(self, bounds: Times) -> Index:
        """``[n, B]``: the index after the last sample at or before each of the ``B`` bounds."""
        if not self.size:
            return np.empty((0, len(bounds)), np.int64)
        clocks, leaders = renumbered(self.clocks)
        begin = self.begin[leaders]
        found = bisect_right(self.timestamps, begin, self.end[leaders], bounds)
        if self.size == len(leaders):
            return found
        return (found - begin[:, None])[clocks] + self.begin[:, None]


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of some series of a range vector: window ``[i, t]`` holds the samples ``[low[i, t], high[i, t])`` of the flat columns.

    Unless they were left whole, the columns hold little else than these windows' samples, so what is worked out for every sample
    of them is not wasted.

    Attributes:
        low: ``[n, T]``, not descending along ``T``.
        high: ``[n, T]``, likewise.
        starts: ``[T]``, milliseconds, exclusive (Prometheus 3: ranges are left-open).
        ends: ``[T]``, inclusive.
        clocks: ``[n]``, dense numbers that rows share whose samples have the very same timestamps.
        leaders: ``[C]``, a row of each clock: what depends on time alone is worked out for these, then :meth:`spread`.
    """

    timestamps: Times
    values: Floats
    low: Index
    high: Index
    starts: Times
    ends: Times
    clocks: Index
    leaders: Index

    @property
    def counts(self) -> Index:
        """Samples per window."""
        return self.high - self.low

    def of_clocks(self) -> Windows:
        """The windows of one row per clock."""
        if len(self.leaders) == len(self.low):
            return self
        every = np.arange(len(self.leaders), dtype=np.int64)
        low, high = self.low[self.leaders], self.high[self.leaders]
        return Windows(self.timestamps, self.values, low, high, self.starts, self.ends, every, every)

    def spread(self, of_clocks: NDArray[Any]) -> NDArray[Any]:
        """``[C, T]`` of the clocks as ``[n, T]`` of the rows, or as ``[1, T]`` when all share one."""
        return of_clocks if len(of_clocks) in (1, len(self.low)) else of_clocks[self.clocks]


@dataclass(frozen=True, slots=True)
class RangeVector:
    """A range vector at each instant, its windows looked up when they are asked for.

    Windows need not be of one width, nor evenly spaced: those of a part of a range may share a start, or an end.

    Attributes:
        series: the samples, without staleness markers.
        starts: ``[T]`` exclusive lower bounds, ms, not descending.
        ends: ``[T]`` inclusive upper bounds, ms, not descending.
        drop_name: as in :class:`InstantVector`.
    """

    series: SeriesSet
    starts: Times
    ends: Times
    drop_name: Mask | None = None

    @property
    def size(self) -> int:
        return self.series.size

    @property
    def pinned(self) -> bool:
        """Whether there are several instants, and one window for all of them, as with ``@``."""
        return len(self.ends) > 1 and all((bound == bound[0]).all() for bound in (self.starts, self.ends))

    def windows(self, rows: slice | Index = slice(None), *, whole: bool = False) -> Windows:
        """The windows of some of the series; in columns left ``whole``, for what reads but a sample or two of each."""
        series = self.series
        begin, end = series.begin[rows], series.end[rows]
        clocks, leaders = renumbered(series.clocks[rows])
        first = begin[leaders]
        low, high = self._bounds(first, end[leaders])
        if len(leaders) < len(begin):
            low, high = ((found - first[:, None])[clocks] + begin[:, None] for found in (low, high))
        if whole and len(series.values):
            return Windows(series.timestamps, series.values, low, high, self.starts, self.ends, clocks, leaders)
        timestamps, values, shift = _narrowed(series, low[:, 0], high[:, -1])
        return Windows(timestamps, values, low + shift, high + shift, self.starts, self.ends, clocks, leaders)

    def _bounds(self, begin: Index, end: Index) -> tuple[Index, Index]:
        timestamps, starts, ends = self.series.timestamps, self.starts, self.ends
        instants = len(ends)
        if instants < _MANY_INSTANTS:
            both = bisect_right(timestamps, begin, end, np.concatenate((starts, ends)))
            return both[:, :instants], both[:, instants:]
        ahead = int(np.searchsorted(starts, ends[0]))
        if ahead < instants and np.array_equal(starts[ahead:], ends[: instants - ahead]):
            # Where a window starts, an earlier one ends.
            both = bisect_right(timestamps, begin, end, np.concatenate((starts[:ahead], ends)))
            return both[:, :instants], both[:, ahead:]
        return bisect_right(timestamps, begin, end, starts), bisect_right(timestamps, begin, end, ends)

    def chunks(self, cells: int = 1 << 17) -> Iterator[tuple[slice, Windows]]:
        """The windows of all series, a slice of series at a time: about ``cells`` windows each, which fit the processor's caches."""
        for part in self._slices(cells):
            yield part, self.windows(part)

    def chunks_by_clock(self, cells: int = 1 << 17, *, whole: bool = False) -> Iterator[tuple[slice | Index, Windows]]:
        """As :meth:`chunks`, but series that share a clock come together, so that less is looked up twice."""
        clocks = self.series.clocks
        if int(clocks.max(initial=0)) * 2 > self.size or (clocks[1:] >= clocks[:-1]).all():
            for part in self._slices(cells):
                yield part, self.windows(part, whole=whole)
            return
        order = np.argsort(clocks, kind="stable")
        for part in self._slices(cells):
            yield order[part], self.windows(order[part], whole=whole)

    def _slices(self, cells: int) -> Iterator[slice]:
        rows = max(1, cells // max(len(self.starts), 1))
        for first in range(0, self.size, rows):
            yield slice(first, min(first + rows, self.size))


def _narrowed(series: SeriesSet, first: Index, last: Index) -> tuple[Times, Floats, Index]:
    """Columns of the samples ``[first, last)`` of each row and little else, and what to add to an index to find it there."""
    sizes = last - first
    total = int(sizes.sum())
    if not total:
        # One sample that no window holds, so that looking at a place always finds something.
        return np.zeros(1, np.int64), np.zeros(1), -first[:, None]
    begin, end = int(first.min()), int(last.max())
    if end - begin <= 2 * total + 64:
        return series.timestamps[begin:end], series.values[begin:end], np.array([[-begin]])
    wanted = places(first, sizes)
    shift = np.cumsum(sizes) - sizes - first
    return series.timestamps[wanted], series.values[wanted], shift[:, None]


Value = InstantVector | RangeVector | Scalar | String
