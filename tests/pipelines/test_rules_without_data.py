"""A job says which rules found no data, and a plan which metrics rules read: a typo looks like a rule that is quiet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines import alerts, metrics

NOON = 1_700_000_000
RULES = """
groups:
  - name: g
    rules:
      - {alert: Quiet, expr: cpu_usage > 1000}
      - {alert: Ordered, expr: 'cpu_usage{mode="idle",host="web-1"} > 1000'}
      - {alert: Typo, expr: cpu_usge > 5}
      - {alert: Host, expr: 'sum by (mode) (rate(cpu_usage{host="web-9"}[5m])) > 5'}
      - {alert: Absent, expr: absent(zebra)}
      - {record: 'a:b', expr: 'max(cpu_usge)'}
      - {alert: Through, expr: 'a:b > 5'}
      - {alert: Recorded, expr: 'c:d > 1000'}
      - {record: 'c:d', expr: 'max(cpu_usage)'}
      - {alert: Partly, expr: cpu_usage > 1000 or cpu_usge > 5}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.yml").write_text(RULES)
    lines = [
        f"cpu,host=web-{host},mode=idle usage={second % 7} {NOON + second}000000000"
        for second in range(0, 300, 15)
        for host in range(1, 6)
    ]
    (tmp_path / "in.lp").write_text("\n".join(lines) + "\n")
    return tmp_path


WORDS = [
    "--rules=rules.yml",
    "--input=file:in.lp",
    "--alerts=file:alerts",
    "--dead-letter=file:dead",
    "--late=file:late",
]


@pytest.mark.parametrize(
    ("job", "more"), [(alerts.main, ["--rule-shards=3"]), (metrics.main, ["--output=blackhole:", "--rule-shards=1"])]
)
def test_a_bounded_run_names_the_selectors_that_found_nothing(
    job: object, more: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(job)
    assert job([*WORDS, *more, "--summary-json=sum.json"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0].endswith("warning: 4 of 10 rules found no data")
    assert said[1:] == [
        "  Typo, a:b, Partly: no data for cpu_usge: the data hold no metric cpu_usge; did you mean cpu_usage?",
        '  Host: no data for cpu_usage{host="web-9"}: cpu_usage is there, but never with host="web-9"; did you mean "web-5"?',
        "  Through: no data for a:b: rule a:b writes it, and has no data itself",
    ]
    (finding,) = json.loads((here / "sum.json").read_text())["findings"]
    assert (finding["code"], finding["severity"]) == ("rules-without-data", "warning")


def test_rules_that_all_find_data_are_no_finding(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "rules.yml").write_text("groups: [{name: g, rules: [{alert: A, expr: cpu_usage > 1000}]}]")
    assert alerts.main(WORDS) == 0
    assert capsys.readouterr().err == ""


def test_rules_that_find_nothing_at_all_are_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "rules.yml").write_text("groups: [{name: g, rules: [{alert: A, expr: cpu_usge > 1000}]}]")
    assert alerts.main(WORDS) == 0
    said = capsys.readouterr().err
    assert "1 of 1 rules found no data" in said
    assert "did you mean cpu_usage?" in said


def test_a_plan_lists_the_metrics_that_rules_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert alerts.main([*WORDS, "--plan"]) == 0
    said = capsys.readouterr().out
    assert "  they read 3 metrics that no rule writes: cpu_usage, cpu_usge, zebra" in said
