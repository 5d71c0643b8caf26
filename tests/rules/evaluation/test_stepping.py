"""Columnar and stepped evaluation agree, whatever the rules read of each other."""

from __future__ import annotations

import numpy as np
from hypothesis import given, note, settings
from hypothesis import strategies as st

from rules.evaluation.groups import Evaluator
from rules.evaluation.program import Program
from rules.model import AlertingRule, RecordingRule, RuleGroup
from rules.promql.storage import MemoryStorage
from rules.promql.syntax.parser import parse
from rules.promql.values import STALE
from tests.rules.evaluation.stepping import MINUTE, failures, minutes, reported, written

NAMES = ("r1", "r2", "r3")
EXPRESSIONS = (
    "a",
    "b",
    "a > 2",
    "a or b",
    "a and on(i) b",
    "sum by (i) (a)",
    "a + on(i) group_left b",
    "a + b",
    "max_over_time(a[3m])",
    "vector(1)",
    "vector(time()) > 240",
    "3",
    "r1",
    "r2 > 1",
    "r3 or a",
    "sum(r1) + sum(r2)",
    "count_over_time(r1[3m])",
    "r2 offset 1m",
    "a offset -1m",
    "r1 offset -1m",
    "max_over_time((a offset -2m)[2m:1m])",
    "a @ 120",
    "r2 @ end()",
    'ALERTS{alertstate="firing"}',
    'ALERTS{alertname="A1"}',
    "ALERTS_FOR_STATE",
    "absent(r1)",
    "absent(ALERTS)",
    '{i="x"}',
    'label_replace(a, "j", "$1", "i", "(.).*")',
    'label_replace(a, "i", "same", "i", ".*")',
    "count(ALERTS) by (alertname)",
)
LABELS = (
    {},
    {"s": "w"},
    {"s": "p"},
    {"v": "{{ $value }}"},
    {"k": "{{ $labels.i }}"},
    {"k": "{{ $labels.none }}"},
    {"i": ""},
    {"q": '{{ with query "r1" }}{{ . | first | value }}{{ end }}'},
    {"q": '{{ query "ALERTS" | len }}'},
)


def recording(expr: str, name: str, labels: dict[str, str]) -> RecordingRule:
    return RecordingRule(name, expr, parse(expr), {key: text for key, text in labels.items() if "{{" not in text})


def alerting(expr: str, name: str, labels: dict[str, str], hold: int, keep: int) -> AlertingRule:
    annotations = {"a": '{{ $value }} {{ range query "ALERTS" }}{{ .Labels }}{{ end }} {{ query "r2" | len }}'}
    return AlertingRule(name, expr, parse(expr), hold * MINUTE, keep * MINUTE, labels, annotations)


expressions = st.sampled_from(EXPRESSIONS)
labels = st.sampled_from(LABELS)
rules = st.one_of(
    st.builds(recording, expressions, st.sampled_from(NAMES), labels),
    st.builds(
        alerting, expressions, st.sampled_from(("A1", "A2")), labels, st.integers(0, 3), st.sampled_from((0, 0, 2))
    ),
)
values = st.lists(st.sampled_from((None, 0.0, 1.0, 3.0, float("nan"), float(STALE))), min_size=8, max_size=8)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    groups = []
    for number in range(draw(st.integers(1, 2))):
        groups.append(
            RuleGroup(
                f"g{number}",
                query_offset_ms=draw(st.sampled_from((None, None, 0, MINUTE))),
                limit=draw(st.sampled_from((0, 0, 0, 1))),
                labels=draw(st.sampled_from(({}, {}, {"g": "1"}))),
                rules=tuple(draw(st.lists(rules, min_size=1, max_size=4))),
                file="f",
            )
        )
    return Program(groups)


@st.composite
def storages(draw: st.DrawFn) -> MemoryStorage:
    names = draw(st.lists(st.sampled_from(("a", "a", "b", "b", "r1", "ALERTS")), min_size=1, max_size=5))
    series = {}
    for name in names:
        label = draw(st.sampled_from(("x", "y", "z")))
        points = [(index * MINUTE, value) for index, value in enumerate(draw(values)) if value is not None]
        series[name, label] = (
            {"__name__": name, "i": label},
            [when for when, _ in points],
            [value for _, value in points],
        )
    return MemoryStorage.from_series(series.values())


# These read nothing that rules write: what rules of one name have in common is what they write.
APART = ("a", "b", "a > 2", "a or b", "a + on(i) group_left b", "max_over_time(a[3m])", "vector(time()) > 240", "1",
         'label_replace(a, "i", "same", "i", ".*")', "absent(a)", "avg_over_time((a or on() vector(3))[4m:1m]) > 1")  # fmt: skip
APART_LABELS = ({}, {}, {}, {"s": "w"}, {"i": ""}, {"i": "x"}, {"v": "{{ $value }}"}, {"k": "{{ $labels.none }}"})


@st.composite
def contested(draw: st.DrawFn) -> Program:
    """Rules of one name or two, in groups of any interval and offset."""
    expression, label = st.sampled_from(APART), st.sampled_from(APART_LABELS)
    rule = st.one_of(
        st.builds(recording, expression, st.just("r1"), label),
        st.builds(alerting, expression, st.sampled_from(("A1", "A1", "A2")), label, st.integers(0, 2), st.sampled_from((0, 0, 2))),
    )  # fmt: skip
    groups = [
        RuleGroup(
            f"g{number}",
            interval_ms=draw(st.sampled_from((MINUTE, MINUTE, 2 * MINUTE))),
            query_offset_ms=draw(st.sampled_from((None, None, 0, MINUTE))),
            limit=draw(st.sampled_from((0, 0, 0, 1))),
            rules=tuple(draw(st.lists(rule, min_size=2, max_size=4))),
            file="f",
        )
        for number in range(draw(st.integers(1, 2)))
    ]
    return Program(groups)


@settings(max_examples=160, deadline=None)
@given(st.one_of(programs(), contested()), storages(), st.integers(1, 3))
def test_columnar_is_stepped(program: Program, storage: MemoryStorage, cut: int) -> None:
    note(f"{program.groups}")
    stepped = Evaluator(program, storage, stepped=True)
    columnar = Evaluator(program, storage)
    expected, got, texts, others = [], [], [], []
    for times in np.array_split(minutes(0, 9), cut):
        for evaluator, found, notes in ((stepped, expected, texts), (columnar, got, others)):
            schedule = [times[times % program.interval_ms(number) == 0] for number in range(len(program.groups))]
            outcome = evaluator.evaluate_schedule(schedule, times.tolist())
            active = {
                when: [(each.rule.position, repr(each.alert)) for each in there]
                for when, there in outcome.snapshots.items()
            }
            found.append((reported(outcome), failures(outcome), active))
            notes.append(
                [evaluator.annotations(each.rule, each.alert) for there in outcome.snapshots.values() for each in there]
            )
    assert got == expected
    assert written(columnar) == written(stepped)
    assert others == texts
    assert alerts(columnar) == alerts(stepped)


def alerts(evaluator: Evaluator) -> list[list[str]]:
    return [sorted(repr(alert) for alert in state.alerts.active()) for state in evaluator.states]
