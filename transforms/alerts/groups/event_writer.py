"""The output of the second stage: new events, and what rules wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from rules.evaluation.recorded import Recorded
from rules.events.corrections import History
from schemas import batch as batches
from schemas.alert_event import AlertEvent, encode
from schemas.batch import SampleBatch
from transforms.alerts.groups.written import Column, SampleMaker
from transforms.alerts.settings import EVENTS, SAMPLES
from transforms.machines.machine import Out


class EventWriter:
    """Makes elements of events and samples, and counts them.

    Attributes:
        history: of the events that were sent.
        counted: what happened, by the names of counters.
    """

    def __init__(self, target_labels: frozenset[str]) -> None:
        """Start with no events sent.

        Args:
            target_labels: the labels that make up a target part.
        """
        self.history = History()
        self.counted: Counter[str] = Counter()
        self._samples = SampleMaker(target_labels)

    def events(self, events: Iterable[AlertEvent], time_ms: int | None = None) -> Iterator[Out]:
        """Emit the events that were not sent before, at the given evaluation time, from which they are known, or else each at its own."""
        for event in events:
            if self.history.apply(event):
                self.counted["alerts.corrections" if event.correction else f"alerts.{event.state.value}"] += 1
                yield Out(event.evaluated_at if time_ms is None else time_ms, EVENTS, encode(event))

    def written(self, time_ms: int, recorded: Recorded, after_ms: int) -> Iterator[Out]:
        """Emit what rules wrote at evaluation times after one and up to another."""
        yield from self._samples_of(time_ms, self._samples.written(recorded, after_ms))

    def samples(self, time_ms: int, columns: Iterable[Column], *, corrected: bool = True) -> Iterator[Out]:
        """Emit what rules wrote up to an evaluation time; ``corrected`` if it replaces earlier samples from that time on."""
        yield from self._samples_of(time_ms, self._samples.batches(columns, time_ms if corrected else None))

    def _samples_of(self, time_ms: int, made: Iterable[SampleBatch]) -> Iterator[Out]:
        for batch in made:
            self.counted["rules.samples_written"] += len(batch)
            yield Out(time_ms, SAMPLES, batches.encode(batch))
