from __future__ import annotations

import errno
import os
import re
import threading
from pathlib import Path

import pytest

from transforms.io.files.paths import kept, left_out, matching, name_of, places


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with files of several kinds, which is the current and the home directory."""
    for name in ("b.lp", "a.lp", "c.txt", "host[1].lp", "E.LP.GZ", "below/f.jsonl", "below/.hidden.lp", ".git/g.lp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "d.lp").mkdir()
    (tmp_path / "gone.lp").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.lp")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a.lp", ["a.lp"]),
        ("c.txt", ["c.txt"]),
        # Of what a pattern fits, links that lead nowhere are kept, so that they are said to be unreadable; pipes and empty directories are not.
        ("*.lp", ["a.lp", "b.lp", "gone.lp", "host[1].lp"]),
        ("host[1].lp", ["host[1].lp"]),
        ("[ab].lp", ["a.lp", "b.lp"]),
        ("{place}", ["E.LP.GZ", "a.lp", "b.lp", "below/f.jsonl", "gone.lp", "host[1].lp", "pipe.lp"]),
        ("below", ["below/f.jsonl"]),
        ("b*", ["b.lp", "below/f.jsonl"]),
        ("**/*.jsonl", ["below/f.jsonl"]),
        ("~/a.lp", ["a.lp"]),
        ("pipe.lp", ["pipe.lp"]),
        ("gone.lp", ["gone.lp"]),
    ],
)
def test_a_word_names_files_in_order(pattern: str, names: list[str], place: Path) -> None:
    assert matching(pattern.format(place=place)) == [str(place / name) for name in names]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (".", r"^1 file of the directory is left out, .* \(c.txt\): name a file to have it read$"),
        ("more", r"^4 files of the directory are left out, .* none of .lp, .line, .* \(1.out, 2.out, 3.out, ...\)"),
        ("below", "^$"),
        ("c.txt", "^$"),
        ("*.txt", "^$"),
    ],
)
def test_files_of_a_directory_that_are_not_read_are_reported(pattern: str, said: str, place: Path) -> None:
    if pattern == "more":
        (place / "more").mkdir()
        for number in range(1, 5):
            (place / "more" / f"{number}.out").touch()
    assert re.search(said, left_out(places(pattern)))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("*.csv", r"no file matches '\*.csv'"),
        ("no.lp", "no.lp: no such file or directory"),
        ("d.lp", r"d.lp: no files of records in this directory \(looked for .lp, .line, .*, each also with .gz\)"),
    ],
)
def test_a_word_that_names_no_file_is_refused(pattern: str, message: str, place: Path) -> None:
    with pytest.raises(FileNotFoundError, match=message):
        matching(pattern)


def test_a_directory_that_cannot_be_listed_is_not_left_out(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("below"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return listing(path)

    # Root may list everything.
    monkeypatch.setattr(os, "scandir", refuse)
    assert str(place / "below") in matching(str(place))


def test_standard_input_stays_and_has_a_name_that_no_topic_has() -> None:
    assert matching("-") == ["-"]
    assert "/" in name_of("-")


def test_a_pipe_is_copied_for_as_long_as_it_is_read(place: Path) -> None:
    pipe, plain = str(place / "pipe.lp"), str(place / "a.lp")
    writer = threading.Thread(target=lambda: Path(pipe).write_bytes(b"m value=1 1"))
    writer.start()
    with kept([plain, pipe]) as copies:
        assert list(copies) == [pipe]
        assert copies[pipe].endswith(".lp")
        assert [Path(copies[pipe]).read_bytes() for _ in range(2)] == [b"m value=1 1"] * 2
    writer.join()
    assert not Path(copies[pipe]).exists()


def test_standard_input_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").write_bytes(b"m value=1 1")
    with (tmp_path / "in").open() as standard:
        monkeypatch.setattr("sys.stdin", standard)
        with kept(["-"]) as copies:
            assert Path(copies["-"]).read_bytes() == b"m value=1 1"


def test_a_path_that_cannot_be_opened_stays_what_it_is() -> None:
    with kept(["/dev/nowhere"]) as copies:
        assert copies == {}
