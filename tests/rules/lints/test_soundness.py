"""What doubts are proven from, beside what the engine yields: random expressions over series of all labels that there can be."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.lints.conditions import impossible_conditions
from rules.lints.constants import constant_conditions
from rules.lints.label_sets import possible_labels
from rules.lints.label_values import values_of_label
from rules.model import AlertingRule
from rules.promql import engine
from rules.promql.matchers import predicate
from rules.promql.storage import MemoryStorage
from rules.promql.syntax import ast
from rules.promql.syntax.ast import ValueType, walk
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse
from rules.promql.values import InstantVector

VALUES = ("", "x", "y", "xy")
TIMES = [0, 60_000, 120_000]
DATA = MemoryStorage.from_series(
    [
        ({"__name__": name, **{key: value for key, value in (("a", a), ("b", b)) if value}}, TIMES, [first + n for n in range(3)])
        for name in ("m", "n")
        for number, (a, b) in enumerate(product(VALUES, VALUES))
        for first in (float(number % 5 - 1),)
    ]
)  # fmt: skip

LABEL = st.sampled_from("ab")
MATCHERS = st.builds(
    lambda label, op, value: f'{label}{op}"{value}"',
    LABEL,
    st.sampled_from(["=", "!=", "=~", "!~"]),
    st.sampled_from(["", "x", "y", "x|y", "x.*", ".+", ".*y", "[xy]", "y?", "(x|)y"]),
)
SELECTORS = st.builds(
    lambda name, matchers: f"{name}{{{','.join(matchers)}}}", st.sampled_from("mn"), st.lists(MATCHERS, max_size=3)
)
GROUPS = st.lists(LABEL, max_size=2, unique=True).map(",".join)


def _around(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", "/", "> bool", "==", ">", "and", "unless", "or"])
    matching = st.one_of(
        st.just(""),
        st.builds("{} ({})".format, st.sampled_from(["on", "ignoring"]), GROUPS),
    )
    many = st.builds(
        "{} ({}) {} ({})".format,
        st.sampled_from(["on", "ignoring"]),
        GROUPS,
        st.sampled_from(["group_left", "group_right"]),
        GROUPS,
    )
    return st.one_of(
        st.builds("{} {} ({}) ({})".format, st.sampled_from(["sum", "count", "max"]), st.sampled_from(["by", "without"]), GROUPS, inner),
        st.builds("count_values by ({}) ('{}', {})".format, GROUPS, LABEL, inner),
        st.builds("topk by ({}) (2, {})".format, GROUPS, inner),
        st.builds("({}) {} {} ({})".format, inner, operators, matching, inner),
        st.builds("({}) {} {} ({})".format, inner, st.sampled_from(["+", "=="]), many, inner),
        st.builds("({}) {} {}".format, inner, st.sampled_from([">", "< bool", "+", "!=", ">="]), st.integers(-1, 3)),
        st.builds(
            "label_replace({}, '{}', '{}', '{}', '{}')".format,
            inner,
            LABEL,
            st.sampled_from(["x", "$1", ""]),
            LABEL,
            st.sampled_from(["(.*)", "x", "(.).*"]),
        ),
        st.builds("label_join({}, '{}', '', 'a', 'b')".format, inner, LABEL),
        st.builds("absent({})".format, inner),
        st.builds("max_over_time(({})[2m:1m])".format, inner),
        st.builds("-({})".format, inner),
        st.builds("histogram_quantile(0.5, {})".format, inner),
        st.builds("vector({})".format, st.integers(0, 2)),
    )  # fmt: skip


EXPRESSIONS = st.recursive(SELECTORS, _around, max_leaves=5)


def yields(expr: ast.Expr) -> list[dict[str, str]] | None:
    """The series of a vector at an instant; None if the evaluation fails."""
    try:
        value = engine.instant(expr, DATA, 120_000).value
    except PromQLError:
        return None
    assert isinstance(value, InstantVector)
    return [dict(value.labels.row(row)) for row in range(value.size)]


@given(EXPRESSIONS)
@settings(max_examples=400)
def test_labels_and_their_values_are_among_the_possible_ones(text: str) -> None:
    try:
        tree = parse(text)
    except PromQLError:
        return
    possible = possible_labels(tree)
    conditions = {label: values_of_label(tree, label) for label in "ab"}
    for series in yields(tree) or ():
        assert all(label in possible for label in series if label != "__name__")
        for label, alternatives in conditions.items():
            value = series.get(label, "")
            assert any(all(predicate(each)(value) for each in found) for found in alternatives), (series, alternatives)


@given(EXPRESSIONS)
@settings(max_examples=400)
def test_what_is_never_true_is_empty_and_what_always_is_has_a_result(text: str) -> None:
    try:
        tree = parse(text)
    except PromQLError:
        return
    rule = AlertingRule("A", text, tree)
    for finding in impossible_conditions(rule):
        (node,) = {each for each in walk(tree) if each.span == finding.span and each.type is ValueType.VECTOR}
        if "takes nothing away" in finding.message:
            assert isinstance(node, ast.Binary)
            left, both = yields(node.lhs), yields(node)
            assert both is None or left is None or sorted(map(str, both)) == sorted(map(str, left))
        else:
            assert not yields(node), finding
    for finding in constant_conditions(rule):
        if "this side of `or`" in finding.message:
            assert yields(tree) != []


@pytest.mark.parametrize(
    "text", ["absent(m{a='x'} == 99)", "m{a='x'} / on (b) group_left (a) n", "sum by (a) (m) or n{b='x'}"]
)
def test_the_generated_kinds_yield_something(text: str) -> None:
    assert yields(parse(text)) != []
