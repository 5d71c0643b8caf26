"""Evaluation of groups: what rules write, what they see of each other, and what fails."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rules.evaluation.alerts import Phase
from rules.evaluation.groups import Evaluator, RuleState
from rules.evaluation.program import Program, Settings
from rules.promql.engine import instant
from rules.promql.values import InstantVector
from tests.rules.evaluation.stepping import (
    MINUTE,
    course,
    failures,
    groups_of,
    minutes,
    reported,
    samples,
    storage_of,
    written,
)


def evaluated(rules: str, *series: str, last: int = 4, settings: Settings | None = None) -> Evaluator:
    evaluator = Evaluator(Program(groups_of(rules), settings), storage_of(*series))
    evaluator.evaluate(minutes(0, last))
    return evaluator


def test_a_recording_rule_sets_name_and_labels_and_marks_what_vanishes() -> None:
    rules = """
groups:
- name: g
  labels: {team: a, tier: "1"}
  rules:
  - record: r
    expr: x
    labels: {team: b, drop: ""}
"""
    evaluator = evaluated(rules, 'x{i="1", drop="me"} 1 2 stale _ 5')
    assert samples(evaluator, "r", {"i": "1", "team": "b", "tier": "1"}) == ["0=1", "1=2", "2=stale", "4=5"]
    assert len(written(evaluator)) == 1


def test_a_scalar_is_a_series_without_labels() -> None:
    evaluator = evaluated("groups: [{name: g, rules: [{record: r, expr: time()}]}]", last=1)
    assert samples(evaluator, "r") == ["0=0", "1=60"]


def test_what_is_no_vector_fails() -> None:
    evaluator = Evaluator(
        Program(groups_of("groups: [{name: g, rules: [{record: r, expr: '\"text\"'}]}]")), storage_of()
    )
    outcome = evaluator.evaluate(minutes(0, 1))
    assert failures(outcome) == [
        (0, 0, "rule result is not a vector or scalar"),
        (MINUTE, 0, "rule result is not a vector or scalar"),
    ]


CHAIN = """
groups:
- name: g
  rules:
  - {record: late, expr: 'count_over_time(early[10m])'}
  - {record: early, expr: x}
  - {record: soon, expr: 'count_over_time(early[10m])'}
"""


def test_a_rule_sees_at_once_what_stands_above_it_and_later_what_stands_below() -> None:
    evaluator = evaluated(CHAIN, "x 1x9", last=3)
    assert samples(evaluator, "soon") == ["0=1", "1=2", "2=3", "3=4"]
    assert samples(evaluator, "late") == ["1=1", "2=2", "3=3"]


def test_a_rule_may_read_itself() -> None:
    evaluator = evaluated("groups: [{name: g, rules: [{record: n, expr: n + 1 or vector(0)}]}]", last=4)
    assert samples(evaluator, "n") == ["0=0", "1=1", "2=2", "3=3", "4=4"]


def test_only_rules_that_read_backward_take_turns() -> None:
    program = Program(groups_of(CHAIN))
    stepped = {each.positions: each.stepped for each in program.components}
    assert stepped == {(0, 1): True, (2,): False}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        # Two alerts of one name may be the same alert; they read nothing of each other.
        ("{alert: A, expr: x}, {alert: A, expr: y}, {record: r, expr: 'ALERTS'}", {(0, 1): "contested", (2,): ""}),
        ("{record: r, expr: x}, {record: r, expr: y}", {(0, 1): "contested"}),
        ("{record: r, expr: x}, {record: r, expr: y}, {record: s, expr: r}", {(0, 1): "contested", (2,): ""}),
        ("{record: r, expr: x}, {record: r, expr: 'y offset -1m'}", {(0, 1): "stepped"}),
        ("{record: r, expr: x}, {record: s, expr: r}, {record: r, expr: s}", {(0, 1, 2): "stepped"}),
        ("{record: r, expr: x}, {record: r, expr: 'r offset 1m'}", {(0, 1): "stepped"}),
        ("{alert: A, expr: x, labels: {s: a}}, {alert: A, expr: y, labels: {s: b}}", {(0,): "", (1,): ""}),
        ("{alert: A, expr: x, labels: {s: a}}, {alert: A, expr: y, labels: {s: ''}}", {(0,): "", (1,): ""}),
        (
            "{record: r, expr: x, labels: {s: ''}}, {record: s, expr: 'r{s=\"a\"}'}, {record: r, expr: s, labels: {s: ''}}",
            {(0, 2): "contested", (1,): ""},
        ),
    ],
)  # fmt: skip
def test_what_is_evaluated_together(rules: str, expected: dict[tuple[int, ...], str]) -> None:
    found = Program(groups_of(f"groups: [{{name: g, rules: [{rules}]}}]")).components
    reported = {each.positions: "stepped" if each.stepped else "contested" if each.contested else "" for each in found}
    assert reported == expected


@pytest.mark.parametrize(
    ("series", "failed"),
    [
        # From 2 min on both have an alert of the labels of x, which began at another time: what the later rule writes is refused.
        (('x{i="a"} 1 9 9 9 9 9',), [2, 3, 4, 5]),
        (('x{i="a"} 9 1 9 9 9 9',), []),
        (('x{i="a"} 1x5',), []),
        # Somebody else wrote that alert.
        (('x{i="a"} 9x5', 'ALERTS{alertname="A",alertstate="firing",i="a"} 1 _ _ 2'), [3]),
    ],
)
def test_alerts_of_one_name_are_evaluated_at_all_evaluation_times_at_once(
    series: tuple[str, ...], failed: list[int]
) -> None:
    rules = "groups: [{name: g, rules: [{alert: A, expr: x > 5}, {alert: A, expr: 'avg_over_time((x or on () vector(9))[5m:1m]) > 5'}]}]"
    seen: list[tuple[int, int]] = []
    both = [
        Evaluator(
            Program(groups_of(rules)),
            storage_of(*series),
            stepped=stepped,
            observer=lambda rule, times, _: seen.append((rule.position, len(times))),
        )
        for stepped in (False, True)
    ]
    one, other = (evaluator.evaluate(minutes(0, 5)) for evaluator in both)
    assert seen == [(0, 6), (1, 6), *[(0, 1), (1, 1)] * 6]
    assert (reported(one), failures(one), written(both[0])) == (reported(other), failures(other), written(both[1]))
    assert [when // MINUTE for when, position, _ in failures(one) if position == 1] == failed


@pytest.mark.parametrize(
    ("expr", "stepped"),
    [
        ("x", False),
        ("x offset 5m", False),
        ("x offset -5m", True),
        ("x @ 100", True),
        ("rate(x[5m] @ start())", True),
        ("max_over_time(x[5m:1m] offset -1m)", True),
        ("absent(r)", True),
        ('{__name__=~"r|s"}', True),
        ('{__name__=~"s|t"}', False),
        ('{job="a"}', True),
        ('{__name__!="", team="other"}', False),
    ],
)
def test_what_is_evaluated_evaluation_time_by_evaluation_time(expr: str, stepped: bool) -> None:
    rules = f"groups: [{{name: g, rules: [{{record: r, expr: '{expr}', labels: {{team: mine}}}}]}}]"
    (component,) = Program(groups_of(rules)).components
    assert component.stepped is stepped


@pytest.mark.parametrize(
    ("label", "stepped"),
    [
        ('{{ query "up" }}', False),
        ('{{ query "late" }}', True),
        # What is put together from data may be any metric.
        ('{{ query (printf "%s" $labels.i) }}', True),
    ],
)
def test_an_alert_whose_labels_ask_for_what_stands_below_takes_turns(label: str, stepped: bool) -> None:
    rules = f"""
groups:
- name: g
  rules:
  - {{alert: A, expr: x, labels: {{asked: '{label}'}}}}
  - {{record: late, expr: x}}
"""
    assert [each.stepped for each in Program(groups_of(rules)).components] == ([True] if stepped else [False, False])


def test_a_label_from_a_template_may_have_any_value() -> None:
    rules = """
groups:
- name: g
  rules:
  - {record: r, expr: 'ALERTS{site="a"}'}
  - {alert: A, expr: x, labels: {site: '{{ $labels.i }}'}}
"""
    (component,) = Program(groups_of(rules)).components
    assert component.stepped


def test_what_is_dated_back_is_not_seen_before_it_is_written() -> None:
    rules = """
groups:
- name: behind
  query_offset: 1m
  rules: [{record: r, expr: x}]
- name: ahead
  rules: [{record: s, expr: r}]
"""
    evaluator = evaluated(rules, "x 0+1x9", last=3)
    assert samples(evaluator, "s") == ["1=0", "2=1", "3=2"]


def test_two_rules_whose_series_vanish_together_leave_one_marker() -> None:
    rules = "groups: [{name: g, rules: [{record: r, expr: x}, {record: r, expr: x}]}]"
    assert samples(evaluated(rules, "x 1 1 stale"), "r") == ["0=1", "1=1", "2=stale"]


def test_the_newest_sample_is_looked_for_among_those_that_came_in_and_those_written() -> None:
    rules = "groups: [{name: g, rules: [{record: r, expr: x}, {record: r, expr: y}]}]"
    evaluator = Evaluator(Program(groups_of(rules)), storage_of("r 5", "x _ 1", "y _ 2"))
    duplicate = "duplicate sample for timestamp 60000; overrides not allowed: existing 1, new value 2"
    assert failures(evaluator.evaluate(minutes(0, 1))) == [(MINUTE, 1, duplicate)]


def test_a_sample_dated_before_what_came_in_is_refused() -> None:
    rules = "groups: [{name: g, query_offset: 1m, rules: [{record: r, expr: x}]}]"
    evaluator = Evaluator(Program(groups_of(rules)), storage_of("r _ _ 7", "x 1x4"))
    outcome = evaluator.evaluate(minutes(1, 4))
    assert failures(outcome) == [
        (2 * MINUTE, 0, "out of order sample"),
        (3 * MINUTE, 0, "duplicate sample for timestamp 120000; overrides not allowed: existing 7, new value 1"),
    ]


def test_an_alert_keeps_the_last_value_of_its_series() -> None:
    program = Program(groups_of("groups: [{name: g, rules: [{alert: A, expr: x}]}]"))
    last = Evaluator(program, storage_of("x 1 2 3 stale")).evaluate(minutes(0, 4)).events[-1].transition.alert
    assert (last.phase, last.value, last.seen_at) == (Phase.INACTIVE, 3.0, 2 * MINUTE)


def test_too_many_alerts_fail_at_every_evaluation_time() -> None:
    program = Program(groups_of("groups: [{name: g, limit: 1, rules: [{alert: A, expr: x}]}]"))
    outcome = Evaluator(program, storage_of('x{i="a"} 1x2', 'x{i="b"} 1x2')).evaluate(minutes(0, 2))
    assert failures(outcome) == [(minute * MINUTE, 0, "exceeded limit of 1 with 2 alerts") for minute in range(3)]


def test_the_beginning_of_an_alert_is_in_whole_seconds() -> None:
    evaluator = Evaluator(Program(groups_of("groups: [{name: g, rules: [{alert: A, expr: x}]}]")), storage_of("x 1x9"))
    evaluator.evaluate(minutes(1, 1) + 999)
    values = {dict(labels)["__name__"]: found.tolist() for labels, _, _, found in evaluator.recorded.series()}
    assert values == {"ALERTS": [1.0], "ALERTS_FOR_STATE": [60.0]}


def test_samples_after_the_evaluation_time_are_not_there_yet() -> None:
    rules = """
groups:
- name: g
  rules:
  - {record: ahead, expr: x offset -1m}
  - {record: fixed, expr: x @ 120}
"""
    evaluator = evaluated(rules, "x 0+1x9", last=3)
    # Newest sample at the evaluation time, not the one of a minute later.
    assert samples(evaluator, "ahead") == ["0=0", "1=1", "2=2", "3=3"]
    assert samples(evaluator, "fixed") == ["0=0", "1=1", "2=2", "3=2"]


def test_query_offset_dates_back_what_is_read_and_written() -> None:
    rules = """
groups:
- name: g
  query_offset: 1m
  rules:
  - {record: r, expr: x}
  - {alert: A, expr: r > 1}
"""
    evaluator = evaluated(rules, "x 0+1x9", last=4)
    assert samples(evaluator, "r") == ["0=0", "1=1", "2=2", "3=3"]
    firing = {"alertname": "A", "alertstate": "firing"}
    assert samples(evaluator, "ALERTS", firing) == ["2=1", "3=1"]
    # The alert itself is of the evaluation time.
    assert samples(evaluator, "ALERTS_FOR_STATE", {"alertname": "A"}) == ["2=180", "3=180"]


def test_duplicates_fail_the_rule_at_their_evaluation_times_only() -> None:
    rules = """
groups:
- name: g
  rules:
  - {record: r, expr: 'label_replace(x, "i", "same", "", "")'}
"""
    evaluator = Evaluator(Program(groups_of(rules)), storage_of('x{i="1"} 1x4', 'x{i="2"} _ 2 stale _ _'))
    outcome = evaluator.evaluate(minutes(0, 3))
    assert [(when, position) for when, position, _ in failures(outcome)] == [(MINUTE, 0)]
    # A failed evaluation ends no series.
    assert samples(evaluator, "r", {"i": "same"}) == ["0=1", "2=1", "3=1"]


def test_rules_that_make_series_the_same_by_their_labels_fail() -> None:
    rules = "groups: [{name: g, rules: [{record: r, expr: x, labels: {i: ''}}]}]"
    evaluator = Evaluator(Program(groups_of(rules)), storage_of('x{i="1"} 1 1', 'x{i="2"} _ 2'))
    outcome = evaluator.evaluate(minutes(0, 1))
    assert failures(outcome) == [
        (MINUTE, 0, "vector contains metrics with the same labelset after applying rule labels")
    ]


@pytest.mark.parametrize(
    ("rule", "message"),
    [("record: r", "exceeded limit of 1 with 2 series"), ("alert: A", "exceeded limit of 1 with 2 alerts")],
)
def test_the_limit_of_a_group(rule: str, message: str) -> None:
    rules = f"groups: [{{name: g, limit: 1, rules: [{{{rule}, expr: x}}]}}]"
    evaluator = Evaluator(Program(groups_of(rules)), storage_of('x{i="1"} 1 1 1', 'x{i="2"} _ 2 stale'))
    outcome = evaluator.evaluate(minutes(0, 2))
    assert failures(outcome) == [(MINUTE, 0, message)]


def test_two_rules_that_write_a_series_conflict() -> None:
    rules = """
groups:
- name: g
  rules:
  - {record: r, expr: x}
  - {record: r, expr: y}
"""
    evaluator = Evaluator(Program(groups_of(rules)), storage_of("x 1 2 stale _", "y 1 3 _ 4"))
    outcome = evaluator.evaluate(minutes(0, 3))
    assert [(when, position, message.split(";")[0]) for when, position, message in failures(outcome)] == [
        (MINUTE, 1, "duplicate sample for timestamp 60000"),
        # The first rule's marker of the end is a sample too.
        (2 * MINUTE, 1, "duplicate sample for timestamp 120000"),
    ]
    assert samples(evaluator, "r") == ["0=1", "1=2", "2=stale", "3=4"]


def test_what_came_in_under_a_recorded_name_stays() -> None:
    rules = "groups: [{name: g, rules: [{record: r, expr: x}]}]"
    evaluator = Evaluator(Program(groups_of(rules)), storage_of("x 1 2 3", "r 1 5 _ 9"))
    outcome = evaluator.evaluate(minutes(0, 2))
    assert [(when, message.split(";")[0]) for when, _, message in failures(outcome)] == [
        (MINUTE, "duplicate sample for timestamp 60000")
    ]
    assert samples(evaluator, "r") == ["2=3"]
    value = instant("r", evaluator.storage, 2 * MINUTE).value
    assert isinstance(value, InstantVector)
    assert value.values.tolist() == [[3.0]]


TEMPLATED = """
groups:
- name: g
  rules:
  - alert: A
    expr: x > 1
    for: 1m
    labels: {level: '{{ if gt $value 5.0 }}high{{ else }}low{{ end }}', host: '{{ $labels.i }}'}
    annotations:
      value: '{{ $value }} at {{ now }}'
      others: '{{ range query "ALERTS" }}{{ .Labels.alertname }} {{ .Labels.alertstate }}{{ end }}'
"""


def test_a_label_of_the_value_makes_another_alert() -> None:
    program = Program(groups_of(TEMPLATED))
    outcome = Evaluator(program, storage_of('x{i="h"} 2 3 9 9 0')).evaluate(minutes(0, 4))
    assert course(outcome, "A") == [
        "0 inactive>pending",
        "1 pending>firing",
        "2 firing>inactive",
        "2 inactive>pending",
        "3 pending>firing",
        "4 firing>inactive",
    ]
    levels = [dict(each.transition.alert.labels)["level"] for each in outcome.events]
    assert levels == ["low", "low", "low", "high", "high", "high"]


def test_annotations_are_of_the_last_time_the_series_was_there() -> None:
    program = Program(groups_of(TEMPLATED))
    evaluator = Evaluator(program, storage_of('x{i="h"} 2 3 4 0'))
    outcome = evaluator.evaluate(minutes(0, 3), [0, MINUTE, 2 * MINUTE])
    texts = [evaluator.annotations(each.rule, each.alert) for active in outcome.snapshots.values() for each in active]
    # An alert is not yet written when its templates are expanded.
    assert texts == [
        {"value": "2 at 0", "others": ""},
        {"value": "3 at 60", "others": "A pending"},
        {"value": "4 at 120", "others": "A firing"},
    ]
    (ended,) = [each.transition.alert for each in outcome.events if each.transition.time_ms == 3 * MINUTE]
    assert evaluator.annotations(outcome.events[0].rule, ended) == {"value": "4 at 120", "others": "A firing"}


def test_groups_at_their_own_intervals() -> None:
    rules = """
groups:
- {name: slow, interval: 2m, rules: [{record: s, expr: 'count_over_time(f[10m])'}]}
- {name: fast, rules: [{record: f, expr: x}]}
"""
    program = Program(groups_of(rules))
    evaluator = Evaluator(program, storage_of("x 1x9"))
    schedule = program.due(-1, 4 * MINUTE)
    evaluator.evaluate_schedule(schedule)
    assert samples(evaluator, "s") == ["2=2", "4=4"]
    assert samples(evaluator, "f") == ["0=1", "1=1", "2=1", "3=1", "4=1"]


def test_an_evaluation_time_at_a_time_over_samples_that_arrive() -> None:
    program = Program(groups_of(TEMPLATED))
    whole = Evaluator(program, storage_of('x{i="h"} 2 3 9 9 0'))
    expected = whole.evaluate(minutes(0, 4))
    values = ["2", "3", "9", "9", "0"]
    evaluator = Evaluator(program, storage_of())
    found = []
    for minute in range(5):
        evaluator.source = storage_of(f'x{{i="h"}} {" ".join(values[: minute + 1])}')
        found.extend(evaluator.evaluate(minutes(minute, minute)).events)
    assert [each.transition for each in found] == [each.transition for each in expected.events]
    assert written(evaluator) == written(whole)


def test_a_restart_goes_on_from_the_state() -> None:
    program = Program(groups_of(TEMPLATED))
    storage = storage_of('x{i="h"} 2 3 9 9 0')
    whole = Evaluator(program, storage)
    expected = whole.evaluate(minutes(0, 4))
    first = Evaluator(program, storage)
    begun = first.evaluate(minutes(0, 1))
    second = Evaluator(program, storage)
    second.states = [RuleState.from_plain(json.loads(json.dumps(state.as_plain()))) for state in first.states]
    ended = second.evaluate(minutes(2, 4))
    assert [each.transition for each in (*begun.events, *ended.events)] == [each.transition for each in expected.events]
    # What the first has written ends where the second does not go on with it.
    pending = {"alertname": "A", "alertstate": "firing", "level": "low", "host": "h", "i": "h"}
    assert samples(second, "ALERTS", pending) == ["2=stale"]


@pytest.mark.parametrize("plain", [{}, {"alerts": [], "written": {"r": 1}}, {"alerts": [{}], "written": {}}])
def test_what_is_no_state_is_refused(plain: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not the state"):
        RuleState.from_plain(plain)


def test_pruning_forgets_what_is_old() -> None:
    evaluator = evaluated("groups: [{name: g, rules: [{record: r, expr: x}]}]", 'x{i="1"} 1 2 3 4 5', 'x{i="2"} 1')
    evaluator.prune(2 * MINUTE)
    assert samples(evaluator, "r", {"i": "1"}) == ["2=3", "3=4", "4=5"]
    assert samples(evaluator, "r", {"i": "2"}) == ["2=1", "3=1", "4=1"]
    evaluator.source = storage_of('x{i="1"} 1 2 3 4 5 6')
    evaluator.evaluate(minutes(5, 5))
    assert samples(evaluator, "r", {"i": "1"}) == ["2=3", "3=4", "4=5", "5=6"]
    evaluator.prune(10 * MINUTE)
    assert written(evaluator) == {}


def test_the_observer_sees_every_expression() -> None:
    seen: list[tuple[str, int, int]] = []
    program = Program(groups_of(CHAIN))
    evaluator = Evaluator(
        program,
        storage_of("x 1x9"),
        observer=lambda rule, times, vector: seen.append((rule.rule.name, len(times), vector.size)),
    )
    evaluator.evaluate(minutes(0, 2))
    assert seen == [
        *(("late", 1, 0), ("early", 1, 1)),
        *(("late", 1, 1), ("early", 1, 1)),
        *(("late", 1, 1), ("early", 1, 1)),
        ("soon", 3, 1),
    ]


def test_nothing_is_evaluated_at_no_evaluation_time() -> None:
    outcome = Evaluator(Program(groups_of(CHAIN)), storage_of("x 1")).evaluate(np.empty(0, np.int64))
    assert (outcome.events, outcome.errors, outcome.snapshots) == ([], [], {})


def test_some_rules_are_evaluated_again_over_what_the_others_wrote() -> None:
    rules = """
groups:
- name: g
  rules:
  - {record: f, expr: x}
  - {record: s, expr: 'sum_over_time(f[2m])'}
  - {alert: A, expr: s > 3, for: 1m}
"""
    program = Program(groups_of(rules))
    seen: list[str] = []
    evaluator = Evaluator(program, storage_of("x 1 2 3 4 5"), observer=lambda rule, *_: seen.append(rule.rule.name))
    evaluator.evaluate(minutes(0, 1))
    before = [RuleState(each.alerts, dict(each.written)) for each in evaluator.states]
    outcome = evaluator.evaluate(minutes(2, 4))
    expected = written(evaluator), [each.as_plain() for each in evaluator.states]
    seen.clear()
    evaluator.recorded.rewind(MINUTE, {1, 2})
    assert samples(evaluator, "f") == ["0=1", "1=2", "2=3", "3=4", "4=5"]
    assert samples(evaluator, "s") == ["0=1", "1=3"]
    evaluator.states[1:] = before[1:]
    again = evaluator.evaluate_schedule([minutes(2, 4)], only={1, 2})
    assert seen == ["s", "A"]
    assert reported(again) == reported(outcome)
    assert (written(evaluator), [each.as_plain() for each in evaluator.states]) == expected


@pytest.mark.parametrize(
    ("rules", "series", "cut"),
    [
        # The first rule fails in between, and has nothing to say after that: that its series has ended must be said all the same.
        (
            """
            - {name: g, rules: [{record: r, expr: 'label_replace(x, "i", "same", "", "")'}, {record: r, expr: y}]}
            """,
            ['x{i="1"} 1 1 1 stale', 'x{i="2"} _ 2 stale', "y _ _ _ _ 1 1"],
            0,
        ),
        # What one rule wrote last, before, is not older than what the other is to write.
        (
            """
            - {name: g, rules: [{record: r, expr: x}]}
            - {name: behind, query_offset: 2m, rules: [{record: r, expr: y}]}
            """,
            ["x 1 1 stale", "y _ _ 5 5 5"],
            4,
        ),
    ],
)
def test_rules_of_one_name_write_as_if_in_turns(rules: str, series: list[str], cut: int) -> None:
    program = Program(groups_of(f"groups:\n{rules}"))
    both = [Evaluator(program, storage_of(*series), stepped=stepped) for stepped in (False, True)]
    for times in filter(len, (minutes(0, cut - 1), minutes(cut, 6))):
        one, other = (evaluator.evaluate(times) for evaluator in both)
        assert failures(one) == failures(other)
    assert written(both[0]) == written(both[1])
    assert failures(other)
