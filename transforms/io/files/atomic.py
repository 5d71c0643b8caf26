"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

TEMPORARY = ".tmp"
"""Suffix of files that are being written; their names begin with a dot."""

_ATTEMPTS = 10

# What a file system without hard links answers when it is asked for one.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})


def write_atomically(path: Path, content: bytes | memoryview, sync: bool = True) -> None:
    """Write a file under a temporary name and rename it, replacing what is there; makes the folder.

    ``sync``: return only once the file survives a power failure.

    Raises:
        OSError: it cannot be written; the temporary file is removed if possible.
    """
    temporary = path.parent / f".{path.name}.{uuid4().hex}{TEMPORARY}"
    for attempt in range(1, _ATTEMPTS + 1):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(content)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, path)
            break
        except FileNotFoundError:
            # Someone who tidies up may remove an empty folder between the calls.
            if attempt == _ATTEMPTS:
                raise
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    if sync:
        sync_folder(path.parent)


def create_atomically(path: Path, content: bytes) -> None:
    """Make a file that is not there yet, whole or not at all: of several processes that try, one succeeds. It survives a power failure.

    A file system without hard links makes the file first and fills it then: a crash between leaves it empty.

    Raises:
        FileExistsError: it is there.
        OSError: it cannot be written.
    """
    temporary = path.parent / f".{path.name}.{uuid4().hex}{TEMPORARY}"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write_new(temporary, content)
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _write_new(path, content)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def _write_new(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def in_order_written(paths: Iterable[Path]) -> list[Path]:
    """Files in the order in which they were written last: of names that are hashes none is the newer.

    Raises:
        OSError: a file is not there, or its directory cannot be read.
    """
    return sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name))


def sync_folder(folder: Path) -> None:
    """Make renames and removals in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
