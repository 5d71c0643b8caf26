"""Events made of transitions: their fields, their ids, and the samples that they trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.evaluation.alerts import Alert, Labels
from rules.evaluation.groups import Evaluator, RuleState
from rules.evaluation.program import Prepared, Program
from rules.events.corrections import diff
from rules.events.events import EventMaker
from rules.events.trace import traced
from rules.promql.labels import LabelFrame
from rules.promql.storage import MemoryStorage
from rules.promql.syntax import ast
from rules.promql.syntax.errors import EvaluationError
from rules.promql.values import InstantVector, SeriesSet, Times
from schemas.alert_event import MAX_TRACED_SERIES, MAX_TRACES, AlertEvent, Trace, decode, encode
from tests.rules.evaluation.stepping import MINUTE, groups_of, minutes, storage_of

RULES = """
groups:
- name: g
  labels: {team: a}
  rules:
  - alert: High
    expr: sum by (pool) (x) > 2
    for: 2m
    keep_firing_for: 1m
    labels: {severity: page}
    annotations: {summary: '{{ $labels.pool }} is at {{ $value }}'}
"""
IDS = ("5139da6a9b4c2ffef16a85e21bc6d0c4", "23e82e382867981777b21d3bfde94315")
SERIES = ('x{pool="a",host="1"} 0 2 2 2 0 0 0 0 0 2', 'x{pool="a",host="2"} 1 1 1 1 1 1 1 1 1 1')


def events(rules: str, *series: str, last: int = 9, cuts: Sequence[int] = ()) -> list[AlertEvent]:
    program = Program(groups_of(rules))
    evaluator, maker = Evaluator(program, storage_of(*series)), EventMaker(program)
    found = []
    for times in np.split(minutes(0, last), list(cuts)):
        found.extend(maker.make(evaluator, evaluator.evaluate(times).events))
    return found


def reported(found: Sequence[AlertEvent]) -> list[tuple[object, ...]]:
    return [
        (
            each.evaluated_at // MINUTE,
            each.state.value,
            each.reason,
            each.active_since // MINUTE,
            None if each.starts_at is None else each.starts_at // MINUTE,
            None if each.ends_at is None else each.ends_at // MINUTE,
            each.value,
        )
        for each in found
    ]


def test_the_life_of_an_alert() -> None:
    found = events(RULES, *SERIES)
    assert reported(found) == [
        (1, "pending", "condition_met", 1, None, None, 3.0),
        (3, "firing", "held", 1, 3, None, 3.0),
        (5, "resolved", "kept_long_enough", 1, 3, 5, 3.0),
        (9, "pending", "condition_met", 9, None, None, 3.0),
    ]
    first = found[0]
    assert (first.file, first.group, first.rule) == ("rules.yml", "g", "High")
    assert first.labels == {"alertname": "High", "pool": "a", "severity": "page", "team": "a"}
    assert first.annotations == {"summary": "a is at 3"}
    assert not first.correction
    assert first.replaces is None
    assert len({each.id for each in found}) == 4
    assert len({each.alert for each in found}) == 1


def test_a_pending_alert_that_vanishes_is_inactive() -> None:
    found = events(RULES, 'x{pool="a"} 3 0')
    assert reported(found)[1] == (1, "inactive", "condition_lost", 0, None, 1, 3.0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 10), max_size=3).map(sorted))
def test_the_same_input_makes_the_same_events_however_it_is_cut(cuts: list[int]) -> None:
    assert events(RULES, *SERIES, cuts=cuts) == events(RULES, *SERIES)


def test_events_after_a_restart_are_those_of_an_undisturbed_run() -> None:
    program = Program(groups_of(RULES))
    first, maker = Evaluator(program, storage_of(*SERIES)), EventMaker(program)
    before = maker.make(first, first.evaluate(minutes(0, 2)).events)
    second = Evaluator(program, storage_of(*SERIES))
    second.states = [RuleState.from_plain(state.as_plain()) for state in first.states]
    after = EventMaker(program).make(second, second.evaluate(minutes(3, 9)).events)
    assert before + after == events(RULES, *SERIES)


def identifiers(rules: str, *series: str) -> list[tuple[str, str]]:
    return [(each.id, each.alert) for each in events(rules, *(series or SERIES))]


def test_ids_survive_what_is_not_the_alert() -> None:
    """Another expression, and other rules and groups around it."""
    alike = RULES.replace("(x) > 2", "(x) > 1.5").replace("is at", "has")
    alike = alike.replace("  rules:\n", '  rules:\n  - {record: r, expr: "1"}\n')
    alike = alike.replace("groups:\n", 'groups:\n- {name: f, rules: [{record: r, expr: "2"}]}\n')
    assert identifiers(alike) == identifiers(RULES)


@pytest.mark.parametrize(
    ("old", "new"),
    [("name: g", "name: h"), ("High", "Low"), ("page", "ticket"), ("team: a", "team: b"), ("for: 2m", "for: 3m")],
)
def test_ids_differ(old: str, new: str) -> None:
    other = RULES.replace(old, new)
    assert not {each for each, _ in identifiers(other)} >= {each for each, _ in identifiers(RULES)}


def test_ids_are_what_they_have_always_been() -> None:
    """Ids are kept in stores: a change of how they are made is a change of format."""
    assert identifiers(RULES)[0] == IDS


def test_rules_that_are_the_same_in_all_else_have_ids_of_their_own() -> None:
    rule = "{alert: A, expr: 'x > 1', labels: {i: '%s'}}"
    for labels in ("", "{{ $labels.i }}"):
        found = events(f"groups: [{{name: g, rules: [{rule % ''}, {rule % labels}]}}]", "x 2", last=0)
        assert len({each.id for each in found}) == len({each.alert for each in found}) == 2
        assert found[0].labels == found[1].labels


def test_the_guide_shows_an_event_as_it_is() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "alerting.md").read_text()
    shown = guide.partition("```json\n")[2].partition("```")[0]
    assert decode(shown.encode()) == events(RULES, *SERIES)[0]


def test_every_event_can_be_encoded() -> None:
    for each in events(RULES, *SERIES):
        assert decode(encode(each)) == each


def trace(expr: str, *series: str, at: int = 9, labels: str = "{}") -> dict[str, list[tuple[object, ...]]]:
    """By selector, the label ``i`` (or the shard), minute, value and number of samples of each traced series; of the only alert."""
    rules = f"groups: [{{name: g, rules: [{{alert: A, expr: {expr!r}, labels: {labels}}}]}}]"
    program = Program(groups_of(rules))
    evaluator = Evaluator(program, storage_of(*series))
    outcome = evaluator.evaluate(minutes(0, at))
    (event,) = EventMaker(program).make(evaluator, outcome.events[-1:])
    return {
        part.selector: [
            (each.labels.get("i"), each.time_ms // MINUTE, each.value, each.samples) for each in part.series
        ]
        for part in event.trace
    }


def test_an_instant_selector_reads_the_newest_sample() -> None:
    assert trace("x > 2", 'x{i="1"} 0x8 3', 'x{i="2"} 0x9') == {"x": [("1", 9, 3.0, 1)]}


def test_a_series_that_has_ended_or_is_too_old_is_not_read() -> None:
    series = ('x{i="1"} 0x8 3', 'x{i="2"} 1x8 stale', 'x{i="3"} 5 _ _')
    assert trace("sum(x) > 2", *series) == {"x": [("1", 9, 3.0, 1)]}


def test_a_range_reads_all_its_samples() -> None:
    assert trace("max_over_time(x[3m]) > 2", 'x{i="1"} 0x7 1 3') == {"x[3m]": [("1", 9, 3.0, 3)]}


def test_offsets_and_subqueries_are_followed() -> None:
    assert trace("x offset 2m > 2", 'x{i="1"} 0x6 3 4 5') == {"x offset 2m": [("1", 7, 3.0, 1)]}
    read = trace("max_over_time((x offset 1m)[2m:1m]) > 2", 'x{i="1"} 0x7 3 4')
    assert read == {"x offset 1m": [("1", 8, 3.0, 7)]}
    assert trace("x @ 120 * time() > 1000", 'x{i="1"} 0 0 3x7') == {"x @ 120.000": [("1", 2, 3.0, 1)]}


def test_the_series_of_an_aggregate_are_those_of_its_group() -> None:
    series = [
        f'x{{pool="{pool}",i="{number}"}} 0x8 {2 + (pool == "b")}' for pool in "ba" for number in range(6, -1, -1)
    ]
    read = trace("sum by (pool) (x) > 20", *series)
    assert read == {"x": [(str(number), 9, 3.0, 1) for number in range(MAX_TRACED_SERIES)]}


def test_series_are_in_the_order_of_their_names_then_of_their_labels() -> None:
    rules = "groups: [{name: g, rules: [{alert: A, expr: 'sum({__name__=~\"x|y\"}) > 1'}]}]"
    series = ('y{A="1",b="1"} 1', 'x{A="2",b="1"} 1', 'x{A="1",b="2"} 1')
    (found,) = events(rules, *series, last=0)
    assert [tuple(each.labels[name] for name in ("__name__", "A", "b")) for each in found.trace[0].series] == [
        ("x", "1", "2"),
        ("x", "2", "1"),
        ("y", "1", "1"),
    ]


def test_how_many_series_are_left_out_is_a_whole_number() -> None:
    series = [f'x{{i="{number}"}} 1' for number in range(MAX_TRACED_SERIES + 2)]
    (found,) = events("groups: [{name: g, rules: [{alert: A, expr: sum(x) > 1}]}]", *series, last=0)
    assert encode(found).endswith(b'"omitted":2}]}')


def test_both_sides_of_an_operation_are_traced() -> None:
    series = ('x{i="1",k="v"} 0x8 3', 'x{i="2"} 0x8 1', 'y{i="1"} 1+1x9', 'y{i="2"} 1+1x9')
    assert trace("x * on(i) group_left y > 20", *series) == {"x": [("1", 9, 3.0, 1)], "y": [("1", 9, 10.0, 1)]}


def test_what_another_rule_recorded_is_traced() -> None:
    rules = """
groups:
- name: g
  rules:
  - {record: r, expr: x * 2}
  - {alert: A, expr: r > 2}
"""
    (found,) = events(rules, 'x{i="1"} 0 0 3', last=2)
    ((part,),) = [found.trace]
    assert [(each.labels, each.time_ms, each.value) for each in part.series] == [
        ({"__name__": "r", "i": "1"}, 2 * MINUTE, 6.0)
    ]


def test_the_query_offset_is_kept_to() -> None:
    rules = "groups: [{name: g, query_offset: 1m, rules: [{alert: A, expr: 'x > 2'}]}]"
    (found,) = events(rules, "x 0 3 4", last=2)
    assert [(each.time_ms, each.value) for each in found.trace[0].series] == [(MINUTE, 3.0)]


def test_an_absence_has_no_samples() -> None:
    (found,) = events("groups: [{name: g, rules: [{alert: A, expr: absent(x)}]}]", "y 1", last=0)
    assert found.trace == ()


def test_the_number_of_traces_is_bounded_and_each_is_reported_once() -> None:
    names = [f"x{number}" for number in range(MAX_TRACES + 2)]
    series = [f"{name} 1" for name in names]
    (found,) = events(f"groups: [{{name: g, rules: [{{alert: A, expr: {' + '.join(names)}}}]}}]", *series, last=0)
    assert [each.selector for each in found.trace] == names[:MAX_TRACES]
    (found,) = events("groups: [{name: g, rules: [{alert: A, expr: x0 + x0}]}]", *series, last=0)
    assert [each.selector for each in found.trace] == ["x0"]


names = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"), max_size=3)


@settings(max_examples=100, deadline=None)
@given(st.lists(names, min_size=1, max_size=6), st.lists(names, min_size=1, max_size=12))
def test_a_series_is_an_alerts_if_no_label_of_both_differs(
    sources: list[dict[str, str]], rows: list[dict[str, str]]
) -> None:
    distinct = [dict(each) for each in {tuple(sorted(row.items())) for row in rows}]
    storage = MemoryStorage.from_series([({"__name__": "x", **row}, [0], [1.0]) for row in distinct])
    program = Program(groups_of("groups: [{name: g, rules: [{alert: A, expr: sum(x)}]}]"))
    evaluator = Evaluator(program, storage)
    found = traced(evaluator, program.rules[0], 0, [tuple(sorted(each.items())) for each in sources])
    for source, traces in zip(sources, found, strict=True):
        fitting = sorted(
            tuple(sorted(row.items()))
            for row in distinct
            if all(source.get(name, value) == value for name, value in row.items())
        )
        got = [tuple(sorted(each.labels.items()))[1:] for part in traces for each in part.series]
        assert set(got) <= set(fitting)
        assert len(set(got)) == len(got) == min(len(fitting), MAX_TRACED_SERIES)
        assert len(got) + sum(part.omitted for part in traces) == len(fitting)


class Shards:
    """A store of one fragment, whose value is the evaluation time in minutes, and nothing else."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails

    def select(self, *_: object, **__: object) -> SeriesSet:
        return MemoryStorage.from_series([]).select((), 0, 0, stale=True)

    def fragment(self, number: int, times: Times) -> InstantVector:
        if self.fails:
            raise EvaluationError("no")
        return InstantVector(LabelFrame.of([{"i": "1"}]), times[None, :] / MINUTE, np.ones((1, len(times)), np.bool_))


def fragments(expr: ast.Expr) -> ast.Expr:
    """The expression with every selector, and every range, in shards."""
    match expr:
        case ast.VectorSelector():
            return ast.Fragment(0, expr)
        case ast.Subquery():
            return ast.Subquery(fragments(expr.expr), expr.range_ms, expr.step_ms, expr.offset_ms, expr.at)
        case ast.Call():
            return ast.Call(expr.func, tuple(map(fragments, expr.args)), expr.returns)
        case _:
            return expr


@pytest.mark.parametrize(
    ("expr", "minute"), [("abs(x)", 7), ("max_over_time(x[5m:2m])", 6), ("sum_over_time(x[4m:2m] offset 2m)", 4)]
)
def test_the_value_of_a_fragment_is_traced(expr: str, minute: int) -> None:
    (group,) = groups_of(f"groups: [{{name: g, rules: [{{alert: A, expr: '{expr}'}}]}}]")
    (rule,) = group.rules
    program = Program([replace(group, rules=(replace(rule, ast=fragments(rule.ast)),))])
    ((found,),) = traced(Evaluator(program, Shards()), program.rules[0], 7 * MINUTE, [(("i", "1"),)])
    assert found.selector == "x"
    assert [(each.time_ms, each.value) for each in found.series] == [(minute * MINUTE, float(minute))]
    assert traced(Evaluator(program, Shards(fails=True)), program.rules[0], 7 * MINUTE, [(("i", "1"),)]) == [()]


def test_a_known_event_is_neither_templated_nor_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(groups_of(RULES))
    evaluator, maker = Evaluator(program, storage_of(*SERIES)), EventMaker(program)
    transitions = evaluator.evaluate(minutes(0, 9)).events
    every = maker.make(evaluator, transitions)
    seen = watched(monkeypatch, evaluator)
    assert maker.make(evaluator, transitions, known={each.id for each in every[1:]}) == every[:1]
    assert seen == {"templated": [MINUTE], "traced": [MINUTE]}


def test_corrections_are_those_of_whole_events_and_trace_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(groups_of(RULES))
    evaluator, maker = Evaluator(program, storage_of(*SERIES)), EventMaker(program)
    transitions = evaluator.evaluate(minutes(0, 9)).events
    every = maker.make(evaluator, transitions)
    sent = [every[0], replace(every[1], value=7.0), *every[2:]]
    due = diff(sent, every, 9)
    seen = watched(monkeypatch, evaluator)
    found = maker.corrections(evaluator, sent, transitions, 9)
    assert found == due
    assert [each.trace for each in found] == [every[1].trace]
    assert every[1].trace
    assert seen["traced"] == [3 * MINUTE]


def watched(monkeypatch: pytest.MonkeyPatch, evaluator: Evaluator) -> dict[str, list[int]]:
    """The times of what is templated and traced from now on."""
    seen: dict[str, list[int]] = {"templated": [], "traced": []}
    annotations = evaluator.annotations

    def noted(rule: Prepared, alert: Alert) -> dict[str, str]:
        seen["templated"].append(alert.seen_at)
        return annotations(rule, alert)

    def note(of: Evaluator, rule: Prepared, time_ms: int, sources: Sequence[Labels]) -> list[tuple[Trace, ...]]:
        seen["traced"].append(time_ms)
        return traced(of, rule, time_ms, sources)

    monkeypatch.setattr(evaluator, "annotations", noted)
    monkeypatch.setattr("rules.events.events.traced", note)
    return seen
