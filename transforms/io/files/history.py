"""Archived data in files: records of the wire formats, and CSV of one series a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from schemas.records import DeadLetter
from schemas.units import Precision
from transforms.io.files.content_types import CONTENT_TYPES, suffix_of
from transforms.io.files.csv_history import CSV, is_csv, read_csv
from transforms.io.files.paths import name_of
from transforms.io.files.records import InputFault, read_blocks
from transforms.io.history.notes import of_one_time
from transforms.io.history.samples import Collected, Samples, Wanted, by_parts

SUFFIXES = (CSV, *CONTENT_TYPES)


def is_store(directory: Path) -> bool:
    """Whether a directory is a Parquet store: folders of tiers that hold folders of days."""
    return any(directory.glob("*/date=*"))


def read_file(
    path: str, wanted: Wanted, collected: Collected, precision: Precision, name: str | None, copy: str | None = None
) -> None:
    """Add the wanted samples of a file; of one that cannot be read to its end, those before, and why there are no more.

    Args:
        precision: unit of the timestamps in line protocol.
        name: the metric name of a CSV file; None takes it from the file's name.
        copy: where to read it, if it can be read only once.
    """
    shown = name_of(path)
    collected.files.append(Path(shown))
    try:
        for samples in _read(copy or path, shown, wanted, collected, precision, name):
            collected.take(samples, wanted)
    except InputFault as fault:
        collected.damage(shown, str(fault))


def _read(
    path: str, shown: str, wanted: Wanted, collected: Collected, precision: Precision, name: str | None
) -> Iterator[Samples]:
    suffix = suffix_of(path)
    if suffix == CSV or (suffix not in CONTENT_TYPES and is_csv(path)):
        return read_csv(path, shown, collected, name)
    return _read_records(path, shown, wanted, collected, precision)


def _read_records(
    path: str, shown: str, wanted: Wanted, collected: Collected, precision: Precision
) -> Iterator[Samples]:
    from schemas.batch import concat
    from schemas.codecs.block import BlockDecoder
    from schemas.units import EARLIEST_MS

    # Who asks for a time before it means it; anyone else has the unit of a timestamp wrong.
    earliest_ms = EARLIEST_MS if wanted.start_ms is None else min(EARLIEST_MS, wanted.start_ms)
    decoder = BlockDecoder(max_future_ms=None, precision=precision, earliest_ms=earliest_ms)
    for records in read_blocks(path):
        block = decoder.decode_block(records, shown, 0)
        for letter in block.dead_letters:
            collected.refuse(_place(letter), letter.reason)
        collected.notes.shared(shown, block.shared)
        batch = concat([block.batch])
        labels, series = by_parts(
            batch.targets, batch.metrics, batch.target.astype(np.int64), batch.metric.astype(np.int64)
        )
        if batch.fine is not None:
            collected.notes.one_time(shown, of_one_time(series, batch.ts, batch.fine))
        yield Samples(labels, series, batch.ts, batch.value)


def _place(letter: DeadLetter) -> str:
    if letter.part == "line":
        return f"{letter.topic}:{letter.offset + (letter.line or 1)}"
    return f"{letter.topic}:{letter.offset + 1}: {letter.part} {letter.line}"
