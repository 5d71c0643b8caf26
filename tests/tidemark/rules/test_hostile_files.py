"""Files that are no text, no files, or meant to harm: each is named with its fault, and no other is affected."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tidemark.command import command
from tidemark.rules import files
from tidemark.rules.cli import main as rules
from tidemark.rules.files import sources

promql = command("promql")

GOOD = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: count(up) == 0\n"
TESTS = "rule_files: [good.yml]\ntests:\n- input_series: [{series: up, values: 1}]\n"
SCRIPT = "load 1m\n  x 1 2\n\neval instant at 1m x\n  x 2\n"


def _bomb(path: Path) -> None:
    rows = "groups:\n- &a0 {name: g, rules: [{record: r, expr: up}]}\n"
    path.write_text(rows + "".join(f"- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 90)))


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "not UTF-8": lambda path: path.write_bytes(b"groups: \xff\n"),
    "NUL bytes": lambda path: path.write_bytes(b"groups:\x00\x00\n"),
    "half a UTF-16 character": lambda path: path.write_bytes(b"\xff\xfeg"),
    "a directory": lambda path: path.mkdir(),
    "a symbolic link to itself": _loop,
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a pipe without a writer": os.mkfifo,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "an alias bomb": _bomb,
    "deep nesting": lambda path: path.write_text("groups: " + "[" * 100_000),
    "long lines": lambda path: path.write_text("groups: [" + "{nam: 1}, " * 20_000),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yml").write_text(GOOD)
    (tmp_path / "tests.yml").write_text(TESTS)
    (tmp_path / "good.test").write_text(SCRIPT)
    return tmp_path


@pytest.fixture(params=HOSTILE)
def hostile(request: pytest.FixtureRequest) -> str:
    HOSTILE[request.param](Path("hostile.yml"))
    return str(request.param)


def test_a_check_names_it_and_checks_the_other(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = rules(["check", "hostile.yml", "good.yml"])
    reported = capsys.readouterr()
    assert "good.yml:5:11: warning:" in reported.out
    if hostile == "a directory":
        # One that holds no rule files is no fault beside others.
        return
    assert status in (1, 2)
    assert "hostile.yml:" in reported.out
    assert "error:" in reported.out


def test_formatting_names_it_and_formats_the_other(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = rules(["fmt", "hostile.yml", "good.yml"])
    assert Path("good.yml").read_text() != GOOD
    if hostile != "a directory":
        assert status in (1, 2)
        assert "hostile.yml" in capsys.readouterr().err


def test_tests_are_refused_and_others_run(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = rules(["test", "hostile.yml", "tests.yml"])
    reported = capsys.readouterr().out
    assert "tests.yml: 1 test passed" in reported
    if hostile != "a directory":
        assert status == 1
        assert "hostile.yml: cannot be run" in reported


def test_tests_of_such_rules_are_refused(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("hostile-tests.yml").write_text(TESTS.replace("good", "hostile"))
    status = rules(["test", "hostile-tests.yml", "tests.yml"])
    reported = capsys.readouterr()
    assert "hostile.yml" in reported.out + reported.err
    assert "tests.yml: 1 test passed" in reported.out
    # A pattern that fits no file is a warning, as in promtool.
    if hostile not in ("a symbolic link to itself", "a link to nothing"):
        assert status == 1


def test_a_script_is_refused_and_others_run(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = promql(["test", "hostile.yml", "good.test"])
    reported = capsys.readouterr()
    assert "good.test" in reported.out
    assert "1 passed" in reported.out
    assert status in (1, 2)
    assert "hostile.yml" in reported.out + reported.err


def test_an_explanation_names_it(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert hostile
    assert rules(["explain", "hostile.yml"]) == 1
    assert "hostile.yml" in capsys.readouterr().err


def test_a_backtest_names_it(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert hostile
    Path("up_1.csv").write_text("2024-01-01 00:00:00,1\n")
    assert rules(["backtest", "hostile.yml", "--data", "up_1.csv"]) == 1
    assert "hostile.yml" in capsys.readouterr().err


def test_a_backtest_names_hostile_labels(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert hostile
    Path("up_1.csv").write_text("2024-01-01 00:00:00,1\n")
    assert rules(["backtest", "good.yml", "--data", "up_1.csv", "--labels", "hostile.yml"]) == 1
    assert "hostile.yml" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".lp", ".lp.gz", ".json", ".jsonl.gz"])
@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x00", b"\xff\xfe", b"\x1f\x8b", b"\x1f\x8b\x08\x00garbage", gzip.compress(b"up value=1 1\n" * 99)[:-9],
        gzip.compress(b"2024-01-01 00:00:00,1\n")[:-4] + b"\0\0\0\0", b"a" * 200_000 + b",1\n", b'"' + b"a" * 200_000,
        b"9999-12-31 23:59:59,1e999\n", b"0000-00-00 00:00:00,\n", b"1e400,1\n", b"-9223372036854775809,1\n",
        b"up value=1 99999999999999999999\n", b'{"a":' * 10_000,
    ],
    ids=range(15),
)  # fmt: skip
def test_data_is_refused_or_counted(suffix: str, data: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"up_1{suffix}"
    Path(name).write_bytes(data if data[:2] == b"\x1f\x8b" or not suffix.endswith(".gz") else gzip.compress(data))
    status = rules(["backtest", "good.yml", "--data", name])
    reported = capsys.readouterr()
    assert reported.out if status == 0 else status == 1 and name in reported.err


def test_damaged_compression_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    whole = gzip.compress(os.urandom(9999))
    Path("up.lp.gz").write_bytes(whole[:5000] + bytes(200) + whole[5200:])
    with pytest.raises((zlib.error, OSError)):
        gzip.decompress(Path("up.lp.gz").read_bytes())
    assert rules(["backtest", "good.yml", "--data", "up.lp.gz"]) == 1
    assert "up.lp.gz" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["hostile.yml/good.yml", "x" * 5_000, "/dev/null/x"])
@pytest.mark.parametrize("command", ["check", "fmt", "test", "explain"])
def test_names_that_cannot_be_opened(path: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert rules([command, path]) in (1, 2)
    reported = capsys.readouterr()
    assert path.rstrip("/")[:50] in reported.out + reported.err


def test_a_pipe_that_is_written_to_is_read() -> None:
    reader, writer = os.pipe()
    os.write(writer, GOOD.encode())
    os.close(writer)
    try:
        (found,) = sources([f"/dev/fd/{reader}"])
    finally:
        os.close(reader)
    assert found.text == GOOD


def test_a_file_of_very_many_bytes_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 10)
    Path("ten.yml").write_text("#" * 10)
    Path("eleven.yml").write_text("#" * 11)
    ten, eleven = sources(["ten.yml", "eleven.yml"])
    assert ten.text == "#" * 10
    assert (eleven.text, eleven.code) == (None, "file-too-large")


def test_a_search_passes_over_no_file_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    Path("below").mkdir()
    os.mkfifo("below/pipe.yml")
    Path("below/loop.yml").symlink_to("loop.yml")
    Path("below/up").symlink_to("..")
    assert rules(["check", "below", "good.yml"]) == 2
    reported = capsys.readouterr().out
    assert "below/pipe.yml:1:1: error: a pipe that nothing writes to [unreadable]" in reported
    assert "below/loop.yml:1:1: error:" in reported
    assert "good.yml:5:11: warning:" in reported


@pytest.mark.parametrize(("ending", "mark"), [("\r\n", ""), ("\r", ""), ("\r\n", "\ufeff"), ("\n", "\ufeff")])
def test_line_endings_and_marks_move_no_place(ending: str, mark: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("dos.yml").write_bytes((mark + GOOD.replace("\n", ending)).encode())
    assert rules(["check", "dos.yml"]) == 0
    assert "dos.yml:5:11: warning:" in capsys.readouterr().out
