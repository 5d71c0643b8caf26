"""Files of rules: found by name or in directories, read as text, replaced whole."""

from __future__ import annotations

import codecs
import errno
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from rules.files import other_files

STDIN = "-"
BYTE_ORDER_MARK = "\ufeff"
"""Before a text: YAML allows it, other languages do not know it."""
SUFFIXES = (".yml", ".yaml")
_MARKS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


MAX_BYTES = 64 << 20
"""Bytes that are read of a file: more would be refused for its characters anyhow."""


class Source(NamedTuple):
    """A file's text, or why there is none and the code of that; ``found`` says that a directory was searched for it."""

    name: str
    text: str | None
    fault: str = ""
    found: bool = False
    code: str = ""


def sources(names: Iterable[str]) -> Iterator[Source]:
    """The files named, those below the directories named (``*.yml``, ``*.yaml``; hidden ones left out), ``-`` for standard input."""
    for name in names:
        path = Path(name)
        if name == STDIN:
            yield _decoded("<stdin>", sys.stdin.buffer.read(MAX_BYTES + 1))
        elif os.path.isdir(path):
            for below in sorted(path.rglob("*")):
                hidden = any(part.startswith(".") for part in below.relative_to(path).parts)
                if below.suffix in SUFFIXES and not hidden and not os.path.isdir(below):
                    yield _read(below)._replace(found=True)
        else:
            yield _read(path)


def read_text(path: Path) -> str:
    """The text of one file.

    Raises:
        ValueError: there is none; the message names the file.
    """
    source = _read(path)
    if source.text is None:
        raise ValueError(f"{source.name}: {source.fault}")
    return source.text


def rule_sources(names: Iterable[str]) -> list[Source]:
    """The :func:`sources` without files of other kinds that a search found. One line on standard error reports those."""
    found = list(sources(names))
    kinds = [other_files.kind_of(source.text or "") if source.found else None for source in found]
    others = [(source.name, kind) for source, kind in zip(found, kinds, strict=True) if kind is not None]
    if others:
        print(other_files.left_out(others), file=sys.stderr)
    return [source for source, kind in zip(found, kinds, strict=True) if kind is None]


def _read(path: Path) -> Source:
    try:
        return _decoded(str(path), read_bytes(path, MAX_BYTES + 1))
    except OSError as error:
        return Source(str(path), None, error.strerror or str(error), code="unreadable")


def read_bytes(path: Path, most: int = -1) -> bytes:
    """The first bytes of a file, or all; of a pipe too, unless nobody is there to write to it.

    Raises:
        OSError: it cannot be read.
    """
    # Opening a pipe would wait for a writer.
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
        if not stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
            return file.read(most)
        os.set_blocking(file.fileno(), True)
        data = file.read(most)
        if not data:
            raise OSError(errno.ENODATA, "a pipe that nothing writes to")
        return data


def _decoded(name: str, data: bytes) -> Source:
    if len(data) > MAX_BYTES:
        return Source(name, None, f"more than {MAX_BYTES:,} bytes", code="file-too-large")
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return Source(name, data.decode(encoding))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Source(name, None, f"line {line} is not text in {encoding.upper()}: {error.reason}", code="not-utf8")


def replace_text(path: Path, text: str) -> None:
    """Write a file whole or not at all: its mode stays, and so does a link to it."""
    target = path.resolve()
    handle, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.chmod(draft, target.stat().st_mode & 0o7777)
        os.replace(draft, target)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def colours(stream: object) -> bool:
    """Whether to paint: on a terminal, unless NO_COLOR is set (or FORCE_COLOR is)."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or bool(getattr(stream, "isatty", lambda: False)())


def counter(total: int, verb: str) -> Callable[[], None]:
    """What to call after each of many files: counts on the last line of a terminal, nothing elsewhere."""
    if total < 50 or not sys.stderr.isatty():
        return lambda: None
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if done % 10 == 0 or done == total:
            end = "\r\x1b[K" if done == total else ""
            print(f"\r{verb} {done:,} of {total:,} files{end}", end="", file=sys.stderr, flush=True)

    return step
