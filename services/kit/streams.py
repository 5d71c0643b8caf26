"""Standard output and error whose reader may be gone: ``| head``, ``>&-``, a full disk."""

from __future__ import annotations

import io
import os
import select
import sys
from typing import TextIO

CLOSED_PIPE = 141
"""Exit status of a command whose reader went away: the status that a shell gives a command ended by SIGPIPE."""


class _Output(io.RawIOBase):
    """A file descriptor; once it cannot be written to, the command ends, and what is written afterwards is dropped.

    The end is a :class:`SystemExit`: as an error of the system, it would be taken for that of a server or of another file.
    """

    def __init__(self, descriptor: int, what: str, ends: bool) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._what = what
        self._ends = ends
        self._gone = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if self._gone:
            return len(data)
        rest = memoryview(data)
        try:
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:
                    # Whoever shares the pipe may have made it one that does not wait.
                    select.select([], [self._descriptor], [])
            return len(data)
        except OSError as error:
            self._gone = True
            if not self._ends:
                return len(data)
            if not isinstance(error, BrokenPipeError):
                print(f"tidemark: {self._what} cannot be written: {error.strerror}", file=sys.stderr)
                raise SystemExit(1) from None
            raise SystemExit(CLOSED_PIPE) from None


def guard() -> None:
    """End the process without a message, with status 141, once nobody reads its standard output, and go on without a standard error.

    A process that was started without these streams gets ones that lead nowhere, so that no file it opens takes their place.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is this one: all before it are in use.
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(0, encoding="utf-8")  # noqa: SIM115 - it lives as long as the process
    sys.stdout = _guarded(sys.stdout, 1, "standard output", ends=True)
    sys.stderr = _guarded(sys.stderr, 2, "standard error", ends=False)


def _guarded(stream: TextIO | None, descriptor: int, what: str, *, ends: bool) -> TextIO:
    raw = _Output(descriptor, what, ends)
    unbuffered = bool(getattr(stream, "write_through", False))
    return io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),  # type: ignore[type-var]
        encoding=stream.encoding if stream else "utf-8",
        errors=stream.errors if stream else "backslashreplace",
        line_buffering=not ends or bool(getattr(stream, "line_buffering", False)),
        write_through=unbuffered,
    )
