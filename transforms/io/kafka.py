"""The Kafka source: splittable DoFns over the partitions of a topic, with a watermark for each in event time.

Modelled on what Java's ``ReadFromKafkaDoFn`` guarantees. One element is one partition and its restriction the offsets ``[start, inf)``, or
``[start, end as of now)`` when bounded. A call reads for about a second and hands the rest back to the runner, whose state is the truth
for positions: a bundle that fails is read again from there.

The watermark of a partition is its newest event time less a delay. A partition that has had nothing to read for ``idle_ms`` follows the
clock instead, so that it does not hold back the others; what then still arrives from before is late by that watermark.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.coders import Coder
from apache_beam.io.restriction_trackers import OffsetRange
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.metrics import Metrics
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.utils.timestamp import MAX_TIMESTAMP, MIN_TIMESTAMP, Duration, Timestamp

from schemas.batch import MAX_OFFSET, MAX_PARTITIONS, MIN_WATERMARK
from transforms import accounting
from transforms.intake import Intake, IntakeSettings, take_in
from transforms.io.kafka_offsets import OffsetTracker, RangeCoder
from transforms.io.kafka_reader import POOL, Catalog, PartitionReader, Read
from transforms.io.kafka_settings import KafkaTopic, Start

CALL_SECONDS = 1.0
"""How long one call reads before it lets the runner take a checkpoint."""
POLL_SECONDS = 0.1
RESTLESS_SECONDS = 1.0
"""How long after its last record an idle partition does not rest yet."""
IDLE_DELAY = Duration(seconds=1)
"""How long an idle partition rests; the Flink runner floors it to whole seconds."""


@dataclass(frozen=True)
class KafkaSource:
    """What to read.

    Attributes:
        topic: and how to reach it.
        start: where each partition begins.
        bounded: stop at the end as it is when reading begins.
        idle_ms: how long a partition has nothing to read before its watermark follows the clock.
        discovery_ms: how often an unbounded read looks for new partitions, which are then read from their beginning; 0 for never.
    """

    topic: KafkaTopic
    start: Start = Start()  # noqa: RUF009 (frozen)
    bounded: bool = False
    idle_ms: int = 30_000
    discovery_ms: int = 60_000


class _Partition(NamedTuple):
    """The element of a partition; ``added``: found while running, so that all of it is new."""

    number: int
    added: bool

    def encode(self) -> bytes:
        return _PARTITION.pack(*self)

    @classmethod
    def decode(cls, element: bytes) -> _Partition:
        return cls(*_PARTITION.unpack(element))


_PARTITION = struct.Struct(">i?")


class _ReadPartition(beam.DoFn, RestrictionProvider):
    """What the bounded and the unbounded reading DoFn do alike; each is the provider of its own restrictions, offsets."""

    def __init__(self, source: KafkaSource, settings: IntakeSettings) -> None:
        self._source, self._settings = source, settings
        self._lag: dict[int, Any] = {}

    def initial_restriction(self, element: bytes) -> OffsetRange:
        """The offsets from the start position to the end: as of now if bounded."""
        partition, added = _Partition.decode(element)
        catalog = Catalog(self._source.topic)
        try:
            start = catalog.offset(partition, Start() if added else self._source.start)
            stop = catalog.bounds(partition)[1] if self._source.bounded else MAX_OFFSET
        finally:
            catalog.close()
        return OffsetRange(start, max(start, stop))

    def create_tracker(self, restriction: OffsetRange) -> OffsetTracker:
        """Claims by offset."""
        return OffsetTracker(restriction, self._source.bounded)

    def restriction_size(self, element: bytes, restriction: OffsetRange) -> int:
        """Records to read; 1 when there is no end to them."""
        return restriction.size() if self._source.bounded else 1

    def restriction_coder(self) -> Coder:
        """See :class:`RangeCoder`."""
        return RangeCoder()

    def truncate(self, element: bytes, restriction: OffsetRange) -> OffsetRange | None:
        """A drain ends an endless read where it stands; a bounded one is finished."""
        return restriction if self._source.bounded else None

    def setup(self) -> None:
        """Make the caches of series of this instance."""
        self._intake = Intake(self._settings)

    def read(self, partition: int, tracker: Any, estimator: Any) -> Iterator[object]:
        """Read for a while, then hand the rest back."""
        offsets = tracker.current_restriction()
        if offsets.start >= offsets.stop:
            tracker.try_claim(offsets.stop)
            return
        reader = POOL.take(self._source.topic, partition, offsets.start)
        try:
            yield from self._read(reader, partition, tracker, estimator)
        except BaseException:
            reader.close()
            raise
        POOL.give(self._source.topic, partition, reader)

    def _read(self, reader: PartitionReader, partition: int, tracker: Any, estimator: Any) -> Iterator[object]:
        stop = tracker.current_restriction().stop
        topic = self._source.topic.topic
        watermark = _ms(estimator.current_watermark())
        claimed = tracker.current_restriction().start - 1
        give_up = time.monotonic() + CALL_SECONDS
        while True:
            read = reader.read(POLL_SECONDS)
            records = read.records
            if records and records[-1].offset >= stop:
                records = [record for record in records if record.offset < stop]
            taken = self._intake.take(records, topic, partition, watermark) if records else None
            # The claim covers offsets behind the last record too: compaction and transaction markers leave gaps.
            last = min(read.position, stop) - 1
            if last > claimed:
                if not tracker.try_claim(last):
                    return
                claimed = last
            self._intake.count(accounting.OFFSETS_LOST, read.lost)
            if taken is not None:
                watermark = taken.watermark
                # Before the outputs: a split in between must not hand on an older watermark than theirs were judged by.
                _advance(estimator, watermark)
                yield from taken.outputs()
            self._gauge_lag(reader, partition)
            if read.position >= stop:
                tracker.try_claim(stop)
                return
            if self._rest(read, reader, estimator, give_up, tracker):
                return

    def _rest(self, read: Read, reader: PartitionReader, estimator: Any, give_up: float, tracker: Any) -> bool:
        """Hand the rest back if nothing is left for now, or the call has lasted long enough."""
        now = time.monotonic()
        if (read.at_end or reader.lag() == 0) and not self._source.bounded:
            # Asked anew: behind a broker that does not answer there may be records that must not become late.
            if now - reader.last_record >= self._source.idle_ms / 1000 and reader.caught_up():
                _advance(estimator, int(time.time() * 1000) - self._settings.delay_ms)
            # While records trickle in, a rest would hold back the watermark, and with it every window and alert, by a second and more.
            tracker.defer_remainder(IDLE_DELAY if now - reader.last_record >= RESTLESS_SECONDS else Duration())
            return True
        if now >= give_up:
            tracker.defer_remainder()
            return True
        return False

    def _gauge_lag(self, reader: PartitionReader, partition: int) -> None:
        lag = reader.lag()
        if lag is None:
            return
        gauge = self._lag.get(partition)
        if gauge is None:
            name = f"kafka.lag.{self._source.topic.topic}.{partition}"
            gauge = self._lag[partition] = Metrics.gauge(accounting.NAMESPACE, name)
        gauge.set(lag)


def _ms(timestamp: Timestamp) -> int:
    return MIN_WATERMARK if timestamp is None or timestamp <= MIN_TIMESTAMP else timestamp.micros // 1000


def _advance(estimator: Any, watermark: int) -> None:
    if watermark > _ms(estimator.current_watermark()):
        estimator.set_watermark(Timestamp(micros=watermark * 1000))


_MANUAL_WATERMARK = beam.DoFn.WatermarkEstimatorParam(ManualWatermarkEstimator.default_provider())


class _ReadToEnd(_ReadPartition):
    """Bounded."""

    def process(
        self, element: bytes, tracker: Any = beam.DoFn.RestrictionParam(), estimator: Any = _MANUAL_WATERMARK
    ) -> Iterator[object]:
        yield from self.read(_Partition.decode(element).number, tracker, estimator)


class _ReadForever(_ReadPartition):
    """Unbounded."""

    @beam.DoFn.unbounded_per_element()
    def process(
        self, element: bytes, tracker: Any = beam.DoFn.RestrictionParam(), estimator: Any = _MANUAL_WATERMARK
    ) -> Iterator[object]:
        yield from self.read(_Partition.decode(element).number, tracker, estimator)


class _DiscoverPartitions(beam.DoFn, RestrictionProvider):
    """Hands out the partitions of the topic, and later those that have been added.

    The restriction counts partitions handed out: Kafka numbers them from 0 and never removes one.
    """

    def __init__(self, source: KafkaSource) -> None:
        self._source = source

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
        """See :class:`RangeCoder`."""
        return RangeCoder()

    def truncate(self, element: bytes, restriction: OffsetRange) -> None:
        """A drain looks for no more."""

    @beam.DoFn.unbounded_per_element()
    def process(
        self, element: bytes, tracker: Any = beam.DoFn.RestrictionParam(), estimator: Any = _MANUAL_WATERMARK
    ) -> Iterator[bytes]:
        catalog = Catalog(self._source.topic)
        try:
            count = catalog.partitions()
        finally:
            catalog.close()
        first = tracker.current_restriction().start
        for partition in range(first, count):
            if not tracker.try_claim(partition):
                return
            yield _Partition(partition, added=first > 0).encode()
        # This step knows no event time, and must not hold back that of the partitions; short of the end of time, which would end the job.
        _advance(estimator, MAX_TIMESTAMP.micros // 1000 - 86_400_000)
        tracker.defer_remainder(Duration(seconds=max(1, self._source.discovery_ms // 1000)))


class ReadSamples(beam.PTransform):
    """A topic's samples as elements for :class:`transforms.rollup.Rollups`.

    Output: see :func:`transforms.intake.take_in`.

    Raises:
        LookupError: (when bounded or without discovery, on expanding) there is no such topic.
        ConnectionError: (likewise) no broker answers.
    """

    def __init__(self, source: KafkaSource, settings: IntakeSettings) -> None:
        super().__init__()
        self._source, self._settings = source, settings

    def expand(self, begin: beam.pvalue.PBegin) -> dict[str, beam.PCollection]:
        """The partitions, spread over the workers, then their records."""
        source = self._source
        if source.bounded or not source.discovery_ms:
            catalog = Catalog(source.topic)
            try:
                count = catalog.partitions()
            finally:
                catalog.close()
            partitions = begin | "Partitions" >> beam.Create([_Partition(i, False).encode() for i in range(count)])
        else:
            partitions = (
                begin
                | "Topic" >> beam.Create([source.topic.topic.encode()])
                | "Discover partitions" >> beam.ParDo(_DiscoverPartitions(source)).with_output_types(bytes)
            )
        reading = _ReadToEnd if source.bounded else _ReadForever
        return take_in(partitions, reading(source, self._settings))
