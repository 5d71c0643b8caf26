"""Rollup rows as dicts, for whoever handles them one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schemas.rollup import RollupBatch
from schemas.series import parse_labels, parse_metric

Row = dict[str, Any]
"""A row: see :func:`rows_of`."""


def rows_of(batch: RollupBatch) -> Iterator[Row]:
    """The rows of a batch.

    Each has ``tier``, ``window`` (its start, ms) and ``window_ms``; ``name`` and ``labels`` of its series; ``pane``, 0 for the one on time, more
    for corrections, of which the highest counts; and the aggregates, named as in :data:`schemas.aggregates.AGGREGATES`.
    """
    series = [parse_metric(text) for text in batch.metrics]
    targets = [parse_labels(text) for text in batch.targets]
    columns = {name: column.tolist() for name, column in batch.columns.items()}
    for at, (target, metric) in enumerate(zip(batch.target.tolist(), batch.metric.tolist(), strict=True)):
        name, labels = series[metric]
        yield {
            "tier": batch.tier,
            "window": batch.window,
            "window_ms": batch.window_ms,
            "name": name,
            "labels": {**targets[target], **labels},
            "pane": batch.pane,
            **{column: values[at] for column, values in columns.items()},
        }
