"""Loading files of unit tests: what is read, what is refused and where, and that nothing else ever happens."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rules.diagnostics.model import Severity
from rules.unit_tests.file import load_unit_tests, start_of
from rules.unit_tests.run import run_test

DATA = Path(__file__).parents[3].parent / "shared" / "corpora" / "prometheus" / "cmd" / "promtool" / "testdata"

WHOLE = """
rule_files: [a.yml, "b/*.yml"]
evaluation_interval: 30s
group_eval_order: [two, one]
fuzzy_compare: yes
tests:
- name: all of it
  interval: 15s
  external_labels: {region: 1}
  external_url: http://localhost/
  start_timestamp: 1.5e9
  input_series:
  - {series: 'x{a="b"}', values: 1}
  alert_rule_test:
  - eval_time: 1h
    alertname: A
    exp_alerts:
    - {exp_labels: {n: 1}, exp_annotations: {t: ~}}
    -
  promql_expr_test:
  - {expr: x, eval_time: 0, exp_samples: [{labels: x, value: 1_0}, {value: -.inf}, {}]}
-
"""


def test_a_whole_file() -> None:
    loaded = load_unit_tests(WHOLE, "t.yml")
    assert loaded.diagnostics == []
    file = loaded.file
    assert file is not None
    assert [each.pattern for each in file.rule_files] == ["a.yml", "b/*.yml"]
    assert (file.evaluation_interval_ms, file.group_eval_order, file.fuzzy_compare) == (30_000, ("two", "one"), True)
    first, second = file.tests
    assert (first.title, first.interval_ms, first.start_ms) == ("all of it", 15_000, 1_500_000_000_000)
    assert (first.external_labels, first.external_url) == ({"region": "1"}, "http://localhost/")
    assert [(each.series, each.values) for each in first.input_series] == [('x{a="b"}', "1")]
    (alert,) = first.alert_cases
    assert (alert.eval_time_ms, alert.alertname, alert.span.line) == (3_600_000, "A", 15)
    # A null alert is one without labels; an empty label is a text.
    assert [(each.labels, each.annotations) for each in alert.expected] == [({"n": "1"}, {"t": ""}), ({}, {})]
    (case,) = first.expr_cases
    assert [each.value for each in case.expected] == [10, -float("inf"), 0]
    assert first.last_ms == 3_600_000
    # What a test does not say is the file's.
    assert (second.title, second.interval_ms, second.start_ms, second.last_ms) == ("unnamed#1", 30_000, 0, 0)


@pytest.mark.parametrize("text", ["", "# nothing", "tests: []", "tests:", "{}", "---"])
def test_a_file_without_tests_is_none_that_fails(text: str) -> None:
    loaded = load_unit_tests(text, "t.yml")
    assert loaded.file is not None
    assert loaded.file.tests == ()


@pytest.mark.parametrize(
    ("text", "code", "line", "hint"),
    [
        ("groups: []", "unknown-key", 1, "rule_files"),
        ("tests:\n- alert_rule_tests: []", "unknown-key", 2, "did you mean 'alert_rule_test'?"),
        ("tests:\n- evaluation_interval: 1m", "unknown-key", 2, "whole file"),
        ("tests:\n- name: a\n  name: b", "duplicate-key", 3, ""),
        ("tests: {}", "wrong-type", 1, ""),
        ("[]", "wrong-type", 1, ""),
        ("evaluation_interval: 1 minute", "bad-duration", 1, "30s"),
        ("tests: [{promql_expr_test: [{eval_time: -1m}]}]", "bad-duration", 1, ""),
        ("group_eval_order: [a, b, a]", "repeated-group", 1, "once"),
        ("tests:\n- start_timestamp: yesterday", "bad-timestamp", 2, "1704067200"),
        ("tests: [{promql_expr_test: [{exp_samples: [{value: '1'}]}]}]", "wrong-type", 1, "quotes"),
        ("tests: [{promql_expr_test: [{exp_samples: [{value: NaN}]}]}]", "wrong-type", 1, "quotes"),
        ("fuzzy_compare: maybe", "wrong-type", 1, ""),
        ("tests: [", "yaml-syntax", 1, ""),
        ("a: &a [*a]\ntests: *b", "unknown-anchor", 2, ""),
    ],
)
def test_faults_have_a_place_and_a_hint(text: str, code: str, line: int, hint: str) -> None:
    loaded = load_unit_tests(text, "t.yml")
    assert loaded.file is None
    assert code in [each.code for each in loaded.diagnostics]
    found = next(each for each in loaded.diagnostics if each.code == code)
    assert (found.severity, found.file, found.span.line) == (Severity.ERROR, "t.yml", line)
    assert hint in found.hint


def test_all_faults_are_reported_at_once() -> None:
    text = "tests:\n- nme: a\n- interval: x\n- start_timestamp: z\nextra: 1\n"
    assert [each.code for each in load_unit_tests(text, "t").diagnostics] == [
        *("unknown-key", "bad-duration", "bad-timestamp", "unknown-key")
    ]


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0", 0),
        ("1704067200", 1_704_067_200_000),
        ("1.0015", 1001),
        ("-1", -1000),
        ("2024-01-01T00:00:00Z", 1_704_067_200_000),
        ("2024-01-01T02:00:00.1234567+02:00", 1_704_067_200_123),
        ("2023-12-31T19:30:00-04:30", 1_704_067_200_000),
        ("2024-02-30T00:00:00Z", None),
        ("2024-01-01", None),
        ("2024-01-01T00:00:00", None),
        ("nan", None),
        ("inf", None),
        ("1e300", None),
        ("1_0", None),
        ("", None),
    ],
)
def test_start_times(text: str, milliseconds: int | None) -> None:
    assert start_of(text) == milliseconds


def loads_and_runs(text: str) -> None:
    """Whatever the text: diagnostics or a file, whose tests pass or fail."""
    loaded = load_unit_tests(text, "t.yml")
    assert (loaded.file is None) == any(each.severity is Severity.ERROR for each in loaded.diagnostics)
    for test in loaded.file.tests if loaded.file else ():
        if test.last_ms <= 1000 * (loaded.file.evaluation_interval_ms if loaded.file else 1):
            run_test(loaded.file, test, ())  # type: ignore[arg-type]


@given(st.text())
def test_any_text(text: str) -> None:
    loads_and_runs(text)


KEYS = st.sampled_from(
    [
        *("rule_files", "evaluation_interval", "group_eval_order", "tests", "fuzzy_compare", "name", "interval"),
        *("input_series", "alert_rule_test", "promql_expr_test", "external_labels", "external_url", "start_timestamp"),
        *("series", "values", "eval_time", "alertname", "exp_alerts", "exp_labels", "exp_annotations", "expr"),
        *("exp_samples", "labels", "value", "histogram"),
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["1m", "x", "0+1x3", "x{", "A"]),
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


@given(TREES)
def test_any_structure(tree: object) -> None:
    loads_and_runs(yaml.safe_dump(tree))
    loads_and_runs(yaml.safe_dump({"tests": [tree]}))


@given(st.data())
def test_broken_corpora(data: st.DataObject) -> None:
    if not DATA.exists():
        pytest.skip(f"no corpus at {DATA}")
    path = data.draw(st.sampled_from(sorted(DATA.glob("*test*.yml")) + sorted(DATA.glob("rules_run*.yml"))))
    text = path.read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    loads_and_runs(text[:start] + data.draw(st.text(max_size=6)) + text[end:])
