"""Rollup rows: one series' samples in one window, reduced so that every coarser tier can be computed from them.

Wire form: one Arrow IPC stream, columns as in :data:`COLUMNS`, the window and pane as schema metadata.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.aggregates import AGGREGATES, Aggregate
from schemas.batch import (
    MIN_WATERMARK,
    Column,
    Int32,
    compact_dictionary,
    dictionary_array,
    read_ipc,
    read_metadata,
    write_ipc,
)
from schemas.forms import table as forms

COLUMNS = tuple(each.name for each in AGGREGATES)
"""The values of a row, in the order in which sinks write them."""


@dataclass(frozen=True)
class RollupBatch:
    """Rows of one tier, one window, one shard and one pane; at most one row a series.

    Attributes:
        targets, metrics: distinct canonical texts (see :mod:`schemas.series`); ``target`` and ``metric`` index into them.
        columns: by the names of :data:`COLUMNS`, in their order, of the finite samples; see :data:`schemas.aggregates.AGGREGATES`. Two neighbouring
            windows a, b join exactly: ``a.increase + b.increase + step(a.last, b.first)``.
        tier: name of the tier, ``1m``.
        window: start of the window, ms; ``window_ms``: its length.
        shard: of the target part.
        pane: 0 for the on-time pane, then 1, 2, ... for corrections; a later pane holds only the series it changed, in full.
        watermark: event time in ms that the stream had reached when the pane fired.
    """

    targets: Sequence[str]
    metrics: Sequence[str]
    target: Int32
    metric: Int32
    columns: Mapping[str, Column]
    tier: str
    window: int
    window_ms: int
    shard: int
    pane: int = 0
    watermark: int = MIN_WATERMARK

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_] | slice) -> RollupBatch:
        """The given rows, same dictionaries."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        return replace(self, target=self.target[rows], metric=self.metric[rows], columns=columns)

    def compact(self) -> RollupBatch:
        """The same rows with dictionaries reduced to the entries in use."""
        targets, target = compact_dictionary(self.targets, self.target)
        metrics, metric = compact_dictionary(self.metrics, self.metric)
        return replace(self, targets=targets, metrics=metrics, target=target, metric=metric)


_ATTRIBUTES = ("window", "window_ms", "shard", "pane", "watermark")


def to_arrow(batch: RollupBatch) -> pa.RecordBatch:
    """The rows as an Arrow record batch: target, metric (dictionaries), then :data:`COLUMNS`; attributes as metadata."""
    columns = {
        "target": dictionary_array(batch.targets, batch.target),
        "metric": dictionary_array(batch.metrics, batch.metric),
        **{name: pa.array(batch.columns[name]) for name in COLUMNS},
    }
    attributes = {"tier": batch.tier, **{name: str(getattr(batch, name)) for name in _ATTRIBUTES}}
    return pa.RecordBatch.from_pydict(columns).replace_schema_metadata(attributes)


def from_arrow(batch: pa.RecordBatch) -> RollupBatch:
    """The rows of :func:`to_arrow`.

    Raises:
        KeyError: a column or an attribute is missing.
        schemas.forms.model.VersionError: another release wrote them.
    """
    attributes = batch.schema.metadata
    forms.ROLLUPS.check_attribute(attributes)
    numbers: dict[str, Any] = {name: int(attributes[name.encode()]) for name in _ATTRIBUTES}
    target, metric = batch.column("target"), batch.column("metric")
    return RollupBatch(
        targets=target.dictionary.to_pylist(),
        metrics=metric.dictionary.to_pylist(),
        target=target.indices.to_numpy(),
        metric=metric.indices.to_numpy(),
        columns=read_columns(batch),
        tier=attributes[b"tier"].decode(),
        **numbers,
    )


def read_columns(batch: pa.RecordBatch, aggregates: Sequence[Aggregate] = AGGREGATES) -> dict[str, Column]:
    """The aggregates of rows in Arrow; :attr:`~schemas.aggregates.Aggregate.missing` for a column that older rows do not have.

    Raises:
        KeyError: a column is missing that every release writes.
    """
    return {each.name: _read_column(batch, each) for each in aggregates}


def _read_column(batch: pa.RecordBatch, aggregate: Aggregate) -> Column:
    if aggregate.missing is not None and aggregate.name not in batch.schema.names:
        return np.full(batch.num_rows, aggregate.missing)
    return batch.column(aggregate.name).to_numpy()  # type: ignore[no-any-return]


def encode(batch: RollupBatch) -> bytes:
    """The wire form of the rows."""
    return write_ipc(to_arrow(batch))


def decode(data: bytes) -> RollupBatch:
    """The rows of a wire form.

    Raises:
        pyarrow.ArrowInvalid: the bytes are no Arrow IPC stream.
        KeyError: a column or an attribute is missing.
        schemas.forms.model.VersionError: another release wrote them.
    """
    return from_arrow(read_ipc(data))


def read_place(data: bytes) -> tuple[int, int]:
    """The shard and the window (ms) that a wire form carries, without reading its rows."""
    attributes = read_metadata(data)
    return int(attributes[b"shard"]), int(attributes[b"window"])
