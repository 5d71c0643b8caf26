"""Samples of long ago, for rules that look back for hours and days: packed in blocks of an hour, and summed up in digests.

A block holds the samples of ``(end - 1 h, end]`` as they are stored, a few bytes each, and a digest of each series
(:class:`rules.promql.digests.digests.Digests`). A window of days is composed of three pieces, without reading the samples of its middle::

    rate(x[6h]) at 18:20     (12:20, 13:00]   the samples of one block, which is unpacked and stays so while windows begin in it
                             (13:00, 17:00]   four digests, merged once an hour
                             (17:00, 18:20]   the samples that are not packed yet

What late samples may still change is not packed. Should older ones come all the same, the block is made anew with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce

import numpy as np

from rules.promql.digests.digests import Digests
from rules.promql.digests.measures import Measure
from rules.promql.labels import LabelFrame
from rules.promql.values import Index, Mask, RangeVector, SeriesSet, Times
from schemas.batch import SampleBatch
from schemas.times import LONG_AGO
from transforms.alerts.fragments.long_ranges import Packing
from transforms.alerts.shards.chunks import from_chunk, scrapes, to_chunk
from transforms.alerts.shards.samples import SampleColumns, Samples
from transforms.alerts.shards.series_index import SeriesIndex

# Blocks of which none is looked up: fewer than the samples of a day are worth to go through.
_FEW = 64
_IDLE = 10


class Block:
    """The samples of some series in a span of time.

    Attributes:
        rows: of the series, ascending.
        chunk: the samples as they are stored.
        counts: how many samples each row has.
        digests: ``[rows, 1]``, of the whole span.
    """

    def __init__(self, index: SeriesIndex, start_ms: int, end_ms: int, samples: Samples) -> None:
        """The block of the samples, which lie in ``(start, end]``; of several with one row and time the highest ``seq`` counts."""
        self.rows = np.unique(samples.rows)
        columns = SampleColumns.of(self.rows, samples)
        every = np.arange(len(self.rows), dtype=np.int64)
        held = columns.samples(every)
        self.chunk = to_chunk(scrapes(index, held.renumbered(self.rows[held.rows])))
        self.counts = columns.counts
        windows = RangeVector(_series(columns, every), np.array([start_ms]), np.array([end_ms])).windows()
        self.digests = Digests.of(windows, index.selection.measures)
        self._columns: SampleColumns | None = None
        self._idle = 0

    @property
    def nbytes(self) -> int:
        """Memory in bytes."""
        opened = 0 if self._columns is None else self._columns.nbytes
        return len(self.chunk) + self.rows.nbytes + self.counts.nbytes + self.digests.nbytes + opened

    def samples(self, index: SeriesIndex) -> Samples:
        """Its samples, unpacked."""
        batch = from_chunk(self.chunk)
        return Samples(index.rows_of(batch), batch.ts, batch.value, batch.seq)

    def series(self, index: SeriesIndex, places: Index) -> SeriesSet:
        """Some of its rows as series without labels and staleness markers; they are kept unpacked until nobody has asked for a while."""
        if self._columns is None:
            self._columns = SampleColumns.of(self.rows, self.samples(index))
        self._idle = 0
        return _series(self._columns, places)

    def rest(self) -> None:
        """Some time has passed."""
        self._idle += 1
        if self._idle > _IDLE:
            self._columns = None


class PackedSamples:
    """The blocks of a shard.

    Attributes:
        until_ms: what is to be packed and not newer than this is here.
    """

    def __init__(self, index: SeriesIndex, packing: Packing, until_ms: int = LONG_AGO) -> None:
        """No blocks yet."""
        self.until_ms = until_ms
        self._index = index
        self._packing = packing
        # One for each hour, and for each time that rows are needed, so that it is dropped as a whole.
        self._blocks: dict[tuple[int, int], Block] = {}
        self._counts = np.empty(0, np.int64)
        self._changed()

    def _changed(self) -> None:
        self._middles: dict[tuple[int, int, int], tuple[Index, Digests]] = {}
        self._unpacked: dict[tuple[int, int, int], SampleColumns] = {}

    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def counts(self) -> Index:
        """``[rows]``, samples of each row of the index."""
        missing = len(self._index.keep_ms) - len(self._counts)
        if missing:
            self._counts = np.concatenate((self._counts, np.zeros(missing, np.int64)))
        return self._counts

    @property
    def nbytes(self) -> int:
        """Memory in bytes."""
        beside = sum(digests.nbytes for _, digests in self._middles.values())
        beside += sum(columns.nbytes for columns in self._unpacked.values())
        return beside + sum(block.nbytes for block in self._blocks.values())

    def takes(self, rows: Index) -> Mask:
        """Which of the rows are packed at all."""
        index = self._index
        return self._packing.fits(index.keep_ms[rows], index.single_ms[rows])

    def due(self, before_ms: int) -> int:
        """The time up to which samples may be packed if nothing before ``before_ms`` is evaluated any more."""
        span = self._packing.block_ms
        return (before_ms - self._packing.open_ms) // span * span

    def put(self, samples: Samples) -> tuple[Index, Times]:
        """Pack samples, beside those that are packed already; rows and times at which the content is another one than before."""
        ends = -(-samples.times // self._packing.block_ms) * self._packing.block_ms
        keeps = self._index.keep_ms[samples.rows]
        changed: list[tuple[Index, Times]] = []
        for end_ms, keep_ms in sorted(set(zip(ends.tolist(), keeps.tolist(), strict=True))):
            more = samples.take((ends == end_ms) & (keeps == keep_ms))
            before = self._blocks.get((end_ms, keep_ms))
            if before is None:
                changed.append((more.rows, more.times))
            else:
                more, found = _merged(before.samples(self._index), more)
                changed.append(found)
                self.counts[before.rows] -= before.counts
            block = Block(self._index, end_ms - self._packing.block_ms, end_ms, more)
            self._blocks[end_ms, keep_ms] = block
            self.counts[block.rows] += block.counts
        self._changed()
        return np.concatenate([each for each, _ in changed]), np.concatenate([each for _, each in changed])

    def drop(self, before_ms: int) -> None:
        """Forget the blocks that no evaluation from ``before_ms`` on reads."""
        gone = [key for key in self._blocks if key[0] <= before_ms - key[1]]
        for key in gone:
            block = self._blocks.pop(key)
            self.counts[block.rows] -= block.counts
        if gone:
            self._changed()
        for block in self._blocks.values():
            block.rest()

    def seen(self, time_ms: int) -> int | None:
        """As :meth:`transforms.alerts.shards.samples.SampleColumns.seen`, but a block is taken to be read throughout."""
        span = self._packing.block_ms
        starts = [end - span for end, keep in self._blocks if time_ms < end + keep]
        return max(time_ms, min(starts)) if starts else None

    def chunks(self) -> list[bytes]:
        """All samples as they are stored, by time."""
        return [self._blocks[key].chunk for key in sorted(self._blocks)]

    def batches(self) -> Iterator[SampleBatch]:
        """All samples, by time, a block at a time."""
        return map(from_chunk, self.chunks())

    def unpacked(self, number: int, rows: Index, start_ms: int, end_ms: int) -> SampleColumns:
        """The packed samples of ascending rows, which a selector finds, by their place among the rows: at least those in ``(start, end]``."""
        span = self._packing.block_ms
        key = number, start_ms // span * span, -(-min(end_ms, self.until_ms) // span) * span
        found = self._unpacked.get(key)
        if found is None or len(found.counts) != len(rows):
            found = self._unpacked[key] = SampleColumns()
            found.add_rows(len(rows))
            for end, keep in sorted(self._blocks):
                if key[1] < end <= key[2]:
                    samples = self._blocks[end, keep].samples(self._index)
                    found.put(*samples.take(np.isin(samples.rows, rows)).among(rows))
        return found

    def digests(
        self, number: int, rows: Index, still_open: SeriesSet, starts: Times, ends: Times, measures: Measure
    ) -> Digests:
        """The digests of the windows ``(start, end]``, none of them shorter than a block.

        They are composed of the same pieces, cut where blocks end, whatever is packed by now. So an evaluation that is repeated, or made by another
        run, has the same result to the last bit.

        Args:
            number: of the selector that finds the rows.
            rows: ascending; all are packed.
            still_open: their samples after :attr:`until_ms`, without staleness markers.
            starts: not descending, ms.
            ends: likewise.
            measures: what the digests are to hold, which is among the measures declared for the selectors.
        """
        span = self._packing.block_ms
        first, last = -(-starts // span) * span, ends // span * span
        moved = (first[1:] != first[:-1]) | (last[1:] != last[:-1])
        heads = [0, *(np.flatnonzero(moved) + 1).tolist()]
        found = []
        for low, high in zip(heads, [*heads[1:], len(starts)], strict=True):
            begin, end = int(first[low]), int(last[low])
            bounds = np.full(high - low, begin), np.full(high - low, end)
            left = self._piece(rows, still_open, begin, starts[low:high], bounds[0], measures)
            packed = max(begin, min(end, self.until_ms))
            held, middle = self._middle(number, rows, begin, packed)
            middle = middle.take(_places(rows, held))
            for until in self._ends(still_open, packed, end):
                windows = RangeVector(still_open, np.array([until - span]), np.array([until])).windows()
                middle = middle.merged(Digests.of(windows, measures))
            right = self._piece(rows, still_open, end + span, bounds[1], ends[low:high], measures)
            found.append(left.merged(middle).merged(right))
        return found[0] if len(found) == 1 else Digests.beside(found)

    def _ends(self, still_open: SeriesSet, after_ms: int, until_ms: int) -> Iterable[int]:
        """Where blocks end between two times; of many only those that there are samples for: a range may reach back before all data."""
        span = self._packing.block_ms
        if until_ms - after_ms <= _FEW * span:
            return range(after_ms + span, until_ms + 1, span)
        times = still_open.timestamps
        ends: list[int] = np.unique(-(-times[(times > after_ms) & (times <= until_ms)] // span) * span).tolist()
        return ends

    def _piece(
        self, rows: Index, still_open: SeriesSet, end_ms: int, starts: Times, ends: Times, measures: Measure
    ) -> Digests:
        """Windows that lie in one block, or where one will be."""
        if end_ms > self.until_ms:
            return Digests.of(RangeVector(still_open, starts, ends).windows(), measures)
        total = Digests.empty(len(rows), len(starts), measures)
        if (starts < ends).any():
            for block in self._ending(end_ms):
                held, inside = np.intersect1d(rows, block.rows, assume_unique=True, return_indices=True)[::2]
                windows = RangeVector(block.series(self._index, inside), starts, ends).windows()
                total = total.merged(Digests.of(windows, measures).take(_places(rows, held)))
        return total

    def _middle(self, number: int, rows: Index, start_ms: int, end_ms: int) -> tuple[Index, Digests]:
        """The rows that have samples in the blocks between two times, and the digests of these blocks, merged."""
        key = number, start_ms, end_ms
        found = self._middles.get(key)
        if found is None:
            held_then = sorted(self._blocks.items(), key=lambda each: each[0][0])
            blocks = [block for (end, _), block in held_then if start_ms < end <= end_ms]
            present = np.unique(np.concatenate([block.rows for block in blocks])) if blocks else rows[:0]
            held = np.intersect1d(rows, present, assume_unique=True)
            total = Digests.empty(len(held), 1, self._index.selection.measures)
            for block in blocks:
                total = total.merged(block.digests.take(_places(held, block.rows)))
            found = self._middles[key] = held, total
        return found

    def _ending(self, end_ms: int) -> list[Block]:
        return [block for (end, _), block in self._blocks.items() if end == end_ms]


def _merged(before: Samples, more: Samples) -> tuple[Samples, tuple[Index, Times]]:
    """Samples and those put to them, and the rows and times at which that changed anything."""
    rows = np.unique(np.concatenate((before.rows, more.rows)))
    columns = SampleColumns.of(rows, before)
    changed, when = columns.put(*more.among(rows))
    both = columns.samples(np.arange(len(rows), dtype=np.int64))
    return both.renumbered(rows[both.rows]), (rows[changed], when)


def _series(columns: SampleColumns, places: Index) -> SeriesSet:
    return columns.series(places, LabelFrame(len(places), {}), stale=False)


def _places(rows: Index, of: Index) -> Index:
    """For each of ascending rows its place among others, ascending too; -1 where it is not among them."""
    places = np.searchsorted(of, rows)
    found: Index = np.where(np.append(of, -1)[places] == rows, places, -1)
    return found


def spread(size: int, parts: Sequence[tuple[Index, Digests]]) -> Digests:
    """The digests of so many rows, from those of some of them each; ``parts`` lists which these are, and there is at least one part."""
    every = np.arange(size, dtype=np.int64)
    whole = (digests if len(rows) == size else digests.take(_places(every, rows)) for rows, digests in parts)
    return reduce(Digests.merged, whole)
