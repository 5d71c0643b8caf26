"""Files that a command is going to write, checked before it begins its work."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from schemas.errors import UserError

PathLike = str | os.PathLike[str]


def path(text: str) -> Path:
    """The path that a person wrote: ``~`` is the home directory, which a shell leaves alone after ``--option=``."""
    return Path(text).expanduser()


class OutputError(UserError):
    """A file cannot be written, or must not be; the message names the option, and says why and what to do."""


def check_files(outputs: Mapping[str, PathLike | None], inputs: Iterable[PathLike] = ()) -> None:
    """Check that files can be written when the work is done; the directories they are to be in are made.

    A device or a pipe is taken as it is. A file that is there already will be replaced, unless it is one that is read.

    Args:
        outputs: a path for each option; those that are None are left out.
        inputs: files that are read, none of which may be among the outputs; those that are not there are left out.

    Raises:
        OutputError: one cannot be written, is a directory or an input, or is named by two options.
    """
    wanted = {option: os.fspath(path) for option, path in outputs.items() if path is not None}
    seen: dict[Path, str] = {}
    for option, written in wanted.items():
        try:
            target = path(written).resolve()
            _check(f"{option}={written}", written, target, inputs)
        except (OSError, RuntimeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise OutputError(f"{option}={written}: cannot be written: {reason}") from None
        if target in seen and not _is_stream(target):
            raise OutputError(f"{option}={written}: {seen[target]} writes there too; name another file")
        seen[target] = option


def check_directory(option: str, written: str) -> Path:
    """The absolute path of a directory in which files can be made; it is made if need be.

    Raises:
        OutputError: that cannot be done, or something else is there.
    """
    directory = path(written).resolve()
    if directory.exists() and not directory.is_dir():
        raise OutputError(f"{option}={written}: this is no directory; name one")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return directory
    except OSError as error:
        raise OutputError(f"{option}={written}: cannot be written: {error.strerror}") from None


def _check(what: str, written: str, target: Path, inputs: Iterable[PathLike]) -> None:
    if target.is_dir() or written.endswith(("/", os.sep)):
        raise OutputError(f"{what}: this is a directory; name a file in it")
    if not target.exists():
        blocking = next((above for above in target.parents if above.exists()), target)
        if not blocking.is_dir():
            raise OutputError(f"{what}: cannot be written: {blocking} is no directory")
        target.parent.mkdir(parents=True, exist_ok=True)
        # Whether a file can be made is known when one has been made.
        with tempfile.TemporaryFile(dir=target.parent):
            return
    if _is_stream(target):
        return
    for read in inputs:
        if os.path.exists(read) and os.path.samefile(read, target):
            raise OutputError(f"{what}: this file is read, and would be replaced; name another")
    if not os.access(target, os.W_OK):
        raise OutputError(f"{what}: this file is there and must not be written; name another, or give write permission")


def _is_stream(path: Path) -> bool:
    return path.exists() and not stat.S_ISREG(path.stat().st_mode)
