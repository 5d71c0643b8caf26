"""The command ``tidemark rules fmt``: what it writes, what it only reports, exit status."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest

from tidemark.rules.cli import main as rules

MESSY = "groups:\n- rules: [{expr: 'up==0', alert: A}]\n  name: g\n"
NEAT = "groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: up == 0\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "r.yml"
    path.write_text(MESSY)
    path.chmod(0o640)
    return path


def test_a_file_is_replaced_whole_with_its_mode(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rules(["fmt", str(file)]) == 0
    assert file.read_text() == NEAT
    assert file.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in file.parent.iterdir()] == ["r.yml"]
    assert capsys.readouterr().out == f"{file}\n"
    assert rules(["fmt", str(file)]) == 0
    assert capsys.readouterr().out == ""


def test_a_link_stays_a_link(file: Path) -> None:
    link = file.parent / "link.yml"
    link.symlink_to(file)
    assert rules(["fmt", str(link)]) == 0
    assert link.is_symlink()
    assert file.read_text() == NEAT


def test_check_and_diff_write_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rules(["fmt", "--check", str(file)]) == 1
    assert capsys.readouterr().out == f"{file}\n"
    assert rules(["fmt", "--diff", str(file)]) == 1
    assert "+        expr: up == 0\n" in capsys.readouterr().out
    assert file.read_text() == MESSY
    file.write_text(NEAT)
    assert rules(["fmt", "--check", str(file)]) == 0
    assert rules(["fmt", "--diff", str(file)]) == 0


def test_a_file_with_errors_is_left_alone_and_the_others_are_not(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = file.parent / "bad.yml"
    bad.write_text(MESSY.replace("==0", "=="))
    assert rules(["fmt", str(file.parent)]) == 1
    assert bad.read_text() == MESSY.replace("==0", "==")
    assert file.read_text() == NEAT
    assert "bad.yml:2:22: error:" in capsys.readouterr().err


def test_standard_input_goes_to_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(MESSY.encode())))
    assert rules(["fmt", "-"]) == 0
    assert capsys.readouterr().out == NEAT


def test_a_disk_that_is_full(file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    assert rules(["fmt", str(file)]) == 2
    assert f"{file}: {os.strerror(errno.ENOSPC)}" in capsys.readouterr().err
    assert file.read_text() == MESSY
    assert [each.name for each in file.parent.iterdir()] == ["r.yml"]


def test_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rules(["fmt", str(tmp_path / "no.yml")]) == 2
    assert "no.yml: No such file or directory" in capsys.readouterr().err
