"""Unit tests of rules pass and fail as promtool has them: on its own test data, and on generated rules whose results ours foretells."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from deploy.errors import StackError
from deploy.install.recipes import prometheus3_binary
from rules.evaluation.alerts import Phase
from rules.evaluation.groups import Evaluator
from rules.evaluation.program import Program
from rules.files.load import load_rules
from rules.promql.engine import instant
from rules.promql.values import InstantVector
from tests.rules.evaluation.stepping import MINUTE, storage_of
from tidemark.rules.unit_tests import Options, Runner

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "corpora" / "prometheus" / "cmd" / "promtool" / "testdata"
GENERATED = 300
SEED = 4

EXPRESSIONS = (
    "a",
    "b",
    "a > 2",
    "a > 1",
    "a or b",
    "a and on(i) b",
    "a unless on(i) b",
    "sum by (i) (a)",
    "a + on(i) b",
    "rate(a[5m]) > 0",
    "vector(1)",
    "time()",
    "r1",
    "r2 > 1",
    "r3 or a",
    "sum(r1) + sum(r2)",
    "count_over_time(r1[3m])",
    "r2 offset 1m",
    "a offset -1m",
    "r1 offset -1m",
    "max_over_time((a offset -2m)[2m:1m])",
    "a @ 120",
    'ALERTS{alertstate="firing"}',
    "ALERTS_FOR_STATE",
    "absent(r1)",
    'absent(ALERTS{alertname="A1"})',
    '{i="x"}',
    'label_replace(a, "i", "same", "i", ".*")',
    "count by (alertname, alertstate) (ALERTS)",
)
LABELS: tuple[dict[str, str], ...] = (
    {},
    {},
    {"s": "w"},
    {"v": "{{ $value }}"},
    {"k": "{{ $labels.i }}"},
    {"k": "{{ $labels.none }}"},
    {"i": ""},
    {"q": '{{ query "ALERTS" | len }}'},
)
ANNOTATION = '{{ $labels.i }} is {{ $value | humanize }} at {{ now }}, {{ range query "sort(r1)" }}{{ .Value }} {{ end }}{{ query "ALERTS" | len }}'


@pytest.fixture(scope="module")
def promtool() -> Path:
    try:
        return prometheus3_binary("promtool")
    except StackError as error:
        pytest.skip(str(error))


def passes(promtool: Path, file: Path) -> tuple[bool, str]:
    done = subprocess.run(
        [promtool, "test", "rules", file.name],
        cwd=file.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.glob("*.yml")) or [None])
def test_promtools_own_files(promtool: Path, tmp_path: Path, name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if name is None:
        pytest.skip(f"no corpus at {DATA}")
    for path in DATA.glob("*.yml"):
        shutil.copy(path, tmp_path)
    file = tmp_path / name
    if name == "unittest.yml":
        file.write_text(without_native_histograms(file.read_text()))
    monkeypatch.chdir(tmp_path)
    report = Runner(Options()).run(name)
    theirs, output = passes(promtool, file)
    assert report.passed == theirs, output


def without_native_histograms(text: str) -> str:
    """Promtool's own tests without the only kind of sample that is not supported."""
    found = yaml.safe_load(text)
    for test in found["tests"]:
        series = test.get("input_series", [])
        native = [each["series"] for each in series if "{{" in str(each["values"])]
        test["input_series"] = [each for each in series if each["series"] not in native]
        test["promql_expr_test"] = [each for each in test.get("promql_expr_test", []) if each["expr"] not in native]
    kept = yaml.safe_dump(found)
    assert "{{" not in kept
    return kept


def test_native_histograms_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    if not DATA.exists():
        pytest.skip(f"no corpus at {DATA}")
    monkeypatch.chdir(DATA)
    report = Runner(Options()).run("unittest.yml")
    (failed,) = [test for test in report.tests if test.failures]
    assert {each.diagnostic.code for each in failed.failures} == {"unsupported"}
    assert all("native histogram" in each.diagnostic.message for each in failed.failures)


def test_generated_rules(promtool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(SEED)
    names = []
    for number in range(GENERATED):
        rules, test = generated(chance, number)
        (tmp_path / f"rules{number}.yml").write_text(yaml.safe_dump(rules))
        (tmp_path / f"test{number}.yml").write_text(yaml.safe_dump(test))
        names.append(f"test{number}.yml")
    monkeypatch.chdir(tmp_path)
    runner = Runner(Options())
    ours = {name: runner.run(name) for name in names}
    verdicts = re.split(r"^  (?=SUCCESS|FAILED)", interleaved(promtool, names, tmp_path), flags=re.MULTILINE)[1:]
    different = []
    for name, verdict in zip(names, verdicts, strict=True):
        failures = [failure.diagnostic.message for test in ours[name].tests for failure in test.failures]
        failed_rules = [found[1] for message in failures if (found := re.match(r"rule (\S+) fails at", message))]
        if (not failures) != verdict.startswith("SUCCESS") or failed_rules != re.findall(
            r"rule: (\S+), time:", verdict
        ):
            different.append((name, failures, verdict))
    assert different == []
    passed = sum(report.passed for report in ours.values())
    # Rules that fail on both sides would agree without showing much.
    assert passed > GENERATED * 0.4
    assert passed < GENERATED


def interleaved(promtool: Path, names: list[str], folder: Path) -> str:
    """Promtool's verdicts in order: success goes to standard output, failure to standard error."""
    done = subprocess.run(
        [promtool, "test", "rules", *names],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def generated(chance: random.Random, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Random rules, and a test that expects of them what our evaluator makes; one in ten expects something else."""
    # Two rules of one name conflict where they write the same series: some must, most must not.
    names = ["r1", "r2", "r3", "A1", "A2"]
    chance.shuffle(names)
    names = chance.choices(names, k=6) if chance.random() < 0.2 else [*names, "A3"]
    groups = [
        {
            "name": f"g{index}",
            "rules": [rule(chance, names.pop()) for _ in range(chance.randint(1, 3))],
            **({"query_offset": "1m"} if chance.random() < 0.15 else {}),
            **({"limit": 1} if chance.random() < 0.05 else {}),
            **({"labels": {"g": "1"}} if chance.random() < 0.2 else {}),
        }
        for index in range(chance.randint(1, 2))
    ]
    inputs = [
        {"series": f'{name}{{i="{label}"}}', "values": values(chance)}
        for name, label in sorted({(chance.choice("aab"), chance.choice("xyz")) for _ in range(4)})
    ]
    text = yaml.safe_dump({"groups": groups})
    file = load_rules(text, "rules.yml").file
    assert file is not None, text
    evaluator = Evaluator(Program(file.groups), storage_of(*(f"{each['series']} {each['values']}" for each in inputs)))
    outcome = evaluator.evaluate(np.arange(10, dtype=np.int64) * MINUTE, [minute * MINUTE for minute in range(10)])
    wrong = chance.random() < 0.1
    test = {
        "input_series": inputs,
        "alert_rule_test": [
            {
                "eval_time": f"{minute}m",
                "alertname": name,
                "exp_alerts": [
                    {
                        "exp_labels": {key: text for key, text in each.alert.labels if key != "alertname"},
                        "exp_annotations": evaluator.annotations(each.rule, each.alert),
                    }
                    for each in outcome.snapshots.get(minute * MINUTE, [])
                    if each.rule.rule.name == name and each.alert.phase is Phase.FIRING
                ]
                + ([{}] if wrong else []),
            }
            for minute in (0, 2, 5, 6, 9)
            for name in ("A1", "A2", "A3")
        ],
        "promql_expr_test": [
            {"expr": expr, "eval_time": f"{minute}m", "exp_samples": expected(evaluator, expr, minute)}
            for minute in (1, 4, 9)
            for expr in ("r1", "r2", "r3", "ALERTS", "ALERTS_FOR_STATE")
        ],
    }
    order = [f"g{index}" for index in range(len(groups))]
    return {"groups": groups}, {"rule_files": [f"rules{number}.yml"], "group_eval_order": order, "tests": [test]}


def rule(chance: random.Random, name: str) -> dict[str, Any]:
    expr, labels = chance.choice(EXPRESSIONS), dict(chance.choice(LABELS))
    if name.startswith("r"):
        kept = {key: text for key, text in labels.items() if "{{" not in text}
        return {"record": name, "expr": expr, "labels": kept}
    return {
        "alert": name,
        "expr": expr,
        "labels": labels,
        "for": f"{chance.randint(0, 3)}m",
        "keep_firing_for": f"{chance.choice((0, 0, 0, 2))}m",
        "annotations": {"text": ANNOTATION},
    }


def values(chance: random.Random) -> str:
    return " ".join(chance.choice(("_", "0", "1", "2", "3", "3", "stale")) for _ in range(10))


def expected(evaluator: Evaluator, expr: str, minute: int) -> list[dict[str, Any]]:
    value = instant(expr, evaluator.storage, minute * MINUTE).value
    assert isinstance(value, InstantVector)
    return [
        {
            "labels": "{"
            + ", ".join(f'"{name}"="{escaped(text)}"' for name, text in value.labels.row(row).items())
            + "}",
            "value": float(value.values[row, 0]),
        }
        for row in range(value.size)
    ]


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
