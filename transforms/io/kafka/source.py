"""The Kafka source: splittable DoFns over the partitions of a topic, with a watermark for each in event time.

Modelled on what Java's ``ReadFromKafkaDoFn`` guarantees. One element is one partition and its restriction the offsets ``[start, inf)``, or
``[start, end as of now)`` when bounded. A call reads for about a second and hands the rest back to the runner, whose state is the truth
for positions: a bundle that fails is read again from there.

The watermark of a partition is its newest event time less a delay. A partition that has had nothing to read for ``idle_ms`` follows the
clock instead, so that it does not hold back the others; what then still arrives from before is late by that watermark. The watermark goes to the
runner. Where windows and shards of rules wait for it, it also follows the samples of each block as an element.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.coders import Coder
from apache_beam.io.restriction_trackers import OffsetRange
from apache_beam.metrics import Metrics
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.utils.timestamp import Duration

from schemas.batch import MAX_OFFSET
from transforms import accounting
from transforms.intake.beam import take_in
from transforms.intake.blocks import BlockSettings
from transforms.io.beam import OffsetTracker, RangeCoder
from transforms.io.kafka.beam import MANUAL_WATERMARK, DiscoverPartitions, Partition, advance, watermark_of
from transforms.io.kafka.reader import POOL, Catalog, PartitionReader
from transforms.io.kafka.topic import KafkaTopic, Start
from transforms.losses.beam import Recorder
from transforms.losses.examples import UNREAD, Example
from transforms.machines.beam import mark
from transforms.machines.watermarks import PartitionWatermark

CALL_SECONDS = 0.25
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


class _ReadPartition(beam.DoFn, RestrictionProvider):
    """What the bounded and the unbounded reading DoFn do alike; each is the provider of its own restrictions, offsets."""

    def __init__(self, source: KafkaSource, settings: BlockSettings, source_id: int | None) -> None:
        self._source, self._settings, self._source_id = source, settings, source_id
        self._lag: dict[int, Any] = {}

    def initial_restriction(self, element: bytes) -> OffsetRange:
        """The offsets from the start position to the end: as of now if bounded."""
        partition, added, _ = Partition.decode(element)
        catalog = Catalog(self._source.topic)
        try:
            start = catalog.offset(partition, Start() if added else self._source.start)
            if not self._source.bounded:
                return OffsetRange(start, MAX_OFFSET)
            # In this order: what is written meanwhile is not unread.
            written = catalog.written(partition)
            stop = catalog.bounds(partition)[1]
        finally:
            catalog.close()
        if stop < written:
            self._record_unread(partition, stop, written)
        return OffsetRange(start, max(start, stop))

    def _record_unread(self, partition: int, stop: int, written: int) -> None:
        Metrics.counter(accounting.NAMESPACE, accounting.OFFSETS_UNREAD).inc(written - stop)
        reason = (
            f"read up to offset {stop:,} of {written:,}: a transaction is open there, and nothing behind it can be read"
        )
        where = f"topic {self._source.topic.topic}, partition {partition}"
        Recorder().add_every(Example(UNREAD, where, reason))

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
        """Make the caches of this instance."""
        self._intake = self._settings.intake(logs=not self._source.bounded)

    def read(self, partition: Partition, tracker: Any, estimator: Any) -> Iterator[object]:
        """Read for a while, then hand the rest back."""
        offsets = tracker.current_restriction()
        if offsets.start >= offsets.stop:
            tracker.try_claim(offsets.stop)
            return
        reader = POOL.take(self._source.topic, partition.number, offsets.start)
        try:
            yield from self._read(reader, partition, tracker, estimator)
        except BaseException:
            reader.close()
            raise
        POOL.give(self._source.topic, partition.number, reader)

    def _read(self, reader: PartitionReader, partition: Partition, tracker: Any, estimator: Any) -> Iterator[object]:
        stop = tracker.current_restriction().stop
        topic = self._source.topic.topic
        watermark = watermark_of(estimator)
        claimed = tracker.current_restriction().start - 1
        give_up = time.monotonic() + CALL_SECONDS
        while True:
            read = reader.read(POLL_SECONDS)
            records = read.records
            if records and records[-1].offset >= stop:
                records = [record for record in records if record.offset < stop]
            taken = (
                self._intake.take(records, topic, partition.number, watermark, now_ms=int(time.time() * 1000))
                if records
                else None
            )
            # The claim covers offsets behind the last record too: compaction and transaction markers leave gaps.
            last = min(read.position, stop) - 1
            if last > claimed:
                if not tracker.try_claim(last):
                    return
                claimed = last
            self._intake.count(accounting.OFFSETS_LOST, read.lost)
            if taken is not None:
                before, watermark = watermark, taken.watermark
                # Before the outputs: a split in between must not hand on an older watermark than theirs were judged by.
                advance(estimator, watermark)
                yield from taken.outputs()
                yield from self._mark(partition, before, watermark)
            self._gauge_lag(reader, partition.number)
            if read.position >= stop:
                tracker.try_claim(stop)
                return
            at_end = (read.at_end or reader.lag() == 0) and not self._source.bounded
            if at_end and self._is_idle(reader):
                before = watermark_of(estimator)
                advance(estimator, int(time.time() * 1000) - self._settings.delay_ms)
                yield from self._mark(partition, before, watermark_of(estimator))
            if self._rest(at_end, reader, give_up, tracker):
                return

    def _mark(self, partition: Partition, before: int, watermark: int) -> Iterator[object]:
        """The partition's watermark as an element, behind all samples read so far, and the one before them."""
        if self._source_id is not None:
            yield mark(PartitionWatermark(self._source_id, partition.number, partition.among, watermark), before)

    def _is_idle(self, reader: PartitionReader) -> bool:
        # Asked anew: behind a broker that does not answer there may be records that must not become late.
        return time.monotonic() - reader.last_record >= self._source.idle_ms / 1000 and reader.caught_up()

    def _rest(self, at_end: bool, reader: PartitionReader, give_up: float, tracker: Any) -> bool:
        """Hand the rest back if nothing is left for now, or the call has lasted long enough."""
        now = time.monotonic()
        if at_end:
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


class _ReadToEnd(_ReadPartition):
    """Bounded."""

    def process(
        self, element: bytes, tracker: Any = beam.DoFn.RestrictionParam(), estimator: Any = MANUAL_WATERMARK
    ) -> Iterator[object]:
        yield from self.read(Partition.decode(element), tracker, estimator)


class _ReadForever(_ReadPartition):
    """Unbounded."""

    @beam.DoFn.unbounded_per_element()
    def process(
        self, element: bytes, tracker: Any = beam.DoFn.RestrictionParam(), estimator: Any = MANUAL_WATERMARK
    ) -> Iterator[object]:
        yield from self.read(Partition.decode(element), tracker, estimator)


class ReadKafka(beam.PTransform):
    """A topic's records as elements: samples, with :class:`transforms.intake.beam.IntakeSettings`, for :class:`transforms.rollups.beam.Rollups`.

    Output: see :func:`transforms.intake.beam.take_in`.

    Raises:
        InputError: (when bounded or without discovery, on expanding) there is no such topic, or no broker answers.
    """

    def __init__(self, source: KafkaSource, settings: BlockSettings, source_id: int | None = None) -> None:
        """With ``source_id``, its number among the sources, it sends watermarks behind the samples (:func:`transforms.machines.beam.mark`)."""
        super().__init__()
        self._source, self._settings, self._source_id = source, settings, source_id

    def expand(self, begin: beam.pvalue.PBegin) -> dict[str, beam.PCollection]:
        """The partitions, spread over the workers, then their records."""
        source = self._source
        if source.bounded or not source.discovery_ms:
            catalog = Catalog(source.topic)
            try:
                count = catalog.partitions()
            finally:
                catalog.close()
            partitions = begin | "Partitions" >> beam.Create(
                [Partition(number, False, count).encode() for number in range(count)]
            )
        else:
            partitions = (
                begin
                | "Topic" >> beam.Create([source.topic.topic.encode()])
                | "Discover partitions"
                >> beam.ParDo(DiscoverPartitions(source.topic, source.discovery_ms)).with_output_types(bytes)
            )
        reading = _ReadToEnd if source.bounded else _ReadForever
        return take_in(partitions, reading(source, self._settings, self._source_id), self._settings)
