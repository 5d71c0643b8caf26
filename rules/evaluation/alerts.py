"""The life of alerts: what one evaluation of a rule's expression makes of the alerts the rule had before.

Semantics: alerting rules of Prometheus 3 (``rules/alerting.go``). Its labels identify an alert. It is pending from the first evaluation time at
which its series is there, fires once it has been there for ``for``, goes on firing for ``keep_firing_for`` after its series is gone, and is
remembered for 15 minutes once it is resolved. With ``for: 2m`` and a rule evaluated every minute::

    minute    0         1         2          3        4
    series    yes       yes       yes        yes      no
    alert     pending   pending   firing     firing   resolved
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from rules.promql.labels import METRIC_NAME

Labels = tuple[tuple[str, str], ...]
"""A label set: names and values sorted by name, none of them empty."""

RESOLVED_RETENTION_MS = 15 * 60_000
"""How long a resolved alert is remembered."""

ALERT_NAME = "alertname"
ALERT_STATE = "alertstate"
ALERTS = "ALERTS"
ALERTS_FOR_STATE = "ALERTS_FOR_STATE"

DUPLICATE_ALERTS = "vector contains metrics with the same labelset after applying alert labels"


class Phase(str, Enum):
    """Where in its life an alert is."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


class Reason(str, Enum):
    """Why an alert went from one phase to another."""

    CONDITION_MET = "the condition holds"
    HELD = "the condition held for the whole `for`"
    CONDITION_LOST = "the condition no longer holds"
    KEPT_LONG_ENOUGH = "`keep_firing_for` has passed since the condition held"
    FOR_LENGTHENED = "`for` is now longer than the condition has held"
    LIMIT_EXCEEDED = "the rule has more alerts than its group's `limit`: all are dropped"
    RULE_REMOVED = "the rule is no longer there"


class Sample(NamedTuple):
    """One series of the expression at one evaluation time.

    Attributes:
        labels: of the alert; they identify it.
        value: of the series.
        source: the labels of the series before the rule's were added, which templates refer to.
    """

    labels: Labels
    value: float
    source: Labels


@dataclass(frozen=True, slots=True)
class Policy:
    """What a rule says about its alerts; ``limit`` is the group's, 0 for none."""

    for_ms: int = 0
    keep_firing_for_ms: int = 0
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert; times are milliseconds of event time.

    Attributes:
        active_at: since when it is pending or firing without a break.
        seen_at: the last evaluation time at which its series was there; ``value`` and ``source`` are of then, and so are its annotations.
        fired_at: since when it fires.
        resolved_at: when it stopped firing; None while it is active.
        keep_firing_since: the first evaluation time without its series while it is kept firing.
    """

    labels: Labels
    source: Labels
    phase: Phase
    value: float
    active_at: int
    seen_at: int
    fired_at: int | None = None
    resolved_at: int | None = None
    keep_firing_since: int | None = None


@dataclass(frozen=True, slots=True)
class AlertState:
    """The alerts of one rule between two evaluations; it holds active alerts, and resolved ones for 15 minutes.

    A rule's ``limit`` and the number of series of its expression bound its size.
    """

    alerts: Mapping[Labels, Alert] = field(default_factory=dict)

    def active(self) -> list[Alert]:
        """The pending and firing alerts."""
        return [alert for alert in self.alerts.values() if alert.phase is not Phase.INACTIVE]

    def as_plain(self) -> list[dict[str, Any]]:
        """The state in lists, dictionaries, texts and numbers, for JSON or a checkpoint."""
        return [{**asdict(alert), "phase": alert.phase.value} for alert in self.alerts.values()]

    @classmethod
    def from_plain(cls, plain: Iterable[Mapping[str, Any]]) -> AlertState:
        """The state that :meth:`as_plain` gave.

        Raises:
            ValueError: it is none.
        """
        try:
            alerts = [
                Alert(
                    **{
                        **each,
                        "labels": _labels(each["labels"]),
                        "source": _labels(each["source"]),
                        "phase": Phase(each["phase"]),
                    }
                )
                for each in plain
            ]
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the state of an alerting rule: {error}") from error
        return cls({alert.labels: alert for alert in alerts})


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of phase; ``alert`` is as it is after it."""

    time_ms: int
    before: Phase
    after: Phase
    reason: Reason
    alert: Alert


class Stepped(NamedTuple):
    """What a step yields; ``error`` says why the evaluation counts as failed, in Prometheus' words, or is empty."""

    state: AlertState
    transitions: tuple[Transition, ...]
    error: str = ""


def step(policy: Policy, state: AlertState, samples: Sequence[Sample], time_ms: int) -> Stepped:
    """The state after one evaluation, and the changes of phase in the order of the alerts.

    An evaluation whose samples make the same alert twice fails and changes nothing; one that exceeds the limit fails and drops all alerts.

    Args:
        policy: what the rule says.
        state: after the evaluation before; a new one for the first.
        samples: the series of the expression at the evaluation time.
        time_ms: the evaluation time, later than the one before.
    """
    present = {sample.labels: sample for sample in samples}
    if len(present) < len(samples):
        return Stepped(state, (), DUPLICATE_ALERTS)
    before = state.alerts
    after: dict[Labels, Alert] = {}
    changes: list[Transition] = []
    active = 0
    for labels, old in before.items():
        if labels in present:
            continue
        new, reason = _without_series(policy, old, time_ms)
        if new is None:
            if reason is not None:
                changes.append(Transition(time_ms, old.phase, Phase.INACTIVE, reason, _ended(old, time_ms)))
            continue
        after[labels] = new
        active += new.phase is not Phase.INACTIVE
        if reason is not None and new.phase is not old.phase:
            changes.append(Transition(time_ms, old.phase, new.phase, reason, new))
    for labels, sample in present.items():
        known = before.get(labels)
        was = known.phase if known else Phase.INACTIVE
        new, reason = _with_series(policy, known if was is not Phase.INACTIVE else None, sample, time_ms)
        after[labels] = new
        active += 1
        if new.phase is not was:
            changes.append(Transition(time_ms, was, new.phase, reason, new))
    if policy.limit and active > policy.limit:
        dropped = end_all(state, Reason.LIMIT_EXCEEDED, time_ms)
        return Stepped(AlertState(), dropped, f"exceeded limit of {policy.limit} with {active} alerts")
    return Stepped(AlertState(after), tuple(changes))


def end_all(state: AlertState, reason: Reason, time_ms: int) -> tuple[Transition, ...]:
    """The end of every active alert at an evaluation time, whatever its rule would say."""
    return tuple(Transition(time_ms, old.phase, Phase.INACTIVE, reason, _ended(old, time_ms)) for old in state.active())


def touch(state: AlertState, samples: Iterable[Sample], time_ms: int) -> AlertState:
    """The state after an evaluation time that changed no phase: the present alerts have new values.

    What :func:`step` would yield between two evaluation times of :func:`due` while the same series stay present.
    """
    after = dict(state.alerts)
    for sample in samples:
        old = after[sample.labels]
        after[sample.labels] = Alert(
            old.labels, sample.source, old.phase, sample.value, old.active_at, time_ms, old.fired_at
        )
    return AlertState(after)


def due(policy: Policy, state: AlertState) -> int | None:
    """The first time at which a phase changes although the same series stay present and absent; None if none ever does."""
    times = []
    for alert in state.alerts.values():
        if alert.phase is Phase.PENDING:
            times.append(alert.active_at + policy.for_ms)
        elif alert.keep_firing_since is not None and alert.phase is Phase.FIRING:
            times.append(alert.keep_firing_since + policy.keep_firing_for_ms)
        elif alert.resolved_at is not None:
            # Forgotten strictly after the retention.
            times.append(alert.resolved_at + RESOLVED_RETENTION_MS + 1)
    return min(times, default=None)


def alert_series(name: str, rule_labels: Mapping[str, str], alert: Alert) -> tuple[Labels, Labels]:
    """The labels of an active alert's ``ALERTS`` and ``ALERTS_FOR_STATE`` series.

    Args:
        name: the rule's.
        rule_labels: the rule's as written: a template that expanded to nothing shows here, as it does in Prometheus.
        alert: pending or firing. The first series has the value 1, the second :attr:`Alert.active_at` in whole seconds.
    """
    common = {**rule_labels, **dict(alert.labels), ALERT_NAME: name}
    state = {**common, METRIC_NAME: ALERTS, ALERT_STATE: alert.phase.value}
    return label_set(state), label_set({**common, METRIC_NAME: ALERTS_FOR_STATE})


def label_set(labels: Mapping[str, str]) -> Labels:
    """The labels as a sorted tuple without empty ones."""
    return tuple(sorted((name, value) for name, value in labels.items() if value != ""))


def _with_series(policy: Policy, old: Alert | None, sample: Sample, time_ms: int) -> tuple[Alert, Reason]:
    active_at = old.active_at if old else time_ms
    if time_ms - active_at < policy.for_ms:
        reason = Reason.FOR_LENGTHENED if old and old.phase is Phase.FIRING else Reason.CONDITION_MET
        return Alert(sample.labels, sample.source, Phase.PENDING, sample.value, active_at, time_ms), reason
    reason = Reason.HELD if old else Reason.CONDITION_MET
    fired_at = old.fired_at if old and old.phase is Phase.FIRING else time_ms
    return Alert(sample.labels, sample.source, Phase.FIRING, sample.value, active_at, time_ms, fired_at), reason


def _without_series(policy: Policy, old: Alert, time_ms: int) -> tuple[Alert | None, Reason | None]:
    if old.phase is Phase.PENDING:
        return None, Reason.CONDITION_LOST
    if old.phase is Phase.INACTIVE:
        gone = old.resolved_at is None or time_ms - old.resolved_at > RESOLVED_RETENTION_MS
        return (None if gone else old), None
    since = old.keep_firing_since
    if policy.keep_firing_for_ms:
        since = time_ms if since is None else since
        if time_ms - since < policy.keep_firing_for_ms:
            return _kept(policy, old, since, time_ms)
    return _ended(old, time_ms), Reason.CONDITION_LOST if since is None else Reason.KEPT_LONG_ENOUGH


def _kept(policy: Policy, old: Alert, since: int, time_ms: int) -> tuple[Alert, Reason | None]:
    if time_ms - old.active_at < policy.for_ms:
        pending = Alert(old.labels, old.source, Phase.PENDING, old.value, old.active_at, old.seen_at)
        return pending, Reason.FOR_LENGTHENED
    alert = Alert(
        old.labels, old.source, Phase.FIRING, old.value, old.active_at, old.seen_at, old.fired_at, None, since
    )
    return alert, None


def _ended(old: Alert, time_ms: int) -> Alert:
    return Alert(
        old.labels,
        old.source,
        Phase.INACTIVE,
        old.value,
        old.active_at,
        old.seen_at,
        old.fired_at,
        time_ms,
        old.keep_firing_since,
    )


def _labels(plain: Iterable[Sequence[str]]) -> Labels:
    return tuple((str(name), str(value)) for name, value in plain)
