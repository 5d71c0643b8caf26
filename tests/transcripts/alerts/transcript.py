"""Transcripts of alerts: what arrives in which order, and which events go out; one text for all hosts.

::

    what: a sentence
    settings: {shards: 2, partitions: 2, watermark_delay: 10s, lateness: 5m, max_series: 100}
    rules: |
      groups: [...]
    steps:
    - read: ['12:00:00/15s load{host="a"} 1 2x3 _ stale', '12:00:20 load{host="b"} 3']
      partition: 1
    - expect: ['12:00:30 High{host="a"} pending (condition_met) value 3 since 12:00:15']
    samples: ['12:00:00/1m load:sum 3 4']
    counted: {rules.failures: 1}
    complaints: [...]

All settings have defaults. A time is one of a day; a transcript begins at 12:00:00, when the job is launched. Steps:

``read``: a partition's records, one a sample, in order of time (of equal times in that of the lines), as one bundle. A line is a time, how often
(after a slash, if there are several values), and a series with values in the notation of Prometheus' tests. Samples that do not arrive in the order
of time are read in several steps. The partition's watermark follows them. The job's is the lowest of all partitions.
``idle``: partitions, each with a time of the clock that its watermark follows, since it has nothing to read.
``rules``: the text of the rule file as it is for evaluation times ``from`` some time on.
``restart``: the job's processes end; it goes on from its state, as from a savepoint.
``checkpoint``, then ``lose``: all steps between them are lost and done again, as one bundle. ``lose`` is the number of events sent twice by that.
``expect``: the events since the last such step, all and in order. A transcript ends with one.

``samples`` is what a store holds of the named metrics in the end, ``counted`` are counters, ``complaints`` are the sentences in the log.

Restarts and losses take place in the local host alone. To the others they are nothing, so the events are to be the same without them. The others play
all transcripts in one job, with shards as they like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from rules.promql.notation import parse_series_description
from rules.promql.values import STALE_BITS
from schemas.alert_event import AlertEvent
from schemas.series import METRIC_NAME, labels_text, metric_text
from schemas.tiers import Tiers
from schemas.times import parse_duration
from tests.transcripts.transcript import BASE, DAY
from tests.transforms.alerts.streams import Row, Sent
from transforms.alerts.settings import EvaluationSettings

BEGIN = DAY // 2
"""When a transcript begins, ms after midnight."""

STALE_TEXT = "stale"


@dataclass(frozen=True)
class Read:
    """Samples of a partition, their times in ms after midnight."""

    partition: int
    samples: Sequence[Sent]


@dataclass(frozen=True)
class Idle:
    """The clock, ms after midnight, that the watermarks of partitions follow."""

    clocks: Mapping[int, int]


@dataclass(frozen=True)
class Change:
    """The rule file from a time on, ms after midnight."""

    begin: int
    text: str


@dataclass(frozen=True)
class Restart:
    """The processes end."""


@dataclass(frozen=True)
class Checkpoint:
    """The state to go back to."""


@dataclass(frozen=True)
class Lose:
    """Back to the checkpoint; ``repeats`` events are sent twice."""

    repeats: int


@dataclass(frozen=True)
class Expect:
    """The events since the last one."""

    events: Sequence[str]


Step = Read | Idle | Change | Restart | Checkpoint | Lose | Expect
Stored = dict[str, dict[int, str]]
"""Samples by series and time, ms after midnight."""


@dataclass(frozen=True)
class Transcript:
    """A transcript as it was read."""

    name: str
    rules: str
    steps: Sequence[Step]
    samples: Stored
    counted: Mapping[str, int]
    complaints: Sequence[str]
    tiers: Tiers = Tiers()  # noqa: RUF009 (frozen)
    shards: int = 4
    partitions: int = 1
    delay_ms: int = 0
    max_series: int = 1_000_000

    @property
    def expected(self) -> list[str]:
        """All events."""
        return [line for step in self.steps if isinstance(step, Expect) for line in step.events]

    @property
    def metrics(self) -> set[str]:
        """The metrics whose samples are compared."""
        return {series.partition("{")[0] for series in self.samples}

    @property
    def file(self) -> str:
        """The name of the rule file."""
        return f"{self.name}.yml"

    def settings(self) -> EvaluationSettings:
        """The settings of both stages."""
        late_ms = self.tiers.lateness_ms + self.tiers.rollups[0].window_ms + 1_000
        files = {self.file: self.rules}
        return EvaluationSettings(files, shards=self.shards, late_ms=late_ms, max_series=self.max_series)


def load(path: Path) -> Transcript:
    """The transcript of a file.

    Raises:
        ValueError: it is not written as this module says.
    """
    text = yaml.load(path.read_text(), yaml.BaseLoader)
    if unknown := set(text) - {"what", "settings", "rules", "steps", "samples", "counted", "complaints"}:
        raise ValueError(f"{path.name}: no such key: {sorted(unknown)}")
    steps = []
    for number, step in enumerate(text["steps"], 1):
        try:
            steps.append(_step(step))
        except ValueError as error:
            raise ValueError(f"{path.name}: step {number}: {error}") from None
    if not steps or not isinstance(steps[-1], Expect):
        raise ValueError(f"{path.name}: the last step is to be what is expected")
    if _unmatched(steps):
        raise ValueError(f"{path.name}: a loss goes back to a checkpoint before it")
    samples: Stored = {}
    for sent in [each for line in text.get("samples", ()) for each in _sent(line)]:
        samples.setdefault(series_of(sent.labels), {})[sent.ts] = value_text(sent.value)
    return Transcript(
        path.stem,
        text["rules"],
        steps,
        samples,
        {name: int(number) for name, number in text.get("counted", {}).items()},
        list(text.get("complaints", ())),
        **_settings(path, **text.get("settings", {})),
    )


def _settings(path: Path, lateness: str = "5m", watermark_delay: str = "10s", **numbers: str) -> dict[str, Any]:
    if unknown := set(numbers) - {"shards", "partitions", "max_series"}:
        raise ValueError(f"{path.name}: no such setting: {sorted(unknown)}")
    found: dict[str, Any] = {name: int(number) for name, number in numbers.items()}
    return {**found, "tiers": Tiers.from_config({"lateness": lateness}), "delay_ms": parse_duration(watermark_delay)}


def _unmatched(steps: Sequence[Step]) -> bool:
    marks = [step for step in steps if isinstance(step, Checkpoint | Lose)]
    return any(
        isinstance(mark, Lose) and not isinstance(before, Checkpoint)
        for before, mark in zip([None, *marks], marks, strict=False)
    )


def _step(step: Mapping[str, Any]) -> Step:
    match step:
        case {"read": list(lines), **rest} if not set(rest) - {"partition"}:
            samples = sorted((each for line in lines for each in _sent(line)), key=lambda each: each.ts)
            return Read(int(rest.get("partition", 0)), samples)
        case {"idle": dict(clocks), **rest} if not rest:
            return Idle({int(partition): _ms(time) for partition, time in clocks.items()})
        case {"rules": str(text), "from": str(time), **rest} if not rest:
            return Change(_ms(time), text)
        case {"restart": _, **rest} if not rest:
            return Restart()
        case {"checkpoint": _, **rest} if not rest:
            return Checkpoint()
        case {"lose": str(number), **rest} if not rest:
            return Lose(int(number))
        case {"expect": list(lines), **rest} if not rest:
            return Expect(list(map(str, lines)))
    raise ValueError(f"no such step: {step}")


def _sent(line: str) -> list[Sent]:
    when, _, series = line.partition(" ")
    time, _, every = when.partition("/")
    labels, values, present = parse_series_description(series)
    if len(values) > 1 and not every:
        raise ValueError(f"several values, but not how often: {line}")
    step_ms = parse_duration(every) if every else 0
    row = tuple(sorted(labels.items()))
    return [Sent(row, _ms(time) + n * step_ms, float(values[n]), 0) for n in np.flatnonzero(present).tolist()]


def _ms(time: str) -> int:
    hours, minutes, seconds = time.split(":")
    return int(hours) * 3_600_000 + int(minutes) * 60_000 + round(float(seconds) * 1000)


def time_text(ms: int) -> str:
    """A time after midnight as transcripts write it."""
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}" + (f".{rest:03}" if rest else "")


def value_text(value: float) -> str:
    """A value as transcripts write it."""
    if np.float64(value).view(np.uint64) == STALE_BITS:
        return STALE_TEXT
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def series_of(labels: Row) -> str:
    """A series as transcripts write it."""
    rest = dict(labels)
    return metric_text(rest.pop(METRIC_NAME), rest.items())


def shown(event: AlertEvent, sent: Mapping[str, AlertEvent], base: int = BASE) -> str:
    """An event in the notation of ``expect``.

    Args:
        event: the event.
        sent: those before it, by id.
        base: midnight of the transcript's day.
    """

    def at(name: str, time_ms: int | None) -> str:
        return "" if time_ms is None else f" {name} {time_text(time_ms - base)}"

    labels = labels_text((name, text) for name, text in event.labels.items() if name != "alertname")
    rule = event.rule + ("" if labels == "{}" else labels)
    line = f"{time_text(event.evaluated_at - base)} {rule} {event.state.value} ({event.reason}) value {value_text(event.value)}"
    line += at("since", event.active_since) + at("starts", event.starts_at) + at("ends", event.ends_at)
    for name, text in event.annotations.items():
        line += f' {name}="{text}"'
    if not event.correction:
        return line
    if event.replaces is None:
        return f"{line} corrects nothing"
    replaced = sent[event.replaces]
    return f"{line} corrects {replaced.state.value}{at('of', replaced.evaluated_at)}"
