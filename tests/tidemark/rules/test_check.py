"""The command ``tidemark rules check``: files, options, exit status."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tidemark.rules.cli import main as rules

GOOD = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up == 0\n"
DOUBTFUL = GOOD.replace("up == 0", "count(up) == 0")
BAD = GOOD.replace("up == 0", "up ==")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("good.yml", GOOD), ("doubtful.yml", DOUBTFUL), ("bad.yaml", BAD)):
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["good.yml"], 0),
        (["doubtful.yml"], 0),
        (["doubtful.yml", "--fail-on=warning"], 3),
        (["doubtful.yml", "--fail-on=warning", "--lint=none"], 0),
        (["doubtful.yml", "--fail-on=warning", "--lint=all,-never-true"], 0),
        (["doubtful.yml", "--fail-on=warning", "--lint=-never-true"], 0),
        (["doubtful.yml", "--fail-on=warning", "--lint=never-true"], 3),
        (["bad.yaml"], 1),
        (["bad.yaml", "--fail-on=warning"], 1),
        (["bad.yaml", "--lint=none"], 1),
        (["missing.yml"], 2),
        (["bad.yaml", "missing.yml"], 2),
        (["good.yml", "--lint=nevertrue"], 2),
        (["good.yml", "--lint=promql-syntax"], 2),
        (["good.yml", "--metrics=missing.txt"], 2),
        (["good.yml", "--interval=1x"], 2),
    ],
)
def test_exit_status(words: list[str], status: int) -> None:
    assert rules(["check", *words]) == status


def test_a_fault_of_one_file_is_none_of_another(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rules(["check", "."]) == 1
    reported = capsys.readouterr().out
    assert "bad.yaml:5:15: error: unexpected end of input" in reported
    assert "doubtful.yml:5:11: warning:" in reported
    assert reported.endswith("3 files, 3 rules: 1 error, 1 warning\n")
    assert "\x1b" not in reported


def test_files_of_other_kinds_are_left_out_of_a_search_only(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.yaml").unlink()
    (folder / "sub").mkdir()
    (folder / "sub" / "tests.yml").write_text("rule_files: [../good.yml]\ntests: []\n")
    (folder / ".hidden.yml").write_text(BAD)
    assert rules(["check", "."]) == 0
    reported = capsys.readouterr().err
    assert (
        reported
        == "left out 1 file without rules: unit tests (sub/tests.yml); name a file to have it read all the same\n"
    )
    assert rules(["check", "sub/tests.yml"]) == 1
    assert "tidemark rules test" in capsys.readouterr().out
    assert rules(["check", "sub"]) == 2


def test_files_without_groups_are_reported_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("e1.yml", "e2.yml", "e3.yml"):
        (folder / name).write_text("# nothing\n")
    assert rules(["check", "good.yml", "e1.yml", "e2.yml", "e3.yml"]) == 0
    reported = capsys.readouterr().out
    assert reported.startswith("e1.yml:1:1: warning: 3 files have no groups: this one, e2.yml, e3.yml [no-groups]\n")
    assert reported.endswith("\n4 files, 1 rule: 1 warning\n")
    rules(["check", "--format=json", "e1.yml", "e2.yml"])
    assert [each["file"] for each in json.loads(capsys.readouterr().out)["diagnostics"]] == ["e1.yml", "e2.yml"]


@pytest.mark.parametrize(
    "text", [BAD + "  - alert: B\n    expr: up\n  - record: c\n    expr: (\n", BAD + "  - alert: B\n  - record: [c\n"]
)
def test_rules_with_errors_are_rules(folder: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (folder / "three.yml").write_text(text)
    assert rules(["check", "three.yml"]) == 1
    assert ("\n1 file, 3 rules: ") in capsys.readouterr().out


def test_objects_of_a_cluster(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    given = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: m/v1\n  kind: PrometheusRule\n  spec:\n"
    text = given + "".join(f"    {line}\n" for line in BAD.splitlines())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert rules(["check", "-"]) == 1
    assert capsys.readouterr().out.startswith("<stdin>:11:19: error:")


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(BAD.encode())))
    assert rules(["check", "-"]) == 1
    assert capsys.readouterr().out.startswith("<stdin>:5:15: error:")


@pytest.mark.parametrize(
    ("data", "status"),
    [(GOOD.encode("utf-8-sig"), 0), (GOOD.encode("utf-16"), 0), (GOOD.encode() + b"# \xff\n", 1), (b"\x00\xff" * 9, 1)],
)
def test_bytes(folder: Path, data: bytes, status: int) -> None:
    (folder / "b.yml").write_bytes(data)
    assert rules(["check", "b.yml"]) == status


@pytest.mark.usefixtures("folder")
def test_metrics_and_what_other_files_record(capsys: pytest.CaptureFixture[str]) -> None:
    Path("names.txt").write_text("node_load1\n")
    Path("r.yml").write_text("groups:\n- name: g\n  rules:\n  - record: a:b\n    expr: node_load1\n")
    Path("s.yml").write_text("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: a:b > node_load2\n")
    assert rules(["check", "--metrics=names.txt", "--fail-on=warning", "s.yml", "r.yml"]) == 3
    reported = capsys.readouterr().out
    assert "no metric is called 'node_load2'" in reported
    assert "hint: did you mean 'node_load1'?" in reported
    assert "1 warning\n" in reported


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("form", ["json", "sarif"])
def test_output_for_machines_is_one_document(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert rules(["check", f"--format={form}", "."]) == 1
    assert json.loads(capsys.readouterr().out)


def test_the_overview_and_unknown_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert rules([]) == 2
    assert rules(["--help"]) == 0
    assert rules(["chekc"]) == 2
    assert "no command 'chekc'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "fmt", "schema"])
def test_help_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        rules([command, "--help"])
    assert left.value.code == 0
    assert "examples:" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["--tests"]])
def test_a_schema_is_printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert rules(["schema", *words]) == 0
    assert json.loads(capsys.readouterr().out)["type"]
