"""Both stages in one process, without a framework: state in dicts, timers in a heap, and a watermark that the caller moves.

What :mod:`transforms.machines.machine` asks of its surroundings, and no more: for tests, for unit tests of rules, and for benchmarks. A run::

    stage = LocalPipeline(settings)
    stage.add(batch)                      # kept until the next bundle
    for out in stage.advance(12:01): ...  # a bundle of each stage, with all timers up to the watermark
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np

from schemas import batch as batches
from schemas.batch import MIN_WATERMARK, SampleBatch
from schemas.series import shard_of
from transforms.alerts import messages
from transforms.alerts.groups.machine import GroupMachine
from transforms.alerts.groups.state import GroupState
from transforms.alerts.messages import RuleFiles
from transforms.alerts.shards.machine import Kept, ShardMachine, key_of
from transforms.machines.machine import CONTRIBUTIONS, EvaluationSettings, Machine, Memory, Out
from transforms.machines.watermarks import PartitionWatermark

GROUPS_KEY = b"rules"
END_MS = 1 << 62
"""The watermark of a stream that has ended."""


@dataclass
class _Key:
    """State and timers of a key; see :class:`transforms.machines.machine.Cells` and :class:`transforms.machines.machine.Timers`."""

    cells: dict[str, bytes] = field(default_factory=dict)
    bags: dict[str, list[bytes]] = field(default_factory=dict)
    set_for: set[int] = field(default_factory=set)
    due: list[int] = field(default_factory=list)

    def read(self, cell: str) -> bytes | None:
        return self.cells.get(cell)

    def write(self, cell: str, data: bytes) -> None:
        self.cells[cell] = data

    def read_bag(self, bag: str) -> list[bytes]:
        return list(self.bags.get(bag, ()))

    def append(self, bag: str, data: bytes) -> None:
        self.bags.setdefault(bag, []).append(data)

    def replace(self, bag: str, data: Iterable[bytes]) -> None:
        self.bags[bag] = list(data)

    def at(self, time_ms: int) -> None:
        if time_ms not in self.set_for:
            self.set_for.add(time_ms)
            heapq.heappush(self.due, time_ms)

    def next_due(self, watermark_ms: int) -> int | None:
        """Takes the first timer up to a watermark, if there is one."""
        if not self.due or self.due[0] > watermark_ms:
            return None
        time_ms = heapq.heappop(self.due)
        self.set_for.remove(time_ms)
        return time_ms


class LocalMachine:
    """A machine with its state."""

    def __init__(self, make: Callable[[], Machine]) -> None:
        """A machine without state; ``make`` gives one that remembers nothing."""
        self._make = make
        self._keys: dict[bytes, _Key] = {}
        self._saved: dict[bytes, _Key] = {}
        self.machine = make()

    def run(
        self, elements: Iterable[tuple[bytes, bytes]], watermark_ms: int = MIN_WATERMARK, *, breaks: bool = False
    ) -> list[Out]:
        """A bundle: elements by key, then all timers up to a watermark, also those that are set meanwhile.

        Args:
            elements: ``(key, element)``, in this order.
            watermark_ms: of the input, after the elements.
            breaks: it fails just before its end: nothing of it is committed, nothing comes of it.
        """
        before = deepcopy(self._keys) if breaks else {}
        self.machine.begin()
        told: list[Out] = []
        for name, element in elements:
            key = self._keys.setdefault(name, _Key())
            told += self.machine.arrive(name, element, key, key)
        for name, key in list(self._keys.items()):
            while (time_ms := key.next_due(watermark_ms)) is not None:
                told += self.machine.fire(name, time_ms, key, key)
        if breaks:
            self._keys = before
            return []
        told += self.machine.finish()
        return told

    def restart(self) -> None:
        """Forget what is in memory; state stays."""
        self.machine = self._make()

    def checkpoint(self) -> None:
        """Take a copy of the state."""
        self._saved = deepcopy(self._keys)

    def lose(self) -> None:
        """Go back to the copy; what is in memory stays, as in a process that outlives a failure elsewhere."""
        self._keys = deepcopy(self._saved)

    def key(self, name: bytes) -> _Key:
        """The state of a key, to look into."""
        return self._keys.setdefault(name, _Key())

    def states(self) -> list[tuple[bytes, _Key]]:
        """All keys with their state, by name."""
        return sorted(self._keys.items())

    @property
    def stored_bytes(self) -> int:
        """The size of the state."""
        return sum(
            sum(map(len, key.cells.values())) + sum(len(data) for bag in key.bags.values() for data in bag)
            for key in self._keys.values()
        )


class LocalPipeline:
    """The two machines, one after the other."""

    def __init__(self, settings: EvaluationSettings) -> None:
        self.settings = settings

        def shards() -> Machine:
            return ShardMachine(settings, Memory[Kept]())

        def groups() -> Machine:
            return GroupMachine(settings, Memory[GroupState]())

        self.shards = LocalMachine(shards)
        self.groups = LocalMachine(groups)
        self._to_shards: list[tuple[bytes, bytes]] = []
        self._to_groups: list[tuple[bytes, bytes]] = []
        self._newest = MIN_WATERMARK
        self._told: list[PartitionWatermark] = []

    def add(self, batch: SampleBatch) -> None:
        """Samples of any shards, for the next bundle. They are in order unless ``batch.overtaken`` says otherwise."""
        if not len(batch):
            return
        shard = np.array([shard_of(text, self.settings.shards) for text in batch.targets], np.int64)[batch.target]
        for number in np.unique(shard).tolist():
            piece = batch.take(np.flatnonzero(shard == number)).compact()
            self._to_shards.append((key_of(number), messages.of_samples(batches.encode(piece))))
        self._newest = max(self._newest, int(batch.ts.max()))

    def extent(self, newest_ms: int) -> None:
        """Event time has come this far; of samples that were added it need not be said."""
        self._newest = max(self._newest, newest_ms)

    def tell(self, told: Iterable[PartitionWatermark]) -> None:
        """The watermarks of partitions, for the next bundle: all samples of theirs were added that came before."""
        self._told += told

    def rules(self, found: RuleFiles) -> None:
        """The rule files are these from a time on."""
        element = messages.of_rules(found)
        self._to_shards += [(key_of(number), element) for number in range(self.settings.shards)]
        self._to_groups.append((GROUPS_KEY, element))

    def advance(self, watermark_ms: int) -> list[Out]:
        """A bundle of each stage, with what was added and all timers up to a watermark; gives events and samples."""
        elements, self._to_shards = self._to_shards, []
        if self._newest > MIN_WATERMARK or self._told:
            newest = self._newest if self._newest > MIN_WATERMARK else None
            extent = messages.of_extent(newest, self._told)
            elements += [(key_of(number), extent) for number in range(self.settings.shards)]
            self._newest, self._told = MIN_WATERMARK, []
        contributions = self.shards.run(elements, watermark_ms)
        elements, self._to_groups = self._to_groups, []
        elements += [(GROUPS_KEY, out.data) for out in contributions if out.tag == CONTRIBUTIONS]
        return self.groups.run(elements, watermark_ms)

    def close(self) -> list[Out]:
        """The input ends.

        Raises:
            ValueError: the settings do not say that it would, and time would go on for ever.
        """
        if not self.settings.bounded:
            raise ValueError("an input without bounds does not end")
        return self.advance(END_MS)

    def groups_state(self) -> GroupState:
        """The state of the groups between two bundles, to be looked at."""
        machine = self.groups.machine
        if not isinstance(machine, GroupMachine):
            raise TypeError(f"{type(machine).__name__} is no machine of groups")
        return machine.look(GROUPS_KEY, self.groups.key(GROUPS_KEY))

    def restart(self) -> None:
        """Forget what is in memory; state stays."""
        self.shards.restart()
        self.groups.restart()

    def checkpoint(self) -> None:
        """Take a copy of the state, to come back to."""
        self.shards.checkpoint()
        self.groups.checkpoint()

    def lose(self) -> None:
        """Go back to the copy, as after a failure: what was added since is to be added again."""
        self.shards.lose()
        self.groups.lose()
        self._to_shards, self._to_groups, self._newest, self._told = [], [], MIN_WATERMARK, []
