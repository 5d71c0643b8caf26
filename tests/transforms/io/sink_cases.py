"""Batches for the tests of the sinks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from schemas.aggregates import AGGREGATES
from schemas.alert_event import AlertEvent, State, Trace, TracedSeries
from schemas.batch import SampleBatch, merge_dictionaries
from schemas.rollup import COLUMNS, RollupBatch
from schemas.series import labels_text, metric_text

MINUTE = 60_000
WINDOW = 1_700_000_040_000
"""2023-11-14T22:14:00Z."""

INTEGERS = tuple(each.name for each in AGGREGATES if each.kind.is_integer)


def series(host: str, metric: str, **labels: str) -> tuple[str, str]:
    """Target and metric part of a series."""
    return labels_text([("host", host), ("job", "node")]), metric_text(metric, labels.items())


def alert_event(**changes: Any) -> AlertEvent:
    """A firing alert, with a trace."""
    traced = TracedSeries({"__name__": "load", "host": "a"}, WINDOW, 9.5)
    fields: dict[str, Any] = {
        "id": "0123456789abcdef" * 2,
        "alert": "fedcba9876543210" * 2,
        "file": "hosts.yml",
        "group": "hosts",
        "rule": "Overloaded",
        "labels": {"alertname": "Overloaded", "host": "a"},
        "annotations": {"summary": "a is overloaded"},
        "value": 9.5,
        "state": State.FIRING,
        "reason": "held",
        "active_since": WINDOW - MINUTE,
        "starts_at": WINDOW,
        "ends_at": None,
        "evaluated_at": WINDOW,
        "trace": (Trace("load", (traced,)),),
    }
    return AlertEvent(**{**fields, **changes})


def rollups(
    rows: Sequence[tuple[tuple[str, str], dict[str, Any]]],
    window: int = WINDOW,
    pane: int = 0,
    shard: int = 0,
    watermark: int = WINDOW + MINUTE,
    tier: str = "1m",
) -> RollupBatch:
    """A batch of rows ``((target, metric), values)``; values that are not given are those of three samples 1, 2, 3."""
    defaults = {
        "count": 3,
        "sum": 6.0,
        "min": 1.0,
        "max": 3.0,
        "first": 1.0,
        "last": 3.0,
        "increase": 2.0,
        "first_ts": window,
        "last_ts": window + 50_000,
    }
    targets, target = merge_dictionaries([([key[0]], np.zeros(1, np.int32)) for key, _ in rows])
    metrics, metric = merge_dictionaries([([key[1]], np.zeros(1, np.int32)) for key, _ in rows])
    columns = {
        name: np.array(
            [{**defaults, **values}[name] for _, values in rows], np.int64 if name in INTEGERS else np.float64
        )
        for name in COLUMNS
    }
    return RollupBatch(
        targets=targets,
        metrics=metrics,
        target=target,
        metric=metric,
        columns=columns,
        tier=tier,
        window=window,
        window_ms=MINUTE,
        shard=shard,
        pane=pane,
        watermark=watermark,
    )


def fleet(hosts: int, metrics: int, window: int = WINDOW, seed: int = 0, **attributes: Any) -> RollupBatch:
    """A batch with a row for each of ``hosts * metrics`` series, values random but seeded."""
    random = np.random.default_rng(seed)
    rows = []
    for host in range(hosts):
        for metric in range(metrics):
            values = {name: float(random.normal()) for name in COLUMNS if name not in INTEGERS}
            key = series(f"web-{host}", f"metric_{metric}", cpu=str(metric % 4))
            rows.append((key, {**values, "count": int(random.integers(1, 60))}))
    return rollups(rows, window=window, **attributes)


def samples(rows: Sequence[tuple[tuple[str, str], int, float, int]]) -> SampleBatch:
    """A batch of samples ``((target, metric), ts, value, seq)``."""
    targets, target = merge_dictionaries([([row[0][0]], np.zeros(1, np.int32)) for row in rows])
    metrics, metric = merge_dictionaries([([row[0][1]], np.zeros(1, np.int32)) for row in rows])
    return SampleBatch(
        targets=targets,
        metrics=metrics,
        target=target,
        metric=metric,
        ts=np.array([row[1] for row in rows], np.int64),
        value=np.array([row[2] for row in rows], np.float64),
        seq=np.array([row[3] for row in rows], np.int64),
    )


def as_rows(batch: RollupBatch) -> dict[tuple[str, str], dict[str, Any]]:
    """The values of each series."""
    return {
        (batch.targets[batch.target[row]], batch.metrics[batch.metric[row]]): {
            name: batch.columns[name][row].item() for name in COLUMNS
        }
        for row in range(len(batch))
    }


TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12) | st.text(
    st.sampled_from('ab,= \\"#\n_é'), min_size=1, max_size=8
)
"""Any Unicode text, and much of what line protocol escapes."""


@st.composite
def label_sets(draw: st.DrawFn) -> tuple[str, str]:
    """Target and metric part of a series with arbitrary names, keys and values; no key in both parts."""
    keys = draw(st.lists(TEXT.filter(lambda key: key != "__name__"), unique=True, max_size=5))
    pairs = [(key, draw(TEXT)) for key in keys]
    cut = draw(st.integers(0, len(pairs)))
    return labels_text(pairs[:cut]), metric_text(draw(TEXT), pairs[cut:])
