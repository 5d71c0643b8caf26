"""Rows of the Parquet store: from encoded batches, sorted, one row for each series and time. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.batch import decode, read_ipc, to_arrow
from schemas.rollup import COLUMNS
from schemas.series import parse_metric
from transforms.io.parquet.layout import DAY_MS, RAW_SCHEMA, ROLLUP_SCHEMA, Kind

_ATTRIBUTES = ("window", "shard", "pane", "watermark")
_BARE_NAME = re.compile(r'[^"{]+')


def rollup_table(elements: Sequence[bytes], run: int = 0) -> pa.Table:
    """The rows of encoded rollup batches (at least one) of a run, in columns of :data:`~transforms.io.parquet.layout.ROLLUP_SCHEMA`, unsorted.

    Raises:
        pyarrow.ArrowInvalid: an element is no Arrow IPC stream.
        KeyError: a column or an attribute is missing.
    """
    batches = [read_ipc(element) for element in elements]
    table = _join(batches, ("target", "metric", *COLUMNS))
    lengths = [batch.num_rows for batch in batches]
    metadata = [batch.schema.metadata for batch in batches]
    columns = {name: table.column(name) for name in table.column_names}
    for name in _ATTRIBUTES:
        values = np.fromiter((int(attributes[name.encode()]) for attributes in metadata), np.int64, len(batches))
        columns[name] = pa.array(np.repeat(values, lengths))
    columns["name"] = _names(table.column("metric"))
    columns["run"] = pa.array(np.full(len(table), run, np.int64))
    return pa.table([columns[field.name].cast(field.type) for field in ROLLUP_SCHEMA], schema=ROLLUP_SCHEMA)


def sample_table(elements: Sequence[bytes], run: int = 0) -> pa.Table:
    """The rows of encoded sample batches (at least one) of a run, in columns of :data:`~transforms.io.parquet.layout.RAW_SCHEMA`, unsorted.

    Raises:
        pyarrow.ArrowInvalid: an element is no Arrow IPC stream.
        KeyError: a column is missing.
    """
    table = _join([to_arrow(decode(element)) for element in elements], ("target", "metric", "ts", "value", "seq"))
    columns = {name: table.column(name) for name in table.column_names}
    columns["name"] = _names(table.column("metric"))
    columns["run"] = pa.array(np.full(len(table), run, np.int64))
    return pa.table([columns[field.name].cast(field.type) for field in RAW_SCHEMA], schema=RAW_SCHEMA)


def newest(kind: Kind, table: pa.Table) -> pa.Table:
    """Of all rows of one series and time the newest (see :class:`~transforms.io.parquet.layout.Kind`), sorted by metric, target and time.

    The result does not depend on the order of the rows, and taking it of parts first changes nothing.
    """
    if not table.num_rows:
        return table
    table = table.unify_dictionaries().combine_chunks()
    metric, target = (_ranks(table.column(name)) for name in ("metric", "target"))
    time = _integers(table, kind.time)
    versions = [_integers(table, name) for name in reversed(kind.versions)]
    # A column with one value orders nothing, and a sort by it costs as much as one that does.
    varying = [version for version in versions if version.min() != version.max()]
    order = np.lexsort((*varying, time, target, metric))
    series_time = [column[order] for column in (metric, target, time)]
    last = np.ones(len(order), np.bool_)
    last[:-1] = np.logical_or.reduce([column[1:] != column[:-1] for column in series_time])
    return table.take(pa.array(order[last]))


def by_day(kind: Kind, table: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each day of UTC, counted from 1970-01-01; their order is kept."""
    days = _integers(table, kind.time) // DAY_MS
    for day in np.unique(days).tolist():
        yield day, table.filter(pa.array(days == day))


def _join(batches: Sequence[pa.RecordBatch], names: Sequence[str]) -> pa.Table:
    plain = [batch.select(list(names)).replace_schema_metadata(None) for batch in batches]
    return pa.Table.from_batches(plain).unify_dictionaries().combine_chunks()


def _names(metric: pa.ChunkedArray) -> pa.Array:
    """Metric names of a column of metric parts."""
    column = metric.combine_chunks()
    entries = [_name(text) for text in column.dictionary.to_pylist()]
    encoded = pa.array(entries, pa.utf8()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices.take(column.indices), encoded.dictionary)


def _name(text: str) -> str:
    # Nearly every name is bare; a quoted one needs the parser.
    found = _BARE_NAME.match(text)
    return found[0] if found else parse_metric(text)[0]


def _ranks(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """For each row the rank of its text among the dictionary's, in order of code points."""
    encoded = column.combine_chunks()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    found: npt.NDArray[np.int64] = ranks[encoded.indices.to_numpy()]
    return found


def _integers(table: pa.Table, name: str) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = table.column(name).cast(pa.int64()).to_numpy()
    return found
