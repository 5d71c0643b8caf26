"""Cutting a partition's rows into the elements of the pipeline: by window, shard and lateness. Rows of any kind; no Beam, no clock.

Whether a row is late, or too late, is decided here, against the watermark of its own partition just before its record: a function
of the log alone. So the fates of a topic's rows are the same on every runner, at any speed and in a replay, and no runner gets to drop
an element by its own watermark, which is the least of all partitions' and therefore never ahead of this one. The same watermark decides
which rows it had *overtaken*: a rule must have been evaluated without them, wherever and whenever the job ran.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from schemas.batch import MIN_WATERMARK, Int32, Int64
from transforms.windows.content import Key

Index = npt.NDArray[np.intp]

T = TypeVar("T", int, Int64)

ROWS_PER_ELEMENT = 50_000
"""Rows of one element at most: some 600 kB encoded, which keeps elements under 1 MB."""


class TimedRows(Protocol):
    """Rows with a time each, in columns: :class:`schemas.batch.SampleBatch` is one kind."""

    @property
    def ts(self) -> Int64:
        """Event times, ms."""

    def __len__(self) -> int: ...
    def take(self, rows: Index) -> Any:
        """Some of the rows."""

    def compact(self) -> Any:
        """The same rows, without what only others needed."""

    def cut_as(self, late: bool, watermark: int, overtaken: int) -> Any:
        """The same rows, which show the watermark at which they were cut and what it means for them: see :class:`schemas.batch.SampleBatch`."""


R = TypeVar("R", bound=TimedRows)


class Windows(NamedTuple):
    """Windows that rows are cut into.

    Attributes:
        window_ms: their length.
        lateness_ms: how long after its end a window takes late rows.
    """

    window_ms: int
    lateness_ms: int


@dataclass(frozen=True)
class Cut(Generic[R]):
    """A block's rows in pieces.

    Attributes:
        pieces: each of one window, one shard, one lateness and one ``overtaken``, with its key.
        too_late: rows behind the watermark by more than the lateness; None if there are none.
        early: how many rows lay before the time since which rows are taken; they are in neither.
        watermark: of the partition after the block, ms.
        passed: of the partition just before the first row that is too late, ms; if there is one.
    """

    pieces: list[tuple[Key, R]]
    too_late: R | None
    early: int
    watermark: int
    passed: int = MIN_WATERMARK


class Cutter(Generic[R]):
    """Cuts blocks of one reader.

    Args:
        windows: what they are cut into.
        shards: how many there are; fixed for the life of a job's state.
        shard_of: gives the shard of each row, from 0 to ``shards`` - 1.
        delay_ms: how far the watermark stays behind the newest event time; None where it does not follow event times: then nothing is late.
        since_ms: rows before this event time are left out.
    """

    def __init__(
        self,
        windows: Windows,
        shards: int,
        shard_of: Callable[[R], Int32],
        delay_ms: int | None,
        since_ms: int = MIN_WATERMARK,
    ) -> None:
        self._window_ms, self._lateness_ms = windows
        self._shards, self._shard_of = shards, shard_of
        self._delay_ms = delay_ms
        self._since_ms = since_ms

    def cut(self, batch: R, record: Int64, watermark: int = MIN_WATERMARK, stamped: Int64 | None = None) -> Cut[R]:
        """Cut a block.

        Args:
            batch: rows of one partition, in its order.
            record: for each row the index of its record, never falling.
            watermark: of the partition before the block, ms.
            stamped: for each record its own time, ms, negative where it has none; event times after it do not move the watermark. A host
                whose clock is ahead would otherwise make those of all others late, and rules would find these hosts absent.
        """
        if not len(batch):
            return Cut([], None, 0, watermark)
        window = batch.ts - batch.ts % self._window_ms
        before, reached = None, watermark
        if self._delay_ms is not None:
            clock = batch.ts if stamped is None else _not_after(batch.ts, stamped[record])
            reached = max(watermark, int(clock.max()) - self._delay_ms)
            if int(batch.ts.min()) <= reached:
                before = self._before(batch.ts, clock, record, watermark, self._delay_ms)
        lost = np.zeros(len(batch), np.bool_)
        if before is not None:
            lost = window + (self._window_ms + self._lateness_ms) <= before
        early = batch.ts < self._since_ms
        too_late: R | None = None
        passed = MIN_WATERMARK
        if lost.any() or early.any():
            lost &= ~early
            if lost.any():
                rows = np.flatnonzero(lost)
                found = batch.take(rows)
                passed = int(before[rows[0]]) if before is not None else passed
                too_late = found.cut_as(True, reached, _full_second(reached)).compact()
            kept = np.flatnonzero(~(lost | early))
            batch, window, before = batch.take(kept), window[kept], before[kept] if before is not None else None
        pieces = list(self._pieces(batch, window, before, reached))
        return Cut(pieces, too_late, int(np.count_nonzero(early)), reached, passed)

    def _before(self, ts: Int64, clock: Int64, record: Int64, watermark: int, delay_ms: int) -> Int64 | None:
        """For each row the partition's watermark just before its record; None if no row was overtaken by it."""
        starts = _starts(record)
        before = _before_records(clock, starts, delay_ms, watermark)
        if np.all(np.minimum.reduceat(ts, starts) > before):
            return None
        return np.repeat(before, np.diff(starts, append=len(ts)))

    def _pieces(self, batch: R, window: Int64, before: Int64 | None, watermark: int) -> Iterator[tuple[Key, R]]:
        if not len(batch):
            return
        shard = self._shard_of(batch)
        first = int(window.min())
        place = (window - first) // self._window_ms * self._shards + shard
        overtaken = [MIN_WATERMARK]
        if before is not None:
            rows = np.flatnonzero(batch.ts <= before)
            seconds, second = np.unique(_full_second(before[rows]), return_inverse=True)
            overtaken += seconds.tolist()
            place *= 2 * len(overtaken)
            place[rows] += 2 * (second + 1) + (window[rows] + self._window_ms <= before[rows])
        else:
            place *= 2
        order = _stable_order(place)
        place = place[order]
        starts = np.flatnonzero(np.diff(place, prepend=place[0] - 1))
        ends = np.append(starts[1:], len(place))
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            number, is_late = divmod(int(place[start]), 2)
            number, second_number = divmod(number, len(overtaken))
            index, shard_number = divmod(number, self._shards)
            key = Key(shard_number, first + index * self._window_ms)
            whole = batch.cut_as(bool(is_late), watermark, overtaken[second_number])
            for at in range(start, end, ROWS_PER_ELEMENT):
                yield key, whole.take(order[at : min(at + ROWS_PER_ELEMENT, end)]).compact()


def watermark_before(ts: Int64, record: Int64, delay_ms: int, watermark: int = MIN_WATERMARK) -> Int64:
    """The watermark of a partition just before the record of each of its rows, ms.

    Args:
        ts: event times that move the watermark, ms, at least one.
        record: for each row the place of its record, never falling.
        delay_ms: how far the watermark stays behind the newest event time.
        watermark: before the first record, ms.
    """
    starts = _starts(record)
    return np.repeat(_before_records(ts, starts, delay_ms, watermark), np.diff(starts, append=len(ts)))


def _starts(record: Int64) -> Index:
    """Where each record begins."""
    return np.flatnonzero(np.diff(record, prepend=record[0] - 1))


def _before_records(clock: Int64, starts: Index, delay_ms: int, watermark: int) -> Int64:
    """The watermark just before each record."""
    newest = np.maximum.accumulate(np.maximum.reduceat(clock, starts))
    before = np.full(len(starts), watermark, np.int64)
    np.maximum(newest[:-1] - delay_ms, watermark, out=before[1:])
    return before


def _not_after(ts: Int64, stamped: Int64) -> Int64:
    """Event times, but none after the time of its record."""
    return np.where((stamped >= 0) & (ts > stamped), stamped, ts)


def _full_second(ms: T) -> T:
    """The first full second not before a time: watermarks move with every record, and each distinct one costs a piece."""
    return -(-ms // 1000) * 1000


def _stable_order(place: Int64) -> np.ndarray:
    # numpy sorts 16-bit integers by radix, in linear time; a block rarely spans more than 65,536 places.
    narrow = place.astype(np.uint16) if int(place.max()) < 1 << 16 else place
    return np.argsort(narrow, kind="stable")
