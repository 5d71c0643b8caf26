"""From a block of records to the elements of the pipeline: decode, cut, encode, count. What the Kafka and the file source share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import apache_beam as beam
import numpy as np
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from schemas import batch as batches
from schemas.batch import MIN_WATERMARK, PLACES, SampleBatch, sequence
from schemas.codecs.block import BlockDecoder, DecodedBlock
from schemas.records import DeadLetter, RawRecord
from schemas.series import DEFAULT_TARGET_LABELS, series_text
from schemas.tiers import Tiers
from schemas.times import format_time
from schemas.units import EARLIEST_MS, Precision
from transforms import accounting
from transforms.intake.blocks import BlockSettings, FileWatermark
from transforms.losses import examples
from transforms.losses.beam import EVENT_TIME, Recorder
from transforms.losses.examples import Example, place_of, position, shared_name, shown
from transforms.rollups.cutting import cutter_of
from transforms.windows.cut import Cut

SAMPLES = "samples"
DEAD_LETTERS = "dead_letters"
TOO_LATE = "too_late"


@dataclass(frozen=True)
class IntakeSettings:
    """How records become elements.

    Attributes:
        tiers: finest window and lateness.
        shards: fixed for the life of a job's state.
        delay_ms: how far a partition's watermark stays behind its newest event time.
        target_labels: see :mod:`schemas.series`.
        default_content_type: of records without that header, and of files whose name has none; None looks at the content.
        precision: of line protocol's timestamps: ns, us, ms or s.
        max_future_ms: see :class:`schemas.codecs.block.BlockDecoder`; None for no limit. Within it, event times after their record's own time
            do not move the watermark.
        since_ms: samples before this event time are left out, and counted.
        earliest_ms: records with event times before it are refused: timestamps of the wrong unit, and of clocks that were not set.
        file_watermark: how the watermark of a file goes: see :data:`FileWatermark`.
    """

    tiers: Tiers = Tiers()  # noqa: RUF009 (frozen)
    shards: int = 32
    delay_ms: int = 10_000
    target_labels: frozenset[str] = DEFAULT_TARGET_LABELS
    default_content_type: str | None = None
    precision: Precision = "ns"
    max_future_ms: int | None = 600_000
    since_ms: int = MIN_WATERMARK
    earliest_ms: int = EARLIEST_MS
    file_watermark: FileWatermark = "end"
    rows: ClassVar[str] = SAMPLES

    def intake(self, follows_events: bool = True, one_by_one: bool = False, logs: bool = False) -> Intake:
        """See :class:`transforms.intake.blocks.BlockSettings`."""
        return Intake(self, follows_events, one_by_one, logs)


class IntakeResult:
    """A decoded and cut block; nothing is counted or handed on until :meth:`outputs` is asked."""

    def __init__(self, intake: Intake, topic: str, records: int, block: DecodedBlock, cut: Cut[SampleBatch]) -> None:
        self._intake, self._topic, self._records, self._block, self._cut = intake, topic, records, block, cut
        self.watermark = cut.watermark
        """Of the partition after the block, ms."""

    def outputs(self) -> Iterator[object]:
        """``(key, wire form)`` by shard and window; dead letters and too late samples as tagged outputs, in wire form."""
        intake, block, cut = self._intake, self._block, self._cut
        too_late = len(cut.too_late) if cut.too_late is not None else 0
        intake.count(accounting.RECORDS_READ, self._records)
        intake.count(accounting.RECORDS_DECODED, block.records_ok)
        intake.count(accounting.RECORDS_DEAD_LETTERED, self._records - block.records_ok)
        intake.count(accounting.DEAD_LETTERS, len(block.dead_letters))
        intake.count(accounting.NAMES_SHARED, len(block.shared))
        intake.count(accounting.SAMPLES_READ, len(block.batch))
        intake.count(accounting.VALUES_SKIPPED, block.skipped)
        intake.count(accounting.TOO_LATE, too_late)
        intake.count(accounting.EARLY, cut.early)
        intake.record(block, cut, self._topic)
        for letter in block.dead_letters:
            yield beam.pvalue.TaggedOutput(DEAD_LETTERS, letter.encode())
        if cut.too_late is not None:
            yield beam.pvalue.TaggedOutput(TOO_LATE, batches.encode(cut.too_late))
        for key, piece in cut.pieces:
            yield TimestampedValue((key.encode(), batches.encode(piece)), Timestamp(micros=key.window * 1000))


class Intake:
    """Decodes and cuts; keeps caches of series. One instance for one thread.

    Args:
        settings: how.
        follows_events: whether the watermark follows event times; else it stands, and nothing is late.
        one_by_one: every record of a partition comes after all those of the partitions before it, as with files, which are named in the order in
            which they count. Otherwise the order is that of :func:`schemas.batch.sequence`: partitions of a topic fill side by side.
        logs: whether examples of what is lost are logged, see :class:`transforms.losses.beam.Recorder`.
    """

    def __init__(
        self, settings: IntakeSettings, follows_events: bool = True, one_by_one: bool = False, logs: bool = False
    ) -> None:
        self._one_by_one = one_by_one
        self._decoder = BlockDecoder(
            settings.target_labels,
            settings.default_content_type,
            settings.max_future_ms,
            settings.precision,
            settings.earliest_ms,
        )
        delay_ms = settings.delay_ms if follows_events else None
        self._cutter = cutter_of(settings.tiers, settings.shards, delay_ms, settings.since_ms)
        # Where any event time is taken, time itself may run ahead of that of the records: a replay that is faster than the clock.
        self._max_future_ms = settings.max_future_ms
        self._recorder = Recorder(logs)
        self._event_time = Metrics.distribution(accounting.NAMESPACE, EVENT_TIME)
        self._counters = {name: Metrics.counter(accounting.NAMESPACE, name) for name in accounting.COUNTED_AT_INTAKE}

    def take(
        self,
        records: Sequence[RawRecord],
        topic: str,
        partition: int,
        watermark: int = MIN_WATERMARK,
        now_ms: int | None = None,
    ) -> IntakeResult:
        """Decode and cut records of one partition.

        Args:
            records: in order.
            topic, partition: where they come from.
            watermark: of the partition before them, ms.
            now_ms: the time by which they were there, ms: the guard against event times of the future for records without a time of their own,
                or with one that lies in the future itself. None for no such guard.
        """
        block = self._decoder.decode_block(records, topic, partition, now_ms)
        if self._one_by_one:
            seq = block.batch.seq + sequence(0, partition * PLACES)
            block = replace(block, batch=replace(block.batch, seq=seq))
        stamped = None
        if self._max_future_ms is not None:
            stamped = np.fromiter((each.timestamp_ms for each in records), np.int64, len(records))
            if now_ms is not None:
                stamped[stamped > now_ms + self._max_future_ms] = now_ms
        cut = self._cutter.cut(block.batch, block.record, watermark, stamped)
        return IntakeResult(self, topic, len(records), block, cut)

    def refuse(self, letter: DeadLetter) -> Iterator[object]:
        """Account for a file that cannot be read on, as one record that is dead; to be handed on as :meth:`IntakeResult.outputs` are."""
        for name in (accounting.RECORDS_READ, accounting.RECORDS_DEAD_LETTERED, accounting.DEAD_LETTERS):
            self.count(name, 1)
        self.count(accounting.UNREADABLE, 1)
        self._recorder.add_every(Example(examples.UNREADABLE, letter.topic, letter.reason, shown(letter.payload)))
        yield beam.pvalue.TaggedOutput(DEAD_LETTERS, letter.encode())

    def note_empty(self, file: str) -> None:
        """Record that a file holds no records."""
        self._recorder.add_every(Example(examples.EMPTY, file, "no records"))

    def count(self, name: str, number: int) -> None:
        """Add to a counter of the balance."""
        if number:
            self._counters[name].inc(number)

    def record(self, block: DecodedBlock, cut: Cut[SampleBatch], topic: str) -> None:
        """Record what a person who reads the balance wants to know besides: event times, and examples of what is lost."""
        if len(block.batch):
            for ts in (block.batch.ts.min(), block.batch.ts.max()):
                self._event_time.update(int(ts) // 1000)
        self._recorder.add_letters(block.dead_letters)
        for shared in block.shared:
            self._recorder.add(shared_name(shared))
        if cut.too_late is not None and self._recorder.wants(examples.TOO_LATE):
            self._recorder.add(_too_late_example(cut.too_late, cut.passed, topic))


def _too_late_example(samples: SampleBatch, passed: int, topic: str) -> Example:
    """The first sample that came too late, when the partition's watermark had passed a time, ms."""
    partition, offset = place_of(int(samples.seq[0]))
    series = series_text(samples.targets[samples.target[0]], samples.metrics[samples.metric[0]])
    reason = f"before it the watermark had reached {format_time(passed)}"
    record = shown(f"{series} {samples.value[0]:g}".encode())
    return Example(examples.TOO_LATE, position(topic, partition, offset), reason, record, int(samples.ts[0]))


def take_in(elements: beam.PCollection, reading: beam.DoFn, settings: BlockSettings) -> dict[str, beam.PCollection]:
    """Apply a DoFn that yields :meth:`transforms.intake.blocks.BlockResult.outputs`; its outputs by name.

    ``settings.rows``: ``(key, wire form)`` of pieces of one shard and window, with marks among them if the DoFn yields any; of samples, for
    :class:`transforms.rollups.beam.Rollups`. ``dead_letters``: :class:`schemas.records.DeadLetter` encoded. ``too_late``: rows in wire form.
    """
    # The key's type makes its coder a deterministic one.
    step = beam.ParDo(reading).with_output_types(tuple[bytes, bytes], **{DEAD_LETTERS: bytes, TOO_LATE: bytes})
    read = elements | "Read and decode" >> step.with_outputs(DEAD_LETTERS, TOO_LATE, main=settings.rows)
    return {name: read[name] for name in (settings.rows, DEAD_LETTERS, TOO_LATE)}
