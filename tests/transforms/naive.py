"""What merging, reducing and cutting mean, said as plainly as Python allows; the oracle of the property tests."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from schemas.batch import MIN_WATERMARK, SampleBatch, merge_dictionaries
from schemas.rollup import COLUMNS, RollupBatch

MINUTE = 60_000
HOUR = 3_600_000
NOON = 1_700_049_600_000
"""2023-11-15T12:00:00Z."""

Series = tuple[str, str]


class Sample(NamedTuple):
    """One sample; ``seq`` is unique but among copies of the same record."""

    series: Series
    ts: int
    value: float
    seq: int


class Row(NamedTuple):
    """The values of one series in one window."""

    count: int
    sum: float
    min: float
    max: float
    first: float
    last: float
    increase: float
    first_ts: int
    last_ts: int


def batch_of(samples: Sequence[Sample], late: bool = False, watermark: int = MIN_WATERMARK) -> SampleBatch:
    """The samples in columns, in their order."""
    targets, target = merge_dictionaries([([sample.series[0]], np.zeros(1, np.int32)) for sample in samples])
    metrics, metric = merge_dictionaries([([sample.series[1]], np.zeros(1, np.int32)) for sample in samples])
    return SampleBatch(
        targets=targets,
        metrics=metrics,
        target=target,
        metric=metric,
        ts=np.array([sample.ts for sample in samples], np.int64),
        value=np.array([sample.value for sample in samples], np.float64),
        seq=np.array([sample.seq for sample in samples], np.int64),
        watermark=watermark,
        late=late,
    )


def samples_of(batch: SampleBatch) -> list[Sample]:
    """The samples of a batch, in its order."""
    return [
        Sample((batch.targets[target], batch.metrics[metric]), ts, value, seq)
        for target, metric, ts, value, seq in zip(
            batch.target.tolist(),
            batch.metric.tolist(),
            batch.ts.tolist(),
            batch.value.tolist(),
            batch.seq.tolist(),
            strict=True,
        )
    ]


def rows_of(batch: RollupBatch | None) -> dict[Series, Row]:
    """The rows of a pane by series; asserts that there is one for each."""
    if batch is None:
        return {}
    columns = [batch.columns[name].tolist() for name in COLUMNS]
    rows = {
        (batch.targets[target], batch.metrics[metric]): Row(*values)
        for target, metric, *values in zip(batch.target.tolist(), batch.metric.tolist(), *columns, strict=True)
    }
    assert len(rows) == len(batch)
    return rows


def bits(rows: dict[Any, Row]) -> dict[Any, tuple[str, ...]]:
    """Rows in a form whose equality is that of every bit."""
    return {
        key: tuple(value.hex() if isinstance(value, float) else str(value) for value in row)
        for key, row in rows.items()
    }


def survivors(samples: Iterable[Sample]) -> dict[Series, list[Sample]]:
    """Of each series and event time the finite sample with the highest ``seq``, by series, in order of event time."""
    newest: dict[tuple[Series, int], Sample] = {}
    for sample in samples:
        if math.isfinite(sample.value):
            key = sample.series, sample.ts
            newest[key] = max(newest.get(key, sample), sample, key=lambda each: each.seq)
    found: dict[Series, list[Sample]] = defaultdict(list)
    for sample in sorted(newest.values(), key=lambda each: each.ts):
        found[sample.series].append(sample)
    return dict(found)


def step(before: float, after: float) -> float:
    """What a counter rose by; a fall is a restart from zero."""
    return after if after < before else after - before


def rollup(samples: Iterable[Sample]) -> dict[Series, Row]:
    """A row for each series."""
    return {series: _row(kept) for series, kept in survivors(samples).items()}


def _row(kept: list[Sample]) -> Row:
    values = [sample.value for sample in kept]
    return Row(
        count=len(values),
        sum=math.fsum(values),
        min=min(values),
        max=max(values),
        first=values[0],
        last=values[-1],
        increase=math.fsum(step(a, b) for a, b in pairwise(values)),
        first_ts=kept[0].ts,
        last_ts=kept[-1].ts,
    )


def by_window(samples: Iterable[Sample], window_ms: int) -> dict[int, list[Sample]]:
    """Samples by the start of their window (ms)."""
    found: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[sample.ts - sample.ts % window_ms].append(sample)
    return dict(found)


def rolled(samples: Iterable[Sample], window_ms: int) -> dict[tuple[int, Series], Row]:
    """The rows of a tier, by window and series."""
    return {
        (window, series): row
        for window, each in by_window(samples, window_ms).items()
        for series, row in rollup(each).items()
    }


def agree(rows: dict[Any, Row], wanted: dict[Any, Row]) -> None:
    """Assert that rows are equal; sum and increase up to the rounding of the additions in them."""
    assert rows.keys() == wanted.keys()
    for key, row in rows.items():
        like = wanted[key]
        size = max(abs(like.min), abs(like.max), 1.0)
        # Each of the additions rounds by half a unit of its result, which no partial sum exceeds.
        slack = 4e-16 * size * like.count * (like.count + 1)
        assert math.isclose(row.sum, like.sum, rel_tol=0, abs_tol=slack), (key, row, like)
        assert math.isclose(row.increase, like.increase, rel_tol=0, abs_tol=2 * slack), (key, row, like)
        assert row._replace(sum=0.0, increase=0.0) == like._replace(sum=0.0, increase=0.0), key


HOSTS = ('{host="a"}', '{host="b"}', '{host="c"}')
METRICS = ("up", 'cpu{mode="idle"}', "requests_total")

series_names = st.tuples(st.sampled_from(HOSTS), st.sampled_from(METRICS))
finite_values = (
    st.floats(-1e12, 1e12) | st.integers(0, 100).map(float) | st.sampled_from([0.0, -0.0, 5e-324, 1e-9, 0.1])
)
any_values = finite_values | st.sampled_from([math.nan, math.inf, -math.inf])


@st.composite
def sample_lists(
    draw: st.DrawFn,
    length_ms: int = MINUTE,
    values: st.SearchStrategy[float] = any_values,
    max_size: int = 30,
    grain_ms: int = 5_000,
) -> list[Sample]:
    """Samples of ``[NOON, NOON + length_ms)`` with many equal event times; ``seq`` unique, in any order."""
    entries = draw(
        st.lists(st.tuples(series_names, st.integers(0, length_ms // grain_ms - 1), values), max_size=max_size)
    )
    order = draw(st.permutations(range(len(entries))))
    return [
        Sample(series, NOON + instant * grain_ms, value, seq)
        for seq, (series, instant, value) in zip(order, entries, strict=True)
    ]


@st.composite
def partitions_of(draw: st.DrawFn, items: Sequence[Any]) -> list[list[Any]]:
    """The items in any order, cut into consecutive parts, at least one and none of them empty (unless there are no items)."""
    shuffled = draw(st.permutations(items)) if items else []
    cuts = sorted(draw(st.sets(st.integers(1, len(items) - 1), max_size=6))) if len(items) > 1 else []
    bounds = [0, *cuts, len(items)]
    return [list(shuffled[a:b]) for a, b in pairwise(bounds)]
