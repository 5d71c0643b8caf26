"""Samples of many series in flat columns that grow at their ends: what arrives is appended, not sorted in, and evaluations see views.

Each series is a row with a slot of the columns, some of it unused. A slot that is full is moved back to its own beginning, which pruning has
freed, or to a larger one behind all others; when no room is left there, all slots are laid out anew. So a sample is copied a few times in its life.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from rules.promql.labels import LabelFrame, dense
from rules.promql.search import bisect_right, places, renumbered
from rules.promql.values import Floats, Index, Mask, SeriesSet, Times, is_stale
from schemas.times import LONG_AGO

_LEAST_ROOM = 8
_FULL = 0.85
Marks = NDArray[np.uint64]
Number = TypeVar("Number", np.int64, np.float64)


class Samples(NamedTuple):
    """Samples by rows, a place of each array for each."""

    rows: Index
    times: Times
    values: Floats
    seqs: Index

    def take(self, which: Index | Mask) -> Samples:
        """The given ones."""
        return Samples(self.rows[which], self.times[which], self.values[which], self.seqs[which])

    def renumbered(self, rows: Index) -> Samples:
        """The same, of other rows."""
        return self._replace(rows=rows)

    def among(self, rows: Index) -> Samples:
        """The same, each row by its place among ascending rows, which have all of them."""
        return self.renumbered(np.searchsorted(rows, self.rows))


class SampleColumns:
    """Rows of samples, each ascending in time, with one sample a time; 24 bytes a sample and the unused part of the slots."""

    def __init__(self) -> None:
        self._times = np.empty(0, np.int64)
        self._values = np.empty(0)
        self._seqs = np.empty(0, np.int64)
        self._used = 0
        self._slot = np.empty(0, np.int64)
        self._room = np.empty(0, np.int64)
        self._begin = np.empty(0, np.int64)
        self._end = np.empty(0, np.int64)
        self._stale = np.empty(0, np.int64)
        # Sums of a mark a timestamp: series of one scrape have equal sums, and a sum is kept up with what comes and goes.
        self._clock = np.empty(0, np.uint64)
        self._clocks: Index | None = None
        self._plain: tuple[Index, Index, Index] | None = None

    @classmethod
    def of(cls, rows: Index, samples: Samples) -> SampleColumns:
        """Columns of ascending rows, by their places, and samples of theirs."""
        columns = cls()
        columns.add_rows(len(rows))
        columns.put(*samples.among(rows))
        return columns

    @property
    def counts(self) -> Index:
        """Samples of each row."""
        return self._end - self._begin

    @property
    def nbytes(self) -> int:
        """Memory that the columns take up, used or not."""
        flat = self._times.nbytes + self._values.nbytes + self._seqs.nbytes
        return flat + sum(
            each.nbytes for each in (self._slot, self._room, self._begin, self._end, self._stale, self._clock)
        )

    def add_rows(self, count: int) -> None:
        """More rows, without samples."""
        for name in ("_slot", "_room", "_begin", "_end", "_stale", "_clock"):
            column = getattr(self, name)
            setattr(self, name, np.concatenate((column, np.zeros(count, column.dtype))))
        self._changed()

    def put(self, rows: Index, times: Times, values: Floats, seqs: Index) -> tuple[Index, Times]:
        """Add samples, in any order; of several with one row and time the one with the highest ``seq`` stays, of equal ones the latest put.

        Returns:
            Rows and times at which the content is another one than before.
        """
        order = np.lexsort((times, rows))
        rows, times = rows[order], times[order]
        last = _last_of_each(rows, times)
        if not last.all():
            order = order[np.lexsort((seqs[order], times, rows))][last]
            rows, times = rows[last], times[last]
        values, seqs = values[order], seqs[order]
        heads = np.flatnonzero(np.diff(rows, prepend=-1))
        which, counts = rows[heads], np.diff(heads, append=len(rows))
        behind = times[heads] <= self._newest(which)
        self._changed()
        if not behind.any():
            self._append(which, counts, times, values, seqs)
            return rows, times
        late = np.repeat(behind, counts)
        on = ~late
        self._append(which[~behind], counts[~behind], times[on], values[on], seqs[on])
        changed = self._merge(which[behind], rows[late], times[late], values[late], seqs[late])
        kept = on
        kept[np.flatnonzero(late)[changed]] = True
        return rows[kept], times[kept]

    def trim(self, before: Times) -> None:
        """Forget the samples of each row at or before its own time, ``before[row]``."""
        filled = np.flatnonzero(self._end > self._begin)
        due = filled[self._times[self._begin[filled]] <= before[filled]]
        if not len(due):
            return
        self._changed()
        for bound in np.unique(before[due]):
            rows = due[before[due] == bound]
            begin = self._begin[rows]
            gone = bisect_right(self._times, begin, self._end[rows], np.array([bound]))[:, 0] - begin
            at = places(begin, gone)
            self._count(np.repeat(rows, gone), self._times[at], self._values[at], forget=True)
            self._begin[rows] += gone

    def series(self, rows: Index, labels: LabelFrame, *, stale: bool) -> SeriesSet:
        """Rows as series, ``labels`` beside them, with or without staleness markers. Valid until the next change."""
        begin, end, clocks = self._begin, self._end, self._all_clocks()
        if not stale and self._stale[rows].any():
            begin, end, clocks = self._without_stale()
        shared, _ = renumbered(clocks[rows])
        return SeriesSet(labels, self._times, self._values, begin[rows], end[rows], shared)

    def samples(self, rows: Index) -> Samples:
        """All samples of the given rows, in their order."""
        counts = self.counts[rows]
        at = places(self._begin[rows], counts)
        return Samples(np.repeat(rows, counts), self._times[at], self._values[at], self._seqs[at])

    def seen(self, time_ms: int, keep_ms: Index) -> int | None:
        """The first time, from the given one on, at which an evaluation reads any sample; None if there is none.

        Args:
            time_ms: the earliest answer.
            keep_ms: ``[rows]``, for how long evaluations read a sample.
        """
        rows = np.flatnonzero(self._end > self._begin)
        if not len(rows):
            return None
        begin, end = self._begin[rows], self._end[rows]
        after = bisect_right(self._times, begin, end, np.array([time_ms]))[:, 0]
        last = self._times[np.maximum(after - 1, begin)]
        if ((after > begin) & (last + keep_ms[rows] > time_ms)).any():
            return time_ms
        on = after < end
        return int(self._times[after[on]].min()) if on.any() else None

    def _changed(self) -> None:
        self._clocks, self._plain = None, None

    def _newest(self, rows: Index) -> Times:
        if not len(self._times):
            return np.full(len(rows), LONG_AGO, np.int64)
        empty = self._end[rows] == self._begin[rows]
        return np.where(empty, LONG_AGO, self._times[self._end[rows] - 1])

    def _count(self, rows: Index, times: Times, values: Floats, *, forget: bool = False) -> None:
        """Keep the sums of rows up with samples that come, or go."""
        add = np.subtract if forget else np.add
        add.at(self._clock, rows, _marks(times))
        stale = is_stale(values)
        if stale.any():
            add.at(self._stale, rows[stale], 1)

    def _append(self, which: Index, counts: Index, times: Times, values: Floats, seqs: Index) -> None:
        self._make_room(which, counts)
        at = places(self._end[which], counts)
        self._times[at], self._values[at], self._seqs[at] = times, values, seqs
        self._end[which] += counts
        self._count(np.repeat(which, counts), times, values)

    def _merge(self, which: Index, rows: Index, times: Times, values: Floats, seqs: Index) -> NDArray[np.bool_]:
        """Merge samples into those of their rows. Returns which of them changed anything."""
        old_rows, old_times, old_values, old_seqs = self.samples(which)
        old = len(old_rows)
        all_rows, all_times = np.concatenate((old_rows, rows)), np.concatenate((old_times, times))
        all_values, all_seqs = np.concatenate((old_values, values)), np.concatenate((old_seqs, seqs))
        order = np.lexsort((all_seqs, all_times, all_rows))
        last = _last_of_each(all_rows[order], all_times[order])
        winners = order[last]
        before = np.full(len(winners), -1, np.int64)
        place: Index = np.cumsum(last) - last
        kept = order < old
        before[place[kept]] = order[kept]
        won = winners >= old
        rivals = before[won]
        bits = all_values.view(np.uint64)
        differs = (rivals < 0) | (bits[rivals] != bits[winners[won]])
        changed = np.zeros(len(rows), np.bool_)
        changed[winners[won] - old] = differs
        self._begin[which] = self._end[which] = self._slot[which]
        self._clock[which], self._stale[which] = 0, 0
        counts = np.bincount(np.searchsorted(which, all_rows[winners]), minlength=len(which))
        self._append(which, counts, all_times[winners], all_values[winners], all_seqs[winners])
        return changed

    def _make_room(self, rows: Index, added: Index) -> None:
        need = self.counts[rows] + added
        full = self._end[rows] + added > self._slot[rows] + self._room[rows]
        if not full.any():
            return
        back = full & (need <= self._room[rows] * _FULL)
        self._move(rows[back], self._slot[rows[back]])
        on = full & ~back
        larger = np.maximum(need[on] + need[on] // 4, _LEAST_ROOM)
        total = int(larger.sum())
        if self._used + total > len(self._times):
            self._lay_out(rows, np.where(on, need + need // 4, need))
            return
        slots = self._used + np.cumsum(larger) - larger
        self._move(rows[on], slots)
        self._slot[rows[on]], self._room[rows[on]] = slots, larger
        self._used += total

    def _move(self, rows: Index, slots: Index) -> None:
        counts = self.counts[rows]
        source, target = places(self._begin[rows], counts), places(slots, counts)
        for column in (self._times, self._values, self._seqs):
            column[target] = column[source]
        self._begin[rows], self._end[rows] = slots, slots + counts

    def _lay_out(self, rows: Index, least: Index) -> None:
        """All slots anew, without gaps, those of some rows with the room given or more."""
        counts = self.counts
        rooms = counts + counts // 4 + 2
        rooms[rows] = np.maximum(rooms[rows], np.maximum(least, _LEAST_ROOM))
        slots = np.cumsum(rooms) - rooms
        self._used = int(rooms.sum())
        source, target = places(self._begin, counts), places(slots, counts)
        size = self._used + self._used // 8
        self._times = _spread(self._times, source, target, size)
        self._values = _spread(self._values, source, target, size)
        self._seqs = _spread(self._seqs, source, target, size)
        self._slot, self._room, self._begin, self._end = slots, rooms, slots.copy(), slots + counts

    def _all_clocks(self) -> Index:
        if self._clocks is None:
            self._clocks, _ = dense(self._clock.view(np.int64))
        return self._clocks

    def _without_stale(self) -> tuple[Index, Index, Index]:
        """Where rows begin and end, and their clocks, with copies behind all slots of those that hold staleness markers."""
        if self._plain is None:
            rows = np.flatnonzero(self._stale)
            at = places(self._begin[rows], self.counts[rows])
            owner = np.repeat(np.arange(len(rows)), self.counts[rows])
            stale = is_stale(self._values[at])
            ends = np.cumsum(np.bincount(owner[~stale], minlength=len(rows))) + self._used
            begins = np.concatenate(([self._used], ends[:-1]))
            size = int(ends[-1])
            if size > len(self._times):
                more = np.empty(size - len(self._times), np.int64)
                self._times, self._seqs = np.concatenate((self._times, more)), np.concatenate((self._seqs, more))
                self._values = np.concatenate((self._values, np.zeros(len(more))))
            self._times[self._used : size] = self._times[at[~stale]]
            self._values[self._used : size] = self._values[at[~stale]]
            clock = self._clock.copy()
            np.subtract.at(clock, rows[owner[stale]], _marks(self._times[at[stale]]))
            begin, end = self._begin.copy(), self._end.copy()
            begin[rows], end[rows] = begins, ends
            self._plain = begin, end, dense(clock.view(np.int64))[0]
        return self._plain


def _last_of_each(rows: Index, times: Times) -> NDArray[np.bool_]:
    """Of rows and times in order, which are the last of their kind."""
    last = np.ones(len(rows), np.bool_)
    np.not_equal(rows[1:], rows[:-1], out=last[:-1])
    last[:-1] |= times[1:] != times[:-1]
    return last


def _marks(times: Times) -> Marks:
    """A number a timestamp whose sums distinguish sets of timestamps: the finalizer of SplitMix64."""
    mark: Marks = times.view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mark = (mark ^ (mark >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mark = (mark ^ (mark >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mark ^ (mark >> np.uint64(31))


def _spread(column: NDArray[Number], source: Index, target: Index, size: int) -> NDArray[Number]:
    spread = np.empty(size, column.dtype)
    spread[target] = column[source]
    return spread
