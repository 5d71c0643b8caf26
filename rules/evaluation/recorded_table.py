"""The series that rules have written under one metric name, as matrices that grow to the right."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from rules.evaluation.alerts import Labels
from rules.promql.labels import LabelFrame
from rules.promql.search import places
from rules.promql.storage import matching_rows
from rules.promql.syntax.ast import Matcher
from rules.promql.values import Floats, Index, Mask, SeriesSet, Times, is_stale
from schemas.times import LONG_AGO

_NO_ROWS = np.empty(0, np.int64)
_NEVER = 1 << 62
_KNOWN_PLACES = 64


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes a series: the position of the rule among all, and how far behind its evaluation times the samples are dated.

    A negative position is no rule's: what was written by one that is gone.
    """

    position: int
    query_offset_ms: int = 0


class Table:
    """The series of one metric name: a row each in matrices of times and values, filled from the left."""

    def __init__(self) -> None:
        self.rows: dict[Labels, int] = {}
        self.writers: list[Writer] = []
        self.times = np.zeros((0, 8), np.int64)
        self.values = np.zeros((0, 8))
        self.counts = np.zeros(0, np.int64)
        self._frame: LabelFrame | None = None
        self._labels: tuple[Labels, ...] | None = None
        self._bounds_ms: Index | None = None
        self._plain: SeriesSet | None = None
        self._any_stale = False
        self._one_clock = True
        self._unwritten = False
        self._places: dict[int, tuple[Sequence[Labels], Index]] = {}

    def frame(self) -> LabelFrame:
        if self._frame is None:
            self._frame = LabelFrame.of([dict(labels) for labels in self.rows])
        return self._frame

    def find(self, series: Sequence[Labels], writer: Writer) -> Index:
        """The rows of series, which are made where there are none."""
        found = self.places(series)
        if found.size and found.min() < 0:
            before = len(self.rows)
            found = np.array([self.rows.setdefault(labels, len(self.rows)) for labels in series], np.int64)
            added = len(self.rows) - before
            self._places = {}
        else:
            added = 0
        if added:
            self._one_clock = self._one_clock and not self.counts.any()
            self._labels, self._bounds_ms = None, None
            self.writers.extend([writer] * added)
            width = self.times.shape[1]
            self.times = np.concatenate((self.times, np.zeros((added, width), np.int64)))
            self.values = np.concatenate((self.values, np.zeros((added, width))))
            self.counts = np.concatenate((self.counts, np.zeros(added, np.int64)))
            self._frame = None
        if self._unwritten and writer.position >= 0:
            self._bounds_ms = None
            for row in found.tolist():
                self.writers[row] = writer
        self._unwritten = self._unwritten or (added > 0 and writer.position < 0)
        return found

    def places(self, series: Sequence[Labels]) -> Index:
        """The rows of series; -1 where there is none."""
        known = self._places.get(id(series))
        if known is not None and known[0] is series:
            return known[1]
        found = np.array([self.rows.get(labels, -1) for labels in series], np.int64)
        if isinstance(series, tuple):
            # Whoever writes the same series again and again names them by the same tuple.
            if len(self._places) >= _KNOWN_PLACES:
                self._places = {}
            self._places[id(series)] = series, found
        return found

    def newest(self, series: Sequence[Labels]) -> tuple[Times, Floats]:
        """Times and values of the newest samples of series; :data:`LONG_AGO` where there is none."""
        rows = self.places(series)
        last = self.counts[rows] - 1
        there = (rows >= 0) & (last >= 0)
        return np.where(there, self.times[rows, last], LONG_AGO), self.values[rows, last]

    def hand_over(self, successor: Callable[[Writer], Writer]) -> None:
        self.writers = [successor(writer) for writer in self.writers]
        self._bounds_ms = None
        self._unwritten = any(writer.position < 0 for writer in self.writers)

    def append(self, rows: Index, times: Times, values: Floats, mask: Mask) -> None:
        """Add ``values[i, t]`` where ``mask[i, t]`` to row ``rows[i]``, all different."""
        self._plain = None
        if self._one_clock and not (len(rows) == len(self.rows) and mask.all()):
            self._one_clock = False
        counts = self.counts[rows]
        if mask.shape[1] == 1 and mask.all():
            # One evaluation time and all the series: what there is most of.
            self._reserve(int(counts.max(initial=-1)) + 1)
            self.times[rows, counts], self.values[rows, counts] = times[0], values[:, 0]
            self.counts[rows] = counts + 1
            self._any_stale = self._any_stale or bool(is_stale(values).any())
            return
        added = mask.sum(axis=1, dtype=np.int64)
        self._reserve(int((counts + added).max(initial=0)))
        places = (counts[:, None] + np.cumsum(mask, axis=1, dtype=np.int64) - 1)[mask]
        at = np.broadcast_to(rows[:, None], mask.shape)[mask]
        self.times[at, places] = np.broadcast_to(times, mask.shape)[mask]
        self.values[at, places] = values[mask]
        self.counts[rows] += added
        self._any_stale = self._any_stale or bool(is_stale(values[mask]).any())

    def since(self, after_ms: int) -> Index:
        """Of each row, the place of its first sample that was written at an evaluation time after a time; its count if there is none."""
        if self._bounds_ms is None:
            offsets = np.array([writer.query_offset_ms for writer in self.writers], np.int64)
            self._bounds_ms = offsets[:1] if len(set(offsets.tolist())) == 1 else offsets
        before = self.times <= (after_ms - self._bounds_ms)[:, None]
        before &= np.arange(self.times.shape[1]) < self.counts[:, None]
        count: Index = np.count_nonzero(before, axis=1).astype(np.int64)
        return count

    def labels(self) -> tuple[Labels, ...]:
        """The label sets of the rows: the same object until there are others."""
        if self._labels is None:
            self._labels = tuple(self.rows)
        return self._labels

    def written(self, after_ms: int) -> tuple[Index, Times, Floats]:
        """The samples that were written at evaluation times after a time: the row, time and value of each, by rows and then times."""
        firsts = self.since(after_ms)
        first, count = int(firsts[0]), int(self.counts[0])
        if self._one_clock and (firsts == first).all() and (self.counts == count).all():
            new = slice(first, count)
            return (
                np.repeat(np.arange(len(firsts)), count - first),
                self.times[:, new].ravel(),
                self.values[:, new].ravel(),
            )
        sizes = self.counts - firsts
        width = self.times.shape[1]
        at = places(np.arange(len(firsts)) * width + firsts, sizes)
        return np.repeat(np.arange(len(firsts)), sizes), self.times.ravel()[at], self.values.ravel()[at]

    def select(self, matchers: Sequence[Matcher], *, stale: bool) -> tuple[SeriesSet, Index]:
        """The series that fit, and their rows."""
        if not self.rows:
            return self._series(stale), _NO_ROWS
        series = self._series(stale)
        rows = np.flatnonzero(matching_rows(series.labels, matchers) & (series.end > series.begin))
        return (series if len(rows) == series.size else series.take(rows)), rows

    def prune(self, before_ms: int) -> None:
        """Forget samples dated before a time, and series that have none left."""
        filled = np.arange(self.times.shape[1]) < self.counts[:, None]
        kept = filled & (self.times >= before_ms)
        alive = np.flatnonzero(kept.any(axis=1))
        names = list(self.rows)
        if len(alive) < len(names):
            self._labels, self._bounds_ms = None, None
        times, values, mask = self.times[alive], self.values[alive], kept[alive]
        self.counts = mask.sum(axis=1, dtype=np.int64)
        order = np.argsort(~mask, axis=1, kind="stable")
        self.times = np.take_along_axis(times, order, 1)
        self.values = np.take_along_axis(values, order, 1)
        self.rows = {names[row]: number for number, row in enumerate(alive.tolist())}
        self.writers = [self.writers[row] for row in alive.tolist()]
        self._frame, self._plain, self._places = None, None, {}

    def seen(self, time_ms: int, reach_ms: int, but: Collection[int]) -> int | None:
        """The first time, from the given one on, that lies less than ``reach_ms`` after a sample of other writers than ``but``; None if none does."""
        rows = [row for row, writer in enumerate(self.writers) if writer.position not in but]
        filled = np.arange(self.times.shape[1]) < self.counts[rows, None]
        times = self.times[rows][filled]
        times = times[times + reach_ms > time_ms]
        return max(time_ms, int(times.min())) if len(times) else None

    def rewind(self, time_ms: int, writers: Collection[int] | None = None) -> None:
        """Forget what its writers, or those at some positions, wrote at evaluation times after a time, and series that have nothing left."""
        again = [writers is None or writer.position in writers for writer in self.writers]
        if not any(again):
            return
        bounds = np.array(
            [
                time_ms - writer.query_offset_ms if chosen else _NEVER
                for writer, chosen in zip(self.writers, again, strict=True)
            ],
            np.int64,
        )
        filled = np.arange(self.times.shape[1]) < self.counts[:, None]
        self.counts = (filled & (self.times <= bounds[:, None])).sum(axis=1, dtype=np.int64)
        self._plain = None
        self._one_clock = self._one_clock and len(set(bounds.tolist())) < 2
        if not self.counts.all():
            self._keep(np.flatnonzero(self.counts))

    def _keep(self, rows: Index) -> None:
        names = list(self.rows)
        self._labels, self._bounds_ms = None, None
        self.times, self.values, self.counts = self.times[rows], self.values[rows], self.counts[rows]
        self.rows = {names[row]: number for number, row in enumerate(rows.tolist())}
        self.writers = [self.writers[row] for row in rows.tolist()]
        self._frame, self._places = None, {}

    def _reserve(self, width: int) -> None:
        missing = width - self.times.shape[1]
        if missing > 0:
            more = ((0, 0), (0, max(missing, self.times.shape[1])))
            self.times, self.values = np.pad(self.times, more), np.pad(self.values, more)

    def _series(self, stale: bool) -> SeriesSet:
        size, width = self.times.shape
        clocks = np.zeros(size, np.int64) if self._one_clock else np.arange(size, dtype=np.int64)
        if stale or not self._any_stale:
            begin = np.arange(size, dtype=np.int64) * width
            ends = begin + self.counts
            return SeriesSet(self.frame(), self.times.ravel(), self.values.ravel(), begin, ends, clocks)
        if self._plain is None:
            kept = (np.arange(width) < self.counts[:, None]) & ~is_stale(self.values)
            counts = kept.sum(axis=1, dtype=np.int64)
            ends = np.cumsum(counts)
            clocks = np.arange(size, dtype=np.int64)
            self._plain = SeriesSet(self.frame(), self.times[kept], self.values[kept], ends - counts, ends, clocks)
        return self._plain
