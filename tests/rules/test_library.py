"""The shipped rules: well formed, each alert with what its reader needs, with a runbook, and with a unit test of its whole life."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rules.files.check import check
from rules.files.format import format_rules
from rules.files.load import load_rules
from rules.model import AlertingRule, Rule
from rules.promql.syntax.parser import parse
from rules.unit_tests.file import load_unit_tests
from rules.unit_tests.model import AlertCase

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "rules" / "library"
RUNBOOKS = ROOT / "docs" / "runbooks"
FILES = sorted(LIBRARY.glob("*.yml"))


def rules_of(path: Path) -> list[Rule]:
    file = load_rules(path.read_text(), path.name).file
    assert file is not None
    return [rule for group in file.groups for rule in group.rules]


RECORDED = {rule.name for path in FILES for rule in rules_of(path) if not isinstance(rule, AlertingRule)}
ALERTS = {rule.alert: (path, rule) for path in FILES for rule in rules_of(path) if isinstance(rule, AlertingRule)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_is_wrong_or_doubtful(path: Path) -> None:
    (checked,) = check([(path.name, path.read_text())], interval_ms=60_000)
    assert checked.diagnostics == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_layout_is_canonical(path: Path) -> None:
    assert format_rules(path.read_text(), path.name).text == path.read_text()


def test_no_two_alerts_share_a_name() -> None:
    names = [rule.alert for path in FILES for rule in rules_of(path) if isinstance(rule, AlertingRule)]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_reports_its_reader_what_to_do(name: str) -> None:
    _, rule = ALERTS[name]
    assert rule.labels["severity"] in ("critical", "warning")
    assert set(rule.annotations) == {"summary", "description", "runbook_url"}
    # One bad value wakes nobody, unless the rule is of single values: then it says how long it stands.
    assert rule.for_ms or rule.keep_firing_for_ms
    bare = re.findall(r"{{ *\$value *}}", rule.annotations["description"])
    assert bare == [], "values are humanized"


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_a_runbook(name: str) -> None:
    path, rule = ALERTS[name]
    runbook = RUNBOOKS / f"{name}.md"
    assert rule.annotations["runbook_url"] == f"docs/runbooks/{name}.md"
    text = runbook.read_text()
    assert text.startswith(f"# {name}\n\n*{rule.labels['severity']}*, [`rules/library/{path.name}`]")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Meaning", "Impact", "Diagnosis", "Mitigation"]


def test_a_runbook_belongs_to_an_alert() -> None:
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md")) == sorted(ALERTS)


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_queries_of_a_runbook_are_promql_and_read_what_is_recorded(path: Path) -> None:
    blocks = re.findall(r"^```promql\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
    queries = [line for block in blocks for line in block.splitlines()]
    assert queries
    for query in queries:
        parse(query)
        assert set(re.findall(r"\b[a-z_]\w*(?::\w+)+", query)) <= RECORDED


def cases_of(path: Path, name: str) -> list[list[AlertCase]]:
    """The cases of an alert in each unit test that has some, in the order of their times."""
    tests = path.with_name("tests") / f"{path.stem}.test.yml"
    loaded = load_unit_tests(tests.read_text(), tests.name)
    assert loaded.file is not None
    assert loaded.diagnostics == []
    found = [[case for case in test.alert_cases if case.alertname == name] for test in loaded.file.tests]
    return [sorted(cases, key=lambda case: case.eval_time_ms) for cases in found if cases]


@pytest.mark.parametrize("name", ALERTS)
def test_a_unit_test_shows_an_alert_before_while_and_after(name: str) -> None:
    tests = cases_of(ALERTS[name][0], name)
    lives = [[bool(case.expected) for case in cases] for cases in tests]
    assert any(not life[0] and any(life) and not life[-1] for life in lives), lives
