"""Merging panes of a finer tier into the rows of a coarser one: the pure core of every tier but the finest. No Beam, no clock.

A coarse window holds, for each series, the newest pane of each fine window in it. Fine windows that can no longer change are folded
into one row, so that state does not grow with the length of the coarse window. Folding is a strict left fold in order of time: the
bits of the result do not depend on when a prefix was folded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.batch import (
    Column,
    Int32,
    Int64,
    compact_dictionary,
    dictionary_array,
    merge_dictionaries,
    read_ipc,
    write_ipc,
)
from schemas.forms import table as forms
from schemas.rollup import COLUMNS, RollupBatch, read_columns
from schemas.tiers import Tier
from transforms.rollups import aggregates
from transforms.rollups.collisions import Mask, Rows
from transforms.rollups.samples import sorted_order

FOLDED = -(1 << 62)
"""``window`` of a row that stands for all fine windows folded so far; sorts before every real window."""


@dataclass(frozen=True)
class Panes:
    """Rows of fine windows, each with its window (ms) and pane; columns as in :class:`schemas.rollup.RollupBatch`."""

    targets: Sequence[str]
    metrics: Sequence[str]
    target: Int32
    metric: Int32
    window: Int64
    pane: Int64
    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return len(self.window)

    def take(self, rows: Rows | Mask) -> Panes:
        """The given rows, same dictionaries."""
        return replace(
            self,
            target=self.target[rows],
            metric=self.metric[rows],
            window=self.window[rows],
            pane=self.pane[rows],
            columns={name: column[rows] for name, column in self.columns.items()},
        )

    def compact(self) -> Panes:
        """The same rows with dictionaries reduced to the entries in use."""
        targets, target = compact_dictionary(self.targets, self.target)
        metrics, metric = compact_dictionary(self.metrics, self.metric)
        return replace(self, targets=targets, metrics=metrics, target=target, metric=metric)


def from_rollup(batch: RollupBatch) -> Panes:
    """The rows of one pane of a finer tier."""
    return Panes(
        targets=batch.targets,
        metrics=batch.metrics,
        target=batch.target,
        metric=batch.metric,
        window=np.full(len(batch), batch.window, np.int64),
        pane=np.full(len(batch), batch.pane, np.int64),
        columns=batch.columns,
    )


def encode(panes: Panes) -> bytes:
    """The form in which state keeps panes: an Arrow IPC stream."""
    columns = {
        "target": dictionary_array(panes.targets, panes.target),
        "metric": dictionary_array(panes.metrics, panes.metric),
        "window": pa.array(panes.window),
        "pane": pa.array(panes.pane),
        **{name: pa.array(panes.columns[name]) for name in COLUMNS},
    }
    return write_ipc(pa.RecordBatch.from_pydict(columns))


def decode(data: bytes) -> Panes:
    """The panes of :func:`encode`.

    Raises:
        schemas.forms.model.VersionError: another release wrote them.
    """
    batch = read_ipc(data)
    forms.PANES.check_attribute(batch.schema.metadata)
    target, metric = batch.column("target"), batch.column("metric")
    return Panes(
        targets=target.dictionary.to_pylist(),
        metrics=metric.dictionary.to_pylist(),
        target=target.indices.to_numpy(),
        metric=metric.indices.to_numpy(),
        window=batch.column("window").to_numpy(),
        pane=batch.column("pane").to_numpy(),
        columns=read_columns(batch),
    )


@dataclass(frozen=True)
class MergedPanes:
    """Panes sorted by (series, window), the newest of each; ``starts`` is the row at which each series begins."""

    panes: Panes
    starts: Rows
    changed: Mask


def merge(kept: Panes | None, arrivals: Sequence[Panes]) -> MergedPanes:
    """Merge arrivals into the panes kept of a coarse window; the newest pane of each (series, fine window) survives.

    ``changed`` marks for each series whether any arrival survived.
    """
    parts = [kept, *arrivals] if kept is not None else list(arrivals)
    targets, target = merge_dictionaries([(part.targets, part.target) for part in parts])
    metrics, metric = merge_dictionaries([(part.metrics, part.metric) for part in parts])
    rows = Panes(
        targets=targets,
        metrics=metrics,
        target=target,
        metric=metric,
        window=np.concatenate([part.window for part in parts]),
        pane=np.concatenate([part.pane for part in parts]),
        columns=_concat_columns(parts),
    )
    series = rows.target.astype(np.int64) * len(metrics) + rows.metric
    arrived = np.arange(len(rows)) >= (len(kept) if kept is not None else 0)
    order = _sorted_order(series, rows.window, rows.pane)
    series, window = series[order], rows.window[order]
    newest = np.ones(len(order), np.bool_)
    newest[:-1] = (series[1:] != series[:-1]) | (window[1:] != window[:-1])
    order, series = order[newest], series[newest]
    first = np.ones(len(order), np.bool_)
    first[1:] = series[1:] != series[:-1]
    starts = np.flatnonzero(first)
    return MergedPanes(rows.take(order), starts, np.logical_or.reduceat(arrived[order], starts))


def _sorted_order(series: Int64, window: Int64, pane: Int64) -> Rows:
    """Row order by (series, window, pane), ties in row order; packed as in :func:`transforms.rollups.samples.sorted_order`."""
    real = window != FOLDED
    if not real.any():
        return sorted_order(series, pane)
    first = int(window[real].min())
    # Windows are multiples of one length: counting in that unit takes few bits. What is folded comes before all others.
    unit = max(1, int(np.gcd.reduce(window[real] - first)))
    number = np.where(real, (window - first) // unit + 1, 0)
    panes = int(pane.max()) + 1
    return sorted_order(series, number * panes + pane)


def fold(panes: Panes, starts: Rows) -> Panes:
    """Fold the rows of each series, in order of their windows, into one row whose window is :data:`FOLDED`.

    ``panes`` is sorted by (series, window); ``starts`` is the row at which each series begins.
    """
    return Panes(
        targets=panes.targets,
        metrics=panes.metrics,
        target=panes.target[starts],
        metric=panes.metric[starts],
        window=np.full(len(starts), FOLDED, np.int64),
        pane=np.zeros(len(starts), np.int64),
        columns=aggregates.of_panes(panes.columns, starts),
    )


def fold_final(merged: MergedPanes, final_before: int) -> Panes:
    """Replace, in each series, the rows of windows that start before ``final_before`` (ms) by one folded row.

    Sound only when none of those windows can get another pane.
    """
    panes = merged.panes
    final = panes.window < final_before
    if not final.any():
        return panes
    prefix = panes.take(final)
    series = np.repeat(np.arange(len(merged.starts)), np.diff(merged.starts, append=len(panes)))[final]
    first = np.ones(len(series), np.bool_)
    first[1:] = series[1:] != series[:-1]
    folded = fold(prefix, np.flatnonzero(first))
    return concat([folded, panes.take(~final)])


def after_folding(merged: MergedPanes, final_before: int) -> int:
    """How many rows :func:`fold_final` leaves."""
    final = merged.panes.window < final_before
    # Rows are sorted by window within a series: where one is folded, so is the first.
    return len(final) - int(np.count_nonzero(final)) + int(np.count_nonzero(final[merged.starts]))


def concat(parts: Sequence[Panes]) -> Panes:
    """Rows of panes that share their dictionaries, one after the other."""
    return replace(
        parts[0],
        target=np.concatenate([part.target for part in parts]),
        metric=np.concatenate([part.metric for part in parts]),
        window=np.concatenate([part.window for part in parts]),
        pane=np.concatenate([part.pane for part in parts]),
        columns=_concat_columns(parts),
    )


def _concat_columns(parts: Sequence[Panes]) -> dict[str, Column]:
    return {name: np.concatenate([part.columns[name] for part in parts]) for name in COLUMNS}


def select_series(merged: MergedPanes, wanted: npt.NDArray[np.bool_]) -> tuple[Panes, Rows]:
    """The rows of the wanted series, and the row at which each begins."""
    lengths = np.diff(merged.starts, append=len(merged.panes))
    rows = merged.panes.take(np.repeat(wanted, lengths))
    kept = lengths[wanted]
    return rows, np.cumsum(kept) - kept


def rollup(panes: Panes, starts: Rows, *, tier: Tier, window: int, shard: int) -> RollupBatch:
    """Rows of the coarse window, one a series, from its panes sorted by (series, fine window)."""
    folded = fold(panes, starts)
    return RollupBatch(
        targets=folded.targets,
        metrics=folded.metrics,
        target=folded.target,
        metric=folded.metric,
        columns=folded.columns,
        tier=tier.name,
        window=window,
        window_ms=tier.window_ms,
        shard=shard,
    ).compact()
