"""The life of one window of one shard, as a pure state machine: arrivals, the on-time pane, corrected panes, expiry.

No Beam and no clock: state is reached through :class:`Cells`, time through timers that the caller fires when the watermark has
reached them. :mod:`transforms.rollups.beam` ties both to Beam's state and timers; tests tie them to a dict and a heap.

A worked timeline, windows of 1 m, lateness 5 m, corrected panes after 10 s of event time (w: watermark)::

    w 12:00:20  samples of [12:00, 12:01) arrive: kept in ``pending``; timers on_time 12:01:00, expire 12:06:00
    w 12:01:00  on_time: pane 0 goes out; the samples are kept, once each, in up to 16 buckets by target
    w 12:02:30  a sample arrives, late by its watermark: kept in ``pending``; timer late 12:02:40
    w 12:02:40  late: the bucket of its target is read, merged, and pane 1 goes out with that series alone
    w 12:06:00  expire: everything is cleared

What bounds the state: the samples of one window and shard, each once, from arrival to expiry; in a coarser tier the newest pane of
each finer window that can still change, and one folded row a series for all that cannot.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from schemas import batch as batches
from schemas.batch import Int32
from schemas.forms import table as forms
from schemas.rollup import RollupBatch
from schemas.series import stable_hash
from schemas.tiers import Tiers
from transforms.windows.content import Content, Key
from transforms.windows.fates import Fates

MAX_BUCKETS = 16
"""State cells that the rows of a fired window are spread over, so that a late sample reads 1/16 of a large window."""
ROWS_PER_BUCKET = 8192
"""Below this a window keeps one bucket: reading it costs less than a second state request."""

_META = struct.Struct("<ii")


class Cells(Protocol):
    """The state of one (shard, window)."""

    def read_meta(self) -> bytes | None: ...
    def write_meta(self, data: bytes) -> None: ...
    def add_pending(self, data: bytes) -> None: ...
    def read_pending(self) -> list[bytes]: ...
    def clear_pending(self) -> None: ...
    def read_bucket(self, index: int) -> bytes | None: ...
    def write_bucket(self, index: int, data: bytes) -> None: ...
    def clear_meta(self) -> None: ...
    def clear_bucket(self, index: int) -> None: ...


class Timers(Protocol):
    """Event-time timers of one (shard, window), in ms.

    Each time set for ``late`` and ``fold`` stands, beside others: a timer that every arrival moves on does not fire while data arrive.
    ``on_time`` and ``expire`` have one time each.
    """

    def on_time(self, ts: int) -> None: ...
    def late(self, ts: int) -> None: ...
    def fold(self, ts: int) -> None: ...
    def expire(self, ts: int) -> None: ...


@dataclass(frozen=True)
class Firing:
    """The result of a timer: a pane, unless nothing changed, and the fates of the arrivals in it."""

    pane: RollupBatch | None = None
    fates: Fates = Fates()  # noqa: RUF009 (frozen)


@dataclass(frozen=True)
class _Meta:
    """``panes`` fired so far; ``buckets`` in use once the first has."""

    panes: int
    buckets: int

    def encode(self) -> bytes:
        return _META.pack(self.panes, self.buckets)

    @classmethod
    def decode(cls, stored: bytes | None) -> _Meta:
        """What :meth:`encode` gave; of a new window if nothing is stored.

        Raises:
            schemas.forms.model.VersionError: another release wrote it.
        """
        if stored is None:
            return cls(0, 1)
        if len(stored) != _META.size:
            raise forms.WINDOW_META.refusal(f"of {len(stored)} bytes")
        return cls(*_META.unpack(stored))


class WindowMachine:
    """Arrivals and timers of the windows of one tier. One instance serves all windows; all state is in the cells."""

    def __init__(self, tiers: Tiers, level: int, content: Content) -> None:
        """The windows of a tier.

        Args:
            tiers: all of them.
            level: the tier's index in ``tiers.rollups``.
            content: what its windows hold.
        """
        self.tier = tiers.rollups[level]
        self.lateness_ms = tiers.lateness_ms
        self.delay_ms = tiers.late_pane_delay_ms
        # A tier's timers lie a millisecond behind those of the finer tier: both end on the same instant, and a watermark may stand
        # at that very instant while the finer tier is still handing over what it fired there.
        self.level_ms = level
        self.content = content
        self.fold_ms = max(8 * tiers.rollups[level - 1].window_ms, self.tier.window_ms // 6) if level else 0

    def _end(self, key: Key) -> int:
        return key.window + self.tier.window_ms + self.level_ms

    def arrive(self, cells: Cells, timers: Timers, key: Key, data: bytes) -> None:
        """Keep one element, in the wire form of the tier's input. Reads no state, since each read is a round trip to the runner."""
        end = self._end(key)
        reached, late = batches.read_attributes(data)
        cells.add_pending(data)
        timers.expire(end + self.lateness_ms)
        # Samples that were on time may come in a block that goes on past the end of their window: its watermark does not make them late.
        if late or (self.level_ms and reached >= end):
            # At the next multiple of the delay, whoever asks: a time that each arrival moved on would never come while late data trickle in.
            due = reached - reached % self.delay_ms + self.delay_ms if self.delay_ms else reached
            # When the window expires all that is pending goes out: a later timer would find nothing, and stay in the runner's state until then.
            timers.late(min(max(due, end), end + self.lateness_ms))
            return
        timers.on_time(end)
        if self.fold_ms:
            foldable = max(reached, key.window) + self.lateness_ms
            fold = foldable - foldable % self.fold_ms + self.fold_ms
            if fold < end:
                timers.fold(fold)

    def fire(self, cells: Cells, key: Key, ts: int) -> Firing:
        """The on-time pane, or a corrected one, of all that is pending; ``ts`` (ms) is the time of the timer."""
        return self._fire(cells, key, ts, last=False)

    def expire(self, cells: Cells, key: Key, ts: int) -> Firing:
        """The last corrected pane, if anything is pending; then nothing is left of the window."""
        return self._fire(cells, key, ts, last=True)

    def _fire(self, cells: Cells, key: Key, ts: int, last: bool) -> Firing:
        pending = cells.read_pending()
        stored = cells.read_meta()
        meta = _Meta.decode(stored)
        first = not meta.panes
        if not pending and (stored is None or not first):
            if last:
                self._clear_kept(cells, meta, stored)
            return Firing()
        arrivals = [self.content.arrival(data) for data in pending]
        kept, touched = self._read_kept(cells, meta, arrivals) if stored is not None else (None, [])
        merged, fates = self.content.merge(kept, arrivals)
        pane = self.content.reduce(merged, key, everything=first)
        if pane is not None:
            pane = replace(pane, pane=meta.panes, watermark=ts)
        cells.clear_pending()
        if last:
            self._clear_kept(cells, meta, stored)
            return Firing(pane, fates)
        if self.lateness_ms:
            rows = self.content.prune(merged, ts)
            if first:
                count = min(MAX_BUCKETS, max(1, len(rows) // ROWS_PER_BUCKET))
                meta, touched = replace(meta, buckets=count), list(range(count))
            self._write_kept(cells, meta, rows, touched)
        # A window whose arrivals changed nothing has still fired: what comes later is late.
        fired = meta.panes + (1 if pane is not None or first else 0)
        cells.write_meta(_Meta(fired, meta.buckets).encode())
        return Firing(pane, fates)

    def fold(self, cells: Cells, key: Key, ts: int) -> None:
        """Fold what can no longer change, while the window is still open; ``ts`` (ms) is the time of the timer."""
        pending = cells.read_pending()
        stored = cells.read_meta()
        meta = _Meta.decode(stored)
        if not pending or meta.panes:
            return
        arrivals = [self.content.arrival(data) for data in pending]
        kept, touched = self._read_kept(cells, meta, arrivals)
        merged, _ = self.content.merge(kept, arrivals)
        self._write_kept(cells, meta, self.content.prune(merged, ts), touched)
        cells.clear_pending()
        cells.write_meta(meta.encode())

    def _clear_kept(self, cells: Cells, meta: _Meta, stored: bytes | None) -> None:
        # Only what there is: each cell cleared is a round trip to the runner, as is each one read or written.
        if stored is None:
            return
        cells.clear_meta()
        for index in range(meta.buckets):
            cells.clear_bucket(index)

    def _read_kept(self, cells: Cells, meta: _Meta, arrivals: Sequence[Any]) -> tuple[Any | None, list[int]]:
        if meta.buckets == 1:
            touched = [0]
        else:
            touched = sorted({int(b) for rows in arrivals for b in np.unique(_bucket_of(rows, meta.buckets))})
        stored = [data for data in (cells.read_bucket(index) for index in touched) if data is not None]
        if not stored:
            return None, touched
        kept = [self.content.load(data) for data in stored]
        return (kept[0] if len(kept) == 1 else self.content.rows(self.content.merge(None, kept)[0])), touched

    def _write_kept(self, cells: Cells, meta: _Meta, rows: Any, touched: list[int]) -> None:
        if meta.buckets == 1:
            cells.write_bucket(0, self.content.dump(rows))
            return
        bucket = _bucket_of(rows, meta.buckets)
        for index in touched:
            cells.write_bucket(index, self.content.dump(rows.take(np.flatnonzero(bucket == index))))


class _HasSeries(Protocol):
    targets: Sequence[str]
    target: Int32


_hash = lru_cache(maxsize=1 << 18)(stable_hash)


def _bucket_of(rows: _HasSeries, buckets: int) -> npt.NDArray[np.int64]:
    """The bucket of each row, by a stable hash of its target, so that a late scrape reads one."""
    bucket = np.array([(_hash(text) >> 32) % buckets for text in rows.targets], np.int64)
    spread: npt.NDArray[np.int64] = bucket[rows.target]
    return spread
