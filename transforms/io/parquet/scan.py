"""Reading of a file of the Parquet store only what is asked for: row groups by their statistics, values only where a series fits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rules.promql.values import Index, Mask
from transforms.io.parquet.layout import Kind
from transforms.io.parquet.matching import SeriesMatcher

_PARTS = ("target", "metric")


def scan(
    kind: Kind,
    path: Path,
    start: int | None = None,
    end: int | None = None,
    matcher: SeriesMatcher | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """The rows of a file with times in ``[start, end)`` (ms) and of series that fit, in the file's order; rows of format 1 are of run 0.

    Args:
        matcher: None for all series.
        columns: which ones; None for all of the kind's schema.

    Raises:
        OSError, pyarrow.ArrowException: the file cannot be read; FileNotFoundError, if it is not there.
        ValueError: a series is not in canonical text.
    """
    schema = kind.schema if columns is None else pa.schema([kind.schema.field(name) for name in columns])
    with pq.ParquetFile(path) as file:
        groups = [number for number, may in enumerate(_may_hold(file.metadata, kind, start, end, matcher)) if may]
        if not groups:
            return schema.empty_table()
        if matcher is None and start is None and end is None:
            return _read(file, groups, schema)
        deciding = [*(_PARTS if matcher else ()), *(() if start is None and end is None else (kind.time,))]
        keys = _read(file, groups, pa.schema([kind.schema.field(name) for name in deciding]))
        wanted = _in_range(keys, kind, start, end)
        if matcher is not None:
            wanted &= _fitting(keys, matcher)
        sizes = [file.metadata.row_group(number).num_rows for number in groups]
        starts = np.cumsum([0, *sizes])
        alive = [place for place, size in enumerate(sizes) if wanted[starts[place] : starts[place] + size].any()]
        if not alive:
            return schema.empty_table()
        rest = [field for field in schema if field.name not in deciding]
        found = _read(file, [groups[place] for place in alive], pa.schema(rest))
        kept = np.concatenate([wanted[starts[place] : starts[place + 1]] for place in alive])
        rows = {name: keys.column(name).filter(pa.array(wanted)) for name in deciding}
        rows.update({field.name: found.column(field.name).filter(pa.array(kept)) for field in rest})
    return pa.table([rows[name] for name in schema.names], schema=schema)


def codes(column: pa.ChunkedArray) -> tuple[list[str], Index]:
    """The distinct texts of a dictionary-encoded column, and of each row its text, as an index into them."""
    array = column.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    return array.dictionary.to_pylist(), array.indices.to_numpy().astype(np.int64)


def _may_hold(
    metadata: pq.FileMetaData, kind: Kind, start: int | None, end: int | None, matcher: SeriesMatcher | None
) -> list[bool]:
    """Of each row group, whether it may hold rows that are asked for."""
    places = {metadata.schema.column(number).path: number for number in range(metadata.num_columns)}
    found = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        may = True
        if matcher is not None:
            names = group.column(places["name"]).statistics
            may = names is None or not names.has_min_max or matcher.may_hold(names.min, names.max)
        times = group.column(places[kind.time]).statistics if may else None
        if times is not None and times.has_min_max:
            # Raw, since a datetime holds no years beyond 9999.
            may = (start is None or times.max_raw >= start) and (end is None or times.min_raw < end)
        found.append(may)
    return found


def _read(file: pq.ParquetFile, groups: Sequence[int], schema: pa.Schema) -> pa.Table:
    there = [name for name in schema.names if name in file.schema_arrow.names]
    table = file.read_row_groups(groups, columns=there)
    rows = sum(file.metadata.row_group(number).num_rows for number in groups)
    columns = [
        table.column(field.name).cast(field.type) if field.name in there else _absent(field, rows) for field in schema
    ]
    return pa.table(columns, schema=schema)


def _absent(field: pa.Field, rows: int) -> pa.Array:
    """A column that files of an older format have not."""
    nulls = pa.nulls(rows, field.type)
    return nulls.fill_null(0) if field.name == "run" else nulls


def _in_range(keys: pa.Table, kind: Kind, start: int | None, end: int | None) -> Mask:
    wanted = np.ones(keys.num_rows, np.bool_)
    if start is None and end is None:
        return wanted
    times = keys.column(kind.time).cast(pa.int64()).to_numpy()
    if start is not None:
        wanted &= times >= start
    if end is not None:
        wanted &= times < end
    return wanted


def _fitting(keys: pa.Table, matcher: SeriesMatcher) -> Mask:
    if not keys.num_rows:
        return np.zeros(0, np.bool_)
    (targets, target), (metrics, metric) = (codes(keys.column(name)) for name in _PARTS)
    return matcher.fitting(targets, metrics, target, metric)
