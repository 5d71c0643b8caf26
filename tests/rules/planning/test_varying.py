"""In which labels series can differ, and so whether a match group can have several of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.planning.varying import one_in_a_group, varying_labels
from rules.promql.engine import instant
from rules.promql.storage import MemoryStorage
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse
from rules.promql.values import InstantVector
from tests.oracle.data import BASE_MS, LABELS, SPAN_MS, dataset
from tests.oracle.expressions import cases


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ('x{a="1"}', "all but __name__ a"),
        ('{a="1",b!="2",c=~"3"}', "all but a"),
        ('rate(x{a="1"}[5m])', "all but __name__ a"),
        ('abs({a="1"})', "all but __name__ a"),
        ('last_over_time({a="1"}[5m])', "all but a"),
        ('-{a="1"}', "all but __name__ a"),
        ('+({a="1"} > 2)', "all but a"),
        ('2 > bool {a="1"}', "all but __name__ a"),
        ("sum by (a, b) (x)", "a b"),
        ('sum by (a, b) (x{a="1"})', "b"),
        ("sum(x)", ""),
        ("max without (a) ({b='1'})", "all but __name__ a b"),
        ('topk by (a) (1, x{b="1"})', "all but __name__ b"),
        ('count_values by (a) ("v", x)', "a v"),
        ('count_values without (a) (("a"), x)', "all but __name__"),
        ('label_replace(sum by (a) (x), "b", "$1", "a", "(.*)")', "a b"),
        ('label_join(x{b="1"}, "b", "-", "a")', "all but __name__"),
        ("histogram_quantile(0.9, x)", "all but __name__ le"),
        ("vector(1)", ""),
        ("absent(x)", ""),
        ("hour()", ""),
        ("x / on (a, b) y", "a b"),
        ('x{a="1"} / on (a, b) y', "b"),
        ("x > ignoring (c) y", "all but __name__ c"),
        ('{a="1"} > ignoring (c) y', "all but a c"),
        ('{a="1"} / ignoring (c) y', "all but __name__ a c"),
        ("sum by (a) (x) * on (a) group_left (b) y", "a b"),
        ("y * on (a) group_right (b) sum by (a) (x)", "a b"),
        ('x{a="1"} and y', "all but __name__ a"),
        ('x{a="1"} unless y', "all but __name__ a"),
        ('x{a="1"} or x{a="2"}', "all but"),
        ("max_over_time((sum by (a) (x))[5m:1m])", "a"),
        ("1", ""),
    ],
)
def test_varying_labels(text: str, labels: str) -> None:
    found = varying_labels(parse(text))
    assert " ".join(("all but",) * found.all_but + tuple(sorted(found.names))) == labels


@pytest.mark.parametrize(
    ("text", "clause", "one"),
    [
        ("y", "ignoring ()", True),
        ('{a="1"}', "ignoring ()", False),
        ("y", "ignoring (a)", False),
        ('y{a="1"}', "ignoring (a)", True),
        ("sum without (a) (y)", "ignoring (a)", True),
        ("sum without (a) (y)", "ignoring (a, b)", False),
        ("sum by (a) (y)", "on (a, b)", True),
        ("sum by (a, b) (y)", "on (a)", False),
        ("y", "on (a)", False),
        ("sum(y)", "on ()", True),
    ],
)
def test_whether_a_match_group_has_one_series_at_most(text: str, clause: str, one: bool) -> None:
    whole = parse(f"x / {clause} {text}")
    assert isinstance(whole, ast.Binary)
    assert whole.matching is not None
    assert one_in_a_group(whole.rhs, whole.matching) is one


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 500), st.integers(0, 5))
def test_series_are_equal_in_all_other_labels(seed: int, number: int) -> None:
    data = dataset(seed, number)
    storage = MemoryStorage.from_series(data.series)
    for case in cases(seed, data, 20):
        tree = parse(case.expr)
        if tree.type is not ast.ValueType.VECTOR:
            continue
        try:
            value = instant(tree, storage, BASE_MS + SPAN_MS // 2).value
        except PromQLError:
            continue
        assert isinstance(value, InstantVector)
        varying = varying_labels(tree)
        for name in ("__name__", "value", "joined", "copied", *LABELS):
            if name not in varying:
                assert len(set(value.labels.column(name).texts())) <= 1, f"{name} of {case.expr}"
