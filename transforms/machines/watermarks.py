"""Partition watermarks that travel with the samples: each source sends them behind the samples that it has read.

The runner's watermark covers all partitions together, but it arrives seconds later. Elements stay in order from a source to a shard. So a shard that
receives the watermark of a partition has received all samples of the partition that were ahead of it. An evaluation time is complete once the
watermarks of all partitions have passed it::

    partition 0   samples of 12:00:14 | mark 12:00:04 | samples of 12:00:26 | mark 12:00:16 |
    partition 1   samples of 12:00:13 | mark 12:00:03 | samples of 12:00:24 |               | mark 12:00:14
    complete up to                                                           12:00:03        12:00:14
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from schemas.forms import table as forms
from schemas.times import LONG_AGO

_FORMAT = struct.Struct(">iiiq")


class PartitionWatermark(NamedTuple):
    """The watermark of one partition, as its source sends it.

    Attributes:
        source: the number of the source. No other source of the job has it, or had it.
        partition: the number of the partition.
        partitions: how many partitions the source had when it began to read this one, including this one.
        watermark_ms: later samples of the partition are overtaken (:attr:`schemas.batch.SampleBatch.overtaken`) or ahead of this time.
    """

    source: int
    partition: int
    partitions: int
    watermark_ms: int


LAUNCH = PartitionWatermark(-1, 0, 1, 1 << 62)
"""The mark that follows the launch time. The launch counts as one more source, which sends nothing after it."""


MARK = b""
"""The key of a mark: an element among samples that holds partition watermarks instead. No samples have it."""


def is_mark(element: tuple[bytes, bytes]) -> bool:
    """Whether an element of a source holds partition watermarks. Every transform that reads elements of a source drops marks, or takes them."""
    return element[0] == MARK


def encode(watermarks: Iterable[PartitionWatermark]) -> bytes:
    """Watermarks as bytes."""
    return b"".join(_FORMAT.pack(*each) for each in watermarks)


def decode(data: bytes) -> list[PartitionWatermark]:
    """The watermarks that :func:`encode` was given.

    Raises:
        schemas.forms.model.VersionError: the bytes do not hold watermarks, or another release wrote them.
    """
    if len(data) % _FORMAT.size:
        raise forms.WATERMARKS.refusal(f"of {len(data)} bytes")
    return [PartitionWatermark(*each) for each in _FORMAT.iter_unpack(data)]


class Watermarks:
    """The watermarks that a shard has received from all sources.

    They are part of the shard's state: after a failure the shard goes on with those of the checkpoint.
    """

    def __init__(self, sources: Collection[int], stored: bytes = b"") -> None:
        """Start empty, or restore.

        Args:
            sources: the sources that send watermarks of their partitions, besides the launch; empty if none does.
            stored: the result of :meth:`to_bytes`. Watermarks of sources that no longer exist are dropped.
        """
        self._sources = frozenset((*sources, LAUNCH.source)) if sources else frozenset()
        self._watermarks = {each[:2]: each for each in decode(stored) if each.source in self._sources}

    def update(self, watermarks: Iterable[PartitionWatermark], matters: Callable[[int, int], bool]) -> bool:
        """Take the watermarks that matter. Returns whether anything changed.

        Args:
            watermarks: of partitions. One that is not ahead of the partition's last watermark changes nothing.
            matters: whether the step of a watermark from one time to another matters. Other steps are ignored: state is not written each time, and
                memory is never ahead of it.
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
        """The time that all partitions have passed. ``LONG_AGO`` while a watermark is missing, or if no source sends any."""
        wanted: dict[int, int] = {}
        for source, _, partitions, _ in self._watermarks.values():
            wanted[source] = max(partitions, wanted.get(source, 0))
        if not self._sources or wanted.keys() != self._sources or len(self._watermarks) < sum(wanted.values()):
            return LONG_AGO
        return min(each.watermark_ms for each in self._watermarks.values())

    def to_bytes(self) -> bytes:
        """The watermarks, for the state."""
        return encode(self._watermarks.values())
