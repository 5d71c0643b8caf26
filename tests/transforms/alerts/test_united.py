"""Shards and remainder together find what the whole expression finds: values, labels, presence and failures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.evaluation.groups import Evaluator
from rules.evaluation.program import Program, Settings
from rules.model import RecordingRule, RuleGroup
from rules.promql.context import Options
from rules.promql.engine import Result, at_instants
from rules.promql.storage import MemoryStorage
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse
from rules.promql.syntax.printer import to_text
from rules.promql.values import STALE, STALE_BITS, Times
from tests.oracle.agree import answer_rows, difference
from tests.oracle.data import dataset
from tests.oracle.expressions import Case, cases
from tests.oracle.prometheus import Answer, Series
from tests.rules.evaluation.stepping import MINUTE, failures, minutes, reported, written
from tests.rules.evaluation.test_stepping import EXPRESSIONS, LABELS, NAMES, alerting, recording
from tests.transforms.alerts.united import Shards, sharded
from transforms.alerts.fragments.fragments import NotStreamable, cut

TARGET = frozenset({"job", "instance"})
OPTIONS = Options(default_step_ms=30_000)


def answer(expr: ast.Expr, storage: MemoryStorage | Shards, times: Times) -> Answer:
    try:
        result: Result = at_instants(expr, storage, times, OPTIONS)
    except PromQLError as error:
        return Answer("", [], error.message)
    kind, rows = answer_rows(result, ranged=True)
    return Answer(kind, rows)


def tame(series: Sequence[Series]) -> list[Series]:
    """Without values so large that what a sum loses beside them shows."""
    return [(labels, times, np.where(values == 1e300, 1e6, values)) for labels, times, values in series]


@pytest.mark.parametrize("number", range(30))
def test_shards_and_remainder_find_what_the_whole_finds(number: int) -> None:
    data = dataset(7, number)
    series = tame(data.series)
    whole = MemoryStorage.from_series(series)
    compared = filled = 0
    for case in cases(7, data, 60):
        tree = parse(case.expr)
        if tree.type not in (ast.ValueType.SCALAR, ast.ValueType.VECTOR):
            continue
        group = RuleGroup("g", rules=(RecordingRule("recorded", case.expr, tree),))
        try:
            made = cut(Program([group], Settings(options=OPTIONS)), TARGET)
        except NotStreamable:
            continue
        times = np.arange(case.start_ms, case.end_ms + 1, case.step_ms or 1, dtype=np.int64)
        expected = answer(tree, whole, times)
        shards = sharded(made, series, compared % 5 + 1, int(times[0]) if len(times) == 1 else None)
        remainder = made.program.rules[0].rule.ast
        found = answer(remainder, shards, times)
        ranged = Case(case.dataset, case.expr, case.start_ms, case.end_ms, case.step_ms or 1)
        assert difference(ranged, found, expected) == "", f"{case.expr}\n{to_text(remainder)}"
        compared += 1
        filled += bool(expected.rows)
    assert compared > 30
    assert filled > 15


STREAMED = (
    *(text for text in EXPRESSIONS if "@" not in text and "offset -" not in text),
    "avg(a) > 1",
    "a / on() group_left() count(b)",
    "max_over_time(sum(a)[3m:1m])",
    "sum_over_time((count by (i) (a) + on(i) r1)[2m:30s] offset 1m)",
    'count_values("i", a or r1)',
    "quantile(0.5, a)",
    "absent_over_time(b[2m])",
    "sum(topk(1, a)) + sum(bottomk by (j) (1, a))",
    "a or vector(1)",
    "vector(1) unless on(i) a",
    "max_over_time(r1[4m])",
    "quantile_over_time(scalar(sum(b)), a[2m])",
)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    expressions, labels = st.sampled_from(STREAMED), st.sampled_from(LABELS)
    rules = st.one_of(
        st.builds(recording, expressions, st.sampled_from(NAMES), labels),
        st.builds(alerting, expressions, st.just("A1"), labels, st.integers(0, 2), st.sampled_from((0, 2))),
    )
    groups = [
        RuleGroup(
            f"g{number}",
            query_offset_ms=draw(st.sampled_from((None, None, 0, MINUTE))),
            rules=tuple(draw(st.lists(rules, min_size=1, max_size=4))),
        )
        for number in range(draw(st.integers(1, 2)))
    ]
    return Program(groups)


SAMPLES = st.lists(st.sampled_from((None, 0.0, 1.0, 3.0, float("nan"), float(STALE))), min_size=8, max_size=8)
SERIES = st.dictionaries(
    st.tuples(
        st.sampled_from(("a", "a", "b", "b", "r1", "ALERTS")), st.sampled_from("xyz"), st.sampled_from(("", "1"))
    ),
    SAMPLES,
    min_size=1,
    max_size=7,
)


def as_series(drawn: dict[tuple[str, str, str], list[float | None]]) -> list[Series]:
    made = []
    for (name, target, other), values in drawn.items():
        points = [(index * MINUTE, value) for index, value in enumerate(values) if value is not None]
        times, numbers = np.array([when for when, _ in points], np.int64), np.array([value for _, value in points])
        made.append(({"__name__": name, "i": target, "j": other}, times, numbers))
    return made


@settings(max_examples=100, deadline=None)
@given(programs(), SERIES, st.integers(1, 4))
def test_rules_decide_the_same_over_shards(
    program: Program, drawn: dict[tuple[str, str, str], list[float | None]], shards: int
) -> None:
    series = as_series(drawn)
    made = cut(program, frozenset({"i"}))
    united = sharded(made, series, shards)
    united.scheduled = True
    courses = []
    for evaluator in (Evaluator(program, MemoryStorage.from_series(series)), Evaluator(made.program, united)):
        course = []
        for evaluation_time in minutes(0, 9).tolist():
            united.now_ms = evaluation_time
            outcome = evaluator.evaluate(np.array([evaluation_time]))
            notes = [evaluator.annotations(each.rule, each.transition.alert) for each in outcome.events]
            # Which of two colliding samples is named second goes by the order of the series, which differs.
            failed = [(when, rule, message.partition(" existing ")[0]) for when, rule, message in failures(outcome)]
            course.append((reported(outcome), failed, notes))
        courses.append((course, plain(evaluator)))
    assert courses[1] == courses[0]


def plain(evaluator: Evaluator) -> dict[object, object]:
    """What rules wrote; NaNs are one, but for the marker."""
    nan = np.array(np.nan).view(np.uint64)
    return {
        labels: [
            (when, bits if bits == STALE_BITS or not np.isnan(np.uint64(bits).view(np.float64)) else int(nan))
            for when, bits in points
        ]
        for labels, points in written(evaluator).items()
    }
