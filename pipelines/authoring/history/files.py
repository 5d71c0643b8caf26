"""Archived data in files: records of the wire formats, a line each, and CSV of one series a file."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, cast

import numpy as np

from pipelines.authoring.history.samples import Collected, HistoryError, Samples, Wanted, by_parts
from rules.promql.labels import LabelFrame
from rules.promql.values import Floats, Times
from schemas.codecs.line_syntax import Precision
from schemas.numbers import sample_value, whole
from schemas.series import METRIC_NAME
from schemas.times import MAX_TIME_MS

SUFFIXES = (".csv", ".lp", ".line", ".influx", ".json", ".jsonl", ".ndjson")
BLOCK_BYTES = 8 << 20
_SHOWN = 60


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
    if max(map(len, rows)) > 2:
        _check_columns(path, rows)
    first = _first_row(rows)
    try:
        times, values = _columns([row for row in rows[first:] if row])
    except (ValueError, IndexError):
        times, values = _row_by_row(rows, first, path, collected)
    labels = LabelFrame.of([csv_labels(path, name)])
    yield Samples(labels, np.zeros(len(times), np.int64), times, values)


def _first_row(rows: list[list[str]]) -> int:
    """The number of the first row that is a sample: a row of names may stand before all others."""
    head = rows[0] if rows else []
    try:
        _csv_row(head)
    except ValueError:
        return int(bool(head) and not any(letter.isdigit() for letter in head[0]))
    return 0


def _check_columns(path: Path, rows: list[list[str]]) -> None:
    """Refuse a file of more than two columns: whether a further one is a label or another series, nobody but its author knows.

    Empty cells at the end of a row are none; they are taken away.

    Raises:
        HistoryError: most rows have more.
    """
    for row in rows:
        while len(row) > 2 and not row[-1]:
            row.pop()
    wide = [number for number, row in enumerate(rows, 1) if len(row) > 2]
    if 2 * len(wide) <= sum(map(bool, rows)):
        return
    row = rows[wide[0] - 1]
    raise HistoryError(
        f"{path}:{wide[0]}: {len(row)} columns ({', '.join(row)[:_SHOWN]}): a CSV file holds one series, in the columns timestamp and value; "
        "write a file for each series, or line protocol, which has labels"
    )


def _columns(rows: list[list[str]]) -> tuple[Times, Floats]:
    """All rows at once, where each is a time without a zone and a number."""
    moments = [row[0] for row in rows]
    # What numpy reads otherwise than datetime does: numbers as years, words for today and for no time, and zones with a warning.
    together = "".join(moments)
    zones = "Z" in together or "+" in together or together.count("-") != 2 * len(moments)
    if zones or any(len(text) < 16 or not text[0].isdigit() for text in moments):
        raise ValueError("not all are times of day without a zone")
    texts = [row[1] for row in rows]
    together = "".join(texts)
    if not together.isascii() or "_" in together or max(map(len, rows), default=2) > 2:
        raise ValueError("not all are rows of a time and a number")
    values = np.array(texts, np.float64)
    if not np.isfinite(values).all():
        raise ValueError("some may have been written as finite numbers")
    times = np.array(moments, "datetime64[us]").astype(np.int64)
    return (times + 500) // 1000, values


def _row_by_row(rows: list[list[str]], first: int, path: Path, collected: Collected) -> tuple[Times, Floats]:
    times, values = [], []
    for number, row in enumerate(rows[first:], first + 1):
        if not row:
            continue
        try:
            when, value = _csv_row(row)
        except ValueError as error:
            collected.refuse(f"{path}:{number}", str(error))
            continue
        times.append(when)
        values.append(value)
    return np.array(times, np.int64), np.array(values, np.float64)


def _csv_row(row: list[str]) -> tuple[int, float]:
    if len(row) != 2:
        raise ValueError(f"a row is a timestamp and a value with a comma between them, not {len(row)} cells")
    return _csv_time(row[0]), sample_value(row[1])


def _csv_time(text: str) -> int:
    if text.lstrip("-").isdigit():
        try:
            number = whole(text)
        except ValueError:
            number = MAX_TIME_MS + 1
        # Eleven digits are seconds until the year 5138; milliseconds have had twelve since 1973.
        when = number * 1000 if abs(number) < 100_000_000_000 else number
        if abs(when) > MAX_TIME_MS:
            raise ValueError(f"{text[:_SHOWN]} is no time: it is neither in seconds nor in milliseconds")
        return when
    try:
        moment = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text[:_SHOWN]!r} is no time; write 2026-01-12T00:00:00Z, or seconds or milliseconds since 1970"
        ) from None
