"""Examples and times, carried from the workers to whoever reads a run's balance, as Beam metrics of the namespace ``tidemark``.

A runner without metrics of these kinds leaves them out, and the counters stand alone.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from apache_beam.metrics import Metrics, MetricsFilter

from schemas.records import DeadLetter
from transforms.accounting import NAMESPACE
from transforms.alerts.settings import LABELS, METRICS, SELECTORS
from transforms.losses.examples import DEAD_LETTER, EXAMPLES, Example, FewExamples, position, shown

EVENT_TIME = "samples.event_time"
"""The metric of event times, a distribution of seconds since 1970: its least and its greatest are those of all samples decoded."""

_LOOKED_AT = 50
"""Dead letters of a block that are looked at for another reason."""


_log = logging.getLogger(__name__)


class Recorder:
    """Records examples, few of each kind. For one instance of a step.

    Args:
        logs: whether they are logged too: nobody reads the balance of a job without an end.
    """

    def __init__(self, logs: bool = False) -> None:
        self._logs = logs
        self._few = FewExamples()
        self._metric = Metrics.string_set(NAMESPACE, EXAMPLES)

    def wants(self, kind: str) -> bool:
        """Whether another of this kind would be recorded, if its reason is a new one."""
        return self._few.wants(kind)

    def add(self, example: Example) -> None:
        """Record an example, unless there are enough of its kind or one for the same reason."""
        if self._few.takes(example):
            self._metric.add(example.encode())
            if self._logs:
                _log.warning("%s: %s", example.kind, "; ".join(map(str.strip, example.lines())))

    def add_every(self, example: Example) -> None:
        """Record an example of which each one counts."""
        self._metric.add(example.encode())

    def add_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Record dead letters of a source."""
        if letters and self.wants(DEAD_LETTER):
            for letter in letters[:_LOOKED_AT]:
                where = position(letter.topic, letter.partition, letter.offset, letter.line, letter.part)
                self.add(Example(DEAD_LETTER, where, letter.reason, shown(letter.payload)))


class Evidence(NamedTuple):
    """What a run left behind.

    Attributes:
        counters: by name.
        examples: of what it lost.
        span: the first and the last event time, whole seconds since 1970; None if there is no sample, or the runner does not say.
        selectors: of rules, those that found series (:data:`transforms.alerts.settings.SELECTORS`).
        metrics: names of metrics that rules received; none if there are no samples, or the runner does not say.
        labels: of metrics that rules ask for and do not find (:data:`transforms.alerts.settings.LABELS`).
    """

    counters: dict[str, int]
    examples: tuple[Example, ...] = ()
    span: tuple[int, int] | None = None
    selectors: frozenset[str] = frozenset()
    metrics: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()


def evidence(metrics: Any) -> Evidence:
    """What the metrics of a run (``PipelineResult.metrics()``) hold of the namespace ``tidemark``."""
    found = metrics.query(MetricsFilter().with_namespace(NAMESPACE))
    counters: dict[str, int] = {}
    for counter in found["counters"]:
        # A counter of several steps is one number.
        name = counter.key.metric.name
        counters[name] = counters.get(name, 0) + (_value(counter) or 0)

    def texts(name: str) -> list[str]:
        sets = (each for each in found.get("string_sets", ()) if each.key.metric.name == name)
        return [text for each in sets for text in _value(each) or ()]

    examples = map(Example.decode, texts(EXAMPLES))
    times = [
        _value(each) for each in found.get("distributions", ()) if each.key.metric.name == EVENT_TIME and _value(each)
    ]
    span = (int(min(each.min for each in times)), int(max(each.max for each in times))) if times else None
    return Evidence(
        counters, tuple(sorted(examples)), span, *(frozenset(texts(each)) for each in (SELECTORS, METRICS, LABELS))
    )


def _value(metric: Any) -> Any:
    # `committed` is absent on runners that report attempts only.
    return metric.committed if metric.committed is not None else metric.attempted
