"""The life of one window of one shard, as a machine: arrivals, the on-time pane, corrected panes, expiry.

It is a :class:`transforms.machines.machine.Machine`: no Beam, no clock. What windows hold is their :class:`transforms.windows.content.Content`.

A worked timeline, windows of 1 m, lateness 5 m, corrected panes after 10 s of event time (w: watermark)::

    w 12:00:20  samples of [12:00, 12:01) arrive: kept in ``pending``; timers on_time 12:01:00, expire 12:06:00
    w 12:01:00  on_time: pane 0 goes out; ``pending`` stays as it is
    w 12:02:30  a sample arrives, late by its watermark: kept in ``late``; timer late 12:02:40
    w 12:02:40  late: what is pending goes into up to 16 buckets by target, each sample once; the late sample is merged with the bucket of its
                target, and pane 1 goes out with that series alone
    w 12:03:50  another one, as before: kept in ``late``; timer late 12:04:00
    w 12:04:00  late: one bucket is read and merged, and pane 2 goes out
    w 12:06:00  expire: everything is cleared

Most windows get nothing late: for them, buckets would be written for nothing. Buckets are written at once where late rows arrived before the on-time
pane, or where what is pending takes much more room (``_stays``). Both are one state, written sooner or later: whatever arrives after the on-time pane
first makes the buckets that it could have left.

What bounds the state: the rows of one window and shard, from arrival to expiry; each once, or in ``pending`` up to half as much again. Content may
fold those that can no longer change; that of coarser rollups does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transforms.machines.machine import Cells, Machine, Memory, Out, Timer, Timers
from transforms.windows import marks
from transforms.windows.content import Content, Key
from transforms.windows.meta import Meta

MAX_BUCKETS = 16
"""State cells that the rows of a fired window are spread over, so that a late row reads 1/16 of a large window."""
ROWS_PER_BUCKET = 8192
"""Below this a window keeps one bucket: reading it costs less than a second state request."""

STAYING_ROOM = 1.5
"""Elements stay as they came if they take at most this many times the room of buckets. Duplicates take room, and so do headers and dictionaries of
small elements: scrapes of a hundred samples take 1.02 times the room in elements of 8,000 samples, 1.3 times in those of 2,000, and 8 times in those
of 100."""

PANES = "panes"
"""The tag of what windows hand on."""

_PENDING, _LATE, _MARKS = "pending", "late", "marks"
_BUCKETS = tuple(f"bucket{index:02d}" for index in range(MAX_BUCKETS))


@dataclass(frozen=True)
class WindowSettings:
    """Windows of one length.

    Attributes:
        name: of the counters ``panes.NAME``, ``corrections.NAME`` and ``rows.NAME``.
        content: what they hold.
        window_ms: their length.
        lateness_ms: how long after its end a window takes late rows.
        late_pane_delay_ms: late rows wait for others until the next multiple of it.
        after_ms: how much later than at its end a window fires. Where windows read what others of the same end hand on, they must fire after those:
            a watermark may stand at that very time while the others are still at it.
        fold_ms: how often content that can no longer change is folded while a window is open; 0 for never.
        sources: the numbers of the sources that send marks (:mod:`transforms.windows.marks`); none if windows fire by their timers alone.
    """

    name: str
    content: Content
    window_ms: int
    lateness_ms: int
    late_pane_delay_ms: int
    after_ms: int = 0
    fold_ms: int = 0
    sources: frozenset[int] = frozenset()


class WindowMachine(Machine):
    """Arrivals and timers of windows; the key is :class:`transforms.windows.content.Key`, encoded. It remembers nothing: all state is in the cells.

    Timers ``late`` and ``fold`` have a tag for each time, so each stands beside others: a timer that every arrival moves on does not fire while data
    arrive. ``on_time`` and ``expire`` have one time each.
    """

    CELLS = ("meta",)
    BAGS = (_PENDING, _LATE, _MARKS, *_BUCKETS)
    # Rows come without reading any state, since each read is a round trip to the runner. A mark reads some, and may fire the window.
    ARRIVES_WITH = ("meta", _PENDING, _LATE, _MARKS, _BUCKETS[0])

    def __init__(self, settings: WindowSettings, memory: Memory[Any]) -> None:
        super().__init__(settings, memory)
        self._windows = settings
        self._content = settings.content
        self._progress = marks.Progress(settings.sources)

    def _end(self, key: Key) -> int:
        return key.window + self._windows.window_ms + self._windows.after_ms

    def arrive(self, key: bytes, element: bytes, cells: Cells, timers: Timers) -> tuple[Out, ...]:
        """Keep one element, in the wire form of the content's arrivals."""
        windows, window = self._windows, Key.decode(key)
        end = self._end(window)
        if marks.is_mark(element):
            return self._marked(window, element, cells, timers)
        reached, late = self._content.attributes(element)
        timers.at(end + windows.lateness_ms, "expire")
        # Rows that were on time may come in a block that goes on past the end of their window: its watermark does not make them late.
        if late or (windows.after_ms and reached >= end):
            cells.append(_LATE, element)
            # At the next multiple of the delay, whoever asks: a time that each arrival moved on would never come while late data trickle in.
            delay = windows.late_pane_delay_ms
            due = reached - reached % delay + delay if delay else reached
            # When the window expires all that is pending goes out: a later timer would find nothing, and stay in the runner's state until then.
            due = min(max(due, end), end + windows.lateness_ms)
            timers.at(due, f"late{due}")
            return ()
        cells.append(_PENDING, element)
        timers.at(end, "on_time")
        if windows.fold_ms:
            foldable = max(reached, window.window) + windows.lateness_ms
            fold = foldable - foldable % windows.fold_ms + windows.fold_ms
            if fold < end:
                timers.at(fold, f"fold{fold}")
        return ()

    def _marked(self, key: Key, element: bytes, cells: Cells, timers: Timers) -> tuple[Out, ...]:
        """Keep a mark. The on-time pane, if it was the last one that the window waited for."""
        end = self._end(key)
        cells.append(_MARKS, marks.stored(element))
        timers.at(end + self._windows.lateness_ms, "expire")
        sources = self._windows.sources
        if not self._progress.passed(element, end) or not marks.all_passed(cells.read_bag(_MARKS), sources, end):
            return ()
        cells.replace(_MARKS, ())
        timers.cancel("on_time")
        if Meta.decode(cells.read("meta")).panes:
            return ()
        pane = self._fire(cells, key, end, last=False, by_mark=True)
        return () if pane is None else (Out(end, PANES, pane),)

    def fire(self, key: bytes, timer: Timer, cells: Cells, timers: Timers) -> Iterator[Out]:
        """The on-time pane, or a corrected one, of all that is pending; once a window expires nothing is left of it."""
        if timer.tag.startswith("fold"):
            self._fold(cells, timer.time_ms)
            return
        last = timer.tag == "expire"
        if last and self._windows.sources:
            # Marks of some partitions, if those of others never came.
            cells.replace(_MARKS, ())
        pane = self._fire(cells, Key.decode(key), timer.time_ms, last)
        if pane is not None:
            yield Out(timer.time_ms, PANES, pane)

    def _fire(self, cells: Cells, key: Key, ts: int, last: bool, by_mark: bool = False) -> bytes | None:
        stored = cells.read("meta")
        meta = Meta.decode(stored)
        late: Sequence[bytes] = cells.read_bag(_LATE)
        pending: Sequence[bytes] = cells.read_bag(_PENDING)
        held = bool(pending)
        first = not meta.panes
        if meta.raw:
            counted, pending = meta.split(pending)
            if pending or late:
                meta = self._into_buckets(cells, key, meta, counted)
        elements = [*pending, *late]
        if not elements and (stored is None or not first):
            if last:
                self._clear(cells, meta, held=held, stored=stored is not None)
            return None
        arrivals = [self._content.arrival(data) for data in elements]
        kept, touched = self._read_kept(cells, meta, arrivals)
        merged = self._merged(kept, arrivals)
        pane = self._content.pane(merged, key, meta.panes, ts)
        if pane is not None:
            self.count(f"{'panes' if first else 'corrections'}.{self._windows.name}")
            self.count(f"rows.{self._windows.name}", pane.rows)
        data = pane.data if pane is not None else None
        if last:
            self._clear(cells, meta, held=held, late=bool(late), stored=stored is not None)
            return data
        # A mark has but one bucket at hand: where late rows are there already, the first later ones make the buckets.
        may_stay = first and ts == self._end(key) and (by_mark or not late)
        if may_stay and self._stays(kept, arrivals, merged, ts):
            if late:
                for element in late:
                    cells.append(_PENDING, element)
                cells.replace(_LATE, ())
            cells.write("meta", meta.left(elements).encode())
            return data
        self._clear_arrivals(cells, held=held, late=bool(late))
        buckets = meta.buckets
        if self._windows.lateness_ms:
            rows = self._content.prune(merged, ts)
            if first:
                buckets = self._spread(cells, rows, 1 if by_mark else MAX_BUCKETS)
            else:
                self._write_kept(cells, buckets, rows, touched)
        # A window whose arrivals changed nothing has still fired: what comes later is late.
        fired = meta.panes + (1 if pane is not None or first else 0)
        cells.write("meta", Meta(fired, buckets).encode())
        return data

    def _stays(self, kept: Any | None, arrivals: Sequence[Any], merged: Any, ts: int) -> bool:
        """Whether the elements of the on-time pane are left as they came."""
        if not arrivals or not self._windows.lateness_ms:
            return False
        content = self._content
        room = sum(map(content.room, arrivals)) + (content.room(kept) if kept is not None else 0)
        return room <= STAYING_ROOM * content.room_kept(merged, ts)

    def _into_buckets(self, cells: Cells, key: Key, meta: Meta, counted: Sequence[bytes]) -> Meta:
        """Make of what stayed as it came the buckets that the on-time pane could have left, byte for byte. The fates were counted then."""
        arrivals = [self._content.arrival(data) for data in counted]
        kept, _ = self._read_kept(cells, meta, arrivals)
        merged = self._merged(kept, arrivals, counts=False)
        return Meta(meta.panes, self._spread(cells, self._content.prune(merged, self._end(key))))

    def _merged(self, kept: Any | None, arrivals: Sequence[Any], counts: bool = True) -> Any:
        """The rows of a merge, whose fates are counted."""
        merge = self._content.merge(kept, arrivals)
        for name, number in merge.counted.items() if counts else ():
            self.count(name, number)
        # The examples of a merge that is made again are the same: a set has them once.
        for name, texts in merge.noted.items():
            self.noted.setdefault(name, set()).update(texts)
        return merge.rows

    def _fold(self, cells: Cells, ts: int) -> None:
        """Fold what can no longer change, while the window is still open; ``ts`` (ms) is the time of the timer."""
        pending = cells.read_bag(_PENDING)
        meta = Meta.decode(cells.read("meta"))
        if not pending or meta.panes:
            return
        arrivals = [self._content.arrival(data) for data in pending]
        kept, _ = self._read_kept(cells, meta, arrivals)
        merged = self._content.merge(kept, arrivals).rows
        self._write_kept(cells, 1, self._content.prune(merged, ts), [0])
        cells.replace(_PENDING, ())
        cells.write("meta", Meta(meta.panes, 1).encode())

    # Only what there is: each cell cleared is a round trip to the runner, as is each one read or written.
    def _clear(self, cells: Cells, meta: Meta, *, held: bool, late: bool = False, stored: bool) -> None:
        self._clear_arrivals(cells, held=held, late=late)
        if stored:
            cells.clear("meta")
        for index in range(meta.buckets):
            cells.replace(_BUCKETS[index], ())

    def _clear_arrivals(self, cells: Cells, *, held: bool, late: bool) -> None:
        if held:
            cells.replace(_PENDING, ())
        if late:
            cells.replace(_LATE, ())

    def _read_kept(self, cells: Cells, meta: Meta, arrivals: Sequence[Any]) -> tuple[Any | None, list[int]]:
        if meta.buckets <= 1:
            touched = list(range(meta.buckets))
        else:
            touched = sorted(
                {int(b) for rows in arrivals for b in np.unique(self._content.buckets(rows, meta.buckets))}
            )
        stored = [data for index in touched for data in cells.read_bag(_BUCKETS[index])]
        if not stored:
            return None, touched
        kept = [self._content.load(data) for data in stored]
        return (kept[0] if len(kept) == 1 else self._content.rows(self._content.merge(None, kept).rows)), touched

    def _spread(self, cells: Cells, rows: Any, most: int = MAX_BUCKETS) -> int:
        """Write the buckets of a window whose on-time pane has gone out; how many they are."""
        count = min(most, max(1, len(rows) // ROWS_PER_BUCKET))
        self._write_kept(cells, count, rows, list(range(count)))
        return count

    def _write_kept(self, cells: Cells, buckets: int, rows: Any, touched: list[int]) -> None:
        if buckets == 1:
            cells.replace(_BUCKETS[0], [self._content.dump(rows)])
            return
        bucket = self._content.buckets(rows, buckets)
        for index in touched:
            cells.replace(_BUCKETS[index], [self._content.dump(rows.take(np.flatnonzero(bucket == index)))])
