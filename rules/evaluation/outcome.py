"""What an evaluation of rules brings: transitions of alerts, failures, and the alerts that are active."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rules.evaluation.alerts import Alert, Transition
from rules.evaluation.program import Prepared


class QueriedSample(NamedTuple):
    """One element of what a template's ``query`` gets."""

    labels: Mapping[str, str]
    value: float


class RuleError(NamedTuple):
    """A failed evaluation of a rule; the message is Prometheus'."""

    time_ms: int
    rule: Prepared
    message: str


class Event(NamedTuple):
    """A transition and the rule it belongs to."""

    rule: Prepared
    transition: Transition


class ActiveAlert(NamedTuple):
    """A pending or firing alert as it is after an evaluation."""

    rule: Prepared
    alert: Alert


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an evaluation brought.

    Attributes:
        events: the transitions, by time, then by the order of the rules, what ended before what began, then by labels.
        errors: the failed evaluations, by time and by the order of the rules.
        snapshots: the active alerts at the evaluation times asked for, where there are any; by the order of the rules and by labels.
    """

    events: list[Event] = field(default_factory=list)
    errors: list[RuleError] = field(default_factory=list)
    snapshots: dict[int, list[ActiveAlert]] = field(default_factory=dict)
