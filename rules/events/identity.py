"""What tells rules, alerts and transitions, so that the same thing told twice is known to be the same."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

import orjson

from rules.evaluation.alerts import Labels, Transition
from rules.evaluation.program import Program
from rules.model import AlertingRule


@dataclass(frozen=True, slots=True)
class RuleKey:
    """A rule as Prometheus tells it when rules are loaded anew: changes of its expression, or of other rules, leave it what it is.

    Attributes:
        kind: ``alert`` or ``record``.
        labels: of the rule and its group, as written.
        occurrence: its number among the rules of its group that are the same in all this.
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
        kind = "alert" if isinstance(rule.rule, AlertingRule) else "record"
        labels = tuple(sorted(rule.turn.labels.items()))
        first = RuleKey(rule.group.file, rule.group.name, kind, rule.rule.name, labels)
        keys.append(RuleKey(first.file, first.group, kind, first.name, labels, seen[first]))
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


def correction_id(event: str, replaces: str | None, told_ms: int) -> str:
    """The id of an event that stands in another's place, or is told late; ``told_ms``, when it became known, tells one from another."""
    return _digest([event, "replaces", replaces, told_ms])


def retraction_id(replaces: str) -> str:
    """The id of the event that takes another back."""
    return _digest(["retracts", replaces])


def _digest(parts: list[Any]) -> str:
    return hashlib.blake2b(orjson.dumps(parts), digest_size=16).hexdigest()
