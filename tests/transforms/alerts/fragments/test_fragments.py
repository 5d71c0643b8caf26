"""Rules cut for shards: the rewrites as text, what shards keep, and what no stream can evaluate."""

from __future__ import annotations

import textwrap

import pytest

from rules.evaluation.program import Program, Settings
from rules.evaluation.schedule import Schedule
from rules.model import RecordingRule, RuleGroup
from rules.promql.context import Options
from rules.promql.engine import instant
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse
from rules.promql.syntax.printer import to_text
from tests.rules.evaluation.stepping import MINUTE, groups_of, storage_of
from transforms.alerts.fragments.fragments import FragmentSpec, NotStreamable, SplitProgram, cut

TARGET = frozenset({"job", "instance"})


def program_of(*texts: str) -> Program:
    """One group with a recording rule an expression."""
    rules = tuple(RecordingRule(f"r:{number}", text, parse(text)) for number, text in enumerate(texts))
    return Program([RuleGroup("g", rules=rules)], Settings(options=Options(default_step_ms=30_000)))


def remainders(made: SplitProgram) -> list[str]:
    return [to_text(rule.rule.ast) for rule in made.program.rules]


def described(spec: FragmentSpec) -> str:
    kind = "" if spec.kind == "vector" else "samples of "
    step = "" if spec.step_ms is None else f" every {spec.step_ms // 1000}s"
    history = f" for {spec.history_ms // 1000}s" if spec.history_ms else ""
    return kind + to_text(spec.expr) + step + history + (" by shard" if spec.shard_label else "")


REWRITES = [
    ("rate(x[5m]) > 0.5", "<0>", ["rate(x[5m]) > 0.5"]),
    ("(x)", "<0>", ["x"]),
    ("time() - 5", "time() - 5", []),
    ("sum by (job) (rate(x[5m]))", "sum by (job) (<0>)", ["sum by (job) (rate(x[5m])) by shard"]),
    ("sum without (instance) (x)", "sum without (instance, __shard__) (<0>)", ["sum without (instance) (x) by shard"]),
    ("count(up == 0) > 3", "sum(<0>) > 3", ["count(up == 0) by shard"]),
    ("avg by (job) (x) * 2", "(sum by (job) (<0>) / sum by (job) (<1>)) * 2", [
        "sum by (job) (x) by shard", "count by (job) (x) by shard",
    ]),
    ("avg by (__name__) (x)", "avg by (__name__) (<0>)", ["x"]),
    ("min(x)", "min(<0>)", ["min(x) by shard"]),
    ("max without (job) (x)", "max without (job, __shard__) (<0>)", ["max without (job) (x) by shard"]),
    ("group by (job) (x)", "group by (job) (<0>)", ["group by (job) (x) by shard"]),
    ("topk by (job) (3, x)", "topk by (job) (3, <0>)", ["topk by (job) (3, x)"]),
    ("bottomk(1, rate(x[1m]))", "bottomk(1, <0>)", ["bottomk(1, rate(x[1m]))"]),
    ('count_values by (job) ("v", x)', "sum by (job, v) (<0>)", ['count_values by (job) ("v", x) by shard']),
    ('count_values by (job) ("job", x)', "sum by (job) (<0>)", ['count_values by (job) ("job", x) by shard']),
    ('count_values without (job) ("v", x)', "sum without (__shard__) (<0>)", [
        'count_values without (job) ("v", x) by shard',
    ]),
    ("quantile(0.9, x)", "quantile(0.9, <0>)", ["x"]),
    ("stddev by (job) (rate(x[1m]))", "stddev by (job) (<0>)", ["rate(x[1m])"]),
    ('absent(x{job="a"})', "absent(<0>)", ['group(x{job="a"}) by shard']),
    ("absent_over_time(x[5m])", "absent(<0>)", ["group(last_over_time(x[5m])) by shard"]),
    ("absent(sum(x))", "absent(sum(<0>))", ["sum(x) by shard"]),
    ("x / on (job) group_left () y", "<0> / on (job) group_left () <1>", ["x", "y"]),
    ("x or vector(1)", "<0> or vector(1)", ["x"]),
    ("x > scalar(sum(y))", "<0> > scalar(sum(<1>))", ["x", "sum(y) by shard"]),
    ("sum(x) / sum(x)", "sum(<0>) / sum(<0>)", ["sum(x) by shard"]),
    ('label_replace(x, "job", "b", "", "") > 1', "<0> > 1", ['label_replace(x, "job", "b", "", "")']),
    ("max_over_time(x[1h:1m])", "<0>", ["max_over_time(x[1h:1m])"]),
    ("max_over_time(sum(x)[1h:1m] offset 5m)", "max_over_time(sum(<0>)[1h:1m] offset 5m)", [
        "sum(x) every 60s for 3900s by shard",
    ]),
    # The default step; a subquery in a subquery reaches as far back as both.
    ("max_over_time(min_over_time(sum(x)[5m:])[1h:1m])", "max_over_time(min_over_time(sum(<0>)[5m:])[1h:1m])", [
        "sum(x) every 30s for 3900s by shard",
    ]),
    ("sum(x) + max_over_time(sum(x)[1m:1m])", "sum(<0>) + max_over_time(sum(<1>)[1m:1m])", [
        "sum(x) by shard", "sum(x) every 60s for 60s by shard",
    ]),
    ("quantile_over_time(scalar(y), x[5m] offset 1m)", "quantile_over_time(scalar(<0>), x[5m] offset 1m)", [
        "y", "samples of x for 360s",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "remainder", "fragments"), REWRITES)
def test_rewrites(text: str, remainder: str, fragments: list[str]) -> None:
    made = cut(program_of(text), TARGET)
    assert remainders(made) == [remainder]
    # Samples of the name it writes may have come in.
    assert [described(spec) for spec in made.fragments] == [*fragments, "samples of r:0"]
    assert [spec.number for spec in made.fragments] == list(range(len(fragments) + 1))


@pytest.mark.parametrize(
    "part",
    ["sum by (job) (x)", "count(x)", "avg by (job) (x)", "topk(1, x)", "absent(x)", "rate(x[1m])", "quantile(0.9, x)"],
)
def test_what_is_left_stands_where_the_part_stood(part: str) -> None:
    text = f"scalar({part}) + 1"
    [rule] = cut(program_of(text), TARGET).program.rules
    assert isinstance(rule.rule.ast, ast.Binary)
    assert isinstance(rule.rule.ast.lhs, ast.Call)
    span = rule.rule.ast.lhs.args[0].span
    assert text[span.start : span.end] == part


def test_rules_share_fragments() -> None:
    made = cut(
        program_of("avg(x)", "count(x) > 1", "max_over_time(sum(x)[5m:1m])", "max_over_time(sum(x)[9m:1m])"), TARGET
    )
    assert remainders(made) == [
        "(sum(<0>) / sum(<1>))", "sum(<1>) > 1", "max_over_time(sum(<2>)[5m:1m])", "max_over_time(sum(<2>)[9m:1m])",
    ]  # fmt: skip
    assert [described(spec) for spec in made.fragments][2:3] == ["sum(x) every 60s for 540s by shard"]


def test_what_rules_write_is_not_cut() -> None:
    made = cut(program_of("x", "r:0 / x offset 5m", "rate(r:0[1h])", 'ALERTS{alertname="A"}', '{job="a"}'), TARGET)
    # Nothing here writes alerts.
    assert remainders(made) == ["<0>", "r:0 / <2>", "rate(r:0[1h])", "<3>", '{job="a"}']
    assert [described(spec) for spec in made.fragments][:5] == [
        "x", "samples of r:0 for 3600s", "x offset 5m", 'ALERTS{alertname="A"}', 'samples of {job="a"} for 300s',
    ]  # fmt: skip


def test_retention_is_the_longest_of_all_fragments() -> None:
    made = cut(program_of("rate(x[10m] offset 1h)", "x > 1", "y", "max_over_time(sum(y)[1h:1m])"), TARGET)
    kept = {to_text(state.selector): state.retention_ms // MINUTE for state in made.state()}
    # A subquery over all shards is evaluated as time goes by: the shards keep no more than an evaluation time needs.
    assert kept == {"x": 70, "y": 5, "r:0": 5, "r:1": 5, "r:2": 5, "r:3": 5}


def test_a_fingerprint_is_that_of_the_fragments() -> None:
    one = cut(program_of("sum(x) > 1", "y"), TARGET)
    # Other thresholds, another order: the shards do the same.
    assert cut(program_of("y", "sum(x) > 2"), TARGET).fingerprint == one.fingerprint
    assert cut(program_of("y", "sum(x) > 2", "z"), TARGET).fingerprint != one.fingerprint
    assert len({spec.key for spec in one.fragments}) == len(one.fragments)


GROUPS = """
groups:
  - name: slow
    interval: 5m
    query_offset: 30s
    rules:
      - {record: total, expr: sum(x)}
  - name: fast
    interval: 15s
    rules:
      - alert: Busy
        expr: sum(x) > 3
        keep_firing_for: 10m
        labels:
          most: '{{ with query "topk by (job, instance) (1, x)" }}{{ (first .).Value }}{{ end }}'
        annotations:
          summary: '{{ query "total" | first | value }} of {{ query "max(x)" | first | value }}, {{ query "nonsense(" }}'
"""


def test_schedules_are_those_of_the_groups_that_ask() -> None:
    made = cut(Program(groups_of(GROUPS)), TARGET)
    shared = made.fragments[0]
    assert described(shared) == "sum(x) by shard"
    assert shared.schedules == (Schedule(15_000), Schedule(300_000, 30_000))


def test_what_came_in_under_a_written_name_is_seen_as_far_back_as_rules_write() -> None:
    group = RuleGroup("g", query_offset_ms=30_000, rules=(RecordingRule("total", "sum(x)", parse("sum(x)")),))
    *_, came = cut(Program([group]), TARGET).fragments
    assert described(came) == "samples of total for 30s"
    assert came.schedules == (Schedule(60_000),)


def test_queries_of_templates_are_cut() -> None:
    made = cut(Program(groups_of(GROUPS)), TARGET)
    queries = {text: to_text(tree) for text, tree in made.program.queries.items()}
    # The order of topk means something, and is one over all shards.
    assert queries == {
        "topk by (job, instance) (1, x)": "topk by (job, instance) (1, <1>)",
        "total": "total",
        "max(x)": "max(<3>)",
    }
    since = 10 * 60 + 15 * 60 + 2 * 15
    assert [described(spec) for spec in made.fragments] == [
        "sum(x) by shard",
        f"topk by (job, instance) (1, x) for {since}s",
        f"samples of total for {since + 300}s",
        f"max(x) for {since}s by shard",
        "samples of ALERTS",
        "samples of ALERTS_FOR_STATE",
    ]
    # Templates are expanded for the evaluation time itself, without the offset.
    assert made.fragments[3].schedules == (Schedule(15_000),)


@pytest.mark.parametrize(
    ("text", "reason", "at"),
    [
        ("sum(x @ 100)", "@ pins an instant", "x @ 100"),
        ("rate(x[5m] @ end())", "@ pins an instant", "x[5m] @ end()"),
        ("max_over_time(x[5m:1m] @ start())", "@ pins an instant", "x[5m:1m] @ start()"),
        ("x - x offset -5m", "a negative offset looks ahead", "x offset -5m"),
        (r'label_replace(x, "l", "\xff", "", "")', "a text that is no UTF-8", r'"\xff"'),
    ],
)
def test_what_no_stream_has_is_refused(text: str, reason: str, at: str) -> None:
    with pytest.raises(NotStreamable, match=f"g;1;r:1: {reason}") as caught:
        cut(program_of("x", text), TARGET)
    (refusal,) = caught.value.refusals
    assert refusal.rule.number == 1
    assert refusal.field == "expr"
    assert refusal.span is not None
    assert text[refusal.span.start : refusal.span.end] == at


def test_templates_that_ask_for_what_cannot_be_known_are_refused() -> None:
    text = textwrap.dedent(
        """
        groups:
          - name: g
            rules:
              - alert: A
                expr: x @ 5
                annotations: {a: '{{ query (printf "x{job=%q}" $labels.job) }}', b: '{{ query "x @ 5" | first | value }}'}
        """
    )
    with pytest.raises(NotStreamable) as caught:
        cut(Program(groups_of(text)), TARGET)
    assert [(each.field, each.reason.split()[:3]) for each in caught.value.refusals] == [
        ("expr", ["@", "pins", "an"]),
        ("templates", ["a", "template", "queries"]),
        ("templates", ["@", "pins", "an"]),
    ]


def test_names_that_are_dropped_at_the_end_are_refused() -> None:
    with pytest.raises(ValueError, match="delayed"):
        cut(Program([], Settings(options=Options(delayed_name_removal=True))), TARGET)


def test_a_remainder_needs_shards() -> None:
    made = cut(program_of("sum(x)"), TARGET)
    with pytest.raises(PromQLError, match="no shards"):
        instant(made.program.rules[0].rule.ast, storage_of("x 1"), 0)
