"""The samples that a shard holds: those of the series that rules select, as long as any of them is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rules.planning.plan import State
from rules.promql.digests.digests import Digests
from rules.promql.digests.measures import Measure
from rules.promql.labels import LabelFrame
from rules.promql.shapes import Selectors
from rules.promql.syntax import ast
from rules.promql.values import Index, RangeVector, SeriesSet, Times
from schemas import batch as batches
from schemas.batch import SampleBatch
from schemas.times import LONG_AGO
from transforms.alerts.fragments.long_ranges import Packing
from transforms.alerts.shards.chunks import scrapes, to_chunk
from transforms.alerts.shards.packed import PackedSamples, spread
from transforms.alerts.shards.samples import SampleColumns, Samples
from transforms.alerts.shards.selection import UNWANTED, Matchers, Selection
from transforms.alerts.shards.series_index import SeriesIndex

MAX_SERIES = 1_000_000
_FORGOTTEN = 100_000
_TAKEN_UP = 1_000_000
_SHARED_CELLS = 1 << 18
"""Series times windows up to which digests are kept for the next expression that asks for them: not when a job catches up."""

_NO_TIMES = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came of a batch.

    Attributes:
        samples: those of it that some rule selects, to be stored (:func:`transforms.alerts.shards.chunks.to_chunk`); None if there are none.
        times: of each sample that changed what the shard holds, ms.
        until: for each, the first evaluation time that does not see it any more, ms.
    """

    samples: SampleBatch | None
    times: Times
    until: Times

    def touched(self, times: Times) -> Times:
        """Which of the given ascending evaluation times, evaluated before the batch arrived, may have other results now."""
        first, last = np.searchsorted(times, self.times), np.searchsorted(times, self.until)
        slots = len(times) + 1
        seen = np.cumsum(np.bincount(first, minlength=slots) - np.bincount(last, minlength=slots))
        return times[seen[:-1] > 0]


_NOTHING = Arrival(None, _NO_TIMES, _NO_TIMES)


class ShardSamples:
    """A :class:`rules.promql.storage.Storage`, and a :class:`~rules.promql.storage.DigestStorage`, of the selectors that it was made with."""

    def __init__(self, states: Sequence[State], max_series: int = MAX_SERIES, packing: Packing | None = None) -> None:
        """No samples yet.

        Args:
            states: the selectors that will be asked for, and how long their samples are needed (``Cut.state``).
            max_series: how many series are kept; samples of further ones are refused.
            packing: which samples are packed.
        """
        self.refused = 0
        """How many series were refused."""
        self._max_series = max_series
        self._selection = Selection(states)
        self._packing = packing or Packing()
        self._known = 0
        self._begin_anew(LONG_AGO)

    def _begin_anew(self, packed_until_ms: int) -> None:
        self._index = SeriesIndex(self._selection, self._max_series)
        self._open = SampleColumns()
        self._packed = PackedSamples(self._index, self._packing, packed_until_ms)
        self._changed()

    def _changed(self) -> None:
        self._selected: dict[tuple[int, bool], SeriesSet] = {}
        self._empty: dict[int, bool] = {}
        self._digested: dict[tuple[int, Measure, bytes, bytes], tuple[LabelFrame, Digests]] = {}

    @property
    def found(self) -> list[Matchers]:
        """The selectors that have found series."""
        return self._index.found

    @property
    def unfound(self) -> list[Matchers]:
        """The selectors that have found none."""
        return self._index.unfound

    def labels_of(self, name: str) -> LabelFrame:
        """The labels of all series of a metric that came and that a selector may have wanted."""
        return self._index.labels_of(name)

    @property
    def names(self) -> set[str]:
        """The names of the metrics that came, wanted or not."""
        return self._index.names

    @property
    def series(self) -> int:
        """How many series have samples."""
        return int(np.count_nonzero(self._counts))

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return int(self._counts.sum())

    @property
    def nbytes(self) -> int:
        """Memory of the samples in bytes; labels are not counted."""
        return self._open.nbytes + self._packed.nbytes

    @property
    def _counts(self) -> Index:
        """Samples of each row."""
        return self._open.counts + self._packed.counts

    # What comes in.

    def add(self, batch: SampleBatch) -> Arrival:
        """Keep the samples of a batch that some rule selects. Of two with one series and time the one of the higher ``seq`` counts.

        Raises:
            ValueError: a text of the batch is no series'.
        """
        batch, rows = self._wanted(batch)
        if not len(batch):
            return _NOTHING
        self._changed()
        samples = Samples(rows, batch.ts, batch.value, batch.seq)
        late = batch.ts <= self._packed.until_ms
        if late.any() and (late := late & self._packed.takes(rows)).any():
            parts = [self._packed.put(samples.take(late))]
            if not late.all():
                parts.append(self._open.put(*samples.take(~late)))
            changed, times = (np.concatenate(each) for each in zip(*parts, strict=True))
        else:
            changed, times = self._open.put(*samples)
        return Arrival(batch, times, times + self._index.keep_ms[changed])

    def wanted(self, batch: SampleBatch) -> SampleBatch:
        """The samples of a batch that some rule selects, without keeping them.

        Raises:
            ValueError: a text of the batch is no series'.
        """
        return self._wanted(batch)[0]

    def _wanted(self, batch: SampleBatch) -> tuple[SampleBatch, Index]:
        """The samples that some rule selects, and their rows."""
        refused = self._index.refused
        rows = self._index.rows_of(batch)
        self.refused += self._index.refused - refused
        new = len(self._index.keep_ms) - len(self._open.counts)
        if new:
            self._open.add_rows(new)
        wanted = np.flatnonzero(rows != UNWANTED)
        if len(wanted) == len(batch):
            return batch, rows
        return batch.take(wanted).compact(), rows[wanted]

    # What is asked for.

    def select(self, matchers: Sequence[ast.Matcher], start_ms: int, end_ms: int, *, stale: bool) -> SeriesSet:
        """See :class:`rules.promql.storage.Storage`.

        Raises:
            ValueError: the shard does not keep the selector's samples.
        """
        number = self._number(matchers)
        if len(self._packed) and start_ms < self._packed.until_ms:
            return self._select_packed(number, start_ms, end_ms, stale=stale)
        found = self._selected.get((number, stale))
        if found is None:
            rows, labels = self._filled(number, self._open.counts)
            found = self._selected[number, stale] = self._open.series(rows, labels, stale=stale)
        return found

    def select_many(
        self, selectors: Selectors, start_ms: int, end_ms: int, range_ms: int, *, stale: bool
    ) -> tuple[SeriesSet, Index] | None:
        """See :class:`rules.promql.together.TogetherStorage`: None where packed samples, or digests, may be asked for."""
        packed = len(self._packed) and start_ms < self._packed.until_ms
        found = None if packed or range_ms >= self._packing.block_ms else self._index.many(selectors)
        if found is None:
            return None
        rows, owners, labels = found
        filled = self._open.counts[rows] > 0
        if not filled.all():
            kept = np.flatnonzero(filled)
            rows, owners, labels = rows[kept], owners[kept], labels.take(kept)
        return self._open.series(rows, labels, stale=stale), owners

    def _select_packed(self, number: int, start_ms: int, end_ms: int, *, stale: bool) -> SeriesSet:
        rows, labels = self._filled(number, self._packed.counts)
        members = self._index.members(number)
        columns = self._packed.unpacked(number, rows, start_ms, end_ms)
        if end_ms > self._packed.until_ms or not self._packed.takes(members).all():
            # A rule that asks for this often keeps its series from being packed; late samples may ask for it now and then.
            packed, (rows, labels) = rows, self._filled(number, self._counts)
            samples = columns.samples(np.arange(len(packed), dtype=np.int64))
            columns = SampleColumns.of(rows, samples.renumbered(packed[samples.rows]))
            columns.put(*self._open.samples(rows).among(rows))
        return columns.series(np.arange(len(rows), dtype=np.int64), labels, stale=stale)

    def digests(
        self, matchers: Sequence[ast.Matcher], starts: Times, ends: Times, measures: Measure
    ) -> tuple[LabelFrame, Digests] | None:
        """See :class:`rules.promql.storage.DigestStorage`.

        Raises:
            ValueError: the shard does not keep the selector's samples.
        """
        # What is asked of the samples, and what of digests, must not depend on what is packed by now.
        if int((ends - starts).min()) < self._packing.block_ms or measures & ~self._selection.measures:
            return None
        number = self._number(matchers)
        key = number, measures, starts.tobytes(), ends.tobytes()
        found = self._digested.get(key)
        if found is None:
            rows, labels = self._filled(number, self._counts)
            takes = self._packed.takes(rows)
            packed, single = np.flatnonzero(takes), np.flatnonzero(~takes)
            if not len(packed):
                return None
            series = self._open.series(rows[packed], labels.take(packed), stale=False)
            parts = [(packed, self._packed.digests(number, rows[packed], series, starts, ends, measures))]
            if len(single):
                series = self._open.series(rows[single], labels.take(single), stale=False)
                parts.append((single, Digests.of(RangeVector(series, starts, ends).windows(), measures)))
            found = labels, spread(len(rows), parts)
            if len(rows) * len(starts) <= _SHARED_CELLS:
                self._digested[key] = found
        return found

    def is_empty(self, selector: ast.VectorSelector) -> bool:
        """Whether a selector finds nothing, at whatever evaluation time.

        Raises:
            ValueError: the shard does not keep its samples.
        """
        number = self._number(selector.matchers)
        empty = self._empty.get(number)
        if empty is None:
            empty = self._empty[number] = not self._counts[self._index.members(number)].any()
        return empty

    def finds(self, matchers: Sequence[ast.Matcher]) -> bool:
        """Whether a selector has found any series, with or without samples.

        Raises:
            ValueError: the shard does not keep its samples.
        """
        return len(self._index.members(self._number(matchers))) > 0

    def seen(self, time_ms: int) -> int | None:
        """The first time, from the given one on, at which an evaluation may read any sample that is held; None if there is none."""
        found = (self._open.seen(time_ms, self._index.keep_ms), self._packed.seen(time_ms))
        return min((each for each in found if each is not None), default=None)

    def _number(self, matchers: Sequence[ast.Matcher]) -> int:
        number = self._selection.number(matchers)
        if number is None:
            raise ValueError(f"the shard keeps no samples for {matchers}")
        return number

    def _filled(self, number: int, counts: Index) -> tuple[Index, LabelFrame]:
        """The rows that a selector finds, as far as they have samples, and their labels."""
        rows, labels = self._index.members(number), self._index.labels(number)
        filled = counts[rows] > 0
        return (rows, labels) if filled.all() else (rows[filled], labels.take(np.flatnonzero(filled)))

    # What is kept.

    def prune(self, before_ms: int) -> None:
        """Forget what evaluations from ``before_ms`` on do not read. The cost grows with the series: once a minute is often enough."""
        self._forget(before_ms)
        series, rows = self.series, len(self._index.keep_ms)
        # Where new series are refused, those that have ended make room for them early.
        crowded = rows >= self._max_series and series < rows - rows // 8
        if crowded or series * 2 < rows or self._index.known > 2 * self._known + _FORGOTTEN:
            self.take_over(self)
            self._known = self._index.known

    def to_chunks(self) -> list[bytes]:
        """Everything as chunks, by time; none if there is nothing."""
        rest = _scrapes(self._index, self._open)
        return [*self._packed.chunks(), *([to_chunk(rest)] if len(rest) else [])]

    def whole(self) -> SampleBatch:
        """All samples."""
        return batches.concat([*self._batches()])

    def restore(self, stored: Iterable[SampleBatch], before_ms: int | None = None) -> None:
        """Keep stored samples. No series of them is refused: some may have ended, and would take the room of those that have not.

        Args:
            stored: the samples, preferably by time.
            before_ms: as for :meth:`prune`: samples are forgotten, and packed, while they come, so that they are never all in memory as they are.

        Raises:
            ValueError: a text of a batch is no series'.
        """
        waiting: list[SampleBatch] = []
        samples = 0
        for batch in stored:
            waiting.append(batch)
            samples += len(batch)
            if samples > _TAKEN_UP:
                self._take_up(waiting, before_ms)
                waiting, samples = [], 0
        if waiting:
            self._take_up(waiting, before_ms)

    def take_over(self, before: ShardSamples) -> None:
        """Hold what this or another state does, as far as the selectors here ask for it, and nothing else."""
        whole = before._batches()
        self._begin_anew(before._packed.until_ms)
        self.restore(whole)

    def _take_up(self, stored: Sequence[SampleBatch], before_ms: int | None) -> None:
        whole = batches.concat(stored)
        self._index.room = len(self._index.keep_ms) + len(whole)
        self.add(whole)
        self._index.room = self._max_series
        if before_ms is not None:
            self._forget(before_ms)

    def _batches(self) -> Iterator[SampleBatch]:
        """All samples by time, some at a time; what comes here meanwhile is not among them."""
        index, packed, still_open = self._index, self._packed, self._open

        def found() -> Iterator[SampleBatch]:
            yield from packed.batches()
            yield _scrapes(index, still_open)

        return found()

    def _forget(self, before_ms: int) -> None:
        self._changed()
        self._open.trim(before_ms - self._index.keep_ms)
        self._packed.drop(before_ms)
        until_ms = self._packed.due(before_ms)
        if until_ms <= self._packed.until_ms:
            return
        rows = np.flatnonzero(self._open.counts)
        rows = rows[self._packed.takes(rows)]
        samples = self._open.samples(rows)
        due = samples.times <= until_ms
        if due.any():
            self._packed.put(samples.take(due))
            last = np.full(len(self._index.keep_ms), LONG_AGO, np.int64)
            last[rows] = until_ms
            self._open.trim(last)
        self._packed.until_ms = until_ms


def _scrapes(index: SeriesIndex, columns: SampleColumns) -> SampleBatch:
    return scrapes(index, columns.samples(np.flatnonzero(columns.counts)))
