"""Lanes of a timeline: one for each alert, named by the labels that differ within its rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import TypeVar

from rules.evaluation.alerts import ALERT_NAME, Labels

RuleKey = TypeVar("RuleKey", bound=Hashable)


def shared_labels(alerts: Iterable[tuple[RuleKey, Labels]]) -> Mapping[RuleKey, Collection[tuple[str, str]]]:
    """For each rule, the labels that all its alerts share; only the alert's name for a rule with one alert."""
    shared: dict[RuleKey, set[tuple[str, str]]] = {}
    counts: Counter[RuleKey] = Counter()
    for rule, labels in alerts:
        counts[rule] += 1
        shared[rule] = shared.get(rule, set(labels)) & set(labels)
    return {
        rule: labels if counts[rule] > 1 else {each for each in labels if each[0] == ALERT_NAME}
        for rule, labels in shared.items()
    }


def lane_name(labels: Labels, shared: Collection[tuple[str, str]]) -> str:
    """The labels of an alert but the shared ones: ``host=web-1, pool=web``."""
    return ", ".join(f"{name}={value}" for name, value in labels if (name, value) not in shared)
