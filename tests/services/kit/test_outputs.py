from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.kit.outputs import OutputError, check_directory, check_files, path


@pytest.mark.parametrize("name", ["new.json", "a/b/new.json", "there.json", "link.json"])
def test_a_file_that_can_be_written_is_left_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / "there.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "there.json")
    check_files({"--out": tmp_path / name, "--other": None}, [tmp_path / "no-such-input"])
    assert (tmp_path / name).parent.is_dir()
    assert sorted(each.name for each in tmp_path.iterdir() if each.is_file()) == ["link.json", "there.json"]
    assert (tmp_path / "there.json").read_text() == "old"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "this is a directory; name a file in it"),
        ("new/", "this is a directory; name a file in it"),
        ("input.lp", "this file is read, and would be replaced"),
        ("link.lp", "this file is read, and would be replaced"),
        ("input.lp/new.json", "cannot be written: "),
        ("input.lp/a/b/new.json", "cannot be written: "),
        ("loop", "cannot be written: "),
        ("x" * 300, "cannot be written: File name too long"),
        ("nul\0", "cannot be written: "),
    ],
)
def test_a_file_that_cannot_be_written_is_named_with_the_reason(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "input.lp").write_text("m v=1 1\n")
    (tmp_path / "link.lp").symlink_to(tmp_path / "input.lp")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    target = f"{tmp_path}/{name}"
    with pytest.raises(OutputError) as refused:
        check_files({"--out": target}, [tmp_path / "input.lp"])
    assert str(refused.value).startswith(f"--out={target}: {reason}")
    assert (tmp_path / "input.lp").read_text() == "m v=1 1\n"


def test_where_nothing_may_be_written_is_found_before() -> None:
    with pytest.raises(OutputError, match=r"--out=/proc/new.json: cannot be written: "):
        check_files({"--out": "/proc/new.json"})


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    one, same = str(tmp_path / "a" / "one"), f"{tmp_path}/a/../a/one"
    with pytest.raises(OutputError, match=r"--two=.*: --one writes there too"):
        check_files({"--one": one, "--two": same})
    check_files({"--one": os.devnull, "--two": os.devnull})


def test_a_home_directory_is_known_by_its_sign(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    check_files({"--out": "~/new/file"})
    assert (tmp_path / "new").is_dir()
    assert path("~/new/file") == tmp_path / "new" / "file"


def test_a_directory_is_made(tmp_path: Path) -> None:
    assert check_directory("--dir", f"{tmp_path}/a/../b") == tmp_path / "b"
    assert list((tmp_path / "b").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "reason"), [("file", "this is no directory"), ("file/below", "cannot be written: Not a")]
)
def test_a_directory_that_cannot_be_is_named(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=f"--dir=.*: {reason}"):
        check_directory("--dir", str(tmp_path / name))
