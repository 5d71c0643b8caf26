"""Ctrl-C: print one line about what was done instead of a traceback, and exit with status 130, as shells do."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
"""Exit status of a command that Ctrl-C ended: the status that a shell gives a command ended by SIGINT."""

PATIENCE_S = 1.0
"""How long to wait before reporting the end of a thread: a terminal interrupts all processes of a command, and some end sooner."""

_RUNNERS = "apache_beam.runners"
_explained: list[str] = []
# What each running command has to restore; the innermost is the last.
_guards: list[ExitStack] = []
_came = threading.Event()


@contextmanager
def explained(text: str) -> Iterator[None]:
    """Print this if the work within is interrupted: what was done by then, and what to do next."""
    _explained.append(text)
    yield
    # Not in a finally: after an error, the text is still needed by the code that reports it.
    _explained.remove(text)


def came() -> bool:
    """Whether this process has been interrupted."""
    return _came.is_set()


def lead() -> None:
    """Within :func:`run`: handle an interruption before the handler of a library, which prints while it tidies up."""
    if not _guards:
        return
    theirs = signal.getsignal(signal.SIGINT)

    def first(number: int, frame: FrameType | None) -> None:
        _silence()
        if callable(theirs):
            theirs(number, frame)

    with suppress(ValueError):
        signal.signal(signal.SIGINT, first)
        _guards[-1].callback(setattr, threading, "excepthook", threading.excepthook)
        threading.excepthook = _patient
        for handler in logging.getLogger().handlers:
            handler.addFilter(_patiently)
            _guards[-1].callback(handler.removeFilter, _patiently)


def _silence() -> None:
    # From here on, libraries log only tracebacks of the interruption.
    logging.disable(logging.CRITICAL)
    _came.set()


def _patient(died: threading.ExceptHookArgs) -> None:
    """Report the error that ended a thread, except for an interruption. It may end a server before this process gets the signal."""
    if not _came.wait(PATIENCE_S):
        threading.__excepthook__(died)


def _patiently(record: logging.LogRecord) -> bool:
    """Filter the log records of a runner's threads in the same way."""
    return not (record.exc_info and record.name.startswith(_RUNNERS) and _came.wait(PATIENCE_S))


def leave(status: int) -> NoReturn:
    """End the process of an interrupted command. A normal exit may abort because of threads that libraries left behind."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    atexit._run_exitfuncs()
    os._exit(status)


def run(program: str, work: Callable[[], int]) -> int:
    """Do the work of a command. Returns its exit status, or :data:`INTERRUPTED`.

    Libraries turn an interruption into errors of their own, so the signal counts, not the exception. Only the main thread gets signals;
    in other threads this only does the work. A command within a command may report its own interruption.
    """
    came: list[bool] = []

    def note(_number: int, _frame: FrameType | None) -> NoReturn:
        came.append(True)
        # A second signal ends the process at once, in case tidying up takes too long.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _silence()
        raise KeyboardInterrupt

    _explained.clear()
    _came.clear()
    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:
        return work()
    put_back = ExitStack()
    put_back.callback(signal.signal, signal.SIGINT, before)
    _guards.append(put_back)
    try:
        return work()
    except BaseException as error:
        if not came and not isinstance(error, KeyboardInterrupt):
            raise
    finally:
        _guards.remove(put_back)
        # An interrupted process is about to end, and must print nothing more.
        if not came:
            put_back.close()
    text = f"interrupted: {_explained[-1]}" if _explained else "interrupted"
    print(f"{program}: {text}", file=sys.stderr)
    return INTERRUPTED
