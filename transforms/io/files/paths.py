"""Which files a person means: a path, a directory, a pattern, a pipe or standard input."""

from __future__ import annotations

import glob
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from transforms.io.files.content_types import CONTENT_TYPES, suffix_of

STDIN = "-"
STDIN_NAME = "/dev/stdin"
SHOWN = 3
"""Files that a sentence names."""


def matching(pattern: str, suffixes: Collection[str] = tuple(CONTENT_TYPES)) -> list[str]:
    """The files that a word of a command line names, absolute, sorted, each once.

    A file or pipe that exists is meant itself, whatever letters its name holds. A directory stands for the files in and below it whose names
    end in one of ``suffixes``, each also with ``.gz``; hidden ones are left out. Anything else is a pattern: directories that it fits stand for the
    same, pipes are left out. ``~`` is the home directory, ``-`` standard input, which is given as it is.

    Raises:
        FileNotFoundError: there are none; the message says what was looked for.
    """
    found = [path for place in places(pattern) for path in files_of(place, suffixes)]
    if not found:
        looked = f"{', '.join(suffixes)}, each also with .gz"
        raise FileNotFoundError(f"{pattern}: no files of records in this directory (looked for {looked})")
    return sorted(set(found))


def places(pattern: str) -> list[str]:
    """What a word names as :func:`matching` has it, directories as they are.

    Raises:
        FileNotFoundError: nothing.
    """
    if pattern == STDIN:
        return [STDIN]
    named = os.path.expanduser(pattern)
    if os.path.lexists(named):
        return [os.path.abspath(named)]
    found = [os.path.abspath(each) for each in glob.glob(named, recursive=True) if not _is_special(each)]
    if not found:
        what = f"no file matches {pattern!r}" if glob.has_magic(named) else f"{pattern}: no such file or directory"
        raise FileNotFoundError(what)
    return sorted(found)


def _is_special(path: str) -> bool:
    # A link that leads nowhere is a file that cannot be read, and reported as one.
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def files_of(place: str, suffixes: Collection[str]) -> list[str]:
    """A file itself; of a directory the files in and below it that :func:`matching` finds, sorted."""
    if not os.path.isdir(place):
        return [place]
    # A directory that cannot be listed is given itself, and whoever reads it says why it cannot be read.
    return sorted(path for path in _below(place) if suffix_of(path) in suffixes or os.path.isdir(path))


def left_out(places: Iterable[str], suffixes: Collection[str] = tuple(CONTENT_TYPES)) -> str:
    """What :func:`files_of` leaves out of directories for the end of its name, in a sentence; empty if it is nothing. Hidden files do not count."""
    others = [
        os.path.relpath(path, place)
        for place in places
        if os.path.isdir(place)
        for path in _below(place)
        if suffix_of(path) not in suffixes and os.path.isfile(path)
    ]
    if not others:
        return ""
    shown = ", ".join([*sorted(others)[:SHOWN], *(["..."] if len(others) > SHOWN else [])])
    number = "1 file of the directory is" if len(others) == 1 else f"{len(others):,} files of the directory are"
    return (
        f"{number} left out, for names that end in none of {', '.join(suffixes)} ({shown}): name a file to have it read"
    )


def _below(directory: str) -> Iterator[str]:
    """Files in and below a directory, hidden ones not, and directories there that cannot be listed."""
    closed: list[str] = []
    for folder, below, names in os.walk(directory, onerror=lambda error: closed.append(str(error.filename))):
        # Not gone into: a `.git` may hold more files than all the rest.
        below[:] = [name for name in below if not name.startswith(".")]
        yield from (os.path.join(folder, name) for name in names if not name.startswith("."))
    yield from closed


def name_of(path: str) -> str:
    """The name of a file of :func:`matching` in messages about its records; it holds a slash, which no topic does."""
    return STDIN_NAME if path == STDIN else path


@contextmanager
def kept(paths: Sequence[str]) -> Iterator[dict[str, str]]:
    """Paths that can be opened by other processes, and again: what can be read only once (standard input, a pipe) is copied to a file for as long.

    Yields:
        for each of the paths that was copied where the copy is.

    Raises:
        OSError: it cannot be read to its end, or not be copied. What cannot be opened stays what it is.
    """
    with tempfile.TemporaryDirectory(prefix="tidemark-input-") as directory:
        found = {}
        for number, path in enumerate(paths):
            if _only_once(path) and (file := _opened(path)) is not None:
                found[path] = os.path.join(directory, f"{number}{suffix_of(path)}")
                with open(found[path], "wb") as copy, file:
                    shutil.copyfileobj(file, copy, 1 << 20)
        yield found


def _only_once(path: str) -> bool:
    if path == STDIN or path.startswith(("/dev/", "/proc/")):
        return True
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False


def _opened(path: str) -> IO[bytes] | None:
    if path == STDIN:
        if sys.stdin.isatty():
            print("reading standard input; Ctrl-D ends it", file=sys.stderr)
        return open(sys.stdin.fileno(), "rb", closefd=False)
    try:
        return open(path, "rb")
    except OSError:
        return None
