"""Which part of an expression stays in a shard, which is merged, which is global; and the state it needs."""

from __future__ import annotations

import pytest

from rules.planning.plan import Placement, Step, plan
from rules.promql.syntax.parser import parse

TARGET = frozenset({"job", "instance"})


def planned(text: str) -> Step:
    return plan(parse(text), TARGET)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "-x",
        "rate(x[5m])",
        "rate(x[5m]) > 0.5 * 3",
        "x / y",
        "x / ignoring(mode) sum without (mode) (y)",
        "x / on(job, instance, cpu) max by (job, instance, cpu) (y)",
        "x / ignoring(mode) y{mode='idle'}",
        "sum by (job, instance) (x) / on(job, instance) group_right() y",
        "x and on(job, instance) y",
        "sum without (mode) (rate(x[5m]))",
        "sum by (job, instance) (x)",
        "topk by (job, instance) (3, x)",
        "quantile without (cpu) (0.9, x)",
        "histogram_quantile(0.9, sum by (job, instance, le) (rate(x_bucket[5m])))",
        "max_over_time(rate(x[5m])[1h:1m])",
        "label_replace(x, 'dst', '$1', 'mode', '(.*)')",
        "(sum without (cpu) (x)) * 2 > bool 1",
        "x + on(job, instance) group_left() (-sum by (job, instance) (y))",
    ],
)
def test_local_to_the_shard(text: str) -> None:
    assert planned(text).placement is Placement.LOCAL


@pytest.mark.parametrize(
    "text",
    [
        "sum(x)",
        "sum by (job) (rate(x[5m]))",
        # Two jobs may have an instance of one name.
        "sum by (instance) (x)",
        "avg without (instance) (x)",
        "topk(3, x)",
        "absent(x)",
        "absent_over_time(x[5m])",
        # The values take a target label's place.
        "count_values by (job, instance) ('instance', x)",
    ],
)
def test_split_into_partial_and_merge(text: str) -> None:
    step = planned(text)
    assert step.placement is Placement.SPLIT
    assert step.reason
    assert all(part.placement is not Placement.GLOBAL for part in step.inputs)


@pytest.mark.parametrize(
    "text",
    [
        "sum(x) > 1",
        "quantile(0.9, x)",
        "x / on(job) group_left y",
        "x / ignoring(instance) y",
        "x * on(job, instance) label_join(y, 'job', '-', 'a', 'b')",
        "absent(sum(x))",
        "max_over_time(sum(x)[1h:])",
        "x / scalar(y)",
        "sum(sum by (job) (x))",
        "x > on(job, instance) sum by (job, instance) (sum(y))",
        # A target label rewritten: series of two targets may have become the same, which fails.
        "sum by (job, instance) (label_replace(x, 'instance', '$1', 'host', '(.*)'))",
        "label_replace(x, 'instance', '$1', 'host', '(.*)') > 1",
        "absent(label_replace(x, 'instance', '$1', 'host', '(.*)'))",
        # No shard has a constant to itself.
        "x or vector(1)",
        "vector(1) unless on(job, instance) x",
        "stddev(x)",
        # Two series of y in a match group fail even where only another shard has any of x.
        "x / ignoring(mode) y",
        "x / on(job, instance, cpu) y",
        "x + on(job, instance) group_left(mode) y",
        "y / on(job, instance) group_right(mode) x",
        "x / {__name__=~'y|z'}",
        "sort(x)",
    ],
)
def test_global(text: str) -> None:
    step = planned(text)
    assert step.placement is Placement.GLOBAL
    assert step.reason


@pytest.mark.parametrize("text", ["1", "time() * 2", "vector(1)", "'text'"])
def test_constants_need_no_place(text: str) -> None:
    assert planned(text).placement is Placement.CONSTANT


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("x", 5),
        ("x offset 1h", 65),
        ("x offset -1h", 5),
        ("rate(x[10m])", 10),
        ("rate(x[10m] offset 30m)", 40),
        ("max_over_time(rate(x[10m])[1h:1m])", 70),
        ("max_over_time(rate(x[10m])[1h:1m] offset 1d)", 10 + 60 + 1440),
        ("x - y offset 7d", 7 * 1440 + 5),
        ("max_over_time(max_over_time(x[1h:5m])[1d:1h])", 1440 + 60 + 5),
        ("1", 0),
    ],
)
def test_retention_adds_up_lookback_ranges_and_offsets(text: str, minutes: int) -> None:
    assert planned(text).retention_ms == minutes * 60_000


def test_what_rules_write_is_no_shards_own() -> None:
    step = plan(parse("sum without (mode) (x) / y"), TARGET, written=lambda selector: selector.name == "y")
    assert [(part.placement, part.keeps_target) for part in step.inputs] == [
        (Placement.LOCAL, True),
        (Placement.GLOBAL, True),
    ]
    assert [state.retention_ms for state in step.states] == [300_000, 300_000]


def test_a_fixed_evaluation_time_cuts_off_what_encloses_it() -> None:
    step = planned("max_over_time(rate(x[10m] @ 1000)[1h:1m])")
    (state,) = step.states
    assert (state.fixed, state.retention_ms) == (True, 600_000)
    outer = planned("max_over_time(rate(x[10m])[1h:1m] @ end())")
    (state,) = outer.states
    assert (state.fixed, state.retention_ms) == (True, 70 * 60_000)


def test_a_histogram_spread_by_its_bucket_label_is_global() -> None:
    step = plan(parse("histogram_quantile(0.9, x_bucket)"), TARGET | {"le"})
    assert step.placement is Placement.GLOBAL
