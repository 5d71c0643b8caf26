"""The partitions of a topic as elements, those that are added while it is read too; and their watermarks."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.coders import Coder
from apache_beam.io.restriction_trackers import OffsetRange
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.utils.timestamp import MAX_TIMESTAMP, MIN_TIMESTAMP, Duration, Timestamp

from schemas.batch import MAX_PARTITIONS, MIN_WATERMARK
from schemas.forms import table as forms
from transforms.io.beam import OffsetTracker, RangeCoder
from transforms.io.kafka.reader import Catalog
from transforms.io.kafka.topic import KafkaTopic


class Partition(NamedTuple):
    """The element of a partition.

    Attributes:
        number: Kafka's.
        added: found while running, so that all of it is new.
        among: how many partitions the topic had when this one was found.
    """

    number: int
    added: bool
    among: int

    def encode(self) -> bytes:
        """As an element."""
        return _PARTITION.pack(*self)

    @classmethod
    def decode(cls, element: bytes) -> Partition:
        """What :meth:`encode` gave.

        Raises:
            schemas.forms.model.VersionError: another release wrote it.
        """
        if len(element) != _PARTITION.size:
            raise forms.PARTITION.refusal(f"of {len(element)} bytes")
        return cls(*_PARTITION.unpack(element))


_PARTITION = struct.Struct(">i?i")


def watermark_of(estimator: Any) -> int:
    """The watermark of a manual estimator, ms; :data:`schemas.batch.MIN_WATERMARK` if it has none yet."""
    found = estimator.current_watermark()
    return MIN_WATERMARK if found is None or found <= MIN_TIMESTAMP else found.micros // 1000


def advance(estimator: Any, watermark: int) -> None:
    """Move a manual estimator's watermark forward to a time, ms; never back."""
    if watermark > watermark_of(estimator):
        estimator.set_watermark(Timestamp(micros=watermark * 1000))


MANUAL_WATERMARK = beam.DoFn.WatermarkEstimatorParam(ManualWatermarkEstimator.default_provider())
"""What steps have that move their watermarks themselves."""


class DiscoverPartitions(beam.DoFn, RestrictionProvider):
    """Hands out the partitions of the topic, and later those that have been added.

    The restriction counts partitions handed out: Kafka numbers them from 0 and never removes one.
    """

    def __init__(self, topic: KafkaTopic, every_ms: int) -> None:
        """Look for partitions of a topic every so many milliseconds, a second at least."""
        self._topic, self._every_ms = topic, every_ms

    def initial_restriction(self, element: bytes) -> OffsetRange:
        """All partitions there may ever be."""
        return OffsetRange(0, MAX_PARTITIONS)

    def create_tracker(self, restriction: OffsetRange) -> OffsetTracker:
        """Claims by partition number."""
        return OffsetTracker(restriction, bounded=False)

    def restriction_size(self, element: bytes, restriction: OffsetRange) -> int:
        """No size is known."""
        return 1

    def restriction_coder(self) -> Coder:
        """See :class:`transforms.io.beam.RangeCoder`."""
        return RangeCoder()

    def truncate(self, element: bytes, restriction: OffsetRange) -> None:
        """A drain looks for no more."""

    @beam.DoFn.unbounded_per_element()
    def process(
        self, element: bytes, tracker: Any = beam.DoFn.RestrictionParam(), estimator: Any = MANUAL_WATERMARK
    ) -> Iterator[bytes]:
        catalog = Catalog(self._topic)
        try:
            count = catalog.partitions()
        finally:
            catalog.close()
        first = tracker.current_restriction().start
        for partition in range(first, count):
            if not tracker.try_claim(partition):
                return
            yield Partition(partition, added=first > 0, among=count).encode()
        # This step knows no event time, and must not hold back that of the partitions; short of the end of time, which would end the job.
        advance(estimator, MAX_TIMESTAMP.micros // 1000 - 86_400_000)
        tracker.defer_remainder(Duration(seconds=max(1, self._every_ms // 1000)))
