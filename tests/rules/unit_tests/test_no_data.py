"""Expectations of nothing that hold for want of data."""

from __future__ import annotations

import pytest

from rules.unit_tests.file import load_unit_tests
from rules.unit_tests.no_data import vacuous
from tests.rules.evaluation.stepping import groups_of

RULES = """
groups:
  - name: g
    rules:
      - {record: 'a:b', expr: 'sum(cpu_usge)'}
      - {alert: Typo, expr: cpu_usge > 5}
      - {alert: Through, expr: 'a:b > 5'}
      - {alert: Fed, expr: cpu_usage > 5}
      - {alert: Either, expr: cpu_usage > 5 or cpu_usge > 5}
      - {alert: Absent, expr: absent(zebra)}
"""
QUIET = "{eval_time: 1m, alertname: %s, exp_alerts: []}"
FIRES = "{eval_time: 1m, alertname: %s, exp_alerts: [{}]}"


def reported(alerts: str = "", exprs: str = "", more: str = "") -> list[tuple[str, str]]:
    text = f"""
rule_files: [rules.yml]
tests:
  - interval: 1m
    input_series: [{{series: 'cpu_usage{{host="a"}}', values: 1 2}}, {{series: 'not one', values: x}}]
    alert_rule_test: [{alerts}]
    promql_expr_test: [{exprs}]
{more}"""
    file = load_unit_tests(text, "test.yml").file
    assert file is not None
    found = vacuous(file, file.tests, groups_of(RULES))
    assert {(each.code, each.severity.value, each.file) for each in found} <= {("no-data", "warning", "test.yml")}
    return [(each.message, each.hint) for each in found]


@pytest.mark.parametrize(
    ("alert", "message", "hint"),
    [
        ("Typo", "no test gives its rule any data", "the data hold no metric cpu_usge; did you mean cpu_usage?"),
        ("Through", "no test gives its rule any data", "rule a:b writes it, and has no data itself"),
        ("Tpyo", "no rule is named so", "did you mean 'Typo'?"),
        ("Quux", "no rule is named so", "look at rule_files"),
    ],
)
def test_an_alert_that_cannot_fire(alert: str, message: str, hint: str) -> None:
    ((said, advised),) = reported(QUIET % alert)
    assert said == f"that {alert!r} does not fire says nothing: {message}"
    assert hint in advised


@pytest.mark.parametrize("alert", ["Fed", "Either", "Absent", "''"])
def test_an_alert_that_could_fire_is_not_reported(alert: str) -> None:
    assert reported(QUIET % alert) == []


def test_an_alert_is_reported_once_and_not_if_some_test_expects_it_or_feeds_it() -> None:
    assert len(reported(f"{QUIET % 'Typo'}, {QUIET % 'Typo'}")) == 1
    other = "  - interval: 1m\n    input_series: [%s]\n    alert_rule_test: [%s]\n"
    assert reported(QUIET % "Typo", more=other % ("", FIRES % "Typo")) == []
    assert reported(QUIET % "Typo", more=other % ("{series: cpu_usge, values: 1}", QUIET % "Typo")) == []
    found = reported(QUIET % "Typo", more=other % ("{series: cpu_usge, values: 1}", QUIET % "Fed"))
    assert [message.split("'")[1] for message, _ in found] == ["Typo", "Fed"]


@pytest.mark.parametrize(
    ("expr", "count"),
    [
        ("cpu_usge > 1", 1),
        ("cpu_usage > 10", 0),
        ("'cpu_usage{host=\"b\"}'", 1),
        ("a:b", 0),
        ("absent(cpu_usage)", 0),
        ("'1 +'", 0),
    ],
)
def test_an_expression_that_finds_nothing(expr: str, count: int) -> None:
    found = reported(exprs=f"{{eval_time: 1m, expr: {expr}, exp_samples: []}}")
    assert len(found) == count
    if count:
        assert found[0][0] == "that this expression yields nothing says nothing: the test gives it no data"
    assert reported(exprs=f"{{eval_time: 1m, expr: {expr}, exp_samples: [{{labels: x, value: 1}}]}}") == []
