from __future__ import annotations

import errno
import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas.records import JSON_SCRAPE, LINE_PROTOCOL
from transforms.io.files import gunzip
from transforms.io.files import records as record_files
from transforms.io.files.records import InputFault, read_blocks

MARK = b"\xef\xbb\xbf"
ONE, TWO = b"m,host=a value=1 1700000000000000000", b"m,host=a value=2 1700000001000000000"
STRING = b'm,host=a text="one\ntwo" 1700000000000000000'
PRETTY = b'[\n {"samples": {"m": 1},\n  "timestamp": 1700000000000}\n]'

Found = list[tuple[int, bytes]]


def read(path: Path, default: str | None = None) -> tuple[Found, str, int, bytes]:
    """The records of a file with their lines; then why it could not be read on, and from which line, and what is left of it."""
    found: Found = []
    try:
        for records in read_blocks(str(path), default):
            found += [(record.offset, record.value) for record in records]
    except InputFault as fault:
        return found, str(fault), fault.line, fault.rest
    return found, "", 0, b""


@pytest.mark.parametrize("block_bytes", [8 << 20, 11, 40])
@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, lambda text: b"".join(map(gzip.compress, (text[:50], text[50:])))]
)
@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("a.lp", b"", []),
        ("a.lp", ONE + b"\n" + TWO, [(0, ONE), (1, TWO)]),
        ("a.lp", ONE + b"\r\n\r\n" + TWO + b"\r\n", [(0, ONE), (2, TWO)]),
        ("a.lp", MARK + ONE + b"\n" + TWO + b"\n", [(0, ONE), (1, TWO)]),
        ("a.lp", STRING + b"\n" + ONE, [(0, STRING), (2, ONE)]),
        ("a.out", STRING + b"\n" + ONE, [(0, STRING), (2, ONE)]),
        ("a.csv", ONE + b"\n" + TWO, [(0, ONE), (1, TWO)]),
        ("a.txt", b"\n# x\n" + ONE + b"\n", [(1, b"# x"), (2, ONE)]),
        ("a.json", MARK + PRETTY + b"\n", [(0, PRETTY)]),
        ("a.txt", PRETTY + b"\r\n" + PRETTY, [(0, PRETTY), (4, PRETTY)]),
        ("a.jsonl", b'{"samples":{}}\n{"samples":{}}', [(0, b'{"samples":{}}'), (1, b'{"samples":{}}')]),
    ],
)
def test_where_a_block_ends_makes_no_difference(
    name: str,
    text: bytes,
    wanted: Found,
    pack: Callable[[bytes], bytes],
    block_bytes: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(record_files, "BLOCK_BYTES", block_bytes)
    # Compressed content is known by its beginning, not by a name.
    (tmp_path / name).write_bytes(pack(text))
    assert read(tmp_path / name) == (wanted, "", 0, b"")


@pytest.mark.parametrize(
    ("name", "default", "content_type"),
    [
        ("a.lp", JSON_SCRAPE, LINE_PROTOCOL),
        ("a.txt", JSON_SCRAPE, JSON_SCRAPE),
        ("a.txt", None, None),
    ],
)
def test_a_name_comes_before_the_default(
    name: str, default: str | None, content_type: str | None, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(ONE)
    found = [record for records in read_blocks(str(tmp_path / name), default) for record in records]
    assert [(each.value, each.content_type) for each in found] == [(ONE, content_type)]


LINES = [ONE[:-19] + b"%d" % (1_700_000_000_000_000_000 + number) for number in range(3000)]
PACKED = gzip.compress(b"\n".join(LINES), 1)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def test_a_file_cut_off_gives_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "a.lp.gz"
    path.write_bytes(PACKED[: len(PACKED) // 2])
    found, reason, line, rest = read(path)
    assert line == len(found) > 1000
    assert found == list(enumerate(LINES[:line]))
    assert reason == f"behind line {line}: the file is cut off: its compressed content has no end"
    assert LINES[line].startswith(rest)


@pytest.mark.parametrize("block_bytes", [8 << 20, 200])
def test_a_disk_that_fails_gives_what_came_before(
    block_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(file: object, size: int) -> Iterator[bytes]:
        yield from (line + b"\n" for line in LINES[:7])
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(record_files, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(gunzip, "content", failing)
    (tmp_path / "a.lp.gz").write_bytes(PACKED)
    assert read(tmp_path / "a.lp.gz") == (
        list(enumerate(LINES[:7])),
        "behind line 7: Input/output error",
        7,
        b"",
    )


def test_half_a_record_is_no_record(tmp_path: Path) -> None:
    # A line that breaks off can be read, and says something else.
    for text, line, cut in (
        (ONE, 0, ONE),
        (STRING, 0, STRING),
        (ONE + b"\n" + STRING, 1, STRING),
        (PRETTY[:30], 0, PRETTY[:30]),
    ):
        (tmp_path / "a.txt").write_bytes(gzip.compress(text)[:-8])
        assert read(tmp_path / "a.txt")[2:] == (line, cut)


def test_a_document_that_is_whole_is_read_though_the_file_breaks_off_behind_it(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(gzip.compress(PRETTY + b"\n")[:-8])
    found, reason, line, rest = read(tmp_path / "a.json")
    assert (found, line, rest) == ([(0, PRETTY)], 4, b"")
    assert "cut off" in reason


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (
            "a.lp.gz",
            flipped(PACKED, len(PACKED) - 5),
            "the file is damaged at or before byte",
        ),
        (
            "a.lp.gz",
            PACKED + b"more",
            f"from byte {len(PACKED)} of the file on, something that is not gzip follows its compressed content",
        ),
        (
            "a.lp.gz",
            ONE,
            "its name ends in .gz, but its content is not compressed with gzip: is it damaged, or is its name wrong?",
        ),
        ("a.LP.GZ", b"\x28\xb5\x2f\xfd", "its name ends in .gz, but its content is compressed with zstd"),
        ("a.lp.gz", b"", "its name ends in .gz, but its content is empty"),
        (
            "a.lp",
            "m value=1 1".encode("utf-16"),
            "its content is text in UTF-16 (iconv -f UTF-16 -t UTF-8 makes UTF-8 of it)",
        ),
        ("a.json", "{}".encode("utf-16-le") * 2, "its content is text in UTF-16"),
        ("a", b"\x28\xb5\x2f\xfd\x00", "its content is compressed with zstd; text in UTF-8 is wanted"),
        ("a.csv", b"timestamp,value\n2026-01-12,1\n", "CSV: jobs read line protocol and JSON"),
        ("a.lp", None, "No such file or directory"),
        ("", None, "Is a directory"),
    ],
)
def test_what_cannot_be_read_is_named(name: str, content: bytes | None, reason: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert reason in read(tmp_path / name)[1]


def test_a_file_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, mode: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    # Root may read everything.
    monkeypatch.setattr("builtins.open", refuse)
    assert read(tmp_path / "a.lp")[1] == "Permission denied"


def test_of_a_damaged_member_nothing_is_believed(tmp_path: Path) -> None:
    """A flipped bit makes other records of it, which can be read."""
    first = gzip.compress(b"\n".join(LINES[:7]) + b"\n" + ONE)
    for at in range(10, len(PACKED), 997):
        for before, lines in ((b"", 0), (first, 7)):
            (tmp_path / "a.lp.gz").write_bytes(before + flipped(PACKED, at))
            found, reason, line, rest = read(tmp_path / "a.lp.gz")
            assert (found, line, rest) == (list(enumerate(LINES[:lines])), lines, ONE if lines else b"")
            assert "the file is damaged at or before byte" in reason or "is not gzip" in reason


def test_zeros_may_fill_up_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.lp.gz").write_bytes(PACKED + bytes(1000) + PACKED + bytes(1 << 21))
    found, reason, _, _ = read(tmp_path / "a.lp.gz")
    assert (len(found), reason) == (2 * len(LINES) - 1, "")
