"""The templates of a rule's labels and annotations: what they depend on, and their texts for an alert.

Semantics: ``rules/alerting.go`` of Prometheus 3: a template sees the labels and the value of the series, and the evaluation time of the evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rules.evaluation.alerts import ALERT_NAME, Labels, label_set
from rules.model import AlertingRule
from rules.promql.labels import METRIC_NAME
from rules.templates import TemplateContext, TemplateError, expand_or_error, parse_template, queries
from rules.templates.nodes import Dot, Field, Identifier, TemplateCall, Variable

_TIMELY_FUNCTIONS = ("query", "now")
_LABEL_VARIABLES = ("$labels", "$externalLabels", "$externalURL")

Query = Callable[[str, int], list[Any]]
"""Answers an expression at an evaluation time in milliseconds with samples that have ``labels`` and ``value``."""


@dataclass(frozen=True, slots=True)
class Site:
    """What templates know of the installation (``external_labels`` and ``--web.external-url`` of a Prometheus)."""

    external_labels: Mapping[str, str] = field(default_factory=dict)
    external_url: str = ""


def label_queries(rule: AlertingRule, labels: Mapping[str, str]) -> Iterator[str | None]:
    """The expressions that the templates of the rule's labels query; None for one that is put together from data."""
    for text in labels.values():
        if "query" not in text or "{{" not in text:
            continue
        try:
            template = parse_template(text, rule.alert)
        except TemplateError:
            continue
        constant = queries(template)
        yield from constant
        asked = sum(isinstance(node, Identifier) and node.name == "query" for node in template.walk())
        yield from [None] * (asked - len(constant))


def same_for_a_series(text: str, name: str) -> bool:
    """Whether a template gives a series the same text at every evaluation time: it reads neither the value, nor the time, nor other series."""
    if "{{" not in text:
        return True
    try:
        template = parse_template(text, name)
    except TemplateError:
        return True
    own = set(_LABEL_VARIABLES)
    for node in template.walk():
        match node:
            case Dot() | TemplateCall():
                return False
            case Field() if node.fields[0] not in ("Labels", "ExternalLabels", "ExternalURL"):
                return False
            case Variable() if node.name not in own:
                return False
            case Identifier() if node.name in _TIMELY_FUNCTIONS:
                return False
            case _:
                pass
    return True


class AlertText:
    """The templates of one rule.

    Attributes:
        labels: of the rule and its group, as written.
        steady: whether a series makes the same alert at every evaluation time.
    """

    def __init__(self, rule: AlertingRule, labels: Mapping[str, str], site: Site) -> None:
        self.rule = rule
        self.labels = labels
        self.site = site
        self.steady = all(same_for_a_series(text, rule.alert) for text in labels.values())
        self._plain = {name: text for name, text in labels.items() if "{{" not in text}
        self._static = len(self._plain) == len(labels)

    def identities(
        self, sources: Sequence[Mapping[str, str]], values: Sequence[float], time_ms: int, query: Query
    ) -> list[Labels]:
        """The labels of the alerts that series make: theirs without the metric name, the rule's over them, and the alert's name."""
        if self._static:
            added = {**self._plain, ALERT_NAME: self.rule.alert, METRIC_NAME: ""}
            return [label_set({**source, **added}) for source in sources]
        return [self._identity(source, value, time_ms, query) for source, value in zip(sources, values, strict=True)]

    def annotations(self, source: Labels, value: float, time_ms: int, query: Query) -> dict[str, str]:
        """The annotations of an alert whose series was last there at an evaluation time."""
        context = self._context(dict(source), value, time_ms, query)
        return {name: expand_or_error(text, context, self.rule.alert) for name, text in self.rule.annotations.items()}

    def _identity(self, source: Mapping[str, str], value: float, time_ms: int, query: Query) -> Labels:
        context = self._context(source, value, time_ms, query)
        added = {name: expand_or_error(text, context, self.rule.alert) for name, text in self.labels.items()}
        return label_set({**source, **added, ALERT_NAME: self.rule.alert, METRIC_NAME: ""})

    def _context(self, source: Mapping[str, str], value: float, time_ms: int, query: Query) -> TemplateContext:
        return TemplateContext(source, value, self.site.external_labels, self.site.external_url, query, time_ms)
