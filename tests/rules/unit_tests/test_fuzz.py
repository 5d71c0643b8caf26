"""Whatever a file of unit tests asks for: failures that say so, and soon."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.diagnostics.model import Severity
from rules.files.load import load_rules
from rules.unit_tests import run as unit_test
from rules.unit_tests.file import load_unit_tests
from rules.unit_tests.run import CODES, run_test

RULES = """
groups:
- name: g
  rules:
  - {alert: A, expr: up == 0, for: 1m, annotations: {v: '{{ $value }}'}}
  - {record: r, expr: sum by (job) (up)}
"""
LONG = ["0", "1ms", "90s", "5m", "1y", "290y"]


def failures(text: str) -> list[str]:
    """The codes of a file's failures, all of its tests together; of its errors if it is refused."""
    rules = load_rules(RULES, "r.yml").file
    assert rules is not None
    loaded = load_unit_tests(text, "t.yml")
    if loaded.file is None:
        errors = [each.code for each in loaded.diagnostics if each.severity is Severity.ERROR]
        assert errors
        return errors
    found = [failure for test in loaded.file.tests for failure in run_test(loaded.file, test, rules.groups)]
    assert all(each.diagnostic.code in CODES and each.diagnostic.message for each in found)
    return [each.diagnostic.code for each in found]


def one(
    series: list[tuple[str, str]], interval: str = "1m", every: str = "1m", at: str = "5m", expr: str = "up"
) -> str:
    return yaml.safe_dump(
        {
            "evaluation_interval": every,
            "tests": [
                {
                    "interval": interval,
                    "input_series": [{"series": name, "values": values} for name, values in series],
                    "alert_rule_test": [{"eval_time": at, "alertname": "A"}],
                    "promql_expr_test": [{"eval_time": at, "expr": expr}],
                }
            ],
        }
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (one([("up", "1")], at="200y"), "too-long"),
        (one([("up", "1")], every="1ms", at="1y"), "too-long"),
        (one([("up", "1+1x99999999")], interval="1ms", every="1h", at="10h"), "input-series"),
        (one([("up", f"_x{'9' * 5_000}")]), "input-series"),
        (one([("up", "1x5")], expr="deriv(up[100y:1ms])"), "expr-failed"),
        (one([("up", "1x5")], expr="(" * 5_000), "expr-failed"),
    ],
)  # fmt: skip
def test_a_test_without_end_is_refused(text: str, code: str) -> None:
    assert code in failures(text)


def test_series_that_are_too_many_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_test, "MAX_SAMPLES", 50)
    series = [(f'up{{i="{i}"}}', "1x1000000") for i in range(9)]
    assert failures(one(series, expr="nosuch")) == []
    assert failures(one(series, expr="nosuch", at="10m")) == ["input-series"]


@pytest.mark.parametrize("times", ["9999999", "1000000000", "9999999999999999999"])
def test_samples_beyond_the_last_case_are_of_no_use_however_many_and_late(times: str) -> None:
    assert failures(one([("up", f"1x{times}")], interval="290y", expr="nosuch")) == []
    assert failures(one([("up", f"1+1x{times} _x{times} stale")], expr="up - 2 != 0", at="1m")) == []


def test_years_of_minutes_can_be_tested() -> None:
    assert failures(one([("up", "1x1")], expr="nosuch", at="2y")) == []


notations = st.one_of(
    st.sampled_from(["1", "0x9", "1+1x5", "_x3 1", "stale 1", "NaN -Inf", "{{schema:0}}", "1x99999999", "1-1x-1", "9" * 400, ""]),
    st.text(alphabet="0123456789+-x_ .eINa{}s", max_size=12),
)  # fmt: skip
selectors = st.one_of(
    st.sampled_from(["up", 'up{job="a"}', "{}", "", "up{", '{"x y"}', "r", "ALERTS"]), st.text(max_size=6)
)


@settings(max_examples=200, derandomize=True)
@given(
    st.lists(st.tuples(selectors, notations), max_size=4),
    st.sampled_from(LONG),
    st.sampled_from(LONG),
    st.sampled_from(["0", "1ms", "5m", "1h", "290y"]),
    st.sampled_from(["up", "r", "up[5m]", "sum(", "rate(up[290y])", "up @ 9e15", "time()", '"a"']),
)
def test_any_test_has_an_outcome(series: list[tuple[str, str]], interval: str, every: str, at: str, expr: str) -> None:
    failures(one(series, interval, every, at, expr))
