"""``PrometheusRule`` objects: read, checked and laid out where they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.diagnostics.model import Severity
from rules.files import load
from rules.files.check import check
from rules.files.format import format_rules
from rules.files.load import load_rules
from tests.rules.files.test_load import ALERT
from tidemark.rules.unit_tests import Options, Runner
from transforms.alerts.live.rule_set import RuleSet

CORPORA = Path(__file__).parents[3].parent / "shared" / "corpora"


def wrapped(rules: str, name: str = "web", kind: str = "PrometheusRule") -> str:
    body = "".join(f"  {line}" if line.strip() else line for line in rules.splitlines(keepends=True))
    return (
        f"apiVersion: monitoring.coreos.com/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: ops}}\nspec:\n{body}"
    )


OTHER = "apiVersion: v1\nkind: Service\nspec: {ports: [{port: 80}]}\n"
LISTED = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n- " + wrapped(ALERT).replace(
    "\n", "\n  "
).rstrip(" ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (wrapped(ALERT), 9),
        ("---\n---\n# made by a template\n" + wrapped(ALERT), 12),
        (OTHER + "---\n" + wrapped(ALERT), 13),
        (wrapped(ALERT) + "---\n" + OTHER, 9),
        (LISTED, 14),
        ("\ufeff" + wrapped(ALERT), 9),
    ],
)
def test_rules_have_the_places_they_stand_in(text: str, line: int) -> None:
    loaded = load_rules(text, "f")
    assert loaded.diagnostics == []
    assert loaded.file is not None
    ((group, rule),) = loaded.file.rules()
    assert (group.file, group.name, rule.name) == ("f#ops/web", "g", "A")
    assert text.splitlines()[rule.place.of("expr").line - 1].strip() == "expr: up == 0"
    assert rule.place.of("expr").line == line
    broken = load_rules(text.replace("up == 0", "up =="), "f")
    assert [(each.code, each.span.line, each.file) for each in broken.diagnostics] == [("promql-syntax", line, "f")]
    (checked,) = check([("f", text.replace("up == 0", "count(up) == 0"))])
    assert [(each.code, each.span.line) for each in checked.diagnostics] == [("never-true", line)]


def test_each_object_is_a_rule_file_of_its_own() -> None:
    two = wrapped(ALERT) + "---\n" + wrapped(ALERT, "api")
    loaded = load_rules(two, "f")
    assert loaded.file is not None
    assert [(group.file, group.name) for group in loaded.file.groups] == [("f#ops/web", "g"), ("f#ops/api", "g")]
    same = load_rules(wrapped(ALERT) + "---\n" + wrapped(ALERT), "f")
    assert [each.code for each in same.diagnostics] == ["duplicate-group"]


def test_what_only_objects_have_is_taken_there_only() -> None:
    thanos = ALERT.replace("  rules:", "  partial_response_strategy: warn\n  rules:")
    assert load_rules(wrapped(thanos), "f").diagnostics == []
    assert [each.code for each in load_rules(thanos, "f").diagnostics] == ["unknown-key"]


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        (OTHER, "not-rules", "rules stand in others, or in rule files"),
        (wrapped(ALERT, kind="PrometheusRules"), "not-rules", "did you mean 'PrometheusRule'?"),
        (wrapped("group: []\n"), "unknown-key", "did you mean 'groups'?"),
        ("apiVersion: v1\nkind: PrometheusRule\n", "no-groups", "they stand in a list `spec.groups`"),
        (wrapped("{}\n"), "no-groups", "they stand in a list `spec.groups`"),
        (wrapped(ALERT) + "---\n[\n", "yaml-syntax", ""),
        ("apiVersion: v1\n" + ALERT, "unknown-key", load._FILE_HINTS["apiVersion"]),
    ],
)  # fmt: skip
def test_faults_of_objects(text: str, code: str, hint: str) -> None:
    assert [(each.code, each.hint) for each in load_rules(text, "f").diagnostics] == [(code, hint)]


UNTIDY = ALERT.replace(
    "  - alert: A\n    expr: up == 0\n", "  # why\n  - expr: up==0  # beside\n    alert: A\n  # the end\n"
)
TIDY = "  groups:\n    - name: g\n      rules:\n        # why\n        - alert: A\n          expr: up == 0  # beside\n        # the end\n"


def test_groups_are_laid_out_and_nothing_else() -> None:
    around = "---\napiVersion:   v1\nkind: Pod\nspec: {a:   yes,b: 010}   # odd\n---\n"
    text = around + wrapped(UNTIDY) + "# about the next\n" + around + wrapped(UNTIDY, "api")
    found = format_rules(text, "f")
    head = wrapped("")
    assert found.text == around + head + TIDY + "# about the next\n" + around + head.replace("web", "api") + TIDY
    assert format_rules(found.text, "f").text == found.text


@pytest.mark.parametrize("text", [wrapped("{groups: []}\n"), '{"apiVersion": "v1", "kind": "PrometheusRule", "spec": {"groups": []}}'])  # fmt: skip
def test_groups_within_braces_are_left_and_it_is_said(text: str) -> None:
    found = format_rules(text, "f")
    assert found.text is None
    assert [(each.code, each.severity) for each in found.diagnostics] == [("not-formatted", Severity.WARNING)]
    assert "braces" in found.diagnostics[0].message


def test_real_rules_are_laid_out_in_objects_as_in_files() -> None:
    files = sorted((CORPORA / "awesome-prometheus-alerts/dist").rglob("*.yml"))[::12]
    if not files:
        pytest.skip(f"{CORPORA} is not there")
    seen = 0
    for path in files:
        plain = format_rules(path.read_text(), "f").text
        if plain is None:
            continue
        seen += 1
        text = wrapped(plain)
        found = format_rules(text, "f")
        assert found.text is not None, (path, found.diagnostics)
        again = format_rules(found.text, "f")
        assert again.text == found.text
        before, after = load_rules(text, "f").file, load_rules(found.text, "f").file
        assert before is not None
        assert after is not None
        assert [len(group.rules) for group in before.groups] == [len(group.rules) for group in after.groups]
    assert seen > 3


def test_unit_tests_name_objects_as_they_name_rule_files(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(wrapped(ALERT) + "---\n" + wrapped(ALERT.replace("A", "B"), "api"))
    test = tmp_path / "web_test.yaml"
    test.write_text(
        "rule_files: [web.yaml]\ntests:\n- input_series: [{series: up, values: '0x5'}]\n  alert_rule_test:\n"
        "  - {alertname: A, eval_time: 1m, exp_alerts: [{exp_labels: {}}]}\n  - {alertname: B, eval_time: 1m, exp_alerts: [{exp_labels: {}}]}\n"
    )
    for engine in ("batch", "stream"):
        report = Runner(Options(engine=engine)).run(str(test))
        assert report.passed, report
        assert report.ran == 1


def test_jobs_take_objects() -> None:
    rules = RuleSet.load({"web.yaml": wrapped(ALERT) + "---\n" + wrapped(ALERT, "api")})
    assert not rules.problems
    assert [rule.key for rule in rules.program().rules] == ["web.yaml#ops/web;g;0;A", "web.yaml#ops/api;g;0;A"]
    assert RuleSet.from_plain(rules.as_plain()).groups == rules.groups
