"""How a block of records becomes elements, as a source sees it. Samples are one kind of records (:mod:`transforms.intake.beam`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

from schemas.records import DeadLetter, RawRecord

FileWatermark = Literal["end", "events"]
"""``end``: the watermark stands until a file has been read to its end, as that of Beam's bounded sources, so that nothing in it is late, in
whatever order it is. ``events``: it follows the event times, as that of a partition: what a stream of these records would have made of them."""


class BlockResult(Protocol):
    """A decoded and cut block; nothing is counted or handed on until :meth:`outputs` is asked."""

    @property
    def watermark(self) -> int:
        """Of the partition after the block, ms."""

    def outputs(self) -> Iterator[object]:
        """The elements, ``(key, wire form)``, and the tagged outputs of what is none."""


class BlockIntake(Protocol):
    """Decodes and cuts; one instance for one thread."""

    def take(
        self, records: Sequence[RawRecord], topic: str, partition: int, watermark: int = ..., now_ms: int | None = None
    ) -> BlockResult:
        """Decode and cut records of one partition, in order.

        Args:
            records: of the partition.
            topic, partition: where they come from.
            watermark: of the partition before them, ms.
            now_ms: the time by which they were there, ms; None for no guard against times of the future.
        """

    def refuse(self, letter: DeadLetter) -> Iterator[object]:
        """Account for a file that cannot be read on; to be handed on as :meth:`BlockResult.outputs` are."""

    def note_empty(self, file: str) -> None:
        """Record that a file holds no records."""

    def count(self, name: str, number: int) -> None:
        """Add to a counter."""


class BlockSettings(Protocol):
    """Makes intakes where a source runs; picklable.

    Attributes:
        rows: the name of the main output.
        delay_ms: how far a partition's watermark stays behind its newest event time.
        default_content_type: of records without that header, and of files whose name has none; None looks at the content.
        file_watermark: how the watermark of a file goes.
    """

    @property
    def rows(self) -> str: ...
    @property
    def delay_ms(self) -> int: ...
    @property
    def default_content_type(self) -> str | None: ...
    @property
    def file_watermark(self) -> FileWatermark: ...

    def intake(self, follows_events: bool = True, one_by_one: bool = False, logs: bool = False) -> BlockIntake:
        """An intake of these settings.

        Args:
            follows_events: whether the watermark follows event times; else it stands, and nothing is late.
            one_by_one: every record of a partition comes after all those of the partitions before it, as with files.
            logs: whether examples of what is lost are logged.
        """
