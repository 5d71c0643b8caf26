"""The two kinds of rules behind one interface: what a rule writes, what its templates query, and what it makes of the series of its expression.

This module alone decides what kind a rule is of; all others ask the rule's :class:`RuleKind`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from rules.evaluation.alert_text import AlertText, Query, Site, label_queries
from rules.evaluation.alerting import Course, Samples, run_alerts
from rules.evaluation.alerts import ALERT_NAME, ALERTS, ALERTS_FOR_STATE, Alert, AlertState, Policy
from rules.evaluation.recording import Recording, recorded_series
from rules.model import AlertingRule, RecordingRule, Rule
from rules.promql.labels import METRIC_NAME
from rules.promql.values import InstantVector, Times


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The expression of a rule at ``T`` evaluation times, and what else the rule needs to go on from there.

    Attributes:
        vector: what the expression yields.
        times: ``[T]`` ascending milliseconds.
        alerts: the rule's alerts before the first of them.
        wanted: the evaluation times whose active alerts are wanted, ms.
        query_at: the queries of templates at an evaluation time.
        recording: the series under a name and with labels.
    """

    vector: InstantVector
    times: Times
    alerts: AlertState
    wanted: Collection[int]
    query_at: Callable[[int], Query]
    recording: Callable[[str, Mapping[str, str]], Recording]


class RuleKind(Protocol):
    """What depends on whether a rule alerts or records."""

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics that the rule writes."""

    @property
    def policy(self) -> Policy:
        """What the rule says of its alerts, and how many series it may have."""

    def written(self) -> list[dict[str, str]]:
        """The labels that are known before any evaluation, of the series of each metric that the rule writes. An empty label is certainly absent."""

    def label_queries(self) -> Iterator[str | None]:
        """The expressions that templates of labels query; None for one that is put together from data."""

    def template_queries(self) -> Iterator[str | None]:
        """The expressions that all templates query, those of labels before those of annotations; None likewise."""

    def annotations(self, alert: Alert, query: Query) -> dict[str, str]:
        """The annotations of one of the rule's alerts; ``query`` answers as of when its series was last there."""

    def course(self, evaluated: Evaluated) -> Course:
        """What the rule makes of its expression's series: alerts, transitions, and the series to write."""


class AlertingKind:
    """A rule of which each series is an alert."""

    names = (ALERTS, ALERTS_FOR_STATE)

    def __init__(self, rule: AlertingRule, labels: Mapping[str, str], limit: int, site: Site) -> None:
        self.policy = Policy(rule.for_ms, rule.keep_firing_for_ms, limit)
        self._rule = rule
        self._labels = labels
        self._text = AlertText(rule, labels, site)

    def written(self) -> list[dict[str, str]]:
        """See :meth:`RuleKind.written`."""
        known = {**_plain(self._labels), ALERT_NAME: self._rule.alert}
        return [{**known, METRIC_NAME: name} for name in self.names]

    def label_queries(self) -> Iterator[str | None]:
        """See :meth:`RuleKind.label_queries`."""
        return label_queries(self._rule, self._labels)

    def template_queries(self) -> Iterator[str | None]:
        """See :meth:`RuleKind.template_queries`."""
        yield from self.label_queries()
        yield from label_queries(self._rule, self._rule.annotations)

    def annotations(self, alert: Alert, query: Query) -> dict[str, str]:
        """See :meth:`RuleKind.annotations`."""
        return self._text.annotations(alert.source, alert.value, alert.seen_at, query)

    def course(self, evaluated: Evaluated) -> Course:
        """See :meth:`RuleKind.course`."""
        samples = Samples(evaluated.vector, evaluated.times, self._text, evaluated.query_at)
        return run_alerts(self._text, self.policy, evaluated.alerts, samples, evaluated.times, evaluated.wanted)


class RecordingKind:
    """A rule that writes its series under another name. Its labels are no templates, and it has no alerts."""

    def __init__(self, rule: RecordingRule, labels: Mapping[str, str], limit: int) -> None:
        self.policy = Policy(limit=limit)
        self.names = (rule.record,)
        self._labels = labels

    def written(self) -> list[dict[str, str]]:
        """See :meth:`RuleKind.written`."""
        return [{**_plain(self._labels), METRIC_NAME: name} for name in self.names]

    def label_queries(self) -> Iterator[str | None]:
        """See :meth:`RuleKind.label_queries`."""
        return iter(())

    def template_queries(self) -> Iterator[str | None]:
        """See :meth:`RuleKind.template_queries`."""
        return iter(())

    def annotations(self, alert: Alert, query: Query) -> dict[str, str]:
        """See :meth:`RuleKind.annotations`."""
        return {}

    def course(self, evaluated: Evaluated) -> Course:
        """See :meth:`RuleKind.course`."""
        (name,) = self.names
        recording = evaluated.recording(name, self._labels)
        block, good, errors = recorded_series(recording, name, self.policy.limit, evaluated.vector)
        return Course(evaluated.alerts, good, errors=errors, blocks=(block,))


def kind_of(rule: Rule, labels: Mapping[str, str], limit: int, site: Site) -> RuleKind:
    """The kind of a rule.

    Args:
        rule: as written.
        labels: of the rule and its group.
        limit: of its group: how many series or alerts it may have, 0 for any number.
        site: what templates know of the installation.
    """
    if isinstance(rule, AlertingRule):
        return AlertingKind(rule, labels, limit, site)
    return RecordingKind(rule, labels, limit)


def _plain(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that are no templates."""
    return {name: value for name, value in labels.items() if "{{" not in value}
