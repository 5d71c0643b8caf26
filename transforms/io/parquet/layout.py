"""Names and schemas of the Parquet store. Pure.

A store is a directory: ``TIER/date=YYYY-MM-DD/FIRST_LAST_SHARDS_PANE_RUN_ID.parquet`` for rollups, ``raw/date=.../FIRST_LAST_RUN_ID.parquet`` for
samples. FIRST and LAST are the first and last window start (for samples: event time) in the file, SHARDS is ``s0`` or ``s0-15``, PANE (``p0``) the
newest pane, RUN (``r1768176000123``) the newest run, ID a hash of the contents: the same rows written again replace their file. A date is a day
of UTC. ``_runs/RUN.json`` is there for each run (:mod:`transforms.io.parquet.runs`).

Format 1, before runs were distinguished, had no column ``run``, no RUN in its names and no ``_runs``: its rows are of run 0, before all others.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.aggregates import AGGREGATES, ValueKind
from schemas.forms import table as forms

FORMAT = forms.PARQUET.version
"""Version of the form that is written."""

FORMAT_KEY = b"tidemark.format"
"""Key of the version in a file's own metadata, from 2 on."""

RAW = "raw"
SUFFIX = ".parquet"
DAY_MS = 86_400_000

# The smallest 64-bit integer is numpy's "not a time".
_EARLIEST = -(1 << 63) + 1

_RUN = re.compile(r"(?:^|_)r([0-9]+)(?=_)")
_DATE_FOLDER = re.compile(r"date=([+-]?\d+-\d\d-\d\d)")

_TEXT = pa.dictionary(pa.int32(), pa.utf8())
_TIME = pa.timestamp("ms", tz="UTC")
_TYPES = {ValueKind.COUNT: pa.int64(), ValueKind.FLOAT: pa.float64(), ValueKind.TIME: _TIME}

ROLLUP_SCHEMA = pa.schema(
    [
        ("name", _TEXT),
        ("metric", _TEXT),
        ("target", _TEXT),
        ("window", _TIME),
        *((each.name, _TYPES[each.kind]) for each in AGGREGATES),
        ("shard", pa.int32()),
        ("pane", pa.int32()),
        ("watermark", pa.int64()),
        ("run", pa.int64()),
    ]
)
"""Columns of a tier: metric name, metric part, target part, window start, :data:`schemas.aggregates.AGGREGATES`, then where the row came from."""

RAW_SCHEMA = pa.schema(
    [
        ("name", _TEXT),
        ("metric", _TEXT),
        ("target", _TEXT),
        ("ts", _TIME),
        ("value", pa.float64()),
        ("seq", pa.int64()),
        ("run", pa.int64()),
    ]
)
"""Columns of raw samples; ``seq`` as in :mod:`schemas.batch`."""


@dataclass(frozen=True)
class Kind:
    """What rows a folder of the store holds.

    Attributes:
        schema: of its files.
        time: the column that places a row in time.
        versions: columns that order rows of one series and time, the most significant first; the row with the highest counts.
    """

    schema: pa.Schema
    time: str
    versions: tuple[str, ...]


ROLLUPS = Kind(ROLLUP_SCHEMA, "window", ("run", "count", "pane", "watermark"))
"""The row of the later run of a window counts, however many samples it had; within a run the newest pane. More samples come first in that
order, since a job that goes on from a checkpoint may cut late data into other panes than before, and number them again: of one run the pane
that has seen more is the newer one, whatever its number."""

SAMPLES = Kind(RAW_SCHEMA, "ts", ("run", "seq"))


def kind_of(folder: str) -> Kind:
    """The kind of rows in a folder of the store, by its name."""
    return SAMPLES if folder == RAW else ROLLUPS


class FileName(NamedTuple):
    """A file of the store: first and last time of its rows (ms), then shards, pane, run and the hash of its contents."""

    first: int
    last: int
    rest: str

    def __str__(self) -> str:
        return f"{time_text(self.first)}_{time_text(self.last)}_{self.rest}{SUFFIX}"

    @property
    def run(self) -> int:
        """The newest run whose rows it holds."""
        found = _RUN.search(self.rest)
        return int(found[1]) if found else 0

    @classmethod
    def parse(cls, text: str) -> FileName | None:
        """The parts of a name; None if it is not a file of the store (a temporary file, say)."""
        parts = text.removesuffix(SUFFIX).split("_", 2)
        if not text.endswith(SUFFIX) or text.startswith(".") or len(parts) != 3:
            return None
        try:
            return cls(_time(parts[0]), _time(parts[1]), parts[2])
        except ValueError:
            return None


def file_name(kind: Kind, table: pa.Table, content: bytes) -> FileName:
    """The name of the file that holds these rows (at least one), whose bytes are ``content``."""
    times = table.column(kind.time).cast(pa.int64())
    bounds = pc.min_max(times)
    identity = hashlib.blake2b(content, digest_size=8).hexdigest()
    run = f"r{pc.max(table.column('run')).as_py()}"
    if kind is SAMPLES:
        return FileName(bounds["min"].as_py(), bounds["max"].as_py(), f"{run}_{identity}")
    shards, pane = pc.min_max(table.column("shard")), pc.max(table.column("pane"))
    low, high = shards["min"].as_py(), shards["max"].as_py()
    span = f"s{low}" if low == high else f"s{low}-{high}"
    return FileName(bounds["min"].as_py(), bounds["max"].as_py(), f"{span}_p{pane.as_py()}_{run}_{identity}")


def date_folder(day: int) -> str:
    """Folder of a day, counted from 1970-01-01: ``date=2024-02-29``."""
    return f"date={np.datetime64(day, 'D')}"


def day_of_folder(name: str) -> int | None:
    """The day of a folder's name; None if it is not one of the store."""
    found = _DATE_FOLDER.fullmatch(name)
    return int(np.datetime64(found[1], "D").astype(np.int64)) if found else None


def time_text(ms: int) -> str:
    """``2024-02-29T23-59-00Z``: ISO 8601 but for the colons, which not every file system takes; milliseconds where there are some."""
    date, clock = str(np.datetime64(max(ms, _EARLIEST), "ms")).split("T")
    return f"{date}T{clock.removesuffix('.000').replace(':', '-')}Z"


def _time(text: str) -> int:
    date, _, clock = text.partition("T")
    return int(np.datetime64(f"{date}T{clock.removesuffix('Z').replace('-', ':')}", "ms").astype(np.int64))
