"""CSV files of archived data: a time and a value a row, one series a file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from rules.promql.labels import LabelFrame
from rules.promql.values import Floats, Times
from schemas.numbers import sample_value, whole
from schemas.series import METRIC_NAME
from schemas.times import MAX_TIME_MS
from transforms.io.files.records import InputFault, read_content
from transforms.io.history.samples import Collected, HistoryError, Samples

CSV = ".csv"
MAX_ROW_LINES = 100
"""A quoted cell goes over this many lines at most; a quote that is not closed by then closes nothing."""

_SHOWN = 60


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


def is_csv(path: str) -> bool:
    """Whether a file whose name does not say so is one: its first row, or the one behind a row of names, is a time and a number."""
    try:
        text = next(read_content(path), b"").decode("utf-8", "replace")
    except InputFault:
        return False
    for row in [row for row in _rows(text) if row][:2]:
        try:
            _csv_row(row)
        except ValueError:
            continue
        return True
    return False


def read_csv(path: str, shown: str, collected: Collected, name: str | None) -> Iterator[Samples]:
    """The samples of a file, which others know as ``shown``; rows that cannot be read go to ``collected``.

    Raises:
        InputFault: it cannot be read to its end; what came before was given.
        HistoryError: it has more columns than two.
    """
    pieces: list[bytes] = []
    fault: InputFault | None = None
    try:
        pieces += read_content(path)
    except InputFault as error:
        fault = error
    data = b"".join(pieces)
    if fault is not None:
        # The row where it breaks off may be half a number.
        data = data[: data.rfind(b"\n") + 1]
    rows = _rows(data.decode("utf-8", "replace"))
    if max(map(len, rows), default=0) > 2:
        _check_columns(shown, rows)
    first = _first_row(rows)
    try:
        times, values = _columns([row for row in rows[first:] if row])
    except (ValueError, IndexError):
        times, values = _row_by_row(rows, first, shown, collected)
    series = csv_labels(Path(shown), name)
    collected.notes.name(series, shown, times)
    collected.notes.one_time(shown, len(times) - len(np.unique(times)))
    labels = LabelFrame.of([series])
    yield Samples(labels, np.zeros(len(times), np.int64), times, values)
    if fault is not None:
        raise InputFault(str(fault), data.count(b"\n"))


def _rows(text: str) -> list[list[str]]:
    """The cells of each line; none for a blank one, and for all but the first of a row over several."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    rows = [[cell.strip() for cell in line.split(",")] if line.strip() else [] for line in lines]
    if '"' not in text:
        return rows
    number = 0
    while number < len(lines):
        length = _row_length(lines, number) if '"' in lines[number] else 1
        if '"' in lines[number]:
            rows[number] = _cells("\n".join(lines[number : number + length]))
            rows[number + 1 : number + length] = [[]] * (length - 1)
        number += length
    return rows


def _cells(row: str) -> list[str]:
    try:
        (cells,) = csv.reader([row], skipinitialspace=True)
    except csv.Error:
        cells = row.split(",")
    # A quote that is not closed is no reason to lose its row.
    return [cell.strip().strip('"').strip() for cell in cells]


def _row_length(lines: list[str], first: int) -> int:
    """Over how many lines a row goes: until its quotes are closed."""
    quotes = 0
    for length, line in enumerate(lines[first : first + MAX_ROW_LINES], 1):
        quotes += line.count('"')
        if quotes % 2 == 0:
            return length
    return 1


def _first_row(rows: list[list[str]]) -> int:
    """The number of the first row that is a sample: a row of names may stand before all others."""
    head = rows[0] if rows else []
    try:
        _csv_row(head)
    except ValueError:
        return int(bool(head) and not any(letter.isdigit() for letter in head[0]))
    return 0


def _check_columns(path: str, rows: list[list[str]]) -> None:
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


def _row_by_row(rows: list[list[str]], first: int, path: str, collected: Collected) -> tuple[Times, Floats]:
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
        other = next((mark for mark in (";", "\t") if len(row) == 1 and mark in row[0]), "")
        found = f"{len(row)} cells" if len(row) > 1 else "one cell"
        instead = (
            f", and this one has {'a tab' if other == chr(9) else other} between them" if other else f", not {found}"
        )
        raise ValueError(f"a row is a timestamp and a value with a comma between them{instead}")
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
