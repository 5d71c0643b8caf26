"""What rules write and later rules read: a store that grows instant by instant, beside the one the samples come from.

A series is written in ascending time, as Prometheus' own store has it: the newest sample may be repeated, not changed, and nothing is
written before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from rules.alerts import Labels
from rules.promql.ast import Matcher, MatchOp
from rules.promql.labels import METRIC_NAME, LabelFrame
from rules.promql.matchers import predicate
from rules.promql.storage import Storage, fragment, matching_rows
from rules.promql.values import Floats, Index, InstantVector, Mask, SeriesSet, Times, is_stale

_NO_ROWS = np.empty(0, np.int64)
_NEVER = 1 << 62
_KNOWN_PLACES = 64

LONG_AGO = -(1 << 62)
"""Before all samples, ms."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes a series: the position of the rule among all, and how far behind its instants the samples are dated.

    A negative position is no rule's: what was written by one that is gone.
    """

    position: int
    query_offset_ms: int = 0


class _Table:
    """The series of one metric name: a row each in matrices of times and values, filled from the left."""

    def __init__(self) -> None:
        self.rows: dict[Labels, int] = {}
        self.writers: list[Writer] = []
        self.times = np.zeros((0, 8), np.int64)
        self.values = np.zeros((0, 8))
        self.counts = np.zeros(0, np.int64)
        self._frame: LabelFrame | None = None
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
            self.writers.extend([writer] * added)
            width = self.times.shape[1]
            self.times = np.concatenate((self.times, np.zeros((added, width), np.int64)))
            self.values = np.concatenate((self.values, np.zeros((added, width))))
            self.counts = np.concatenate((self.counts, np.zeros(added, np.int64)))
            self._frame = None
        if self._unwritten and writer.position >= 0:
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
        self._unwritten = any(writer.position < 0 for writer in self.writers)

    def append(self, rows: Index, times: Times, values: Floats, mask: Mask) -> None:
        """Add ``values[i, t]`` where ``mask[i, t]`` to row ``rows[i]``, all different."""
        self._plain = None
        if self._one_clock and not (len(rows) == len(self.rows) and mask.all()):
            self._one_clock = False
        counts = self.counts[rows]
        if mask.shape[1] == 1 and mask.all():
            # One instant and all the series: what there is most of.
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
        times, values, mask = self.times[alive], self.values[alive], kept[alive]
        self.counts = mask.sum(axis=1, dtype=np.int64)
        order = np.argsort(~mask, axis=1, kind="stable")
        self.times = np.take_along_axis(times, order, 1)
        self.values = np.take_along_axis(values, order, 1)
        self.rows = {names[row]: number for number, row in enumerate(alive.tolist())}
        self.writers = [self.writers[row] for row in alive.tolist()]
        self._frame, self._plain, self._places = None, None, {}

    def rewind(self, time_ms: int, writers: Collection[int] | None = None) -> None:
        """Forget what its writers, or those at some positions, wrote at instants after a time, and series that have nothing left."""
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


class Recorded:
    """All series that rules have written; grows with every evaluation until it is pruned."""

    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}

    def append(
        self, writer: Writer, name: str, series: Sequence[Labels], times: Times, values: Floats, mask: Mask
    ) -> None:
        """Add samples that come after all that their series have.

        Args:
            writer: the rule.
            name: the metric's, of all the series.
            series: label sets, all different.
            times: ``[T]`` ascending, milliseconds.
            values: ``[n, T]``; staleness markers too.
            mask: ``[n, T]``, where there is a sample.
        """
        filled = np.flatnonzero(mask.any(axis=1)).tolist()
        if len(filled) < len(series):
            series, values, mask = [series[row] for row in filled], values[filled], mask[filled]
        if filled:
            table = self._tables.setdefault(name, _Table())
            table.append(table.find(series, writer), times, values, mask)

    def last(self, name: str, labels: Labels) -> tuple[int, float] | None:
        """Time and value of the newest sample of a series; None if there is none."""
        times, values = self.newest(name, [labels])
        return None if times[0] == LONG_AGO else (int(times[0]), float(values[0]))

    def newest(self, name: str, series: Sequence[Labels]) -> tuple[Times, Floats]:
        """Times and values of the newest samples of series of a metric, ``[n]`` each; the time is :data:`LONG_AGO` where there is none."""
        table = self._tables.get(name)
        if table is None:
            return np.full(len(series), LONG_AGO), np.zeros(len(series))
        return table.newest(series)

    def prune(self, before_ms: int) -> None:
        """Forget all samples dated before a time."""
        for table in self._tables.values():
            table.prune(before_ms)
        self._tables = {name: table for name, table in self._tables.items() if table.rows}

    def rewind(self, time_ms: int, writers: Collection[int] | None = None) -> None:
        """Forget what rules wrote at instants after a time, as if they had not been evaluated yet.

        Args:
            time_ms: the time.
            writers: the positions of the rules; None: all.
        """
        for table in self._tables.values():
            table.rewind(time_ms, writers)
        self._tables = {name: table for name, table in self._tables.items() if table.rows}

    def hand_over(self, successor: Callable[[str, Writer], Writer]) -> None:
        """Let other rules go on with the series: ``successor`` gives who writes one from now on, from its metric name and its writer until now."""
        for name, table in self._tables.items():
            table.hand_over(partial(successor, name))

    def series(
        self, after_ms: int | None = None, writers: Collection[int] | None = None
    ) -> Iterator[tuple[Labels, Writer, Times, Floats]]:
        """Every series with its writer, times and values.

        Args:
            after_ms: only what was written at instants after this time.
            writers: only what the rules at these positions wrote.
        """
        for table in self._tables.values():
            for labels, row in table.rows.items():
                count, writer = table.counts[row], table.writers[row]
                if writers is not None and writer.position not in writers:
                    continue
                times = table.times[row, :count]
                bound = None if after_ms is None else after_ms - writer.query_offset_ms
                first = 0 if bound is None else int(np.searchsorted(times, bound, side="right"))
                if first < count:
                    yield labels, writer, times[first:].copy(), table.values[row, first:count].copy()

    def select(self, matchers: Sequence[Matcher], *, stale: bool) -> Iterator[tuple[SeriesSet, list[Writer]]]:
        """The series that fit, and who writes each."""
        wanted = next((each.value for each in matchers if each.name == METRIC_NAME and each.op is MatchOp.EQUAL), None)
        if wanted is not None:
            names = [wanted] if wanted in self._tables else []
        else:
            tests = [predicate(each) for each in matchers if each.name == METRIC_NAME]
            names = [name for name in self._tables if all(test(name) for test in tests)]
        for name in names:
            table = self._tables[name]
            found, rows = table.select(matchers, stale=stale)
            if found.size:
                yield found, [table.writers[row] for row in rows.tolist()]


@dataclass(frozen=True, slots=True)
class Combined:
    """The samples that came in and those that rules wrote, as one store."""

    source: Storage
    recorded: Recorded

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, stale: bool) -> SeriesSet:
        """See :class:`rules.promql.storage.Storage`."""
        parts = [found for found, _ in self.recorded.select(matchers, stale=stale)]
        return joined([self.source.select(matchers, start_ms, end_ms, stale=stale), *parts])

    def fragment(self, number: int, times: Times) -> InstantVector:
        """See :class:`rules.promql.storage.FragmentStorage`; shards know nothing of what rules write."""
        return fragment(self.source, number, times)


@dataclass(frozen=True, slots=True)
class View:
    """What a rule can see when its turn comes at an instant: the samples up to the instant, and of what rules write, what they have written by then.

    Attributes:
        position: of the rule; those before it have had their turn at this instant.
        time_ms: the instant.
    """

    source: Storage
    recorded: Recorded
    position: int
    time_ms: int

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, stale: bool) -> SeriesSet:
        """See :class:`rules.promql.storage.Storage`."""
        until = min(end_ms, self.time_ms)
        came = self.source.select(matchers, min(start_ms, until), until, stale=stale)
        parts = [_cut(came, [self.time_ms] * came.size)]
        for found, writers in self.recorded.select(matchers, stale=stale):
            bounds = [self.time_ms - each.query_offset_ms - (each.position >= self.position) for each in writers]
            parts.append(_cut(found, bounds))
        return joined(parts)

    def fragment(self, number: int, times: Times) -> InstantVector:
        """See :class:`rules.promql.storage.FragmentStorage`; shards evaluate at an instant only what is dated up to it."""
        return fragment(self.source, number, times)


def _cut(series: SeriesSet, bounds: Sequence[int]) -> SeriesSet:
    """Only the samples at or before a time, one a series; series that have none are left out."""
    if not series.size:
        return series
    distinct = sorted(set(bounds))
    ends = series.positions(np.array(distinct, np.int64))
    columns = np.searchsorted(distinct, bounds)
    ends = ends[np.arange(series.size), columns]
    clocks = series.clocks if len(distinct) == 1 else np.arange(series.size, dtype=np.int64)
    cut = SeriesSet(series.labels, series.timestamps, series.values, series.begin, ends, clocks)
    filled = ends > series.begin
    return cut if filled.all() else cut.take(np.flatnonzero(filled))


def joined(parts: Sequence[SeriesSet]) -> SeriesSet:
    """All series of several stores; the samples of one that is in two of them are put in order."""
    filled = [part for part in parts if part.size]
    if len(filled) < 2:
        return filled[0] if filled else parts[0]
    labels = LabelFrame.concat([part.labels for part in filled])
    picks = [_samples(part) for part in filled]
    times = np.concatenate([part.timestamps[pick] for part, pick in zip(filled, picks, strict=True)])
    values = np.concatenate([part.values[pick] for part, pick in zip(filled, picks, strict=True)])
    lengths = np.concatenate([part.end - part.begin for part in filled])
    owner = np.repeat(np.arange(labels.size), lengths)
    group, first = labels.groups()
    if len(first) == labels.size:
        ends = np.cumsum(lengths)
        clocks, shift = [], 0
        for part in filled:
            clocks.append(part.clocks + shift)
            shift += int(part.clocks.max()) + 1
        return SeriesSet(labels, times, values, ends - lengths, ends, np.concatenate(clocks))
    order = np.lexsort((times, group[owner]))
    sizes = np.bincount(group[owner], minlength=len(first))
    ends = np.cumsum(sizes)
    own_clocks = np.arange(len(first), dtype=np.int64)
    return SeriesSet(labels.take(first), times[order], values[order], ends - sizes, ends, own_clocks)


def _samples(part: SeriesSet) -> Index:
    lengths = part.end - part.begin
    starts = np.cumsum(lengths) - lengths
    return np.repeat(part.begin - starts, lengths) + np.arange(int(lengths.sum()), dtype=np.int64)
