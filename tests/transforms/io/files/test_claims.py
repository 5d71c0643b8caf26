from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from transforms.io.files.claims import claim, newest, path_of


def document(number: int) -> bytes:
    return b"%d\n" % number


@pytest.mark.parametrize(
    ("wishes", "given"),
    [
        ([0, 0, 0], [1, 2, 3]),
        ([500, 500], [500, 501]),
        ([500, 400, 900, 899], [500, 501, 900, 901]),
    ],
    ids=["in turn", "one moment twice", "a clock that goes back"],
)
def test_each_claim_is_higher_than_all_before(tmp_path: Path, wishes: list[int], given: list[int]) -> None:
    folder = tmp_path / "claims"
    assert newest(folder) == 0
    assert [claim(folder, wish, document) for wish in wishes] == given
    assert newest(folder) == given[-1]
    assert sorted(folder.iterdir()) == sorted(path_of(folder, number) for number in given)
    assert all(path_of(folder, number).read_bytes() == document(number) for number in given)


def test_claims_at_once_are_all_different(tmp_path: Path) -> None:
    given: list[int] = []
    together = threading.Barrier(8)

    def claiming() -> None:
        together.wait()
        given.extend(claim(tmp_path, 70, document) for _ in range(5))

    threads = [threading.Thread(target=claiming) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == list(range(70, 110))


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_links_does_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def link(*_: object) -> None:
        raise OSError(code, "no links here")

    monkeypatch.setattr(os, "link", link)
    assert [claim(tmp_path, 5, document) for _ in range(2)] == [5, 6]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["5.json", "6.json"]


def test_other_files_are_no_claims(tmp_path: Path) -> None:
    for name in ("notes.json", "-7.json", ".9.json.0.tmp", "8.json.bak", "٣.json"):
        (tmp_path / name).touch()
    assert claim(tmp_path, 0, document) == 1


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        claim(tmp_path / "file", 0, document)
    with pytest.raises(OSError, match="file"):
        claim(tmp_path / "file" / "claims", 0, document)
