"""Rows of the store as lines: averages, exact counter rates over resets, gaps, and late windows."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.batch import sequence
from tidemark.report.series import MAX_WINDOWS, increase, late_samples, raw_lines, rollup_lines
from transforms.io.parquet.layout import RAW_SCHEMA, ROLLUP_SCHEMA

TARGET = '{host="a"}'


def rollup_table(*rows):
    """Rows of the store from dicts with what matters to a test."""
    base = {
        "name": "m",
        "metric": "m",
        "target": TARGET,
        "shard": 0,
        "pane": 0,
        "watermark": 0,
        "increase": 0.0,
        "run": 1,
    }
    filled = [
        {"first": row["min"], "last": row["max"], "first_ts": row["window"], "last_ts": row["window"], **base, **row}
        for row in rows
    ]
    columns = {name: [row[name] for row in filled] for name in ROLLUP_SCHEMA.names}
    arrays = [
        pa.array(columns[field.name], pa.int64()).cast(field.type)
        if pa.types.is_timestamp(field.type)
        else pa.array(columns[field.name], field.type)
        for field in ROLLUP_SCHEMA
    ]
    return pa.table(arrays, schema=ROLLUP_SCHEMA)


def raw_table(*rows):
    """Raw rows from (metric, target, ts, value, offset)."""
    columns = list(zip(*rows, strict=True)) or [[]] * 5
    metric, target, ts, value, offset = columns
    seq = [sequence(0, each) for each in offset]
    arrays = [metric, metric, target, ts, value, seq, [1] * len(seq)]
    return pa.table(
        [
            pa.array(column, pa.int64()).cast(field.type)
            if pa.types.is_timestamp(field.type)
            else pa.array(column, field.type)
            for column, field in zip(arrays, RAW_SCHEMA, strict=True)
        ],
        schema=RAW_SCHEMA,
    )


def test_a_gauge_is_its_average_between_least_and_greatest_with_gaps_kept():
    table = rollup_table(
        {"window": 0, "count": 4, "sum": 10.0, "min": 1.0, "max": 4.0},
        {"window": 120_000, "count": 1, "sum": 7.0, "min": 7.0, "max": 7.0},
        {"target": '{host="b"}', "window": 60_000, "count": 2, "sum": 3.0, "min": 1.0, "max": 2.0},
    )
    lines = rollup_lines(table, 60_000, frozenset())
    assert (lines.start, lines.step, lines.windows) == (0, 60_000, 3)
    a, b = lines.lines
    assert (a.target, b.target) == (TARGET, '{host="b"}')
    np.testing.assert_array_equal(a.value, [2.5, math.nan, 7.0])
    np.testing.assert_array_equal(a.low, [1.0, math.nan, 7.0])
    np.testing.assert_array_equal(a.high, [4.0, math.nan, 7.0])
    np.testing.assert_array_equal(b.value, [math.nan, 1.5, math.nan])


@given(st.lists(st.tuples(st.integers(1, 20_000), st.integers(0, 1000), st.booleans()), min_size=2, max_size=60))
def test_a_counters_rates_add_up_to_its_whole_increase(steps):
    """Rates between windows, each times its length, are the increase of the samples one by one, resets included."""
    ts, value, samples = 0, 0, []
    for gap, gain, reset in steps:
        ts += gap
        value = gain if reset else value + gain
        samples.append((ts, float(value)))
    windows = {}
    for ts, value in samples:
        windows.setdefault(ts - ts % 10_000, []).append((ts, value))
    rows = []
    for window, inside in sorted(windows.items()):
        values = np.array([value for _, value in inside])
        rows.append(
            {
                "window": window,
                "count": len(inside),
                "sum": values.sum(),
                "min": values.min(),
                "max": values.max(),
                "first": values[0],
                "last": values[-1],
                "increase": increase(values[:-1], values[1:]).sum(),
                "last_ts": inside[-1][0],
            }
        )
    line = rollup_lines(rollup_table(*rows), 10_000, {"m"}).lines[0]
    assert line.low is None
    last_ts = np.array([row["last_ts"] for row in rows])
    gained = line.value[np.isfinite(line.value)] * np.diff(last_ts) / 1000
    every = np.array([value for _, value in samples])
    begin = rows[0]["count"] - 1
    assert gained.sum() == pytest.approx(increase(every[begin:-1], every[begin + 1 :]).sum())


def test_no_rows_are_no_lines():
    assert rollup_lines(rollup_table(), 60_000, frozenset()).lines == []
    assert raw_lines(raw_table(), frozenset()) == []


def test_a_window_of_decades_ago_does_not_stretch_the_grid():
    begin = 1_700_000_040_000
    windows = (0, begin - MAX_WINDOWS * 60_000, begin - (MAX_WINDOWS - 1) * 60_000, begin)
    rows = rollup_table(*({"window": w, "count": 1, "sum": 1.0, "min": 1.0, "max": 1.0} for w in windows))
    lines = rollup_lines(rows, 60_000, frozenset(), {("m", TARGET): np.array([0, begin])})
    assert (lines.start, lines.windows, lines.undrawn) == (windows[2], MAX_WINDOWS, 2)
    (line,) = lines.lines
    assert np.flatnonzero(np.isfinite(line.value)).tolist() == [0, MAX_WINDOWS - 1]
    assert line.late == [(MAX_WINDOWS - 1, 1)]


def test_late_samples_mark_their_windows():
    raw = raw_table(
        ("m", TARGET, 1_000, 1.0, 0),
        ("m", TARGET, 2_000, 1.0, 4),
        ("m", TARGET, 3_000, 1.0, 5),
        ("m", TARGET, 30_000, 1.0, 1),
    )
    late = late_samples(raw, 10_000, 5_000)
    rows = rollup_table(*({"window": w, "count": 1, "sum": 1.0, "min": 1.0, "max": 1.0} for w in (0, 30_000)))
    assert rollup_lines(rows, 10_000, frozenset(), late).lines[0].late == [(0, 2)]
    assert late_samples(raw, 60_000, 5_000) == {}


def test_raw_counters_are_rates():
    raw = raw_table(("c", TARGET, 0, 5.0, 0), ("c", TARGET, 2_000, 9.0, 1), ("c", TARGET, 4_000, 3.0, 2))
    np.testing.assert_array_equal(raw_lines(raw, {"c"})[0].value, [math.nan, 2.0, 1.5])
    np.testing.assert_array_equal(raw_lines(raw, frozenset())[0].value, [5.0, 9.0, 3.0])
