"""The event of an alert's transition, as it stands on the topic ``alerts.events``: a JSON object, keyed by :attr:`AlertEvent.alert`.

``alert_event.schema.json`` beside this module is its JSON Schema, docs/alerting.md says what the fields mean. Encoding is canonical: equal
events have equal bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import orjson

from schemas import strict_json
from schemas.strict_json import DocumentError, Reader, format_number, format_time

TOPIC_ALERT_EVENTS = "alerts.events"

MAX_TRACES = 8
"""Selectors of a rule that an event traces."""

MAX_TRACED_SERIES = 5
"""Series of a selector that an event names."""

REASONS = (
    "condition_met",
    "held",
    "condition_lost",
    "kept_long_enough",
    "for_lengthened",
    "limit_exceeded",
    "rule_removed",
    "late_data",
)
"""Why an alert went from one state to another; docs/alerting.md has them in words."""

_ID = re.compile(r"[0-9a-f]{32}")


class State(str, Enum):
    """What an event says an alert is from its instant on.

    ``INACTIVE`` is an alert that was pending and never fired; ``RETRACTED`` takes an earlier event back and puts nothing in its place.
    """

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"
    INACTIVE = "inactive"
    RETRACTED = "retracted"


_STATES = tuple(each.value for each in State)


@dataclass(frozen=True, slots=True)
class TracedSeries:
    """A series that was read.

    Attributes:
        labels: with ``__name__``, where it has one.
        time_ms: of the newest sample that was read, ms of event time.
        value: of that sample.
        samples: how many of the series were read.
    """

    labels: Mapping[str, str]
    time_ms: int
    value: float
    samples: int = 1


@dataclass(frozen=True, slots=True)
class Trace:
    """What one selector of the rule read for the alert: at most :data:`MAX_TRACED_SERIES` series, and how many there were besides."""

    selector: str
    series: tuple[TracedSeries, ...] = ()
    omitted: int = 0


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """One transition of one alert; times are milliseconds of event time.

    Attributes:
        id: the same whenever the same transition is sent again; 32 hexadecimal digits.
        alert: of the alert, through all its episodes; 32 hexadecimal digits.
        file, group, rule: the rule that it is an alert of; ``file`` is empty for the rules that Tidemark brings itself.
        labels: the alert's, with ``alertname``.
        annotations: expanded.
        value: of the expression when its series was last there.
        reason: why, one of :data:`REASONS`.
        active_since: since when the condition has held.
        starts_at: since when it fires, or fired; None if it never did.
        ends_at: since when it is neither pending nor firing; None while it is.
        evaluated_at: the instant of the evaluation.
        correction: whether late data changed an earlier event, or a missing one.
        replaces: the id of the event that this correction replaces; None if there was none.
        trace: the samples that made it so.

    Raises:
        DocumentError: the fields contradict each other.
    """

    id: str
    alert: str
    file: str
    group: str
    rule: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    value: float
    state: State
    reason: str
    active_since: int
    starts_at: int | None
    ends_at: int | None
    evaluated_at: int
    correction: bool = False
    replaces: str | None = None
    trace: tuple[Trace, ...] = field(default=())

    def __post_init__(self) -> None:
        self._check("startsAt", self.starts_at, {State.FIRING, State.RESOLVED}, {State.PENDING, State.INACTIVE})
        self._check("endsAt", self.ends_at, {State.RESOLVED, State.INACTIVE}, {State.PENDING, State.FIRING})
        if self.replaces is not None and not self.correction:
            raise DocumentError("replaces", "only a correction replaces an event")
        if self.state is State.RETRACTED and self.replaces is None:
            raise DocumentError("replaces", "a retraction names the event that it takes back")

    def _check(self, name: str, time_ms: int | None, needed: set[State], refused: set[State]) -> None:
        if time_ms is None and self.state in needed:
            raise DocumentError(name, f"an alert that is {self.state.value} has one")
        if time_ms is not None and self.state in refused:
            raise DocumentError(name, f"an alert that is {self.state.value} has none")


def encode(event: AlertEvent) -> bytes:
    """The event as JSON, its keys in the order of the schema and labels sorted.

    Raises:
        ValueError: a time is outside the years 1 to 9999.
    """
    return orjson.dumps(
        {
            "id": event.id,
            "alert": event.alert,
            "file": event.file,
            "group": event.group,
            "rule": event.rule,
            "labels": _sorted(event.labels),
            "annotations": _sorted(event.annotations),
            "value": format_number(event.value),
            "state": event.state.value,
            "reason": event.reason,
            "activeSince": format_time(event.active_since),
            "startsAt": None if event.starts_at is None else format_time(event.starts_at),
            "endsAt": None if event.ends_at is None else format_time(event.ends_at),
            "evaluatedAt": format_time(event.evaluated_at),
            "correction": event.correction,
            "replaces": event.replaces,
            "trace": [
                {
                    "selector": trace.selector,
                    "series": [
                        {
                            "labels": _sorted(each.labels),
                            "time": format_time(each.time_ms),
                            "value": format_number(each.value),
                            "samples": each.samples,
                        }
                        for each in trace.series
                    ],
                    "omitted": trace.omitted,
                }
                for trace in event.trace
            ],
        }
    )


def decode(data: bytes) -> AlertEvent:
    """The event of its JSON form.

    Raises:
        DocumentError: it is none: the first field that is missing, unknown or of another kind.
    """
    reader = Reader(strict_json.parse(data))
    event = AlertEvent(
        id=reader.take("id", _id),
        alert=reader.take("alert", _id),
        file=reader.take("file", strict_json.text),
        group=reader.take("group", strict_json.text),
        rule=reader.take("rule", strict_json.text),
        labels=reader.take("labels", strict_json.texts),
        annotations=reader.take("annotations", strict_json.texts),
        value=reader.take("value", strict_json.number),
        state=State(reader.take("state", strict_json.one_of(_STATES))),
        reason=reader.take("reason", strict_json.one_of(REASONS)),
        active_since=reader.take("activeSince", strict_json.time),
        starts_at=reader.take("startsAt", strict_json.optional(strict_json.time)),
        ends_at=reader.take("endsAt", strict_json.optional(strict_json.time)),
        evaluated_at=reader.take("evaluatedAt", strict_json.time),
        correction=reader.take("correction", strict_json.truth),
        replaces=reader.take("replaces", strict_json.optional(_id)),
        trace=reader.take("trace", strict_json.listing(_trace, MAX_TRACES)),
    )
    reader.finish()
    return event


def _sorted(texts: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(texts.items()))


def _id(value: Any, where: str) -> str:
    if not _ID.fullmatch(strict_json.text(value, where)):
        raise DocumentError(where, "32 hexadecimal digits are wanted")
    return str(value)


def _trace(value: Any, where: str) -> Trace:
    reader = Reader(value, where)
    trace = Trace(
        selector=reader.take("selector", strict_json.text),
        series=reader.take("series", strict_json.listing(_series, MAX_TRACED_SERIES)),
        omitted=reader.take("omitted", strict_json.count),
    )
    reader.finish()
    return trace


def _series(value: Any, where: str) -> TracedSeries:
    reader = Reader(value, where)
    series = TracedSeries(
        labels=reader.take("labels", strict_json.texts),
        time_ms=reader.take("time", strict_json.time),
        value=reader.take("value", strict_json.number),
        samples=reader.take("samples", strict_json.count),
    )
    reader.finish()
    return series
