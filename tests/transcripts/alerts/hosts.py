"""Where transcripts of alerts are played: in this process, without Beam; and in a pipeline, as a stream of elements.

All hosts read records as a source does: a partition's watermark is its newest event time less the delay, and what it has passed is overtaken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from schemas import batch as batches
from schemas.alert_event import AlertEvent, decode, encode
from schemas.batch import MIN_WATERMARK, SampleBatch
from schemas.series import metric_text, parse_labels, parse_metric
from tests.transcripts.alerts.transcript import (
    BEGIN,
    Change,
    Checkpoint,
    Expect,
    Idle,
    Lose,
    Read,
    Restart,
    Step,
    Stored,
    Transcript,
    shown,
    value_text,
)
from tests.transcripts.transcript import BASE
from tests.transforms.alerts.streams import batch_of
from transforms.alerts import messages
from transforms.alerts.local import LocalPipeline
from transforms.alerts.messages import RuleFiles
from transforms.alerts.settings import EVENTS, SAMPLES, EvaluationSettings
from transforms.machines import watermarks
from transforms.machines.machine import Out
from transforms.machines.watermarks import LAUNCH, MARK, PartitionWatermark
from transforms.rollups.cutting import cutter_of
from transforms.windows.content import Key

SOURCE = 0


@dataclass(frozen=True)
class Place:
    """How far a topic has been read: the watermarks of partitions, samples, and how many of them were too late."""

    watermarks: tuple[int, ...]
    seq: int = 0
    too_late: int = 0


class Partitions:
    """The partitions of a topic as a source reads them."""

    def __init__(self, transcript: Transcript, base: int, shards: int) -> None:
        self._base, self._delay_ms = base, transcript.delay_ms
        self._cutters = [cutter_of(transcript.tiers, shards, transcript.delay_ms) for _ in range(transcript.partitions)]
        self.place = Place((MIN_WATERMARK,) * transcript.partitions)

    def read(self, step: Read) -> list[tuple[Key, SampleBatch]]:
        """The pieces of a partition's records."""
        place, number = self.place, step.partition
        samples = [
            sample._replace(ts=self._base + sample.ts, seq=place.seq + n) for n, sample in enumerate(step.samples)
        ]
        cut = self._cutters[number].cut(batch_of(samples), np.arange(len(samples)), place.watermarks[number])
        too_late = place.too_late + (0 if cut.too_late is None else len(cut.too_late))
        self.place = Place(place.watermarks, place.seq + len(samples), too_late)
        self._reach({number: cut.watermark})
        return cut.pieces

    def rest(self, step: Idle) -> None:
        """Partitions without records follow the clock."""
        self._reach({number: self._base + clock - self._delay_ms for number, clock in step.clocks.items()})

    def _reach(self, reached: Mapping[int, int]) -> None:
        before = self.place.watermarks
        now = tuple(max(each, reached.get(number, each)) for number, each in enumerate(before))
        self.place = replace(self.place, watermarks=now)

    @property
    def watermark(self) -> int:
        """The job's."""
        return min(self.place.watermarks)

    def marks(self) -> list[PartitionWatermark]:
        """The watermarks of all partitions."""
        reached = self.place.watermarks
        return [PartitionWatermark(SOURCE, number, len(reached), each) for number, each in enumerate(reached)]


@dataclass
class Sent:
    """The events that were sent, as a consumer takes them: what is repeated must be the same, and counts once.

    Attributes:
        base: midnight of the transcript's day.
        lines: the events in the notation of transcripts.
        repeated: how many came again.
    """

    base: int
    lines: list[str] = field(default_factory=list)
    repeated: int = 0
    _events: dict[str, AlertEvent] = field(default_factory=dict)

    def take(self, event: AlertEvent) -> None:
        """Take an event.

        Raises:
            AssertionError: it is not what was sent under its id.
        """
        known = self._events.get(event.id)
        if known is None:
            self.lines.append(shown(event, self._events, self.base))
            self._events[event.id] = event
        else:
            assert encode(event) == encode(known), (
                f"another event of the same id: {shown(event, self._events, self.base)}"
            )
            self.repeated += 1


class LocalHost:
    """Both stages in this process."""

    def __init__(self, transcript: Transcript, *, marked: bool) -> None:
        """Launch the job.

        Args:
            transcript: what is played.
            marked: whether the source sends its partitions' watermarks behind the samples, as on Flink. Only they move time on then. If not, only
                the job's watermark does.
        """
        self._transcript, self._marked = transcript, marked
        sources = frozenset({SOURCE} if marked else ())
        self._pipeline = LocalPipeline(replace(transcript.settings(), sources=sources))
        self._pipeline.extent(BASE + BEGIN)
        self._pipeline.add_watermarks([LAUNCH])
        self._pipeline.advance(MIN_WATERMARK)
        self._partitions = Partitions(transcript, BASE, transcript.shards)
        self._since: list[Step] = []
        self._saved = self._partitions.place
        self.sent = Sent(BASE)
        self.stored: Stored = {}
        self.counted: Counter[str] = Counter()
        self.complaints: list[str] = []

    def play(self, step: Step) -> None:
        """Do a step as a bundle."""
        match step:
            case Expect():
                return
            case Restart():
                self._pipeline.restart()
            case Checkpoint():
                self._pipeline.checkpoint()
                self._saved, self._since = self._partitions.place, []
            case Lose():
                self._pipeline.lose()
                self._partitions.place = self._saved
                for again in self._since:
                    self._give(again)
                self._finish()
            case _:
                self._since.append(step)
                self._give(step)
                self._finish()

    @property
    def too_late(self) -> int:
        """How many samples rules did not see."""
        return self._partitions.place.too_late

    def _give(self, step: Step) -> None:
        match step:
            case Read():
                for _, piece in self._partitions.read(step):
                    self._pipeline.add(piece)
            case Idle():
                self._partitions.rest(step)
            case Change():
                self._pipeline.rules(files(self._transcript, step.text, BASE + step.begin))
        self._pipeline.add_watermarks(self._partitions.marks() if self._marked else ())

    def _finish(self) -> None:
        for out in self._pipeline.advance(MIN_WATERMARK if self._marked else self._partitions.watermark):
            self._take(out)
        for machine in (self._pipeline.shards.machine, self._pipeline.groups.machine):
            self.counted.update(machine.counted)
            machine.counted.clear()
            self.complaints += machine.complaints
            machine.complaints.clear()

    def _take(self, out: Out) -> None:
        if out.tag == EVENTS:
            self.sent.take(decode(out.data))
        elif out.tag == SAMPLES:
            store(self.stored, batches.decode(out.data), BASE)


def files(transcript: Transcript, text: str, effective_ms: int) -> RuleFiles:
    """The rule file of a transcript from a time on."""
    return RuleFiles(effective_ms, {transcript.file: text})


def store(stored: Stored, batch: SampleBatch, base: int) -> None:
    """Put samples where others of the same series and time may be."""
    for target, metric, ts, value in zip(
        batch.target, batch.metric, batch.ts.tolist(), batch.value.tolist(), strict=True
    ):
        name, labels = parse_metric(batch.metrics[metric])
        series = metric_text(name, {**labels, **parse_labels(batch.targets[target])}.items())
        stored.setdefault(series, {})[ts - base] = value_text(value)


Element = tuple[bytes, bytes]
RULE_FILES = b"rule files"
"""The key of rule files among the elements of a pipeline."""

NO_RULES = "groups: []"
APART_MS = 7_200_000
"""What lies between transcripts at least: more than any of their rules looks back."""


class Programme:
    """Transcripts one after the other in one job, hours apart, each with its own rule file. Between two of them there are no rules."""

    def __init__(self, transcripts: Sequence[Transcript], shards: int) -> None:
        """Put transcripts in a row.

        Args:
            transcripts: the first begins at the usual time.
            shards: of the job; no transcript depends on how many there are.
        """
        self._base: dict[str, int] = {}
        self._transcripts = transcripts
        self._partitions = max(transcript.partitions for transcript in transcripts)
        self._end: dict[str, int] = {}
        late_ms = max(transcript.settings().late_ms for transcript in transcripts)
        self.settings = EvaluationSettings({}, shards=shards, late_ms=late_ms, sources=frozenset({SOURCE}))
        self.steps = list(self._steps())
        """The elements that arrive together, and the job's watermark after them."""

    def _steps(self) -> Iterator[tuple[list[Element], int]]:
        reached = MIN_WATERMARK
        base = BASE
        for transcript in self._transcripts:
            if reached > MIN_WATERMARK:
                base = reached + APART_MS - BEGIN
            self._base[transcript.name] = base
            yield [_of_rules(transcript, transcript.rules, base + BEGIN)], reached
            read = Partitions(transcript, base, self.settings.shards)
            for step in transcript.steps:
                found = self._elements(transcript, read, step, base)
                reached = max(reached, read.watermark)
                if found:
                    yield found, reached
            self._end[transcript.name] = reached
            yield [_of_rules(transcript, NO_RULES, reached + 1)], reached
            reached = (reached // APART_MS + 1) * APART_MS
            yield [_mark(number, self._partitions, reached) for number in range(self._partitions)], reached

    def _elements(self, transcript: Transcript, read: Partitions, step: Step, base: int) -> list[Element]:
        match step:
            case Read():
                found = [(key.encode(), batches.encode(piece)) for key, piece in read.read(step)]
            case Idle():
                read.rest(step)
                found = []
            case Change():
                return [_of_rules(transcript, step.text, base + step.begin)]
            case _:
                return []
        reached = read.place.watermarks
        # Partitions that the transcript does not have are as far as the last of its own.
        marks = [*reached, *[read.watermark] * (self._partitions - len(reached))]
        return [*found, *(_mark(number, self._partitions, mark) for number, mark in enumerate(marks))]

    def lines(self, transcript: Transcript, events: Iterable[AlertEvent]) -> list[str]:
        """The events of a transcript among those of all, as :attr:`Transcript.expected`. What comes of the end of its rules is left out."""
        base = self._base[transcript.name]
        sent = Sent(base)
        for event in events:
            if base + BEGIN <= event.evaluated_at <= self._end[transcript.name]:
                sent.take(event)
        return sent.lines


def _of_rules(transcript: Transcript, text: str, effective_ms: int) -> Element:
    return RULE_FILES, messages.of_rules(files(transcript, text, effective_ms))


def _mark(number: int, partitions: int, watermark: int) -> Element:
    return MARK, watermarks.encode([PartitionWatermark(SOURCE, number, partitions, watermark)])
