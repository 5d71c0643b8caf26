"""Progress of long work: a line on a terminal, wiped at the end; nothing elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

# Shorter work shows no progress.
_DELAY_SECONDS = 1.0
_SECONDS_BETWEEN = 0.2


class Progress:
    """Shows progress when called with the work done and the total, in any unit."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._shown = False
        self._next = time.monotonic() + _DELAY_SECONDS if sys.stderr.isatty() else float("inf")

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
