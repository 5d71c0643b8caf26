"""``tidemark promql``: what it prints, and its exit status."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tests.tidemark.command import command

main = command("promql")

GOOD = """\
load 1m
  x 1 2 {{schema:0}}

eval instant at 1m hour(x)
  {} 0

eval instant at 1m x
  x 2
"""
BAD = "load 1m\n  x 1\n\neval instant at 0 x\n  x 3\n"


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    (tmp_path / "good.test").write_text(GOOD)
    (tmp_path / "below" / "more.test").write_text(GOOD)
    (tmp_path / "notes.txt").write_text("no script")
    return tmp_path


def test_a_directory_is_searched_and_counted(scripts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", str(scripts)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:3]] == [
        [str(scripts / "below" / "more.test"), "1", "passed", "0", "failed", "1", "refused"],
        [str(scripts / "good.test"), "1", "passed", "0", "failed", "1", "refused"],
        ["total", "2", "passed", "0", "failed", "2", "refused"],
    ]
    assert lines[4:] == ["refused (--verbose lists each)", "      2  needs native histograms"]


def test_verbose_lists_each_refusal_with_its_place(scripts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "-v", str(scripts / "good.test")]) == 0
    out = capsys.readouterr().out
    assert f"  {scripts / 'good.test'}:7: refused: x\n    needs native histograms\n" in out


def test_a_failure_shows_both_sides(scripts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = scripts / "bad.test"
    bad.write_text(BAD)
    assert main(["test", str(bad), str(scripts / "good.test")]) == 1
    out = capsys.readouterr().out
    assert f"  {bad}:4: failed: x\n    the result differs (0 series are as expected)\n    - x 3\n    + x 1\n" in out


def test_json_says_the_same(scripts: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    bad = scripts / "bad.test"
    bad.write_text(BAD)
    assert main(["test", "--format=json", str(bad), str(scripts / "good.test")]) == 1
    report = json.loads(capsysbinary.readouterr().out)
    assert report["totals"] == {"passed": 1, "failed": 1, "refused": 1}
    assert report["refused"] == {"needs native histograms": 1}
    assert report["files"][0]["evals"] == [
        {
            "line": 4,
            "expr": "x",
            "verdict": "failed",
            "reason": "the result differs (0 series are as expected)",
            "diff": ["- x 3", "+ x 1"],
        }
    ]


def test_a_script_that_cannot_be_read_is_reported_with_its_line(
    scripts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = scripts / "broken.test"
    broken.write_text("load 1m\n  x 1\neval instant at 0 x\n")
    assert main(["test", str(broken), str(scripts / "good.test")]) == 1
    out = capsys.readouterr().out
    assert f"{broken}:3: an empty line ends a block" in out
    assert "1 passed" in out
    assert "1 cannot be read" in out


@pytest.mark.parametrize("name", ["nosuch.test", "empty"])
def test_a_file_that_is_not_there_is_status_2(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["test", str(tmp_path / name)]) == 2
    assert name in capsys.readouterr().err


def test_scripts_without_an_eval_are_not_green(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.test").write_text("load 1m\n  x 1\n")
    (tmp_path / "b.test").write_text("# nothing yet\n")
    assert main(["test", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"tidemark promql test: nothing was tested: no eval in {tmp_path}\n"
    (tmp_path / "c.test").write_text(GOOD)
    assert main(["test", str(tmp_path)]) == 0


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_script_may_begin_with_a_byte_order_mark(
    encoding: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.test").write_bytes("load 30s\r\n  m 0+1x5\r\n\r\neval instant at 1m m\r\n  m 2\r\n".encode(encoding))
    assert main(["test", str(tmp_path / "a.test")]) == 0
    assert "1 passed" in capsys.readouterr().out


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(BAD.encode())))
    assert main(["test", "-"]) == 1
    assert "<stdin>:4: failed: x" in capsys.readouterr().out


def test_an_expression_as_a_tree_and_laid_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", "sum(rate(x[5m]))>1"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Binary (instant vector) 0-18: sum(rate(x[5m])) > 1",
        "  Aggregate (instant vector) 0-16: sum(rate(x[5m]))",
        "    Call (instant vector) 4-15: rate(x[5m])",
        "      MatrixSelector (range vector) 9-14: x[5m]",
        "        VectorSelector (instant vector) 9-10: x",
        "  NumberLiteral (scalar) 17-18: 1",
    ]
    assert main(["fmt", "sum(rate(x[5m]))by(job)>1"]) == 0
    assert capsys.readouterr().out == "sum by (job) (rate(x[5m])) > 1\n"


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        (
            "sum(\n  rate(x[5m]) +* 1)",
            '2:16: unexpected "*", expected an expression\n    rate(x[5m]) +* 1)\n                 ^',
        ),
        ("limitk(1, x)", "1:1: aggregation limitk is not supported\n  limitk(1, x)\n  ^^^^^^"),
    ],
)
def test_a_faulty_expression_is_underlined(expr: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", expr]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["test", "--help"], ["parse", "--help"]])
def test_help_teaches(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 0
    assert "usage: tidemark promql" in capsys.readouterr().out
