"""The pure core as a whole: cutters, and a state machine a tier, tied to dicts and to timers that a test fires by moving a watermark."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from schemas import batch as batches
from schemas import rollup as rollups
from schemas.batch import MIN_WATERMARK
from schemas.rollup import RollupBatch
from schemas.tiers import Tiers
from tests.transforms.naive import Row, Sample, Series, batch_of, rows_of, samples_of
from transforms.rollups.contents import content_of
from transforms.windows.content import Key
from transforms.windows.cut import Cutter
from transforms.windows.fates import Fates
from transforms.windows.machine import Firing, WindowMachine

END_OF_TIME = 1 << 60
"""A watermark behind every timer, ms."""


class DictCells:
    """The state of one window in memory; ``reads`` counts the cells read."""

    def __init__(self) -> None:
        self.meta: bytes | None = None
        self.pending: list[bytes] = []
        self.buckets: dict[int, bytes] = {}
        self.reads: Counter[str] = Counter()

    def read_meta(self) -> bytes | None:
        self.reads["meta"] += 1
        return self.meta

    def write_meta(self, data: bytes) -> None:
        self.meta = data

    def add_pending(self, data: bytes) -> None:
        self.pending.append(data)

    def read_pending(self) -> list[bytes]:
        self.reads["pending"] += 1
        return list(self.pending)

    def clear_pending(self) -> None:
        self.pending = []

    def read_bucket(self, index: int) -> bytes | None:
        self.reads["bucket"] += 1
        return self.buckets.get(index)

    def write_bucket(self, index: int, data: bytes) -> None:
        self.buckets[index] = data

    def clear_meta(self) -> None:
        self.meta = None

    def clear_bucket(self, index: int) -> None:
        self.buckets.pop(index, None)

    @property
    def empty(self) -> bool:
        return self.meta is None and not self.pending and not self.buckets


class DictTimers:
    """The timers of one window that are set, by tag."""

    def __init__(self) -> None:
        self.at: dict[str, int] = {}

    def on_time(self, ts: int) -> None:
        self.at["on_time"] = ts

    def late(self, ts: int) -> None:
        self.at[f"late{ts}"] = ts

    def fold(self, ts: int) -> None:
        self.at[f"fold{ts}"] = ts

    def expire(self, ts: int) -> None:
        self.at["expire"] = ts


class Level:
    """One tier: its machine, and the cells and timers of each of its windows."""

    def __init__(self, tiers: Tiers, level: int) -> None:
        self.machine = WindowMachine(tiers, level, content_of(tiers, level))
        self.tier = tiers.rollups[level]
        self.cells: dict[Key, DictCells] = defaultdict(DictCells)
        self.timers: dict[Key, DictTimers] = defaultdict(DictTimers)

    def arrive(self, key: Key, data: bytes) -> None:
        self.machine.arrive(self.cells[key], self.timers[key], key, data)

    def due(self, watermark: int) -> list[tuple[int, Key, str]]:
        return [
            (ts, key, tag) for key, timers in self.timers.items() for tag, ts in timers.at.items() if ts <= watermark
        ]

    def fire(self, ts: int, key: Key, tag: str) -> Firing:
        del self.timers[key].at[tag]
        cells = self.cells[key]
        if tag.startswith("fold"):
            self.machine.fold(cells, key, ts)
            return Firing()
        return (self.machine.expire if tag == "expire" else self.machine.fire)(cells, key, ts)


Choose = Callable[[Sequence[tuple[int, Key, str]]], tuple[int, Key, str]]


def earliest(due: Sequence[tuple[int, Key, str]]) -> tuple[int, Key, str]:
    """The timer to fire next: the earliest, those of one instant in any fixed order."""
    return min(due, key=lambda timer: (timer[0], timer[1].shard, timer[1].window, timer[2]))


class Core:
    """A job without a runner.

    Args:
        choose: picks the next timer of those that are due.

    Attributes:
        panes: all panes of all tiers, in the order in which they went out.
        too_late: the samples that the cutters found too late.
    """

    def __init__(
        self, tiers: Tiers, shards: int = 1, delay_ms: int = 0, partitions: int = 1, choose: Choose = earliest
    ) -> None:
        self._tiers = tiers
        self._choose = choose
        self._cutters = [Cutter(tiers, shards, delay_ms) for _ in range(partitions)]
        self._watermarks = [MIN_WATERMARK] * partitions
        self.levels = [Level(tiers, level) for level in range(len(tiers.rollups))]
        self.panes: list[RollupBatch] = []
        self.fates = Fates()
        self.too_late: list[Sample] = []

    @property
    def watermark(self) -> int:
        """The least of all partitions', ms: how far a runner may go."""
        return min(self._watermarks)

    def go_on(self, watermark: int) -> None:
        """Go on as a job that comes from a savepoint: all partitions are where the first of them was."""
        self._watermarks = [watermark] * len(self._watermarks)

    def feed(self, records: Sequence[Sequence[Sample]], partition: int = 0) -> None:
        """Read a block of records of one partition."""
        record = np.repeat(np.arange(len(records)), [len(samples) for samples in records])
        batch = batch_of([sample for samples in records for sample in samples])
        cut = self._cutters[partition].cut(batch, record, self._watermarks[partition])
        self._watermarks[partition] = cut.watermark
        if cut.too_late is not None:
            self.too_late += samples_of(cut.too_late)
        for key, piece in cut.pieces:
            self.levels[0].arrive(key, batches.encode(piece))

    def advance(self, watermark: int) -> list[RollupBatch]:
        """Fire all timers that a watermark has reached, finer tiers before coarser ones; returns the panes that go out."""
        begin = len(self.panes)
        for number, level in enumerate(self.levels):
            while due := level.due(watermark):
                firing = level.fire(*self._choose(due))
                self.fates += firing.fates
                if firing.pane is None:
                    continue
                self.panes.append(firing.pane)
                if number + 1 < len(self.levels):
                    coarser = self.levels[number + 1]
                    key = Key(firing.pane.shard, coarser.tier.window_of(firing.pane.window))
                    coarser.arrive(key, rollups.encode(firing.pane))
        return self.panes[begin:]

    def rows(self, tier: str) -> dict[tuple[int, Series], Row]:
        """What a store would hold: of each window and series the row of the newest pane."""
        rows: dict[tuple[int, Series], tuple[int, Row]] = {}
        for pane in self.panes:
            if pane.tier == tier:
                for series, row in rows_of(pane).items():
                    key = pane.window, series
                    if key not in rows or rows[key][0] < pane.pane:
                        rows[key] = pane.pane, row
        return {key: row for key, (_, row) in rows.items()}

    @property
    def empty(self) -> bool:
        """Whether nothing is kept of any window."""
        return all(cells.empty for level in self.levels for cells in level.cells.values())
