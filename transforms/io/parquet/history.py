"""Archived data in Tidemark's own Parquet store: raw samples, or a tier's rollups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rules.promql.values import Index
from schemas.times import parse_duration
from transforms.io.history.options import ROLLUP_VALUES
from transforms.io.history.samples import Collected, HistoryError, Samples, Wanted, by_parts
from transforms.io.parquet.layout import RAW
from transforms.io.parquet.store import metrics as metrics_of
from transforms.io.parquet.store import read_raw, read_rollups


def tiers_of(directory: Path) -> list[str]:
    """The tiers of a store, the finest first; those whose names are no durations come last."""
    found = {folder.parent.name for folder in directory.glob("*/date=*")}
    lengths = {tier: 0 if tier == RAW else _length(tier) for tier in found}
    return sorted(found, key=lambda tier: (lengths[tier] is None, lengths[tier] or 0, tier))


def _length(tier: str) -> int | None:
    """The length of a tier's windows, ms; None if its name does not say it."""
    try:
        return parse_duration(tier)
    except ValueError:
        return None


def read_store(directory: Path, tier: str | None, value: str, wanted: Wanted, collected: Collected) -> None:
    """Add the wanted samples of a store.

    A rollup of the window ``[start, start + length)`` becomes a sample at the time of the last sample that it holds, so that nothing
    is known before it happened.

    Args:
        tier: ``raw``, ``1m``, ...; None for the finest there is.
        value: which of a rollup's columns is the sample's value, one of ``ROLLUP_VALUES``; raw samples have their own.

    Raises:
        HistoryError: no such tier or column, or no store.
        OSError: the store cannot be read.
    """
    tiers = tiers_of(directory)
    if not tiers:
        raise HistoryError(f"{directory} is no Parquet store: a job writes one with --output=parquet:DIR")
    chosen = tier or tiers[0]
    if chosen not in tiers:
        raise HistoryError(f"{directory} has no tier {chosen!r}; it has {', '.join(tiers)}")
    if value not in ROLLUP_VALUES:
        raise HistoryError(f"a rollup has no {value!r}; it has {', '.join(ROLLUP_VALUES)}")
    start = None if wanted.start_ms is None else wanted.start_ms + 1
    end = None if wanted.end_ms is None else wanted.end_ms + 1

    def damage(path: Path, reason: str) -> None:
        collected.damage(str(path), reason)

    if chosen == RAW:
        table = read_raw(directory, start, end, wanted.names(), damage)
        times, values = table.column("ts"), table.column("value")
    else:
        # A window that begins before the bound may hold samples after it.
        length = _length(chosen)
        early = None if start is None or length is None else start - length
        table = read_rollups(directory, chosen, early, end, wanted.names(), damage)
        times = table.column("last_ts")
        values = pc.divide(table.column("sum"), table.column("count")) if value == "avg" else table.column(value)
    if any(name not in table.column("name").unique().to_pylist() for name in wanted.names() or ()):
        collected.catalogue.add_names(metrics_of(directory, chosen, lambda *_: None))
    if not table.num_rows:
        return
    targets, target = _dictionary(table.column("target"))
    metrics, metric = _dictionary(table.column("metric"))
    labels, series = by_parts(targets, metrics, target, metric)
    samples = Samples(labels, series, times.cast(pa.int64()).to_numpy(), values.cast(pa.float64()).to_numpy())
    collected.take(samples, wanted)


def _dictionary(column: pa.ChunkedArray) -> tuple[list[str], Index]:
    array = column.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    return array.dictionary.to_pylist(), array.indices.to_numpy().astype(np.int64)
