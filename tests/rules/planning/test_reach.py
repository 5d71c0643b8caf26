"""How far back rules read, through what they record for each other."""

from __future__ import annotations

import pytest

from rules.evaluation.program import Program
from rules.planning.reach import reaches, together, written_names
from tests.rules.evaluation.stepping import MINUTE, groups_of

LOOKBACK = 5 * MINUTE


def program(*rules: str) -> Program:
    return Program(groups_of(f"groups: [{{name: g, rules: [{', '.join(rules)}]}}]"))


@pytest.mark.parametrize(
    ("rules", "minutes"),
    [
        (["{alert: A, expr: x > 1}"], 5),
        (["{alert: A, expr: x > 1, for: 10m, keep_firing_for: 3m}"], 18),
        (["{alert: A, expr: 'rate(x[20m] offset 1h) > 1'}"], 80),
        (["{record: r, expr: 'rate(x[20m])'}", "{alert: A, expr: r > 1, for: 1m}"], 26),
        (["{record: r, expr: 'rate(x[20m])'}", "{record: s, expr: 'avg_over_time(r[1h:] offset 5m)'}"], 90),
        (
            ["{record: r, expr: 'rate(x[20m])'}", "{record: s, expr: 'avg_over_time(r[1h])'}", "{alert: A, expr: s}"],
            85,
        ),
        (["{record: r, expr: 'r + x'}"], 5),
        (["{record: r, expr: 's'}", "{record: s, expr: 'r'}"], 10),
        (["{alert: A, expr: x, for: 10m}", "{alert: B, expr: 'ALERTS{alertname=\"A\"}'}"], 20),
    ],
)
def test_how_far_back(rules: list[str], minutes: int) -> None:
    found = reaches(program(*rules))[-1]
    assert found.back_ms == minutes * MINUTE
    assert found.bounded


@pytest.mark.parametrize(
    "rule",
    [
        "{alert: A, expr: 'x @ 0'}",
        "{alert: A, expr: 'x @ end()'}",
        "{alert: A, expr: x, annotations: {a: '{{ query (printf \"y{a=%q}\" .Value) }}'}}",
    ],
)
def test_some_reach_has_no_bound(rule: str) -> None:
    assert not reaches(program(rule))[0].bounded
    assert not together(reaches(program("{alert: B, expr: x}", rule))).bounded


def test_what_reads_a_record_has_no_bound_if_the_record_has_none() -> None:
    assert [each.bounded for each in reaches(program("{record: r, expr: 'x @ 0'}", "{alert: A, expr: r}"))] == [
        False
    ] * 2


def test_a_group_that_is_evaluated_behind_reads_back_further() -> None:
    groups = groups_of("groups: [{name: g, query_offset: 2m, rules: [{alert: A, expr: x}]}]")
    assert reaches(Program(groups))[0].back_ms == 7 * MINUTE


def test_a_query_of_a_template_is_read_too() -> None:
    rule = "{alert: A, expr: x, annotations: {a: '{{ query \"rate(y[30m])\" | first | value }}'}}"
    (found,) = reaches(program(rule))
    assert found.back_ms == 30 * MINUTE
    assert found.sees("y")


def test_a_rule_sees_what_its_records_are_made_of() -> None:
    given = program(
        "{record: r, expr: 'rate({__name__=~\"http_.+\"}[20m])'}", "{alert: A, expr: r}", "{alert: B, expr: y}"
    )
    _, alert, other = reaches(given)
    assert alert.sees("http_requests")
    assert not other.sees("http_requests")
    assert written_names(given) == {"r", "ALERTS", "ALERTS_FOR_STATE"}
