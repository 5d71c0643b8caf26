"""Both stages in one process, without a framework: state in dicts, timers in a heap, and a watermark that the caller moves.

It provides what :mod:`transforms.machines.machine` needs, and no more. Tests, unit tests of rules and benchmarks use it. A run::

    stage = LocalPipeline(settings)
    stage.add(batch)                      # kept until the next bundle
    for out in stage.advance(12:01): ...  # a bundle of each stage, with all timers up to the watermark
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from schemas import batch as batches
from schemas.batch import MIN_WATERMARK, SampleBatch
from schemas.series import shard_of
from transforms.alerts import messages
from transforms.alerts.groups.machine import GroupMachine
from transforms.alerts.groups.state import GroupState
from transforms.alerts.messages import RuleFiles
from transforms.alerts.settings import CONTRIBUTIONS, EvaluationSettings
from transforms.alerts.shards.machine import Kept, ShardMachine, key_of
from transforms.machines.local import LocalMachine
from transforms.machines.machine import Machine, Memory, Out
from transforms.machines.watermarks import PartitionWatermark

GROUPS_KEY = b"rules"
END_MS = 1 << 62
"""The watermark of a stream that has ended."""


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
        self._watermarks: list[PartitionWatermark] = []

    def add(self, batch: SampleBatch) -> None:
        """Samples of any shards, for the next bundle. They are in order unless ``batch.overtaken`` is set."""
        if not len(batch):
            return
        shard = np.array([shard_of(text, self.settings.shards) for text in batch.targets], np.int64)[batch.target]
        for number in np.unique(shard).tolist():
            piece = batch.take(np.flatnonzero(shard == number)).compact()
            self._to_shards.append((key_of(number), messages.of_samples(batches.encode(piece))))
        self._newest = max(self._newest, int(batch.ts.max()))

    def extent(self, newest_ms: int) -> None:
        """Raise the newest event time. Samples that were added raise it themselves."""
        self._newest = max(self._newest, newest_ms)

    def add_watermarks(self, watermarks: Iterable[PartitionWatermark]) -> None:
        """Add watermarks of partitions to the next bundle. Add the samples that they follow first."""
        self._watermarks += watermarks

    def rules(self, found: RuleFiles) -> None:
        """Use these rule files from a time on."""
        element = messages.of_rules(found)
        self._to_shards += [(key_of(number), element) for number in range(self.settings.shards)]
        self._to_groups.append((GROUPS_KEY, element))

    def advance(self, watermark_ms: int) -> list[Out]:
        """A bundle of each stage, with what was added and all timers up to a watermark; gives events and samples."""
        elements, self._to_shards = self._to_shards, []
        if self._newest > MIN_WATERMARK or self._watermarks:
            newest = self._newest if self._newest > MIN_WATERMARK else None
            extent = messages.of_extent(newest, self._watermarks)
            elements += [(key_of(number), extent) for number in range(self.settings.shards)]
            self._newest, self._watermarks = MIN_WATERMARK, []
        contributions = self.shards.run(elements, watermark_ms)
        elements, self._to_groups = self._to_groups, []
        elements += [(GROUPS_KEY, out.data) for out in contributions if out.tag == CONTRIBUTIONS]
        return self.groups.run(elements, watermark_ms)

    def close(self) -> list[Out]:
        """The input ends.

        Raises:
            ValueError: the settings are not of a bounded input, so time would go on for ever.
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
        self._to_shards, self._to_groups, self._newest, self._watermarks = [], [], MIN_WATERMARK, []
