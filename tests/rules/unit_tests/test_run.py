"""Running unit tests of rules: what passes, what fails, and what is reported it."""

from __future__ import annotations

import textwrap

import pytest

from rules.evaluation.program import ordered
from rules.unit_tests.file import load_unit_tests
from rules.unit_tests.run import CODES, Failure, run_test
from tests.rules.evaluation.stepping import groups_of

RULES = """
groups:
- name: first
  rules:
  - {record: doubled, expr: x * 2}
  - alert: High
    expr: x > 2
    for: 2m
    labels: {severity: page}
    annotations: {summary: "{{ $labels.i }} at {{ $value }}"}
- name: second
  rules:
  - {alert: Always, expr: vector(1)}
"""


def run(test: str, rules: str = RULES, head: str = "") -> list[Failure]:
    """The failures of the one test of a file; ``head`` stands before `tests`."""
    text = f"{head}\ntests:\n- " + textwrap.indent(textwrap.dedent(test).strip(), "  ").lstrip()
    loaded = load_unit_tests(text, "t.yml")
    assert loaded.file is not None, loaded.diagnostics
    found = [failure for each in loaded.file.tests for failure in run_test(loaded.file, each, groups_of(rules))]
    assert {failure.diagnostic.code for failure in found} <= set(CODES)
    return found


def messages(failures: list[Failure]) -> list[str]:
    return [failure.diagnostic.message for failure in failures]


FIRING = """
input_series:
- {series: 'x{i="a"}', values: "1 3x9"}
alert_rule_test:
- {eval_time: 2m, alertname: High}
- {eval_time: 3m59s, alertname: High, exp_alerts: [{exp_labels: {severity: page, i: a}, exp_annotations: {summary: a at 3}}]}
- {eval_time: 3m, alertname: Always, exp_alerts: [{}]}
promql_expr_test:
- {expr: doubled, eval_time: 4m, exp_samples: [{labels: 'doubled{i="a"}', value: 6}]}
- {expr: scalar(doubled), eval_time: 4m, exp_samples: [{value: 6}]}
- {expr: doubled > 100, eval_time: 4m}
"""


def test_what_is_as_expected_passes() -> None:
    assert run(FIRING) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("i: a}", "i: b}", "alert High at 3m59s: 1 of 1 firing alert differs"),
        ("a at 3}", "a at 4}", "alert High at 3m59s: 1 of 1 firing alert differs"),
        ("exp_alerts: [{}]", "exp_alerts: []", "alert Always at 3m: expected 0 firing alerts, got 1"),
        (
            "2m, alertname: High",
            "2m, alertname: High, exp_alerts: [{}]",
            "alert High at 2m: expected 1 firing alert, got 0",
        ),
        ("value: 6}]}\n- {expr: s", "value: 7}]}\n- {expr: s", "`doubled` at 4m: 1 of 1 sample differs"),
        ("> 100", "> 5", "`doubled > 5` at 4m: expected 0 samples, got 1"),
    ],
)
def test_what_is_not_fails(old: str, new: str, message: str) -> None:
    assert old in FIRING
    assert messages(run(FIRING.replace(old, new))) == [message]


def test_a_difference_is_shown_beside_the_nearest() -> None:
    (failure,) = run(FIRING.replace("severity: page, i: a", "severity: warning, i: a").replace("a at 3}", "a at 4}"))
    assert failure.diagnostic.span.line == 7
    assert failure.details == (
        '~ differs: {i="a", severity="page"}',
        '    label severity      expected "warning", got "page"',
        '    annotation summary  expected "a at 4", got "a at 3"',
    )
    assert '    severity: "warning"' in failure.expected
    assert '    severity: "page"' in failure.got


def test_a_pending_alert_is_reported() -> None:
    (failure,) = run(FIRING.replace("2m, alertname: High", "2m, alertname: High, exp_alerts: [{}]"))
    assert failure.details == (
        "- expected, not firing: {}",
        '  pending since 1m, `for` is 2m: {i="a", severity="page"}',
    )


def test_an_alert_that_no_rule_has_is_reported() -> None:
    (failure,) = run("alert_rule_test: [{eval_time: 0, alertname: Hihg, exp_alerts: [{}]}]")
    assert failure.diagnostic.hint == "no rule of the test is named 'Hihg': did you mean 'High'?"


def test_samples_are_paired_by_labels() -> None:
    test = """
    input_series:
    - {series: 'x{i="a"}', values: 1}
    - {series: 'x{i="b"}', values: 2}
    - {series: 'x{i="c"}', values: 3}
    promql_expr_test:
    - expr: x
      eval_time: 0
      exp_samples:
      - {labels: 'x{i="c"}', value: 3}
      - {labels: 'x{i="b"}', value: 5}
      - {labels: 'x{j="a"}', value: 1}
      - {labels: 'z', value: 9}
    """
    (failure,) = run(test)
    assert failure.details == (
        '~ differs: x{i="b"}',
        "    value  expected 5, got 2",
        '~ differs: x{i="a"}',
        '    label i  expected (none), got "a"',
        '    label j  expected "a", got (none)',
        "- expected, not there: z 9",
    )


@pytest.mark.parametrize(
    ("test", "code", "message"),
    [
        ("alert_rule_test: [{eval_time: 0}]", "no-alertname", "an alert test needs `alertname`"),
        ("input_series: [{series: 'x{', values: 1}]", "input-series", "expected a label name or }, found '1'"),
        (
            "input_series: [{series: x, values: '{{count:1}}'}]",
            "unsupported",
            "x: native histogram samples ({{...}}) are not supported",
        ),
        (
            "promql_expr_test: [{expr: vector(1), eval_time: 0, exp_samples: [{histogram: '{{count:1}}'}]}]",
            "unsupported",
            "`vector(1)` at 0s: a native histogram is expected, which are not supported",
        ),
        (
            "promql_expr_test: [{expr: 'x[1m]', eval_time: 0}]",
            "expr-failed",
            "`x[1m]` at 0s: rule result is not a vector or scalar",
        ),
        (
            "promql_expr_test: [{expr: vector(1), eval_time: 0, exp_samples: [{labels: 'x{', value: 1}]}]",
            "expr-failed",
            "`vector(1)` at 0s: labels: expected a label name or }, found the end",
        ),
    ],
)
def test_what_cannot_be_read_fails_with_its_place(test: str, code: str, message: str) -> None:
    (failure,) = run(test)
    assert (failure.diagnostic.code, failure.diagnostic.message) == (code, message)
    assert failure.diagnostic.span.line == 3


def test_a_rule_that_fails_ends_the_test_and_is_named_with_its_place() -> None:
    rules = "groups: [{name: g, rules: [{record: r, expr: x + on() y}]}]"
    test = """
    input_series:
    - {series: x, values: "_ 1"}
    - {series: 'y{i="1"}', values: "1 1"}
    - {series: 'y{i="2"}', values: "1 1"}
    alert_rule_test:
    - {eval_time: 0, alertname: A, exp_alerts: [{}]}
    - {eval_time: 1m, alertname: A, exp_alerts: [{}]}
    promql_expr_test:
    - {expr: x, eval_time: 5m}
    """
    before, failed = run(test, rules)
    assert before.diagnostic.message == "alert A at 0s: expected 1 firing alert, got 0"
    assert failed.diagnostic.message.startswith("rule r fails at 1m: found duplicate series for the match group")
    assert failed.details == ("  at rules.yml:1:46: x + on() y",)


def test_equality_is_of_floats() -> None:
    test = """
    input_series: [{series: x, values: 2.9999999999999996}]
    promql_expr_test: [{expr: x, eval_time: 0, exp_samples: [{labels: x, value: 3}]}]
    """
    assert messages(run(test)) == ["`x` at 0s: 1 of 1 sample differs"]
    assert run(test, head="fuzzy_compare: true") == []
    assert run(test.replace("2.9999999999999996", "2.9999999999999987"), head="fuzzy_compare: true") != []


def test_nan_equals_nothing() -> None:
    test = """
    input_series: [{series: x, values: NaN}]
    promql_expr_test: [{expr: x, eval_time: 0, exp_samples: [{labels: x, value: .nan}]}]
    """
    (failure,) = run(test)
    assert "x != x" in failure.diagnostic.hint


def test_samples_after_the_last_evaluation_are_not_there() -> None:
    test = """
    interval: 10s
    input_series: [{series: x, values: 0+1x30}]
    promql_expr_test:
    - {expr: x, eval_time: 1m50s, exp_samples: [{labels: x, value: 6}]}
    """
    assert run(test) == []


def test_times_are_counted_from_the_start() -> None:
    test = """
    start_timestamp: 2024-01-01T00:00:00Z
    input_series: [{series: x, values: 3x9}]
    alert_rule_test:
    - {eval_time: 1m, alertname: High}
    - {eval_time: 2m, alertname: High, exp_alerts: [{exp_labels: {severity: page}, exp_annotations: {summary: " at 3"}}]}
    promql_expr_test:
    - {expr: time(), eval_time: 1m, exp_samples: [{value: 1704067260}]}
    """
    assert run(test) == []


def test_the_site_shows_in_templates() -> None:
    rules = """
groups:
- name: g
  rules:
  - alert: A
    expr: vector(1)
    annotations: {text: "{{ $externalLabels.region }} {{ $externalURL }}"}
"""
    test = """
    external_labels: {region: north}
    external_url: http://alerts.example/
    alert_rule_test: [{eval_time: 0, alertname: A, exp_alerts: [{exp_annotations: {text: north http://alerts.example/}}]}]
    """
    assert run(test, rules) == []


def test_a_blank_line_in_values_ends_the_series() -> None:
    # So it does there: the series are lines of a `load` command.
    test = """
    input_series:
    - series: x
      values: |
        1
    - {series: y, values: 1}
    promql_expr_test:
    - {expr: x, eval_time: 0, exp_samples: [{labels: x, value: 1}]}
    - {expr: y, eval_time: 0}
    """
    assert run(test) == []


def test_the_second_of_two_equal_series_counts() -> None:
    test = """
    input_series: [{series: x, values: 1}, {series: x, values: 2}]
    promql_expr_test: [{expr: x, eval_time: 0, exp_samples: [{labels: x, value: 2}]}]
    """
    assert run(test) == []


def test_the_order_of_groups() -> None:
    text = "groups: [{name: a}, {name: b}, {name: c}]"
    groups = groups_of(text, "1.yml")
    assert [group.name for group in ordered(groups, ())] == ["a", "b", "c"]
    assert [group.name for group in ordered(groups, ("c", "b", "a"))] == ["c", "b", "a"]
    # One that is not named is with the first.
    assert [group.name for group in ordered(groups, ("b", "a"))] == ["b", "c", "a"]
    twice = [*groups, *groups_of(text, "1.yml"), *groups_of(text, "2.yml")]
    assert [f"{group.file}:{group.name}" for group in ordered(twice, ())] == [
        *("1.yml:a", "1.yml:b", "1.yml:c"),
        *("2.yml:a", "2.yml:b", "2.yml:c"),
    ]
