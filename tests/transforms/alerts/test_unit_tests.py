"""Unit tests of rules through the stages of a stream: the same verdict, message by message, as by the batch engine."""

from __future__ import annotations

import glob
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.evaluation.program import Programs
from rules.files.load import load_rules
from rules.model import AlertingRule, RecordingRule, RuleGroup
from rules.promql.syntax.parser import parse
from rules.unit_tests.both import run_both
from rules.unit_tests.engine import NotRun, Ran, Trial, batch
from rules.unit_tests.file import load_unit_tests
from rules.unit_tests.model import UnitTest, UnitTestFile
from rules.unit_tests.run import Failure, run_test
from transforms.alerts.unit_tests import rule_files, stream

ROOT = Path(__file__).parents[3]
LIBRARY = sorted((ROOT / "rules" / "library" / "tests").glob("*.test.yml"))
PROMTOOL = ROOT.parent / "shared" / "corpora" / "prometheus" / "cmd" / "promtool" / "testdata"
NOT_STREAMED = {
    "at-modifier-test.yml": "@ pins an instant",
    "negative-offset-test.yml": "a negative offset looks ahead",
}
RULES_ON_THEIR_OWN = {"bad-rules-syntax-test.yml"}


def read(path: Path) -> tuple[UnitTestFile, list[RuleGroup]]:
    loaded = load_unit_tests(path.read_text(), path.name)
    assert loaded.file is not None, loaded.diagnostics
    groups: list[RuleGroup] = []
    for entry in loaded.file.rule_files:
        for name in sorted(glob.glob(str(path.parent / entry.pattern))):
            rules = load_rules(Path(name).read_text(), Path(name).name, ignore_unknown=True).file
            assert rules is not None, name
            groups.extend(rules.groups)
    return loaded.file, groups


def differences(file: UnitTestFile, groups: Sequence[RuleGroup]) -> list[tuple[str, list[Failure], list[Failure]]]:
    found = [
        (test.title, run_test(file, test, groups), run_test(file, test, groups, engine=stream)) for test in file.tests
    ]
    return [each for each in found if each[1] != each[2]]


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.name)
def test_the_library(path: Path) -> None:
    file, groups = read(path)
    assert file.tests
    assert differences(file, groups) == []


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.name)
def test_a_rule_that_is_broken_fails_in_both(path: Path) -> None:
    file, groups = read(path)
    # The quickest of the file's tests in which an alert is expected.
    short = min(
        (each for each in file.tests if any(case.expected for case in each.alert_cases)),
        key=lambda each: each.last_ms // each.interval_ms,
    )
    name = next(case.alertname for case in short.alert_cases if case.expected)
    broken = [replace(group, rules=tuple(broke(rule, name) for rule in group.rules)) for group in groups]
    failures = run_test(file, short, broken, engine=stream)
    assert [each.diagnostic.code for each in failures][:1] == ["alert-mismatch"]
    assert failures == run_test(file, short, broken)


def broke(rule: AlertingRule | RecordingRule, name: str) -> AlertingRule | RecordingRule:
    """The rule, its condition never met if it has the name."""
    if rule.name != name:
        return rule
    expr = f"({rule.expr}) > +Inf"
    return replace(rule, expr=expr, ast=parse(expr))


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(PROMTOOL.glob("*.yml")) if "\ntests:" in path.read_text()] or [None],
    ids=lambda path: path.name if path else "none",
)
def test_promtools_own_files(path: Path | None) -> None:
    if path is None:
        pytest.skip(f"no corpus at {PROMTOOL}")
    if path.name in RULES_ON_THEIR_OWN:
        pytest.skip("its rules are refused whatever the engine")
    file, groups = read(path)
    if path.name in NOT_STREAMED:
        with pytest.raises(NotRun, match=NOT_STREAMED[path.name]):
            differences(file, groups)
        return
    assert differences(file, groups) == []


# What a test may ask of time, names and order.

RULES = """
groups:
- name: now
  rules:
  - {alert: Gone, expr: 'absent(nosuch)', annotations: {now: '{{ now }}'}}
  - {record: doubled, expr: 'sum(x) * 2'}
- name: behind
  interval: 7m
  query_offset: 90s
  rules:
  - {alert: Behind, expr: 'absent(x)'}
  - {record: late, expr: 'sum by (job) (x)'}
  - {alert: Site, expr: 'x > 1', labels: {from: '{{ $externalLabels.site }}{{ $externalURL }}'}}
"""


def one(test: str, rules: str = RULES, head: str = "") -> tuple[UnitTestFile, UnitTest, Sequence[RuleGroup]]:
    """The one test of a file; ``head`` stands before `tests`."""
    loaded = load_unit_tests(
        f"{head}\ntests:\n- " + textwrap.indent(textwrap.dedent(test).strip(), "  ").lstrip(), "t.yml"
    )
    assert loaded.file is not None, loaded.diagnostics
    file = load_rules(rules, "rules.yml").file
    assert file is not None
    return loaded.file, loaded.file.tests[0], file.groups


def messages(test: str, rules: str = RULES, head: str = "") -> list[str]:
    """The failures of a test, which both engines have."""
    file, case, groups = one(test, rules, head)
    failures = run_test(file, case, groups, engine=stream)
    assert failures == run_test(file, case, groups)
    return [each.diagnostic.message for each in failures]


@pytest.mark.parametrize("start", ["0", "1700000040", "2024-01-01T00:00:00Z"])
def test_time_begins_where_the_test_does(start: str) -> None:
    test = f"""
    start_timestamp: {start}
    alert_rule_test:
    - {{eval_time: 0, alertname: Gone, exp_alerts: [{{exp_annotations: {{now: "{{{{ now }}}}"}}}}]}}
    - {{eval_time: 0, alertname: Behind, exp_alerts: [{{}}]}}
    """
    assert messages(test) == ["alert Gone at 0s: 1 of 1 firing alert differs"]


@pytest.mark.parametrize("offset", ["0s", "1m", "90s", "5m", "301s"])
@pytest.mark.parametrize("expr", ["vector(1)", "absent(x)", "absent(r)"])
def test_what_is_read_with_an_offset_is_evaluated_from_the_start(offset: str, expr: str) -> None:
    rules = f"""
    groups:
    - {{name: now, rules: [{{record: r, expr: 'ALERTS_FOR_STATE or vector(1)'}}]}}
    - {{name: behind, query_offset: {offset}, rules: [{{alert: A, expr: '{expr}', for: 1m}}]}}
    """
    test = """
    start_timestamp: 600
    input_series: [{series: x, values: _x9 1}]
    alert_rule_test: [{eval_time: 0, alertname: A}, {eval_time: 1m, alertname: A}]
    promql_expr_test: [{expr: 'count_over_time({__name__=~".+"}[1h])', eval_time: 5m}, {expr: 'ALERTS_FOR_STATE', eval_time: 5m}]
    """
    assert messages(test, rules)


def test_every_group_has_the_interval_of_the_test() -> None:
    test = """
    input_series: [{series: 'x{job="a"}', values: '1+1x5'}]
    promql_expr_test:
    - {expr: 'count_over_time(late[10m])', eval_time: 5m, exp_samples: [{labels: '{job="a"}', value: 4}]}
    - {expr: 'late', eval_time: 5m, exp_samples: [{labels: 'late{job="a"}', value: 4}]}
    - {expr: 'doubled', eval_time: 5m, exp_samples: [{labels: 'doubled', value: 12}]}
    """
    assert messages(test) == []


def test_the_site_shows_in_templates() -> None:
    test = """
    input_series: [{series: x, values: 2x5}]
    external_labels: {site: s}
    external_url: http://u
    alert_rule_test:
    - {eval_time: 4m, alertname: Site, exp_alerts: [{exp_labels: {from: 'shttp://u'}}]}
    """
    assert messages(test) == []


def test_annotations_are_of_the_evaluation_time_that_is_looked_at() -> None:
    rules = "groups: [{name: g, rules: [{alert: A, expr: 'x > 1', annotations: {v: '{{ $value }}'}}]}]"
    test = """
    input_series: [{series: 'x{instance="a"}', values: 1+1x5}]
    alert_rule_test:
    - {eval_time: 4m, alertname: A, exp_alerts: [{exp_labels: {instance: a}, exp_annotations: {v: '5'}}]}
    """
    assert messages(test, rules) == []


@pytest.mark.parametrize(("order", "value"), [("[one, two]", 6), ("[two, one]", 5)])
def test_the_order_of_groups(order: str, value: int) -> None:
    rules = """
    groups:
    - {name: one, rules: [{record: r, expr: x}]}
    - {name: two, rules: [{record: s, expr: r}]}
    """
    test = f"""
    input_series: [{{series: x, values: 1+1x5}}]
    promql_expr_test: [{{expr: s, eval_time: 5m, exp_samples: [{{labels: s, value: {value}}}]}}]
    """
    assert messages(test, rules, f"group_eval_order: {order}") == []


def test_a_rule_that_fails_is_reported_at_its_first_evaluation_time() -> None:
    rules = "groups: [{name: g, rules: [{record: r, expr: x + on() y}, {record: r, expr: x + on() y}]}]"
    test = """
    input_series:
    - {series: 'x{instance="1"}', values: '_ _ _ 1 1'}
    - {series: 'y{instance="1"}', values: 1x9}
    - {series: 'y{instance="2"}', values: 1x9}
    alert_rule_test:
    - {eval_time: 2m, alertname: A, exp_alerts: [{}]}
    - {eval_time: 9m, alertname: A, exp_alerts: [{}]}
    """
    before, first, second = messages(test, rules)
    assert before.startswith("alert A at 2m")
    assert first.startswith("rule r fails at 3m: found duplicate series for the match group")
    assert second == first


@pytest.mark.parametrize(
    ("test", "rules", "reason"),
    [
        (
            "{start_timestamp: 9999-12-31T23:59:00Z, alert_rule_test: [{eval_time: 1m, alertname: A}]}",
            RULES,
            "events have no such times: 253402300800000 ms since 1970 is outside the years 1 to 9999",
        ),
        (
            "{input_series: [{series: x, values: 1}]}",
            r"""groups: [{name: g, rules: [{record: r, expr: 'label_replace(x, "l", "\xff", "", "")'}]}]""",
            "r: a text that is no UTF-8",
        ),
        ("{start_timestamp: 30}", RULES, "it starts at no multiple of its `evaluation_interval`, 1m"),
        ("{input_series: [{series: '{a=\"1\"}', values: 1}]}", RULES, "an input series has no name"),
        (
            "{input_series: [{series: 'x{a=\"\\xff\"}', values: 1}]}",
            RULES,
            "a label of an input series is no text in UTF-8",
        ),
        (
            "{name: x}",
            "groups: [{name: g, rules: [{record: r, expr: 'x @ 0'}, {alert: A, expr: 'x offset -1m'}]}]",
            "r: @ pins an instant, and a stream does not go back to it; A: a negative offset",
        ),
    ],
)
def test_what_no_stream_can_do_is_not_run(test: str, rules: str, reason: str) -> None:
    file, case, groups = one(test, rules)
    with pytest.raises(NotRun) as refused:
        run_test(file, case, groups, engine=stream)
    assert refused.value.reason.startswith(reason)


PARTLY = """
groups:
- name: g
  rules:
  - {record: pinned, expr: x @ 0}
  - {record: twice, expr: pinned * 2}
  - {alert: Asks, expr: x > 0, annotations: {summary: '{{ with query "twice" }}{{ . | first | value }}{{ end }}'}}
  - {record: sum, expr: sum(x)}
  - {alert: High, expr: sum > 1}
"""


SUM = "{eval_time: 1m, expr: sum, exp_samples: [{labels: sum, value: 2}]}"
FIRING = """{eval_time: 1m, expr: 'count(ALERTS{alertname="High"})', exp_samples: [{value: 1}]}"""


@pytest.mark.parametrize(
    ("cases", "runs"),
    [
        ("alert_rule_test: [{eval_time: 1m, alertname: High, exp_alerts: [{}]}]", True),
        (f"promql_expr_test: [{SUM}]", True),
        (f"promql_expr_test: [{FIRING}]", True),
        (f"promql_expr_test: [{SUM}, {{eval_time: 1m, expr: twice}}]", False),
        ("promql_expr_test: [{eval_time: 1m, expr: '{__name__=~\"t.*\"}'}]", False),
        ("promql_expr_test: [{eval_time: 1m, expr: ALERTS}]", False),
        ("alert_rule_test: [{eval_time: 1m, alertname: Asks}]", False),
    ],
)
def test_only_rules_that_no_stream_can_evaluate_are_left_out(cases: str, runs: bool) -> None:
    file, case, groups = one("{input_series: [{series: x, values: 2 2}], " + cases + "}", PARTLY)
    found: list[str] = []
    engine = partial(stream, left_out=found.append)
    if not runs:
        with pytest.raises(NotRun, match="twice: it reads what pinned writes, which is left out"):
            run_test(file, case, groups, engine=engine)
        return
    assert run_test(file, case, groups, engine=engine) == []
    assert [each.split(":")[0] for each in found] == ["pinned", "twice", "Asks"]


odd = st.sampled_from("a\"'\\{}:#,\n\t\u0085\u2028\ufeff\x7f\U0001f600 -%")
texts = st.text(st.one_of(odd, st.characters(exclude_categories=["Cs"])), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(texts, min_size=6, max_size=6), st.integers(1, 10**9), st.sampled_from([None, 0, 90_000]))
def test_rules_stay_what_they_are_in_a_file(said: list[str], step_ms: int, offset_ms: int | None) -> None:
    expr = 'x{a="b"} > 1'
    alert = AlertingRule(
        f"a{said[0]}", expr, parse(expr), 1_500, 60_001, {f"l{said[1]}": said[2].replace("{{", "")}, {f"n{said[3]}": said[4].replace("{{", "")}
    )  # fmt: skip
    rules = (alert, RecordingRule("r:x", expr, parse(expr), {"l": said[5].replace("{{", "")}))
    group = RuleGroup(f"g{said[5]}", None, offset_ms, 3, {"g": "1"}, rules)
    (text,) = rule_files([group], step_ms).values()
    loaded = load_rules(text, "f").file
    assert loaded is not None, text
    (read,) = loaded.groups
    assert (read.name, read.interval_ms, read.query_offset_ms, read.limit) == (group.name, step_ms, offset_ms, 3)
    assert read.labels == group.labels
    assert read.rules == group.rules


def test_engines_that_disagree_are_reported() -> None:
    file, case, groups = one(
        """
        input_series: [{series: x, values: 1x5}]
        alert_rule_test: [{eval_time: 1m, alertname: Site}, {eval_time: 2m, alertname: Gone}]
        """
    )

    def deaf(trial: Trial) -> Ran:
        return stream(replace(trial, series=[], looks={}))

    assert [each.diagnostic.message for each in run_both(file, case, groups, Programs(), batch(), stream)] == [
        "alert Gone at 2m: expected 0 firing alerts, got 1"
    ]
    first, last = run_both(file, case, groups, Programs(), batch(), deaf)
    assert first.diagnostic.code == "alert-mismatch"
    assert last.diagnostic.message == "the engines disagree: batch has 1 failure, stream has 0 failures"
    assert last.details[0] == "batch only, line 4: alert Gone at 2m: expected 0 firing alerts, got 1"


# Rules at random.

EXPRESSIONS = [
    "a",
    "a > 2",
    "a or b",
    "a and on (instance) b",
    "a unless on (instance) b",
    "sum by (instance) (a)",
    "sum(a) > 3",
    "max without (instance) (a)",
    "a + on (instance) b",
    "rate(a[3m]) > 0",
    "max_over_time(sum(a)[3m:1m])",
    "vector(1)",
    "time()",
    "r1",
    "r2 > 1",
    "sum(r1) + sum(r2)",
    "count_over_time(r1[3m])",
    "a - a offset 1m",
    'ALERTS{alertstate="firing"}',
    "ALERTS_FOR_STATE",
    "absent(a)",
    "absent(r1)",
    'absent(ALERTS{alertname="A1"})',
    '{instance="x"}',
    'label_replace(a, "instance", "same", "instance", ".*")',
    "count by (alertname, alertstate) (ALERTS)",
]
NAMES = ["r1", "r2", "A1", "A2", "A3"]
LABELS = [{}, {"s": "w"}, {"v": "{{ $value }}"}, {"k": "{{ $labels.instance }}"}, {"q": '{{ query "ALERTS" | len }}'}]
ANNOTATION = '{{ $labels.instance }} is {{ $value }} at {{ now }}, {{ range query "sort(r1)" }}{{ .Value }} {{ end }}{{ query "a" | len }}'


LOOKS = ['{__name__=~".+"}', "count_over_time(r1[20m])", "r2 offset 3m", "count_over_time(ALERTS[20m])", "time()"]


@st.composite
def rules(draw: st.DrawFn, name: str) -> dict[str, Any]:
    expr, labels = draw(st.sampled_from(EXPRESSIONS)), draw(st.sampled_from(LABELS))
    if name.startswith("r"):
        return {"record": name, "expr": expr, "labels": {key: text for key, text in labels.items() if "{{" not in text}}
    return {
        "alert": name,
        "expr": expr,
        "labels": labels,
        "for": f"{draw(st.sampled_from([0, 0, 1, 3]))}m",
        "keep_firing_for": f"{draw(st.sampled_from([0, 0, 2]))}m",
        "annotations": {"text": ANNOTATION},
    }


@st.composite
def files(draw: st.DrawFn) -> tuple[str, str]:
    """Rules, and a test that expects nothing: all that fires is reported."""
    names = (
        draw(st.permutations(NAMES))
        if draw(st.integers(0, 4))
        else draw(st.lists(st.sampled_from(NAMES), min_size=5, max_size=5))
    )
    cuts = draw(st.integers(1, 4))
    groups: list[dict[str, Any]] = [
        {
            "name": f"g{number}",
            "rules": [draw(rules(name)) for name in part],
            **draw(st.sampled_from([{}, {}, {}, {"query_offset": "1m"}, {"query_offset": "90s"}, {"limit": 1}])),
        }
        for number, part in enumerate((names[:cuts], names[cuts:]))
    ]
    sample = st.sampled_from(["_", "0", "1", "2", "3", "3", "stale", "NaN"])
    # Long enough for stages to take checkpoints, and to forget.
    times = draw(st.sampled_from([1, 1, 1, 15]))
    test = {
        "evaluation_interval": draw(st.sampled_from(["1m", "1m", "20s", "5m"])),
        "group_eval_order": draw(st.permutations(["g0", "g1"])),
        "tests": [
            {
                "interval": draw(st.sampled_from(["1m", "30s", "25s"])),
                "start_timestamp": draw(st.sampled_from([0, 1_700_000_100])),
                "input_series": [
                    {"series": f'{name}{{instance="{label}"}}', "values": " ".join(draw(st.lists(sample, min_size=12, max_size=12)) * times)}
                    for name, label in draw(st.sets(st.tuples(st.sampled_from("aab"), st.sampled_from("xyz")), max_size=4))
                ],
                "alert_rule_test": [
                    {"eval_time": f"{minute * times}m", "alertname": name} for minute in (0, 2, 5, 9) for name in ("A1", "A2", "A3")
                ],
                "promql_expr_test": [{"expr": expr, "eval_time": f"{9 * times}m"} for expr in LOOKS],
            }
        ],
    }  # fmt: skip
    return yaml.safe_dump({"groups": groups}), yaml.safe_dump(test, allow_unicode=True)


@settings(max_examples=60, deadline=None)
@given(files())
def test_rules_at_random(made: tuple[str, str]) -> None:
    written = load_rules(made[0], "rules.yml").file
    loaded = load_unit_tests(made[1], "t.yml").file
    assert written is not None
    assert loaded is not None
    assert differences(loaded, written.groups) == []


@pytest.mark.parametrize("reach", ["1y", "100y", "292y"])
@pytest.mark.parametrize("func", ["max", "count", "last", "avg"])
def test_a_range_far_before_all_data_costs_what_the_data_cost(func: str, reach: str) -> None:
    rules = f"groups: [{{name: g, rules: [{{alert: A, expr: '{func}_over_time(m[{reach}]) > 0'}}]}}]"
    cases = "".join(
        f"  - {{alertname: A, eval_time: {at}m, exp_alerts: [{{exp_labels: {{}}}}]}}\n" for at in (3, 600, 1500)
    )
    tests = f"tests:\n- interval: 10m\n  input_series: [{{series: m, values: '2+1x1000000000'}}]\n  alert_rule_test:\n{cases}"
    groups = load_rules(rules, "r").file
    file = load_unit_tests(tests.replace("tests:", "evaluation_interval: 3m\ntests:"), "t").file
    assert groups is not None
    assert file is not None
    for engine in (batch(), stream):
        assert run_test(file, file.tests[0], groups.groups, engine=engine) == []
