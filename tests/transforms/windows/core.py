"""The pure core as a whole: cutters, and a state machine a tier, tied to dicts and to timers that a test fires by moving a watermark."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from schemas import batch as batches
from schemas import rollup as rollups
from schemas.batch import MIN_WATERMARK
from schemas.rollup import RollupBatch
from schemas.tiers import Tiers
from tests.transforms.naive import Row, Sample, Series, batch_of, rows_of, samples_of
from transforms.accounting import COLLIDED, DUPLICATE, MERGED_LATE, UNWRITABLE, WRITTEN
from transforms.machines import watermarks
from transforms.machines.local import LocalKey
from transforms.machines.machine import Memory, Timer
from transforms.machines.watermarks import PartitionWatermark
from transforms.rollups.contents import windows_of
from transforms.rollups.cutting import cutter_of
from transforms.rollups.fates import Fates
from transforms.windows import marks
from transforms.windows.content import Key
from transforms.windows.machine import PANES, WindowMachine

SOURCE = 7
END_OF_TIME = 1 << 60
"""A watermark behind every timer, ms."""


class Window(LocalKey):
    """The state of one window in memory; ``reads`` counts the cells read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: Counter[str] = Counter()

    def read(self, cell: str) -> bytes | None:
        self.reads[cell] += 1
        return super().read(cell)

    def read_bag(self, bag: str) -> list[bytes]:
        self.reads[bag.rstrip("0123456789")] += 1
        return super().read_bag(bag)

    @property
    def pending(self) -> list[bytes]:
        return self.bags.get("pending", [])

    @property
    def late(self) -> list[bytes]:
        return self.bags.get("late", [])

    @property
    def buckets(self) -> dict[int, bytes]:
        return {
            int(name[len("bucket") :]): bag[0] for name, bag in self.bags.items() if name.startswith("bucket") and bag
        }


class Level:
    """One tier: its machine, and its windows."""

    def __init__(self, tiers: Tiers, level: int, sources: frozenset[int] = frozenset()) -> None:
        self.machine = WindowMachine(replace(windows_of(tiers, level), sources=sources), Memory())
        self.tier = tiers.rollups[level]
        self.windows: dict[Key, Window] = defaultdict(Window)

    def arrive(self, key: Key, data: bytes) -> None:
        window = self.windows[key]
        assert not self.machine.arrive(key.encode(), data, window, window)

    def mark(self, key: Key, data: bytes) -> RollupBatch | None:
        """The pane that a mark lets out, if it does."""
        window = self.windows[key]
        outs = list(self.machine.arrive(key.encode(), data, window, window))
        assert all((out.tag, out.time_ms) == (PANES, key.window + self.tier.window_ms) for out in outs)
        (pane,) = [rollups.decode(out.data) for out in outs] or [None]
        return pane

    def due(self, watermark: int) -> list[tuple[int, Key, str]]:
        return [(time_ms, key, tag) for key, window in self.windows.items() for time_ms, tag in window.due(watermark)]

    def fire(self, ts: int, key: Key, tag: str) -> RollupBatch | None:
        """The pane that goes out, if one does."""
        window = self.windows[key]
        window.timers.pop(tag, None)
        outs = list(self.machine.fire(key.encode(), Timer(ts, tag), window, window))
        assert all((out.tag, out.time_ms) == (PANES, ts) for out in outs)
        (pane,) = [rollups.decode(out.data) for out in outs] or [None]
        return pane


def fates_of(machine: WindowMachine) -> Fates:
    """The fates that a machine has counted."""
    counted = machine.counted
    return Fates(*(counted.get(name, 0) for name in (WRITTEN, MERGED_LATE, DUPLICATE, UNWRITABLE, COLLIDED)))


Choose = Callable[[Sequence[tuple[int, Key, str]]], tuple[int, Key, str]]


def earliest(due: Sequence[tuple[int, Key, str]]) -> tuple[int, Key, str]:
    """The timer to fire next: the earliest, those of one instant in any fixed order."""
    return min(due, key=lambda timer: (timer[0], timer[1].shard, timer[1].window, timer[2]))


class Core:
    """A job without a runner.

    Args:
        choose: picks the next timer of those that are due.
        marked: whether the finest windows receive the watermarks of partitions.

    Attributes:
        panes: all panes of all tiers, in the order in which they went out.
        too_late: the samples that the cutters found too late.
    """

    def __init__(
        self,
        tiers: Tiers,
        shards: int = 1,
        delay_ms: int = 0,
        partitions: int = 1,
        choose: Choose = earliest,
        marked: bool = False,
    ) -> None:
        self._tiers, self._shards, self._marked = tiers, shards, marked
        self._choose = choose
        self._cutters = [cutter_of(tiers, shards, delay_ms) for _ in range(partitions)]
        self._watermarks = [MIN_WATERMARK] * partitions
        sources = frozenset({SOURCE} if marked else ())
        self.levels = [Level(tiers, level, frozenset() if level else sources) for level in range(len(tiers.rollups))]
        self.panes: list[RollupBatch] = []
        self.too_late: list[Sample] = []

    @property
    def watermark(self) -> int:
        """The least of all partitions', ms: how far a runner may go."""
        return min(self._watermarks)

    @property
    def fates(self) -> Fates:
        """The fates of all samples so far."""
        return fates_of(self.levels[0].machine)

    def go_on(self, watermark: int) -> None:
        """Go on as a job that comes from a savepoint: all partitions are where the first of them was."""
        self._watermarks = [watermark] * len(self._watermarks)

    def feed(self, records: Sequence[Sequence[Sample]], partition: int = 0) -> None:
        """Read a block of records of one partition."""
        record = np.repeat(np.arange(len(records)), [len(samples) for samples in records])
        batch = batch_of([sample for samples in records for sample in samples])
        before = self._watermarks[partition]
        cut = self._cutters[partition].cut(batch, record, before)
        self._watermarks[partition] = cut.watermark
        if cut.too_late is not None:
            self.too_late += samples_of(cut.too_late)
        for key, piece in cut.pieces:
            self.levels[0].arrive(key, batches.encode(piece))
        if self._marked:
            self._mark(partition, before, cut.watermark)

    def _mark(self, partition: int, before: int, after: int) -> None:
        mark = PartitionWatermark(SOURCE, partition, len(self._watermarks), after)
        moved = watermarks.encode([mark._replace(watermark_ms=before), mark])
        for key, element in marks.elements_of(moved, self._shards, self._tiers.rollups[0].window_ms):
            self._hand_on(0, self.levels[0].mark(Key.decode(key), element))

    def advance(self, watermark: int) -> list[RollupBatch]:
        """Fire all timers that a watermark has reached, finer tiers before coarser ones; returns the panes that go out."""
        begin = len(self.panes)
        for number, level in enumerate(self.levels):
            while due := level.due(watermark):
                self._hand_on(number, level.fire(*self._choose(due)))
        return self.panes[begin:]

    def _hand_on(self, number: int, pane: RollupBatch | None) -> None:
        if pane is None:
            return
        self.panes.append(pane)
        if number + 1 < len(self.levels):
            coarser = self.levels[number + 1]
            key = Key(pane.shard, coarser.tier.window_of(pane.window))
            coarser.arrive(key, rollups.encode(pane))

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
        return all(window.is_empty for level in self.levels for window in level.windows.values())
