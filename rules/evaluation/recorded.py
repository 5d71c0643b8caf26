"""What rules write and later rules read: a store that grows evaluation time by evaluation time, beside the one the samples come from.

A series is written in ascending time, as Prometheus' own store has it: the newest sample may be repeated, not changed, and nothing is
written before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from rules.evaluation.alerts import Labels
from rules.evaluation.recorded_table import Table, Writer
from rules.promql.labels import METRIC_NAME, LabelFrame
from rules.promql.matchers import predicate
from rules.promql.storage import Storage, fragment
from rules.promql.syntax.ast import Matcher, MatchOp
from rules.promql.values import Floats, Index, InstantVector, Mask, SeriesSet, Times
from schemas.times import LONG_AGO

__all__ = ["Combined", "Recorded", "View", "Writer", "joined"]


class Recorded:
    """All series that rules have written; grows with every evaluation until it is pruned."""

    def __init__(self) -> None:
        self._tables: dict[str, Table] = {}

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
        if not mask.all():
            filled = np.flatnonzero(mask.any(axis=1)).tolist()
            if len(filled) < len(series):
                series, values, mask = [series[row] for row in filled], values[filled], mask[filled]
        if series:
            table = self._tables.setdefault(name, Table())
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

    def seen(self, time_ms: int, reach_ms: int, but: Collection[int] = ()) -> int | None:
        """The first time, from the given one on, at which a rule that reads so far back may see what rules wrote; None if there is none.

        Args:
            time_ms: the earliest answer.
            reach_ms: a sample is seen for less than this.
            but: the positions of rules whose samples do not matter.
        """
        found = (table.seen(time_ms, reach_ms, but) for table in self._tables.values())
        return min((each for each in found if each is not None), default=None)

    def prune(self, before_ms: int) -> None:
        """Forget all samples dated before a time."""
        for table in self._tables.values():
            table.prune(before_ms)
        self._tables = {name: table for name, table in self._tables.items() if table.rows}

    def rewind(self, time_ms: int, writers: Collection[int] | None = None) -> None:
        """Forget what rules wrote at evaluation times after a time, as if they had not been evaluated yet.

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
            after_ms: only what was written at evaluation times after this time.
            writers: only what the rules at these positions wrote.
        """
        for table in self._tables.values():
            firsts = np.zeros(len(table.rows), np.int64) if after_ms is None else table.since(after_ms)
            begin = int(firsts.min(initial=table.times.shape[1]))
            # One copy of all that is new, which later writing leaves alone.
            times, values = table.times[:, begin:].copy(), table.values[:, begin:].copy()
            for (labels, row), writer, first, count in zip(
                table.rows.items(), table.writers, firsts.tolist(), table.counts.tolist(), strict=True
            ):
                if first < count and (writers is None or writer.position in writers):
                    some = slice(first - begin, count - begin)
                    yield labels, writer, times[row, some], values[row, some]

    def written(self, after_ms: int) -> Iterator[tuple[tuple[Labels, ...], Index, Times, Floats]]:
        """What was written at evaluation times after a time, metric by metric: label sets, and which of them, the time and the value of each sample.

        The label sets are the same object as last time if they are the same.
        """
        for table in self._tables.values():
            rows, times, values = table.written(after_ms)
            if len(rows):
                yield table.labels(), rows, times, values

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
    """What a rule can see when its turn comes at an evaluation time: the samples up to it, and what rules have written by then.

    Attributes:
        position: of the rule; those before it have had their turn at this evaluation time.
        time_ms: the evaluation time.
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
        """See :class:`rules.promql.storage.FragmentStorage`; shards evaluate at an evaluation time only what is dated up to it."""
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
