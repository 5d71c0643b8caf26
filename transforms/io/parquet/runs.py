"""Runs of jobs over a Parquet store, in order: what a later run writes of a series and time counts, whatever an earlier one wrote.

A run begins when a job's graph is built, so its number travels with the job: a bundle that is tried again, on any worker, and a job that its
cluster restarts write under the same one. A job that is submitted anew, from a savepoint too, is a later run.

The number is the start in milliseconds since 1970. It is *claimed* (:mod:`transforms.io.files.claims`): where a clock was set back, or two jobs
start in one millisecond, it is the next one after the newest.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from schemas.forms import table as forms
from transforms.io.files import claims
from transforms.io.parquet.layout import FORMAT, SUFFIX, FileName

RUNS = "_runs"
"""Folder of the claims; readers of a directory as one data set leave out what begins with an underscore."""

_FORMAT = "format"


class Run(NamedTuple):
    """A run: its number, and the time when it began (ISO 8601), empty if a crash lost it."""

    number: int
    started: str


def runs(directory: str | os.PathLike[str]) -> list[Run]:
    """The runs over a store, in their order.

    Raises:
        OSError: they cannot be read.
    """
    folder = Path(directory) / RUNS
    return [Run(number, str(_document(folder, number).get("started", ""))) for number in claims.numbers(folder)]


def start(directory: str | os.PathLike[str], now_ms: int) -> int:
    """Begin a run over a store: a number that is higher than that of every run before it.

    Args:
        now_ms: the clock, milliseconds since 1970.

    Raises:
        schemas.forms.model.VersionError: only a newer release may write there.
        OSError: the store cannot be read or written.
    """
    check_format(directory)
    root = Path(directory)
    folder = root / RUNS
    # A store may be copied without its runs: then the files' names show them.
    before = claims.newest(folder) or max((name.run for name in _names(root)), default=0)
    started = datetime.fromtimestamp(now_ms / 1_000, timezone.utc).isoformat(timespec="milliseconds")

    def document(run: int) -> bytes:
        return orjson.dumps({_FORMAT: FORMAT, "run": run, "started": started.replace("+00:00", "Z")}) + b"\n"

    return claims.claim(folder, max(now_ms, before + 1), document)


def check_format(directory: str | os.PathLike[str]) -> None:
    """Check that this release knows the form in which the newest run writes.

    Raises:
        schemas.forms.model.VersionError: it does not.
        OSError: the runs cannot be read.
    """
    folder = Path(directory) / RUNS
    newest = claims.newest(folder)
    if not newest:
        return
    form = _document(folder, newest).get(_FORMAT)
    if isinstance(form, int):
        forms.PARQUET.check(form, str(directory))


def _document(folder: Path, number: int) -> dict[str, Any]:
    try:
        found = orjson.loads(claims.path_of(folder, number).read_bytes())
    except ValueError:
        # Left empty by a crash: the number is taken, and no run has written under it.
        return {}
    return found if isinstance(found, dict) else {}


def _names(root: Path) -> list[FileName]:
    found = (FileName.parse(path.name) for path in root.glob(f"*/date=*/*{SUFFIX}"))
    return [name for name in found if name is not None]
