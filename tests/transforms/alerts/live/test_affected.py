"""Which rules late samples touch: by the fragments that they come from, and by way of what other rules write."""

from __future__ import annotations

import pytest

from transforms.alerts.live.live import LiveRules
from transforms.alerts.settings import EvaluationSettings

RULES = """
groups:
- name: g
  rules:
  - {record: sum:x, expr: sum(x)}
  - {alert: High, expr: 'sum:x > 3'}
  - {alert: Other, expr: z > 1}
- name: turns
  rules:
  - {record: ping, expr: y + pong}
  - {record: pong, expr: ping * 2}
- name: queries
  rules:
  - alert: Asking
    expr: w > 1
    annotations: {all: '{{ query "count(v)" | first | value }}'}
- name: apart
  rules:
  - {alert: Always, expr: vector(1)}
"""


PATTERNS = """
groups:
- name: g
  rules:
  - {record: sum:x, expr: sum(x)}
  - {record: sum:y, expr: sum(y)}
  - {record: max:y, expr: max(y)}
- name: h
  rules:
  - {alert: Sums, expr: '{__name__=~"sum:.+"} > 3'}
  - {alert: NoSums, expr: '{__name__!~"sum:.+|ALERTS.*",i="1"} > 3'}
"""


def touched(*keys: str, rules: str = RULES) -> set[str]:
    """The names of the rules that fragments touch, each given by what it is."""
    ready = LiveRules(EvaluationSettings({"r.yml": rules})).current
    ids = {task.spec.key: task.id for task in ready.tasks}
    return {ready.program.rules[each].rule.name for each in ready.affected.rules([ids[key] for key in keys])}


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("vector z > 1", {"Other"}),
        # And who reads what the rule writes.
        ("vector sum(x) with __shard__", {"sum:x", "High"}),
        # Rules that take turns are evaluated again together.
        ("vector y", {"ping", "pong"}),
        ("vector count(v) with __shard__", {"Asking"}),
        # Samples that came in under a name that a rule writes: it may write other ones now, and whoever reads the name reads them.
        ("samples sum:x", {"sum:x", "High"}),
        ("samples pong", {"ping", "pong"}),
        # All alerts write these.
        ("samples ALERTS", {"High", "Other", "Asking", "Always"}),
    ],
)
def test_a_fragment_touches_the_rules_that_come_from_it(key: str, expected: set[str]) -> None:
    assert touched(key) == expected


def test_fragments_touch_what_each_of_them_does() -> None:
    assert touched("vector z > 1", "vector y") == {"Other", "ping", "pong"}
    assert touched() == set()


def test_samples_gathered_by_a_pattern_touch_who_writes_a_name_that_fits() -> None:
    assert touched('samples {__name__=~"sum:.+"}', rules=PATTERNS) == {"sum:x", "sum:y", "Sums"}
    assert touched('samples {__name__!~"sum:.+|ALERTS.*",i="1"}', rules=PATTERNS) == {"max:y", "NoSums"}
    assert touched("samples max:y", rules=PATTERNS) == {"max:y", "NoSums"}


def test_a_fragment_that_is_none_of_the_rules_touches_nothing() -> None:
    affected = LiveRules(EvaluationSettings({"r.yml": RULES})).current.affected
    assert affected.rules([-1]) == frozenset()


def test_rules_are_touched_with_all_that_read_them_over_others_too() -> None:
    text = """
groups:
- name: g
  rules:
  - {record: a, expr: x}
  - {record: b, expr: sum(a)}
  - {record: c, expr: sum(b)}
  - {record: d, expr: sum(y)}
"""
    ready = LiveRules(EvaluationSettings({"r.yml": text})).current
    assert ready.affected.with_readers([0]) == {0, 1, 2}
    assert ready.affected.with_readers([1, 3]) == {1, 2, 3}
    assert ready.affected.with_readers([]) == frozenset()
