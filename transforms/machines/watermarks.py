"""Watermarks that travel with the samples: each source tells, behind what it read, how far the partition is by then.

The runner's watermark says the same of all partitions together, but seconds later. Where elements stay in order from a source to a shard, whoever has
been told that a partition has passed a time has all of its samples that were ahead of it; and once all partitions have, an instant is complete::

    partition 0   samples of 12:00:14 | told 12:00:04 | samples of 12:00:26 | told 12:00:16 |
    partition 1   samples of 12:00:13 | told 12:00:03 | samples of 12:00:24 |               | told 12:00:14
    complete up to                                                           12:00:03        12:00:14
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from schemas.times import LONG_AGO

_FORMAT = struct.Struct(">iiiq")


class PartitionWatermark(NamedTuple):
    """What a source says of a partition.

    Attributes:
        source: its number, one that no other source of the job has or had.
        partition: its number.
        partitions: how many partitions the source had when it began to read this one, this one included.
        watermark_ms: what comes of it behind this is overtaken (:attr:`schemas.batch.SampleBatch.overtaken`), or ahead of this time.
    """

    source: int
    partition: int
    partitions: int
    watermark_ms: int


LAUNCH = PartitionWatermark(-1, 0, 1, 1 << 62)
"""That the time of the launch has been told: it is one more source, which has nothing more to say."""


def encode(watermarks: Iterable[PartitionWatermark]) -> bytes:
    """What was told, as bytes."""
    return b"".join(_FORMAT.pack(*each) for each in watermarks)


def decode(data: bytes) -> list[PartitionWatermark]:
    """What :func:`encode` was given.

    Raises:
        struct.error: the bytes are none of it.
    """
    return [PartitionWatermark(*each) for each in _FORMAT.iter_unpack(data)]


class Watermarks:
    """What a shard has been told by all sources.

    It is part of a shard's state: after a failure the shard knows no more than what came before the checkpoint from which all goes on.
    """

    def __init__(self, sources: Collection[int], stored: bytes = b"") -> None:
        """Begin, or go on.

        Args:
            sources: those that tell of their partitions, besides the launch; none if nobody does.
            stored: what :meth:`to_bytes` gave. What sources said that are there no more is forgotten.
        """
        self._sources = frozenset((*sources, LAUNCH.source)) if sources else frozenset()
        self._watermarks = {each[:2]: each for each in decode(stored) if each.source in self._sources}

    def update(self, watermarks: Iterable[PartitionWatermark], matters: Callable[[int, int], bool]) -> bool:
        """Take up what matters of what is told; gives whether anything did.

        Args:
            told: of partitions; what is behind what was told before changes nothing.
            matters: whether it makes a difference that a watermark has come from one time to another. What makes none is not taken up: so state
                need not be written each time, and memory is not ahead of it.
        """
        changed = False
        for each in watermarks:
            if each.source not in self._sources:
                continue
            before = self._watermarks.get(each[:2])
            passed = before is not None and each.watermark_ms > before.watermark_ms
            if before is None or (passed and matters(before.watermark_ms, each.watermark_ms)):
                self._watermarks[each[:2]] = each
                changed = True
        return changed

    @property
    def complete_ms(self) -> int:
        """All partitions are known to have passed this time; long ago while one has not been heard, or nobody tells."""
        wanted: dict[int, int] = {}
        for source, _, partitions, _ in self._watermarks.values():
            wanted[source] = max(partitions, wanted.get(source, 0))
        if not self._sources or wanted.keys() != self._sources or len(self._watermarks) < sum(wanted.values()):
            return LONG_AGO
        return min(each.watermark_ms for each in self._watermarks.values())

    def to_bytes(self) -> bytes:
        """All that was taken up."""
        return encode(self._watermarks.values())
