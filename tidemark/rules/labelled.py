"""Labelled windows: files that say when something was wrong with which series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from rules.backtest.scoring import LabelledSeries, Window
from rules.promql.storage import matching_rows
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLSyntaxError
from rules.promql.syntax.parser import parse
from schemas.errors import FAILURE, UserError
from schemas.times import parse_time
from tidemark.rules.files import MAX_BYTES, read_bytes
from transforms.io.files.csv_history import csv_labels
from transforms.io.history.read import History

_FORM = """\
write series (a selector, or the name of a CSV file), and for each a list of first and last times:
  '{instance="web-1"}':
    - [2026-01-12T08:00:00Z, 2026-01-12T09:30:00Z]"""


# A mapping of lists of windows, which are lists or mappings.
_DEPTH = 4


class LabelsError(UserError):
    """A file of labelled windows that cannot be read; the message says where and what to write."""

    status = FAILURE


def read_labelled(path: Path, history: History, csv_name: str | None = None) -> tuple[list[LabelledSeries], list[str]]:
    """The labelled series of a file that are in the data, and the titles of those that are not.

    The file is YAML or JSON: a mapping of series to lists of windows. A series is a selector (``up{instance="a"}``), or, as in the labels of the
    Numenta Anomaly Benchmark, the name of a CSV file, which means the series that :func:`csv_labels` names. A series is in the data if its
    CSV file was read, or if the rules can see samples of it.

    Raises:
        LabelsError: it cannot be read, or is no such file.
    """
    try:
        data = read_bytes(path, MAX_BYTES)
        _check_shallow(path, data)
        document = yaml.load(data, yaml.CSafeLoader)
    except OSError as error:
        raise LabelsError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise LabelsError(f"{path}: neither YAML nor JSON: {error}") from None
    if not isinstance(document, Mapping):
        raise LabelsError(f"{path}: no mapping; {_FORM}")
    there, absent = [], []
    for key, windows in document.items():
        title = str(key)
        series = LabelledSeries(title, _matchers(path, title, csv_name), tuple(_windows(path, title, windows)))
        found = _was_read(title, history.files) or matching_rows(history.storage.labels, series.matchers).any()
        if found:
            there.append(series)
        else:
            absent.append(title)
    return there, absent


def _check_shallow(path: Path, data: bytes) -> None:
    """Refuse what the loader would not survive: its nesting is the stack's, and aliases of aliases have no end."""
    depth = 0
    for event in yaml.parse(data, yaml.CSafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise LabelsError(f"{path}:{line}: an alias; {_FORM}")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH:
            raise LabelsError(f"{path}:{line}: nested deeper than windows are; {_FORM}")


def _matchers(path: Path, title: str, csv_name: str | None) -> tuple[ast.Matcher, ...]:
    if _is_csv(title):
        labels = csv_labels(Path(title), csv_name)
        return tuple(ast.Matcher(name, ast.MatchOp.EQUAL, value) for name, value in labels.items())
    try:
        expr = parse(title)
    except PromQLSyntaxError as error:
        raise LabelsError(f"{path}: {title!r} is no selector: {error.message}; {_FORM}") from None
    if not isinstance(expr, ast.VectorSelector) or expr.offset_ms or expr.at is not None:
        raise LabelsError(f"{path}: {title!r} is no plain selector; {_FORM}")
    return expr.matchers


def _windows(path: Path, title: str, value: object) -> Iterable[Window]:
    if not isinstance(value, list):
        raise LabelsError(f"{path}: {title}: no list of windows; {_FORM}")
    for each in value:
        if not isinstance(each, list) or len(each) != 2:
            raise LabelsError(f"{path}: {title}: {each!r} is no window: two times are; {_FORM}")
        try:
            first, last = (_time(one) for one in each)
        except ValueError as error:
            raise LabelsError(f"{path}: {title}: {error}") from None
        if last < first:
            raise LabelsError(f"{path}: {title}: the window {each[0]} to {each[1]} ends before it begins")
        yield first, last


def _time(value: Any) -> int:
    """Milliseconds of a time: ISO 8601 (UTC unless it says otherwise), or milliseconds since 1970."""
    if isinstance(value, datetime):
        return round((value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp() * 1000)
    if isinstance(value, date):
        return round(datetime(value.year, value.month, value.day, tzinfo=timezone.utc).timestamp() * 1000)
    return parse_time(str(value))


def _was_read(title: str, files: Iterable[Path]) -> bool:
    if not _is_csv(title):
        return False
    wanted = Path(title).parts
    return any(file.with_name(file.name.removesuffix(".gz")).parts[-len(wanted) :] == wanted for file in files)


def _is_csv(title: str) -> bool:
    return title.endswith((".csv", ".csv.gz")) and "{" not in title
