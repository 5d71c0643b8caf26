"""The verdict on rule files, file by file, beside that of promtool."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deploy.errors import StackError
from deploy.install.recipes import prometheus3_binary
from rules.files.format import format_rules
from tidemark.rules.cli import main as rules

pytestmark = pytest.mark.e2e

CORPORA = Path(__file__).parents[2].parent / "shared" / "corpora"
FOLDERS = ("prometheus/cmd/promtool/testdata", "prometheus/rules/fixtures", "awesome-prometheus-alerts/dist")

# Where readers of YAML and of rules part ways most easily; each is the text of a file.
CORNERS = [
    "",
    "# c\n",
    "null\n",
    "{}\n",
    "[]\n",
    "x\n",
    "groups:\n",
    "groups: ''\n",
    "groups: {}\n",
    "groups: [null]\n",
    "groups: [[]]\n",
    "---\n",
    "groups: []\n---\n[\n",
    "groups: []\n...\n",
    "%YAML 1.1\n---\ngroups: []\n",
    "groups: []\ngroups: []\n",
    "<<: {groups: []}\n",
    "? groups\n: []\n",
    "'groups': []\n",
    "!!str groups: []\n",
    "~: x\n",
    "1: x\n",
    "groups: !!seq []\n",
    "groups: &a []\nx: *a\n",
    "groups: *a\n",
    "\ufeffgroups: []\n",
    "groups: []\r\n",
    "\tgroups: []\n",
    "groups:\n\t- name: a\n",
    *(
        f"groups:\n- name: g\n  {line}\n"
        for line in (
            "rules: [null]",
            "rules: null",
            "rules: {}",
            "limit: 1.5",
            "limit: '1'",
            "limit: 0x1F",
            "limit: 0o17",
            "limit: 1_000",
            "limit: 1e3",
            "limit: .inf",
            "limit: -1",
            "limit: true",
            "limit: ~",
            "limit: 9223372036854775808",
            "limit: 0b11",
            "interval: 0",
            "interval: 5",
            "interval: 1m30s",
            "interval: 30s1m",
            "interval: ''",
            "interval: ~",
            "interval: 1y",
            "interval: 300y",
            "interval: 292y",
            "interval: [1m]",
            "interval: 1.5m",
            "interval: 1_0s",
            "query_offset: ~",
            "query_offset: -1s",
            "labels: {a: ~}",
            "labels: {~: a}",
            "labels: {a: [b]}",
            "labels: {a: 2001-01-01}",
            "labels: {a: !!binary aGk=}",
            "labels: {a: !!binary '*'}",
            "labels: {a: !!int x}",
            "labels: {a: !!float 1}",
            "labels: {a: !custom x}",
            "labels: {a: b, a: c}",
            "labels: {1: b, '1': c}",
            "labels: {<<: {a: b}, a: c}",
            "labels: {<<: [{a: b}, {a: c}]}",
            "labels: {<<: x}",
            "labels: {'<<': x}",
            "labels: &l {<<: *l}",
            "labels: {'': x}",
            "labels: {__name__: x}",
            "labels: {'a b': x}",
            "labels: {[a]: x}",
            "labels: {{a: b}: x}",
            "Name: x",
            "name: h",
            "labels: ''",
            "labels: []",
        )
    ),
    *(
        f"groups:\n- name: g\n  rules:\n  - {line}\n"
        for line in (
            "{alert: A, expr: 1}",
            "{alert: A, expr: '1 2'}",
            "{alert: A}",
            "{alert: A, expr: ''}",
            "{alert: A, expr: ~}",
            "{alert: A, expr: [up]}",
            "{alert: ~, expr: up}",
            "{alert: A, record: ~, expr: up}",
            "{alert: A, record: '', expr: up}",
            "{record: r, expr: up, for: 0s}",
            "{record: r, expr: up, for: 1s}",
            "{record: r, expr: up, annotations: {}}",
            "{record: r, expr: up, annotations: {a: b}}",
            "{record: r, expr: up, annotations: ~}",
            "{record: 'a b', expr: up}",
            "{record: 'a{b}', expr: up}",
            "{record: true, expr: up}",
            "{record: r, expr: up, labels: {a: '{{ x'}}",
            "{alert: A, expr: up, labels: {a: '{{ x'}}",
            "{alert: A, expr: up, annotations: {a: '{{ $labels.x }}'}}",
            "{alert: A, expr: up, annotations: {a: '{{ $x }}'}}",
            "{alert: A, expr: up, annotations: {a: '{{ humanize }}'}}",
            "{alert: A, expr: up, annotations: {a: '{{{ $value }}'}}",
            "{alert: A, expr: up, annotations: {'': b}}",
            "{alert: A, expr: up, annotations: {'a b': b}}",
            "{alert: A, expr: up, annotations: {__name__: b}}",
            "{alert: A, expr: up, keep_firing_for: 1x}",
            "{alert: A, expr: 'rate(x[5m*2])'}",
            "{alert: A, expr: 'info(x)'}",
            "{alert: A, expr: 'histogram_count(x)'}",
            "&r {alert: A, expr: up}\n  - *r",
            "{<<: {alert: A}, expr: up}",
            "{<<: {alert: A, x: y}, expr: up}",
            "{alert: A, expr: up, alert: B}",
            "~",
            "x",
            "[]",
        )
    ),
]


@pytest.fixture(scope="module")
def promtool() -> Path:
    try:
        return prometheus3_binary("promtool")
    except StackError as error:
        pytest.skip(str(error))


def verdict(promtool: Path, file: Path) -> int:
    return subprocess.run([promtool, "check", "rules", file], capture_output=True, timeout=60, check=False).returncode


def test_the_verdict_on_real_files(promtool: Path) -> None:
    if not CORPORA.exists():
        pytest.skip(f"{CORPORA} is not there")
    files = [file for folder in FOLDERS for file in sorted((CORPORA / folder).rglob("*")) if file.is_file()]
    assert len(files) > 150
    assert [file.name for file in files if rules(["check", "-q", str(file)]) != verdict(promtool, file)] == []


@pytest.mark.parametrize("text", CORNERS)
def test_the_verdict_on_corners(promtool: Path, tmp_path: Path, text: str) -> None:
    file = tmp_path / "r.yml"
    file.write_bytes(text.encode())
    assert rules(["check", str(file)]) == verdict(promtool, file)


def test_duplicates_and_the_status_of_doubts(promtool: Path) -> None:
    file = CORPORA / "prometheus/cmd/promtool/testdata/prometheus-rules.lint.yml"
    if not file.exists():
        pytest.skip(f"{file} is not there")
    words = [promtool, "check", "rules", "--lint=duplicate-rules", "--lint-fatal", file]
    fatal = subprocess.run(words, capture_output=True, timeout=60, check=False).returncode
    assert rules(["check", "--lint=duplicate-rule", "--fail-on=warning", str(file)]) == fatal == 3


def test_what_the_formatter_writes_is_taken(promtool: Path, tmp_path: Path) -> None:
    if not CORPORA.exists():
        pytest.skip(f"{CORPORA} is not there")
    refused = []
    for folder in FOLDERS:
        for source in sorted((CORPORA / folder).rglob("*.y*ml")):
            text = format_rules(source.read_text(), source.name).text
            if text is not None:
                file = tmp_path / "r.yml"
                file.write_text(text)
                refused += [source.name] if verdict(promtool, file) else []
    assert refused == []
