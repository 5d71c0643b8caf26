"""Showing logs: the last lines of some, and what is appended to them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

POLL_SECONDS = 0.3


def tail(log: Path, lines: int) -> list[str]:
    """The last lines of a log; empty when there is none."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        # 400 bytes a line is plenty; a stack trace is many short ones.
        file.seek(max(0, size - 400 * lines - 4096))
        text = file.read().decode("utf-8", errors="replace")
    return text.splitlines()[-lines:]


def show(
    paths: Mapping[str, Path],
    lines: int,
    *,
    follow: bool = False,
    stream: IO[str] | None = None,
    again: Callable[[], bool] = lambda: True,
) -> None:
    """Print the last lines of each log; with several, each line carries its part's name.

    Args:
        paths: the logs by part; one that is absent is shown once it appears.
        lines: how many of the last lines.
        follow: go on with what is appended.
        stream: where to, by default standard output.
        again: asked before each further look when following; False ends it.
    """
    stream = stream or sys.stdout
    width = max(map(len, paths))
    prefixes = {part: f"{part:<{width}} | " if len(paths) > 1 else "" for part in paths}
    offsets = {}
    for part, path in paths.items():
        offsets[part] = path.stat().st_size if path.exists() else 0
        for line in tail(path, lines):
            print(f"{prefixes[part]}{line}", file=stream)
    while follow and again():
        for part, path in paths.items():
            appended, offsets[part] = _appended(path, offsets[part])
            for line in appended:
                print(f"{prefixes[part]}{line}", file=stream, flush=True)
        time.sleep(POLL_SECONDS)


def _appended(path: Path, offset: int) -> tuple[list[str], int]:
    """Whole lines from an offset on, and the offset after them; a log that shrank is read from its start."""
    if not path.exists():
        return [], 0
    with path.open("rb") as file:
        file.seek(offset if path.stat().st_size >= offset else 0)
        offset = file.tell()
        block = file.read()
    whole = block[: block.rfind(b"\n") + 1]
    return whole.decode("utf-8", errors="replace").splitlines(), offset + len(whole)
