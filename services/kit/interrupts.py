"""Ctrl-C: no traceback, but one line that says what was done, and status 130, as shells have it."""

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
"""Exit status of a command that Ctrl-C ended: what a shell says of one that SIGINT ended."""

PATIENCE_S = 1.0
"""How long the end of a thread is not spoken of: a terminal interrupts all processes of a command, and some are quicker than others."""

_RUNNERS = "apache_beam.runners"
_explained: list[str] = []
# What each command that is run has to put back as it was; the innermost is the last.
_guards: list[ExitStack] = []
_came = threading.Event()


@contextmanager
def explained(text: str) -> Iterator[None]:
    """Say this if the work within is interrupted: what was done by then, and what to do next."""
    _explained.append(text)
    yield
    # Only here: whatever ends the work otherwise leaves the text to whoever reports it.
    _explained.remove(text)


def came() -> bool:
    """Whether this process has been interrupted."""
    return _came.is_set()


def lead() -> None:
    """Within :func:`run`: hear of an interruption before a library that has put a handler of its own in front, and tidies up in it aloud."""
    if not _guards:
        return
    theirs = signal.getsignal(signal.SIGINT)

    def first(number: int, frame: FrameType | None) -> None:
        _quieten()
        if callable(theirs):
            theirs(number, frame)

    with suppress(ValueError):
        signal.signal(signal.SIGINT, first)
        _guards[-1].callback(setattr, threading, "excepthook", threading.excepthook)
        threading.excepthook = _patient
        for handler in logging.getLogger().handlers:
            handler.addFilter(_patiently)
            _guards[-1].callback(handler.removeFilter, _patiently)


def _quieten() -> None:
    # What libraries log of it from here on, and what their threads die of, is tracebacks.
    logging.disable(logging.CRITICAL)
    _came.set()


def _patient(died: threading.ExceptHookArgs) -> None:
    """Say what a thread died of, unless it is an interruption, of which a server may have died before this process hears of it."""
    if not _came.wait(PATIENCE_S):
        threading.__excepthook__(died)


def _patiently(record: logging.LogRecord) -> bool:
    """The same of what a thread of a runner logs."""
    return not (record.exc_info and record.name.startswith(_RUNNERS) and _came.wait(PATIENCE_S))


def leave(status: int) -> NoReturn:
    """End the process of an interrupted command: threads that libraries left behind may abort it otherwise."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    atexit._run_exitfuncs()
    os._exit(status)


def run(program: str, work: Callable[[], int]) -> int:
    """Do the work of a command; its exit status, or :data:`INTERRUPTED`.

    Libraries turn an interruption into errors of their own, so it is the signal that counts, and not what is raised. Anywhere but in the
    main thread, which alone gets signals, the work is done and nothing else. A command within a command may report for itself.
    """
    came: list[bool] = []

    def note(_number: int, _frame: FrameType | None) -> NoReturn:
        came.append(True)
        # A second one ends the process at once, should tidying up take too long.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _quieten()
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
        # An interrupted process is about to end, and what is left of it is to stay quiet.
        if not came:
            put_back.close()
    text = f"interrupted: {_explained[-1]}" if _explained else "interrupted"
    print(f"{program}: {text}", file=sys.stderr)
    return INTERRUPTED
