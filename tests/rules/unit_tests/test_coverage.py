"""What tests exercise of rules, point by point."""

from __future__ import annotations

import textwrap

import pytest

from rules.unit_tests.coverage import Coverage
from rules.unit_tests.coverage_points import points
from rules.unit_tests.engine import batch
from rules.unit_tests.file import load_unit_tests
from rules.unit_tests.run import run_test
from tests.rules.evaluation.stepping import groups_of
from tidemark.rules.coverage_report import table

RULES = """
groups:
- name: g
  rules:
  - {record: r, expr: sum by (i) (x)}
  - alert: A
    expr: r > 2 and on(i) y unless on(i) z
    for: 1m
    annotations:
      summary: '{{ $labels.i }} {{ $labels.none }} {{ if gt $value 5.0 }}high{{ else }}low{{ end }}'
"""


def covered(*tests: str, rules: str = RULES) -> Coverage:
    """The coverage by tests that are run one after another, each into a coverage of its own."""
    whole = Coverage()
    groups = groups_of(rules)
    for test in tests:
        loaded = load_unit_tests("tests:\n- " + textwrap.indent(textwrap.dedent(test).strip(), "  ").lstrip(), "t")
        assert loaded.file is not None, loaded.diagnostics
        part = Coverage()
        part.declare(groups)
        run_test(loaded.file, loaded.file.tests[0], groups, engine=batch(inspect=part.inspect))
        whole.merge(part)
    return whole


def seen(coverage: Coverage, name: str) -> dict[str, bool]:
    (rule,) = [each for each in coverage.rules.values() if each.name == name]
    return rule.points


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{record: r, expr: x}", ["is looked at by a test", "yields series", "yields none"]),
        # What can never be otherwise is no point.
        ("{record: r, expr: vector(1)}", ["is looked at by a test", "yields series"]),
        ("{alert: A, expr: vector(1)}", ["is looked at by a test", "fires"]),
        (
            "{alert: A, expr: x > 1, for: 1m}",
            ["is looked at by a test", "is pending", "fires", "does not fire", "resolves"],
        ),
        (
            "{record: r, expr: sum(x > 1) or vector(0)}",
            [
                *("is looked at by a test", "yields series", "yields none"),
                *("`sum(x > 1)` yields something", "`sum(x > 1)` yields nothing", "`vector(0)` yields something"),
                *("`x > 1` yields something", "`x > 1` yields nothing"),
            ],
        ),
        (
            "{record: r, expr: x > bool 1}",
            [
                *("is looked at by a test", "yields series", "yields none"),
                *("`x > bool 1` is true", "`x > bool 1` is false"),
            ],
        ),
    ],
)
def test_the_points_of_a_rule(rule: str, expected: list[str]) -> None:
    (group,) = groups_of(f"groups: [{{name: g, rules: [{rule}]}}]")
    assert list(points(group.rules[0])) == expected


def test_the_points_of_a_template() -> None:
    (group,) = groups_of(RULES)
    assert [point for point in points(group.rules[1]) if "annotation" in point] == [
        "annotation summary: label i has a value",
        "annotation summary: label none has a value",
        "annotation summary: {{if gt $value 5.0}} is met",
        "annotation summary: {{if gt $value 5.0}} is not met",
    ]


def test_conditions_that_mean_nothing_by_themselves_are_no_points() -> None:
    text = "{{ range query `x` }}{{ if .Value }}a{{ end }}{{ end }}{{ $y := 1 }}{{ if $y }}b{{ end }}"
    (group,) = groups_of(f"groups: [{{name: g, rules: [{{alert: A, expr: x, annotations: {{t: '{text}'}}}}]}}]")
    assert [point for point in points(group.rules[0]) if "annotation" in point] == [
        "annotation t: {{range query `x`}} is met",
        "annotation t: {{range query `x`}} is not met",
    ]


FIRES = """
input_series:
- {series: 'x{i="a"}', values: "0 3 3 3 9 9 9 0"}
- {series: 'y{i="a"}', values: "1x9"}
alert_rule_test: [{eval_time: 7m, alertname: A}]
"""


def test_what_one_test_shows() -> None:
    coverage = covered(FIRES)
    assert [point for point, there in seen(coverage, "A").items() if not there] == [
        "`z` yields something",
        "`y` yields nothing",
        "annotation summary: label none has a value",
    ]
    assert [point for point, there in seen(coverage, "r").items() if not there] == ["yields none"]


def test_tests_add_up() -> None:
    other = """
    input_series:
    - {series: 'x{i="a"}', values: "9x3"}
    - {series: 'y{i="a"}', values: "1 1 stale"}
    - {series: 'z{i="a"}', values: "_ _ 1 stale"}
    promql_expr_test: [{expr: z, eval_time: 4m}]
    """
    missing = {point for point, there in seen(covered(FIRES, other), "A").items() if not there}
    assert missing == {"annotation summary: label none has a value"}
    assert covered(FIRES, other).percent() > covered(FIRES).percent()
    # A run without a case for the alert does not look at it.
    assert seen(covered(other), "A")["is looked at by a test"] is False


def test_a_recording_rule_is_looked_at_through_what_reads_it() -> None:
    rules = """
groups:
- name: g
  rules:
  - {record: deep, expr: x}
  - {record: near, expr: deep}
  - {record: apart, expr: x}
  - {alert: A, expr: near > 1}
  - {alert: B, expr: near > 1}
"""
    by_alert = covered("alert_rule_test: [{eval_time: 0, alertname: A}]", rules=rules)
    looked_at = {rule.name for rule in by_alert.rules.values() if rule.points["is looked at by a test"]}
    assert looked_at == {"deep", "near", "A"}
    by_query = covered("""promql_expr_test: [{eval_time: 0, expr: 'ALERTS{alertname="B"}'}]""", rules=rules)
    looked_at = {rule.name for rule in by_query.rules.values() if rule.points["is looked at by a test"]}
    assert looked_at == {"deep", "near", "B"}


def test_a_query_of_all_alerts_looks_at_each() -> None:
    rules = "groups: [{name: g, rules: [{alert: A, expr: x}, {alert: B, expr: x}]}]"
    coverage = covered("promql_expr_test: [{eval_time: 0, expr: ALERTS}]", rules=rules)
    assert [rule.points["is looked at by a test"] for rule in coverage.rules.values()] == [True, True]


def test_what_was_only_pending_does_not_resolve() -> None:
    test = """
    input_series: [{series: x, values: "1 stale"}]
    alert_rule_test: [{eval_time: 3m, alertname: A}]
    """
    points = seen(covered(test, rules="groups: [{name: g, rules: [{alert: A, expr: x, for: 5m}]}]"), "A")
    assert (points["is pending"], points["fires"], points["resolves"]) == (True, False, False)


def test_meeting_no_data_is_reported() -> None:
    for tests in (["_ 1"], ["1 1", "_ 1"]):
        found = covered(
            *(
                f"{{input_series: [{{series: x, values: '{it}'}}], promql_expr_test: [{{expr: r, eval_time: 1m}}]}}"
                for it in tests
            ),
            rules="groups: [{name: g, rules: [{record: r, expr: x}]}]",
        )
        (rule,) = found.rules.values()
        assert rule.met_no_data
    without = covered("alert_rule_test: [{eval_time: 0, alertname: A}]")
    (rule,) = [each for each in without.rules.values() if each.name == "A"]
    assert rule.met_no_data
    (rule,) = [each for each in covered(FIRES).rules.values() if each.name == "A"]
    assert not rule.met_no_data


def test_rules_of_no_test_count() -> None:
    coverage = Coverage()
    coverage.declare(groups_of(RULES))
    assert coverage.percent() == 0
    assert Coverage().percent() == 100


def test_the_report() -> None:
    text = table(covered(FIRES))
    assert "rules.yml:6: A: " in text
    assert "      `y` yields nothing" in text
    plain = covered(FIRES).as_plain()
    (file,) = plain["files"]
    assert (plain["version"], file["file"], [rule["rule"] for rule in file["rules"]]) == (1, "rules.yml", ["r", "A"])
    assert file["rules"][1]["points"]["fires"] is True
    assert f"{plain['percent']:.1f} %" in text
