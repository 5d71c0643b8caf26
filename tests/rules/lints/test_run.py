"""Doubts about rules: what each lint says, and what it keeps quiet about."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.diagnostics.codes import LINTS
from rules.files.load import load_rules
from rules.lints.label_sets import ANY, NONE, LabelSet, only, possible_labels
from rules.lints.metrics import Metrics, read_metrics
from rules.lints.ranges import Range, values_of
from rules.lints.run import lint
from rules.promql.syntax.parser import parse


def doubts(text: str, **options: object) -> list[str]:
    loaded = load_rules(text, "f.yml")
    assert loaded.file is not None, loaded.diagnostics
    return [each.code for each in lint(loaded.file, **options)]  # type: ignore[arg-type]


def alert(expr: str, *lines: str, above: str = "") -> str:
    rest = "".join(f"    {line}\n" for line in lines)
    return f"groups:\n- name: g\n  interval: 1m\n  rules:\n{above}  - alert: A\n    expr: '{expr}'\n{rest}"


NEVER = [
    "count(up) == 0",
    "count(up) by (job) < 1",
    "0 == count(up)",
    "abs(x) < 0",
    "absent(x) > 1",
    "changes(x[5m]) < 0",
    "hour() > 23",
    "day_of_week() == 7",
    "clamp_max(x, 5) > 5",
    "(x > 5) < 3",
    "x > 5 and x < 3",
    "x >= 5 and x < 5",
    "x * 2 > 4 and x * 2 < 4",
    "x > 5 unless x > 3",
    "x < x",
    "x / x > 1",
    "x - x > 0",
    "(x > bool 1) > 1",
    "vector(1) > 2",
    "count(x) * 2 < 2",
    "-count(x) > 0",
]
MAYBE = [
    "count(up) == 1",
    "count(up) < 2",
    "(count(up) or vector(0)) == 0",
    "abs(x) <= 0",
    "x > 5 and x < 7",
    "x > 5 and y < 3",
    "x > 5 and on (job) x < 3",
    "x > 5 and x offset 5m < 3",
    "x > 5 or x < 3",
    "x unless x > 3",
    "x > 3 unless x > 5",
    "x != x",
    "x / ignoring (a) x > 1",
    "count(x) != 0",
    "count(x) == bool 0",
    "hour() >= 23",
    "clamp_min(x, 5) > 7",
    "x / 0 > 1",
    "x % 5 < 0",
    "sum(x) < 0",
    "rate(x_total[5m]) < 0",
]  # fmt: skip


@pytest.mark.parametrize("expr", NEVER)
def test_what_can_never_be_true(expr: str) -> None:
    assert doubts(alert(expr), only=["never-true"]) == ["never-true"]


@pytest.mark.parametrize("expr", MAYBE)
def test_what_may_be_true(expr: str) -> None:
    assert doubts(alert(expr), only=["never-true"]) == []


LABELS = [
    ("up", ANY),
    ('up{job=""}', ANY - only("job")),
    ("sum(up)", NONE),
    ("sum by (job) (up)", only("job")),
    ("sum without (job) (up)", ANY - only("job")),
    ("sum by (job) (sum by (pool) (up))", NONE),
    ("topk by (job) (1, up)", ANY),
    ('count_values by (job) ("v", up)', only("job", "v")),
    ("vector(1)", NONE),
    ("time() > 1 + vector(1)", NONE),
    ('absent(up{job="a",pool=~"b"})', only("job")),
    ('absent(up{job="a",job="a"})', NONE),
    ('absent_over_time(up{job="a"}[5m])', only("job")),
    ("absent(sum(up))", NONE),
    ('label_replace(sum(up), "a", "$1", "b", "")', only("a")),
    ("histogram_quantile(0.9, sum by (job, le) (rate(x_bucket[5m])))", only("job")),
    ("up / on (job) up", only("job")),
    ("up / ignoring (job) up", ANY - only("job")),
    ("sum by (job) (up) / ignoring (pool) group_left (zone) info", only("job", "zone")),
    ("a / on (job) group_right () sum by (job, pool) (b)", only("job", "pool")),
    ("sum by (job) (up) > 1", only("job")),
    ("1 < sum by (job) (up)", only("job")),
    ("sum by (job) (up) and up", only("job")),
    ("sum by (job) (up) or sum by (pool) (up)", only("job", "pool")),
    ("max_over_time(sum by (job) (up)[5m:1m])", only("job")),
    ("-sum by (job) (up)", only("job")),
]


@pytest.mark.parametrize(("expr", "labels"), LABELS)
def test_labels_that_an_expression_may_keep(expr: str, labels: LabelSet) -> None:
    assert possible_labels(parse(expr)) == labels


SETS = st.builds(LabelSet, st.frozensets(st.sampled_from("abcd")), st.booleans())


@given(SETS, SETS, st.sampled_from("abcde"))
def test_label_sets_are_sets(one: LabelSet, other: LabelSet, name: str) -> None:
    assert (name in (one | other)) == (name in one or name in other)
    assert (name in (one & other)) == (name in one and name in other)
    assert (name in (one - other)) == (name in one and name not in other)


ENDS = st.sampled_from([-math.inf, -2.0, 0.0, 1.0, 3.0, math.inf])
RANGES = st.builds(Range, ENDS, ENDS, st.booleans(), st.booleans())


def inside(value: float, found: Range) -> bool:
    above = value > found.low if found.low_open else value >= found.low
    return above and (value < found.high if found.high_open else value <= found.high)


@given(RANGES, RANGES, st.sampled_from([-3.0, -2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0]))
def test_ranges_are_sets(one: Range, other: Range, value: float) -> None:
    assert inside(value, one.meet(other)) == (inside(value, one) and inside(value, other))
    if inside(value, one) or inside(value, other):
        assert inside(value, one.hull(other)) or one.empty or other.empty
    if one.empty:
        assert not inside(value, one)


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        ("x", Range()),
        ("2", Range(2, 2)),
        ("count(x) + 1", Range(2, math.inf)),
        ("-count(x)", Range(-math.inf, -1)),
        ("x > 5", Range(5, math.inf, True, False)),
        ("5 > x", Range(-math.inf, 5, False, True)),
        ("count(x) or vector(0)", Range(0, math.inf)),
        ("x % 5", Range(-5, 5, True, True)),
        ("max(clamp(x, 1, 3))", Range(1, 3)),
    ],
)
def test_bounds_of_values(expr: str, found: Range) -> None:
    assert values_of(parse(expr)) == found


CASES = [
    (alert("up == 0", "for: 30s"), ["for-below-interval"]),
    (alert("up == 0", "for: 1m"), []),
    (alert("up == 0", "for: 0s"), []),
    (alert("sum(up)", "annotations: {a: '{{ $labels.job }}'}"), ["label-lost"]),
    (alert("sum(up)", "annotations: {a: '{{ $labels.job }} {{ .Labels.job }} {{ index $labels \"pool\" }}'}"), ["label-lost"] * 2),
    (alert("sum(up)", "annotations: {a: '{{ with $labels.job }}{{ . }}{{ end }}'}"), []),
    (alert("sum(up)", "annotations: {a: '{{ if $labels.job }}{{ $labels.job }}{{ end }}'}"), []),
    (alert("up", "annotations: {a: '{{ $labels.job }}'}"), []),
    (alert("up", "labels: {a: '{{ $value }}'}"), ["label-cardinality"]),
    (alert("up", "labels: {a: '{{ if gt $value 1.0 }}high{{ end }}'}"), []),
    (alert("up", "labels: {a: '{{ $labels.request_id }}'}"), ["label-cardinality"]),
    (alert("up", "annotations: {a: '{{ $value }}'}"), []),
    (alert("rate(sum(x_total)[5m:1m])"), ["sum-before-rate"]),
    (alert("sum(rate(x_total[5m]))"), []),
    (alert("rate(disk_used_ratio[5m])"), ["rate-of-gauge"]),
    (alert("histogram_count(x)"), ["unsupported"]),
    (alert("up") + "  - alert: A\n    expr: up > 1\n", ["duplicate-rule"]),
    (alert("up") + "  - alert: A\n    expr: up\n    labels: {a: b}\n", []),
    (alert("up") + "  - alert: A\n    expr: up\n    labels: {a: \"\"}\n", ["duplicate-rule"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "codes"), CASES)
def test_doubts(text: str, codes: list[str]) -> None:
    assert doubts(text) == codes


def test_a_lint_that_is_not_asked_for_says_nothing() -> None:
    for text, codes in CASES:
        assert doubts(text, only=[code for code in LINTS if code not in codes]) == []


def test_an_interval_given_counts_where_the_group_states_none() -> None:
    text = alert("up", "for: 30s").replace("  interval: 1m\n", "")
    assert doubts(text) == []
    assert doubts(text, interval_ms=60_000) == ["for-below-interval"]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (alert("count(up) == 0  # tidemark: ignore=never-true"), ["never-true"]),
        (alert("count(up) == 0", "# tidemark: ignore=never-true", "for: 5m"), []),
        (alert("count(up) == 0", above="  # tidemark: ignore=never-true\n"), []),
        (alert("count(up) == 0", above="  # because\n  # tidemark: ignore=label-lost, never-true\n  # of that\n"), []),
        (alert("count(up) == 0", above="  # tidemark: ignore=label-lost\n"), ["never-true"]),
        (alert("up", above="  # tidemark: ignore=nevertrue\n"), ["unknown-ignore"]),
        (alert("up", above="  # tidemark: ignore=promql-syntax\n"), ["unknown-ignore"]),
    ],
)
def test_a_comment_on_a_rule_silences_a_doubt(text: str, codes: list[str]) -> None:
    if "'count(up) == 0  #" in text:
        # Inside of the quotes it is a comment of the expression, on a line of the rule all the same.
        codes = []
    assert doubts(text) == codes


def test_metrics_that_nobody_has() -> None:
    metrics = Metrics({"node_cpu_seconds_total", "node_memory_MemFree_bytes"}, {})
    loaded = load_rules(alert('rate(node_cpu_second_total[5m]) > up and ALERTS and on () {__name__="zzz"}'), "f")
    assert loaded.file is not None
    found = lint(loaded.file, metrics=metrics)
    assert [(each.message, each.hint) for each in found] == [
        ("no metric is called 'node_cpu_second_total'", "did you mean 'node_cpu_seconds_total'?"),
        ("no metric is called 'zzz'", ""),
    ]
    assert loaded.file.text.splitlines()[5][found[0].span.column - 1 :].startswith("node_cpu_second_total")


def test_a_gauge_by_its_type() -> None:
    metrics = Metrics({"queue_depth"}, {"queue_depth": "gauge"})
    assert doubts(alert("rate(queue_depth[5m])"), metrics=metrics) == ["rate-of-gauge"]
    assert doubts(alert("rate(queue_depth[5m])")) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("up\nnode_load1\n", {"up", "node_load1"}),
        ('# HELP x y\n# TYPE x counter\nx_total{a="b"} 1 2\n{"a b",c="d"} 1\n', {"x_total", "a b"}),
        ('{"status":"success","data":["up","a.b"]}', {"up", "a.b"}),
        ('["up"]', {"up"}),
    ],
)
def test_lists_of_metrics(text: str, names: set[str]) -> None:
    assert read_metrics(text).names == names


@pytest.mark.parametrize("text", ["", "# only\n", '{"data": 5}', "[1]"])
def test_what_lists_no_metrics(text: str) -> None:
    with pytest.raises(ValueError, match="metric"):
        read_metrics(text)
