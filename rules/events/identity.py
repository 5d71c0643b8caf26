"""Identities of rules, alerts and transitions. The same event has the same id whenever it is sent again."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

import orjson

from rules.evaluation.alerts import Labels, Transition
from rules.evaluation.program import Program


@dataclass(frozen=True, slots=True)
class RuleKey:
    """The identity of a rule when rules are reloaded, as in Prometheus. It survives changes of its expression and of other rules.

    Attributes:
        kind: ``alert`` or ``record``.
        labels: of the rule and its group, as written.
        occurrence: its number among the rules of its group with equal values of the other attributes.
    """

    file: str
    group: str
    kind: str
    name: str
    labels: Labels
    occurrence: int = 0


def rule_keys(program: Program) -> list[RuleKey]:
    """The keys of a program's rules, by position; all different."""
    seen: Counter[RuleKey] = Counter()
    keys = []
    for rule in program.rules:
        labels = tuple(sorted(rule.turn.labels.items()))
        first = RuleKey(rule.group.file, rule.group.name, rule.rule.kind, rule.rule.name, labels)
        keys.append(RuleKey(first.file, first.group, first.kind, first.name, labels, seen[first]))
        seen[first] += 1
    return keys


def alert_id(key: RuleKey, labels: Labels) -> str:
    """The id of an alert through all its episodes, from its rule and its label set."""
    return _digest([key.file, key.group, key.name, key.labels, key.occurrence, labels])


def event_id(alert: str, transition: Transition) -> str:
    """The id of a transition of an alert: of its episode, which begins when the condition holds, and of the change in it."""
    return _digest(
        [alert, transition.alert.active_at, transition.time_ms, transition.before.value, transition.after.value]
    )


def correction_id(event: str, replaces: str | None, noticed_ms: int) -> str:
    """The id of an event that replaces another, or was missing. ``noticed_ms``, when the difference was found, makes it unique."""
    return _digest([event, "replaces", replaces, noticed_ms])


def retraction_id(replaces: str) -> str:
    """The id of the event that retracts another."""
    return _digest(["retracts", replaces])


def _digest(parts: list[Any]) -> str:
    return hashlib.blake2b(orjson.dumps(parts), digest_size=16).hexdigest()
