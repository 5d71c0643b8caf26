"""Archived data in files: records of the wire formats, a line each, and CSV of one series a file."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, cast

import numpy as np

from pipelines.authoring.history.samples import MAX_TIME_MS, Collected, HistoryError, Samples, Wanted, by_parts
from rules.promql.labels import LabelFrame
from rules.promql.values import Floats, Times
from schemas.codecs.line_syntax import Precision
from schemas.series import METRIC_NAME

SUFFIXES = (".csv", ".lp", ".line", ".influx", ".json", ".jsonl", ".ndjson")
BLOCK_BYTES = 8 << 20


def suffix_of(path: Path) -> str:
    """The suffix that tells a file's format, ``.gz`` set aside."""
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def is_store(directory: Path) -> bool:
    """Whether a directory is a Parquet store: folders of tiers that hold folders of days."""
    return any(directory.glob("*/date=*"))


def files_of(path: Path) -> list[Path]:
    """The files of data in a directory and below it, or the file itself.

    Raises:
        HistoryError: there are none.
    """
    if path.is_file():
        if suffix_of(path) not in SUFFIXES:
            raise HistoryError(
                f"{path}: its name tells no format that is known; known are {', '.join(SUFFIXES)}, each also with .gz"
            )
        return [path]
    found = sorted(each for each in path.rglob("*") if each.is_file() and suffix_of(each) in SUFFIXES)
    if not found:
        raise HistoryError(f"{path}: no files of data there (looked for {', '.join(SUFFIXES)}, each also with .gz)")
    return found


def read_file(path: Path, wanted: Wanted, collected: Collected, precision: Precision, name: str | None) -> None:
    """Add the wanted samples of a file.

    Args:
        precision: unit of the timestamps in line protocol.
        name: the metric name of a CSV file; None takes it from the file's name.

    Raises:
        HistoryError: it is damaged.
        OSError: it cannot be read.
    """
    reader = (
        _read_csv(path, collected, name) if suffix_of(path) == ".csv" else _read_records(path, collected, precision)
    )
    collected.files.append(path)
    try:
        for samples in reader:
            collected.take(samples, wanted)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise HistoryError(f"{path}: damaged: {error}") from None


def _open(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb")) if path.name.endswith(".gz") else path.open("rb")


def _read_records(path: Path, collected: Collected, precision: Precision) -> Iterator[Samples]:
    from schemas.batch import concat
    from schemas.codecs.block import BlockDecoder
    from schemas.records import RawRecord
    from transforms.io.content_types import content_type_of

    content_type = content_type_of(str(path))
    decoder = BlockDecoder(max_future_ms=None, precision=precision)
    number = 0
    with _open(path) as file:
        while lines := file.readlines(BLOCK_BYTES):
            records = [
                RawRecord(line.rstrip(b"\r\n"), number + index, -1, content_type)
                for index, line in enumerate(lines)
                if line.strip()
            ]
            number += len(lines)
            block = decoder.decode_block(records, str(path), 0)
            for letter in block.dead_letters:
                collected.refuse(f"{path}:{letter.offset + 1}", letter.reason)
            batch = concat([block.batch])
            labels, series = by_parts(
                batch.targets, batch.metrics, batch.target.astype(np.int64), batch.metric.astype(np.int64)
            )
            yield Samples(labels, series, batch.ts, batch.value)


def csv_labels(path: Path, name: str | None = None) -> dict[str, str]:
    """The labels of the series in a CSV file: ``ec2_cpu_utilization_5f5533.csv`` is ``ec2_cpu_utilization{instance="5f5533"}``.

    The last word is the instance if it holds a digit; a given name leaves the whole of the file's name to the instance.
    """
    stem = path.name.removesuffix(".gz").removesuffix(".csv")
    if name is not None:
        return {METRIC_NAME: name, "instance": stem}
    metric, _, instance = stem.rpartition("_")
    if not metric or not any(letter.isdigit() for letter in instance):
        metric, instance = stem, stem
    clean = "".join(letter if letter.isalnum() or letter == "_" else "_" for letter in metric)
    return {METRIC_NAME: clean if not clean[0].isdigit() else "_" + clean, "instance": instance}


def _read_csv(path: Path, collected: Collected, name: str | None) -> Iterator[Samples]:
    with _open(path) as file:
        lines = file.read().decode("utf-8-sig", "replace").split("\n")
    rows = [[cell.strip(' "\r\t') for cell in line.split(",")] if line.strip() else [] for line in lines]
    first = 1 if rows and rows[0] and rows[0][0].lower() in ("timestamp", "time", "date") else 0
    try:
        times, values = _columns([row for row in rows[first:] if row])
    except (ValueError, IndexError):
        times, values = _row_by_row(rows, first, path, collected)
    labels = LabelFrame.of([csv_labels(path, name)])
    yield Samples(labels, np.zeros(len(times), np.int64), times, values)


def _columns(rows: list[list[str]]) -> tuple[Times, Floats]:
    """All rows at once, where each is a time without a zone and a number."""
    moments = [row[0] for row in rows]
    # What numpy reads otherwise than datetime does: numbers as years, words for today and for no time, and zones with a warning.
    together = "".join(moments)
    zones = "Z" in together or "+" in together or together.count("-") != 2 * len(moments)
    if zones or any(len(text) < 16 or not text[0].isdigit() for text in moments):
        raise ValueError("not all are times of day without a zone")
    times = np.array(moments, "datetime64[us]").astype(np.int64)
    return (times + 500) // 1000, np.array([row[1] for row in rows], np.float64)


def _row_by_row(rows: list[list[str]], first: int, path: Path, collected: Collected) -> tuple[Times, Floats]:
    times, values = [], []
    for number, row in enumerate(rows[first:], first + 1):
        if not row:
            continue
        try:
            when, value = _csv_row(row)
        except (ValueError, OverflowError) as error:
            collected.refuse(f"{path}:{number}", str(error))
            continue
        times.append(when)
        values.append(value)
    return np.array(times, np.int64), np.array(values, np.float64)


def _csv_row(row: list[str]) -> tuple[int, float]:
    if len(row) < 2:
        raise ValueError("a row is a timestamp and a value, with a comma between them")
    text = row[0]
    if text.lstrip("-").isdigit():
        # Eleven digits are seconds until the year 5138; milliseconds have had twelve since 1973.
        number = int(text)
        when = number * 1000 if abs(number) < 100_000_000_000 else number
        if abs(when) > MAX_TIME_MS:
            raise ValueError(f"{text} is no time: it is neither in seconds nor in milliseconds")
        return when, float(row[1])
    moment = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() * 1000), float(row[1])
