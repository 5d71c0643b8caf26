"""Doubts that are proven from expressions alone: what is empty, what is always there, what needs a lost label, what is the same twice."""

from __future__ import annotations

import pytest

from rules.diagnostics.codes import LINTS
from rules.files.load import load_rules
from rules.lints.duplicates import can_coincide
from rules.lints.label_sets import possible_labels
from rules.lints.label_values import values_of_label
from rules.lints.remedies import how_to_keep
from rules.lints.run import lint
from rules.promql.syntax.parser import parse


def codes(expr: str) -> list[str]:
    text = f"groups:\n- name: g\n  rules:\n  - alert: A\n    expr: |\n      {expr}\n"
    loaded = load_rules(text, "f")
    assert loaded.file is not None, loaded.diagnostics
    return sorted({each.code for each in lint(loaded.file)})


EMPTY = [
    'm{service!~".*"} > 1',
    'm{service="a", service="b"} > 1',
    'm{service="a", service!="a"} > 1',
    'm{code=~"5..", code=~"4.."} > 1',
    'absent(m{a="x", a=~"y|z"})',
    'sum(rate(m{job="a", job=~"b.*"}[5m])) > 1',
    'rate(m{code="500"}[5m]) / rate(m{code="200"}[5m]) > 1',
    'm{a="x"} and on (a) n{a="y"}',
    'm{a="x"} and n{a="y"}',
    'm{a="x"} unless n{a="y"}',
    'm{a=~"x.*"} * on (a) group_left (b) n{a=~"y.*"} > 1',
    'sum by (job) (m) / n{pool="x"} > 1',
    '(m / ignoring (limit) n{limit="x"} > 80) and n{limit="x"}',
    'm{a="x"} > n{a=""}',
    'sum by (a) (m{a="x"}) == sum by (a) (n{a="y"})',
    'm and on (a) absent(n{a="x"}) and on (a) k{a="y"}',
    'count_values("v", m) / n{a="x"} > 1',
]
ALWAYS = [
    "up == bool 0",
    "(up == bool 0)",
    "up == bool 0 and up",
    "x > 5 and on (job) (y > bool 5)",
    "up == bool 0 or x > 5",
    "sum by (job) (up == bool 0)",
    "1 - (up == bool 1)",
    "(a > bool 1) * (b > bool 2)",
    "avg_over_time((up == bool 0)[5m:1m])",
    'label_replace(up == bool 0, "a", "b", "", "")',
    "sum(x) or vector(0)",
    "sum(x) > 5 or vector(0)",
    "x > 5 or on () vector(1) * 2",
    "abs(x) >= 0",
    "hour(x) < 24",
    "x >= 5 or x < 7",
    "x > 5 or x <= 5",
    "x != 1 or x != 2",
]
NEEDING = [
    'label_join(sum by (job) (x), "new", "-", "job", "host") > 1',
    "histogram_quantile(0.99, sum by (service) (rate(x_bucket[5m]))) > 1",
    "histogram_quantile(0.99, sum(rate(x_bucket[5m]))) > 1",
    "histogram_quantile(0.99, sum without (le) (rate(x_bucket[5m]))) > 1",
    "histogram_quantile(0.99, sum by (job) (job:x_bucket:rate5m)) > 1",
    'label_replace(sum by (job) (x), "host", "$1", "instance", "(.+):.*") > 1',
    "a / on (host, job) sum by (job) (b) > 1",
    "a * on (job) group_left (zone) sum by (job) (info) > 1",
    "sum by (zone) (info) * on (job) group_right (zone) b > 1",
    "sum by (host) (max by (job) (x)) > 1",
]
FINE = [
    'm{service!~".+"} > 1',
    'label_join(sum by (job) (x), "new", "-", "job") > 1',
    'm{service="a"} > 1',
    'm{a=~"x|y", a!="x"} > 1',
    'm{a=~"(?i)x", a="X"} > 1',
    'rate(m{code="500"}[5m]) / ignoring (code) rate(m{code="200"}[5m]) > 1',
    'sum by (job) (m{code="500"}) / sum by (job) (m{code="200"}) > 1',
    'm{a="x"} or n{a="y"}',
    'm{a="x"} and on (b) n{a="y"}',
    'm{a="x"} > n',
    'm{a=~"(?i)x"} and n{a=~"y.?"}',
    'label_replace(m{a="x"}, "a", "y", "", "") and n{a="y"}',
    'count_values("a", m) and n{a="y"}',
    'm * on (b) group_left (a) n{a="y"} and k{a="y"}',
    'absent(m{a="x"}) and k{a="x"}',
    "up == bool 0 == 1",
    "sum(up == bool 0) > 2",
    "(a > bool 1) * (b > 2)",
    "absent(up == bool 0)",
    "vector(1)",
    "1 == bool 1",
    "(sum(x) or vector(0)) > 5",
    "x > 5 or y > 1",
    "count(x) > 0",
    "count(x == 0) >= 1",
    "absent(x) == 1",
    "max by (job) (present_over_time(x[1h])) == 1",
    "(x > 5) >= 5",
    "x >= 5 or x < 3",
    "x > 5 or x < 5",
    "x != 1 and x != 2",
    "x != 1 or y != 2",
    "histogram_quantile(0.99, sum by (service, le) (rate(x_bucket[5m]))) > 1",
    "histogram_quantile(0.99, sum by (service) (rate(x[5m]))) > 1",
    "histogram_quantile(0.99, rate(x_bucket[5m])) > 1",
    'label_replace(sum by (job) (x), "host", "none", "instance", ".*") > 1',
    'label_replace(sum by (job) (x), "host", "none", "", "") > 1',
    "a / on (job) sum by (job) (b) > 1",
    "sum by (job) (a) / on (host, job) sum by (job) (b) > 1",
    "sum by (job, host) (max by (job, host, pool) (x)) > 1",
    "quantile(0.99, x) > 1",
    "histogram_quantile(1, rate(x_bucket[5m])) > 1",
]  # fmt: skip


@pytest.mark.parametrize("expr", EMPTY)
def test_what_selects_or_matches_nothing(expr: str) -> None:
    assert codes(expr) == ["never-true"]


@pytest.mark.parametrize("expr", ALWAYS)
def test_what_filters_nothing(expr: str) -> None:
    assert codes(expr) == ["always-true"]


@pytest.mark.parametrize("expr", NEEDING)
def test_what_needs_a_label_that_is_lost(expr: str) -> None:
    assert codes(expr) == ["label-missing"]


@pytest.mark.parametrize("expr", FINE)
def test_what_is_fine(expr: str) -> None:
    assert codes(expr) == []


@pytest.mark.parametrize(
    "expr",
    ["quantile(95, x) > 1", "histogram_quantile(99, rate(x_bucket[5m])) > 1", "quantile_over_time(-1, x[5m]) > 1"],
)
def test_percentages_for_quantiles(expr: str) -> None:
    assert codes(expr) == ["quantile-range"]


def test_a_recorded_condition_may_be_anything() -> None:
    text = "groups:\n- name: g\n  rules:\n  - record: a:b\n    expr: up == bool 0\n"
    loaded = load_rules(text, "f")
    assert loaded.file is not None
    assert lint(loaded.file, only=LINTS) == []


TOGETHER = [
    ("x > 5", "x > 9"),
    ("x > 5", "x"),
    ('x{env="a"} > 5', "x > 9"),
    ('x{env=~"a|b"} > 5', 'x{env=~"b|c"} > 9'),
    ('x{env=~"a|b", job="j"} > 5', 'x{env="b"} > 9'),
    ("x > 5", "rate(x[5m]) > 9"),
    ("sum(x) > 5", "sum(y) > 9"),
    ('sum(x{env="a"}) > 5', 'sum(x{env="b"}) > 3'),
    ('sum by (env) (x{env="a"}) > 5', 'sum by (env) (y{env="a"}) > 3'),
    ('absent(x{job="a"})', 'absent(y{job="a"})'),
    ("x > 90 or y > 3", "y > 5"),
    ("a / b > 0.5", "a / b > 0.7"),
    ('rate(x{code=~"5.."}[5m]) > 1', 'rate(x{code="500"}[5m]) > 1'),
    ("max by (job) (x) > 1", "avg by (job) (x) > 1"),
    ("vector(1)", "vector(2)"),
]
APART = [
    ('x{env="prod"} > 5', 'x{env="dev"} > 5'),
    ('x{env="prod"} > 5', 'x{env!="prod"} > 9'),
    ('x{env="prod"} > 5', 'x{env!~"prod|test"} > 9'),
    ('x{env=~"prod.*"} > 5', 'x{env=~"dev.*"} > 9'),
    ('x{env=""} > 5', 'x{env!=""} > 9'),
    ('x{env="a"} > 5', 'x{team="b"} > 9'),
    ("x > 5", "x < 3"),
    ("x == 1", "x == 2"),
    ('x{env="a"} > 5', "x < 3"),
    ("(x > 5) * 2", "(x < 3) * 20"),
    ("x > 5", "y > 9"),
    ("sum(x) > 5", "sum(x) < 3"),
    ("sum(x) == 0", "absent(x)"),
    ('sum by (job) (x{env="a"}) > 5', 'sum by (job) (x{env="b"}) > 3'),
    ('absent(x{job="a"})', 'absent(x{job="b"})'),
    ("x > 5 and on () hour() > 8", "x > 5 unless on () hour() > 8"),
    ("sum(x) > 5 and on () hour() > 8", "sum(x) > 5 unless on () hour() > 8"),
    ("x > 90", "x > 80 and x <= 90"),
    ("x > 90", "(x > 80) <= 90"),
    ('a{x="1"} / b > 0.5', 'a{x="2"} / b > 0.7'),
    ("topk(1, x)", "bottomk(1, x)"),
    ('x{env=~"(?i)prod"} > 1', 'x{env=~"dev.?"} > 1'),
]


@pytest.mark.parametrize(
    ("one", "other", "together"), [*((*pair, True) for pair in TOGETHER), *((*pair, False) for pair in APART)]
)
def test_rules_that_can_yield_one_series(one: str, other: str, together: bool) -> None:
    for first, second in ((one, other), (other, one)):
        assert can_coincide(parse(first), parse(second), {}) == together
        text = "groups:\n- name: g\n  rules:\n" + "".join(
            f"  - record: a:b\n    expr: |\n      {each}\n" for each in (first, second)
        )
        loaded = load_rules(text, "f")
        assert loaded.file is not None
        found = [(each.code, each.span.line) for each in lint(loaded.file, only=["duplicate-rule"])]
        assert found == ([("duplicate-rule", 7)] if together else [])


PLAIN = "`absent` has labels only of a plain selector, and its argument is "
REMEDIES = [
    ('absent(up{job="kubelet"} == 1)', PLAIN + "a comparison: write \"kubelet\" in the text itself"),
    ("absent(sum(up))", PLAIN + "an aggregation: write the job in the text itself"),
    ('absent(rate(up{job="a"}[5m]))', PLAIN + "a function: write \"a\" in the text itself"),
    ('absent(up{job="a"} * 2)', PLAIN + "an operation: write \"a\" in the text itself"),
    ('absent(up{job="a", job!="b"})', "the selector compares 'job' 2 times, and `absent` keeps only what is compared once, by `=`"),
    ('absent(up{job=~"a"})', "`absent` has only the labels that its selector compares by `=`, and 'job' is compared by `=~`"),
    ("absent_over_time(up[5m])", "`absent_over_time` has only the labels that its selector compares by `=`, and it does not compare 'job'"),
    ('absent(up{job=""})', "its selector asks for series without 'job'"),
    ('up{job=""} == 0', "its selector asks for series without 'job'"),
    ("vector(1)", "`vector(...)` has no labels"),
    ("sum(x)", "aggregate `by (job)`"),
    ("sum by (pool) (x) > 1", "aggregate `by (pool, job)`"),
    ("sum by (pool) (avg by (host) (x)) > 1", "aggregate `by (pool, job)`, and inside of it aggregate `by (host, job)`"),
    ("sum by (job) (avg by (host) (x)) > 1", "aggregate `by (host, job)`"),
    ("max(sum by (job) (x))", "aggregate `by (job)`"),
    ("sum without (job) (x) > 1", "take 'job' out of `without (...)`"),
    ("a / on (pool) b > 1", "match by it too, or take it over with `group_left (job)`"),
    ("a / ignoring (job) b > 1", "`ignoring (job)` drops it: `group_left` keeps the labels of the left side"),
    ("sum(x) > 5 and on () sum by (job) (y)", "aggregate `by (job)`"),
    ("5 < sum(x)", "aggregate `by (job)`"),
]  # fmt: skip


@pytest.mark.parametrize(("expr", "hint"), REMEDIES)
def test_the_hint_names_what_loses_the_label(expr: str, hint: str) -> None:
    assert how_to_keep(parse(expr), "job") == hint


@pytest.mark.parametrize(
    ("expr", "values"),
    [
        ('absent(m{a="x"})', [['="x"']]),
        ('absent(m{a=~"x|y", a="x"})', [['="x"']]),
        ('absent(m{a!="y", a="x"})', [['=""']]),
        ('absent(m{a="x", a=~"x|y"})', [['=""']]),
        ('m{a="x"} or n{a="y"}', [['="x"'], ['="y"']]),
        ('m{a="x"} and n{a!="y"}', [['="x"', '!="y"']]),
        ('m{a="x"} and on (b) n{a!="y"}', [['="x"']]),
        ('m{a="x"} / on (b) n', [['=""']]),
        ('m{a="x"} / ignoring (a) n', [['=""']]),
        ('m{a="x"} / on (b) group_left n', [['="x"']]),
        ('m / on (b) group_left (a) n{a="x"}', [['="x"']]),
        ('m{a="x"} / on (b) group_right (a) n', [['="x"']]),
        ('sum by (a) (m{a="x"})', [['="x"']]),
        ('sum without (a) (m{a="x"})', [['=""']]),
        ('label_join(m{a="x"}, "a", "", "b")', [[]]),
        ("time()", [['=""']]),
        ('max_over_time(m{a="x"}[5m:1m])', [['="x"']]),
    ],
)
def test_values_that_a_label_can_have(expr: str, values: list[list[str]]) -> None:
    tree = parse(expr)
    found = [[f'{each.op.value}"{each.value}"' for each in conditions] for conditions in values_of_label(tree, "a")]
    assert found == values
    assert ("a" in possible_labels(tree)) == (found != [['=""']])
