"""How far long work has come: a line on a terminal that is wiped at the end, nothing elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

# Work that is done sooner tells nothing.
_QUIET_SECONDS = 1.0
_SECONDS_BETWEEN = 0.2


class Progress:
    """To be called with how much of how much is done, in any unit."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._shown = False
        self._next = time.monotonic() + _QUIET_SECONDS if sys.stderr.isatty() else float("inf")

    def __call__(self, done: float, total: float) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _SECONDS_BETWEEN
            self._shown = True
            share = 100 * done / total if total else 100
            print(f"\r{self._verb} {share:3.0f} %\x1b[K", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
