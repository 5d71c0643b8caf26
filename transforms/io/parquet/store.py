"""The Parquet store: files of rollups and samples, written whole or not at all, and read with the newest version of each row.

No Beam. :mod:`transforms.io.parquet.layout` has the names and schemas, :mod:`transforms.io.parquet.compact` the upkeep.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from rules.promql.syntax.ast import Matcher
from transforms.io.files.atomic import write_atomically
from transforms.io.parquet.layout import (
    DAY_MS,
    FORMAT,
    FORMAT_KEY,
    RAW,
    FileName,
    Kind,
    date_folder,
    day_of_folder,
    file_name,
    kind_of,
)
from transforms.io.parquet.matching import SeriesMatcher
from transforms.io.parquet.rows import by_day, newest
from transforms.io.parquet.runs import check_format
from transforms.io.parquet.scan import scan

ROW_GROUP = 131_072
"""Rows of a row group: what a reader that wants one metric can skip."""

_ATTEMPTS = 10

Selectors = Sequence[Sequence[Matcher]]
"""The matchers of some selectors."""


class StoredFile(NamedTuple):
    """A file of the store and the parts of its name."""

    path: Path
    name: FileName


def write(directory: str | os.PathLike[str], folder: str, table: pa.Table, sync: bool = True) -> list[Path]:
    """Write rows (of the schema of the folder's kind, in any order) into the store, one file a day; returns the files.

    Each file appears whole, under a name that holds a hash of its contents: the same rows written again replace it. ``sync``: return
    only once the rows survive a power failure.

    Raises:
        OSError: a file cannot be written; those of other days may have been.
    """
    kind = kind_of(folder)
    return [
        write_file(Path(directory) / folder / date_folder(day), kind, rows, sync)
        for day, rows in by_day(kind, newest(kind, table))
    ]


def write_file(folder: Path, kind: Kind, table: pa.Table, sync: bool = True) -> Path:
    """Write sorted rows of one day as one file, atomically.

    Raises:
        OSError: it cannot be written.
    """
    sink = pa.BufferOutputStream()
    table = table.replace_schema_metadata({FORMAT_KEY: str(FORMAT)})
    pq.write_table(table, sink, compression="zstd", row_group_size=ROW_GROUP)
    content = sink.getvalue()
    path = folder / str(file_name(kind, table, content))
    write_atomically(path, memoryview(content), sync)
    return path


Unreadable = Callable[[Path, str], None]
"""Called with a file that cannot be read, and why."""


def reason_of(error: Exception) -> str:
    """Why a file cannot be read, in Arrow's words but without the name of the file."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).rpartition("': ")[2].splitlines()[0] if str(error) else type(error).__name__


def rows_of(path: Path) -> int:
    """How many rows a file holds, by its footer.

    Raises:
        OSError, pyarrow.ArrowException: it cannot be read.
    """
    return int(pq.read_metadata(path).num_rows)


def files(
    directory: str | os.PathLike[str], folder: str, start: int | None = None, end: int | None = None
) -> Iterator[StoredFile]:
    """The files of a folder that may hold rows with ``start <= time < end`` (ms), by day and name."""
    root = Path(directory) / folder
    days = sorted((day, entry) for entry in _entries(root) if (day := day_of_folder(entry.name)) is not None)
    for day, entry in days:
        if (start is not None and (day + 1) * DAY_MS <= start) or (end is not None and day * DAY_MS >= end):
            continue
        for path in sorted(_entries(entry)):
            name = FileName.parse(path.name)
            if name and (start is None or name.last >= start) and (end is None or name.first < end):
                yield StoredFile(path, name)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def read_rollups(
    directory: str | os.PathLike[str],
    tier: str,
    start: int | None = None,
    end: int | None = None,
    selectors: Selectors | None = None,
    unreadable: Unreadable | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """The rows of a tier with window starts in ``[start, end)`` (ms): of each series and window the newest pane of the latest run.

    Args:
        selectors: the series to read: those that fit all matchers of one of them; all series if None.
        unreadable: called with files that cannot be read, which are then left out.
        columns: the ones to return; beside them only the columns that find a row and its version are read. All if None.

    Returns:
        columns of :data:`~transforms.io.parquet.layout.ROLLUP_SCHEMA`, sorted by metric, target and window.

    Raises:
        OSError, pyarrow.ArrowInvalid: a file cannot be read, and ``unreadable`` is None.
        rules.promql.syntax.errors.PromQLSyntaxError: a matcher's pattern is none.
        schemas.forms.model.VersionError: only a newer release can read the store.
    """
    return _read(directory, tier, start, end, selectors, unreadable, columns)


def read_raw(
    directory: str | os.PathLike[str],
    start: int | None = None,
    end: int | None = None,
    selectors: Selectors | None = None,
    unreadable: Unreadable | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """The raw samples with event times in ``[start, end)`` (ms): of a series and event time the latest run's with the highest ``seq``.

    Arguments and errors are those of :func:`read_rollups`.

    Returns:
        columns of :data:`~transforms.io.parquet.layout.RAW_SCHEMA`, sorted by metric, target and time.
    """
    return _read(directory, RAW, start, end, selectors, unreadable, columns)


def metrics(directory: str | os.PathLike[str], folder: str, unreadable: Unreadable | None = None) -> list[str]:
    """The names of the metrics that a folder holds of its newest day, sorted.

    Raises:
        OSError, pyarrow.ArrowInvalid: a file cannot be read, and ``unreadable`` is None.
    """
    found = list(files(directory, folder))
    newest_day = found[-1].path.parent if found else None
    names: set[str] = set()
    for file in found:
        if file.path.parent == newest_day:
            try:
                names.update(pq.read_table(file.path, columns=["name"]).column("name").unique().to_pylist())
            except (OSError, pa.ArrowException) as error:
                if unreadable is None:
                    raise
                unreadable(file.path, reason_of(error))
    return sorted(names)


def _read(
    directory: str | os.PathLike[str],
    folder: str,
    start: int | None,
    end: int | None,
    selectors: Selectors | None,
    unreadable: Unreadable | None,
    columns: Sequence[str] | None,
) -> pa.Table:
    kind = kind_of(folder)
    wanted = kind.schema.names if columns is None else columns
    needed = [name for name in kind.schema.names if name in {*wanted, "metric", "target", kind.time, *kind.versions}]
    rows = read_versions(directory, folder, start, end, selectors, unreadable, needed)
    return newest(kind, rows).select(list(wanted))


def read_versions(
    directory: str | os.PathLike[str],
    folder: str,
    start: int | None = None,
    end: int | None = None,
    selectors: Selectors | None = None,
    unreadable: Unreadable | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Every row of a folder with times in ``[start, end)`` (ms), in any order, those too that newer ones replace.

    Arguments and errors are those of :func:`read_rollups`.
    """
    check_format(directory)
    kind = kind_of(folder)
    matcher = None if selectors is None else SeriesMatcher(selectors)
    for attempt in range(_ATTEMPTS):
        paths = _settled(lambda: [file.path for file in files(directory, folder, start, end)])
        tables = [kind.schema.empty_table().select(list(columns or kind.schema.names))]
        damaged: list[tuple[Path, str]] = []
        try:
            for path in paths:
                try:
                    tables.append(scan(kind, path, start, end, matcher, columns))
                except FileNotFoundError:
                    raise
                except (OSError, pa.ArrowException) as error:
                    if unreadable is None:
                        raise
                    damaged.append((path, reason_of(error)))
        except FileNotFoundError:
            # Folded into another file since it was listed.
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        if unreadable is not None:
            for path, reason in damaged:
                unreadable(path, reason)
        return pa.concat_tables(tables)
    raise AssertionError("unreachable")


def read_files(kind: Kind, paths: Sequence[Path]) -> pa.Table:
    """All rows of some files, in any order; rows of format 1 are of run 0.

    Raises:
        OSError, pyarrow.ArrowInvalid: a file cannot be read; FileNotFoundError, if it is not there.
    """
    return pa.concat_tables([kind.schema.empty_table(), *(scan(kind, path) for path in paths)])


def _settled(listing: Callable[[], list[Path]]) -> list[Path]:
    """A listing that two looks agree on: one look at a large folder may miss both a file and the one that it is folded into."""
    before = listing()
    while (after := listing()) != before:
        before = after
    return after
