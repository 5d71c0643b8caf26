"""Expressions that several rules have are evaluated once, rules that have nothing to say not at all, and none of it shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.evaluation.groups import Evaluator
from rules.evaluation.program import Program
from rules.evaluation.rule_state import IDLE, RuleState
from rules.promql.engine import at_instants
from rules.promql.storage import MemoryStorage
from rules.promql.syntax.ast import Matcher
from rules.promql.syntax.errors import EvaluationError
from rules.promql.values import InstantVector, SeriesSet, Times
from tests.rules.evaluation.stepping import MINUTE, failures, groups_of, minutes, reported, storage_of, written
from transforms.alerts.fragments.fragments import SplitProgram, cut

RULES = """
groups:
- name: a
  rules:
  - {alert: High, expr: x > 2, for: 1m}
  - {alert: High, expr: x > 2, for: 2m, keep_firing_for: 1m, labels: {tier: b}}
  - {record: "a:x", expr: x > 2}
  - {record: "a:x", expr: x > 2}
  - {record: "a:sum", expr: sum(x > 2), labels: {team: a}}
- name: b
  limit: 1
  query_offset: 1m
  rules:
  - {alert: Many, expr: x > 2}
  - {alert: None, expr: absent(x)}
  - {alert: Sent, expr: 'ALERTS{alertname="High"} > 0'}
  - {record: "b:sum", expr: sum(x > 2)}
- name: c
  rules:
  - {record: "a:x", expr: x > 1}
  - {alert: High, expr: x > 2, labels: {tier: c}}
"""


class Fragments:
    """A store that evaluates fragments when it is asked, fails of those at some evaluation times, and counts."""

    def __init__(self, made: SplitProgram, samples: MemoryStorage, broken: Sequence[int] = ()) -> None:
        self._made, self._samples, self._broken = made, samples, {each * MINUTE for each in broken}
        self.asked: Counter[tuple[int, bytes]] = Counter()

    def fragment(self, number: int, times: Times) -> InstantVector:
        self.asked[number, times.tobytes()] += 1
        if self._broken.intersection(times.tolist()):
            raise EvaluationError("broken")
        value = at_instants(self._made.fragments[number].expr, self._samples, times).value
        assert isinstance(value, InstantVector)
        return value

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, stale: bool) -> SeriesSet:
        return MemoryStorage.from_series(()).select(matchers, start_ms, end_ms, stale=stale)


def test_an_expression_is_evaluated_once_for_all_rules_that_have_it() -> None:
    rules = ", ".join(f"{{alert: A{number}, expr: x > {number // 10}}}" for number in range(20))
    made = cut(Program(groups_of(f"groups: [{{name: g, rules: [{rules}]}}]")))
    store = Fragments(made, storage_of("x 0 1 2"))
    outcome = Evaluator(made.program, store).evaluate(minutes(0, 2))
    assert len(outcome.events) == 20
    assert sorted(store.asked.values()) == [1, 1]


def test_rules_of_other_offsets_do_not_share() -> None:
    text = """
groups:
- {name: a, rules: [{alert: Now, expr: x > 1}]}
- {name: b, query_offset: 1m, rules: [{alert: Then, expr: x > 1}]}
"""
    made = cut(Program(groups_of(text)))
    outcome = Evaluator(made.program, Fragments(made, storage_of("x 0 2 2"))).evaluate(minutes(0, 2))
    assert [(each.rule.rule.name, each.transition.time_ms) for each in outcome.events] == [
        ("Now", MINUTE),
        ("Then", 2 * MINUTE),
    ]


def test_a_rule_is_idle_again_once_all_of_it_is_over() -> None:
    made = cut(Program(groups_of("groups: [{name: g, rules: [{alert: A, expr: x > 1}, {record: r, expr: x > 1}]}]")))
    evaluator = Evaluator(made.program, Fragments(made, storage_of("x 0 2 0 0")))
    assert evaluator.states == [IDLE, IDLE]
    evaluator.evaluate(minutes(0, 1))
    assert all(state is not IDLE for state in evaluator.states)
    evaluator.evaluate(minutes(2, 17))
    assert evaluator.states[0] is not IDLE, "resolved, and remembered for 15 minutes"
    assert evaluator.states[1] is IDLE
    evaluator.evaluate(minutes(18, 18))
    assert evaluator.states[0] is IDLE
    assert RuleState.from_plain(IDLE.as_plain()) is IDLE


VALUES = st.lists(st.sampled_from(["_", "stale", "0", "2", "3"]), min_size=9, max_size=9).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(
    one=VALUES,
    other=VALUES,
    broken=st.sets(st.integers(0, 8), max_size=2),
    stops=st.sets(st.integers(0, 7), max_size=8),
)
def test_events_and_samples_are_those_of_rules_one_by_one(
    one: str, other: str, broken: set[int], stops: set[int]
) -> None:
    made = cut(Program(groups_of(RULES)))
    storage = storage_of(f'x{{i="1"}} {one}', f'x{{i="2"}} {other}')

    def course(*, stepped: bool, ends: Sequence[int]) -> tuple[object, ...]:
        evaluator = Evaluator(made.program, Fragments(made, storage, sorted(broken)), stepped=stepped)
        begins = [0, *(end + 1 for end in ends[:-1])]
        outcomes = [evaluator.evaluate(minutes(begin, end)) for begin, end in zip(begins, ends, strict=True)]
        events = [each for outcome in outcomes for each in reported(outcome)]
        wrong = [each for outcome in outcomes for each in failures(outcome)]
        alerts = [sorted(map(repr, state.alerts.alerts.values())) for state in evaluator.states]
        return events, wrong, written(evaluator), alerts

    ends = [*sorted(stops), 8]
    assert course(stepped=False, ends=ends) == course(stepped=True, ends=ends)


def test_what_rules_share_nobody_changes() -> None:
    made = cut(Program(groups_of("groups: [{name: g, rules: [{record: r, expr: x}, {record: s, expr: x}]}]")))
    evaluator = Evaluator(
        made.program, Fragments(made, storage_of("x 1 2 3")), observer=lambda *seen: kept.append(seen)
    )
    kept: list[tuple[object, Times, InstantVector]] = []
    evaluator.evaluate(minutes(0, 2))
    (_, _, first), (_, _, second) = kept
    assert first is second
    assert not first.values.flags.writeable
    assert np.array_equal(first.values, [[1.0, 2.0, 3.0]])
