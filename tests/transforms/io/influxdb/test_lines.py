from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.rollup import COLUMNS
from schemas.series import parse_labels, parse_metric, series_text
from tests.transforms.io.line_reader import Point, points
from tests.transforms.io.sink_cases import INTEGERS, WINDOW, as_rows, fleet, label_sets, rollups, samples, series
from transforms.io.influxdb import lines as influxdb_lines
from transforms.io.influxdb.lines import MAX_BYTES, MAX_LINES, Lines, rollup_lines, sample_lines


def read(lines: Lines) -> list[Point]:
    return [point for chunk in lines.chunks for point in points(chunk.data)]


def expected(key: tuple[str, str], fields: dict[str, float], time: int) -> Point:
    name, labels = parse_metric(key[1])
    tags = {**parse_labels(key[0]), **labels}
    return Point(name, dict(sorted(tags.items())), fields, time)


def test_a_rollup_row_is_one_line_with_all_its_fields_and_sorted_tags() -> None:
    batch = rollups([(series("a", "cpu seconds", cpu="0", mode="idle"), {"sum": 0.1, "max": 1e20, "min": -1e-7})])
    (chunk,) = rollup_lines(batch).chunks
    assert chunk.lines == 1
    assert chunk.data == (
        rb"cpu\ seconds,cpu=0,host=a,job=node,mode=idle "
        rb"count=3i,sum=0.1,min=-1e-7,max=1e+20,first=1,last=3,increase=2,"
        b"first_ts=1700000040000i,last_ts=1700000090000i 1700000040000\n"
    )


def test_a_sample_is_one_line_with_its_value() -> None:
    (chunk,) = sample_lines(samples([(series("a", "up"), WINDOW + 7, 1.5, 0)])).chunks
    assert chunk.data == b"up,host=a,job=node value=1.5 1700000040007\n"


finite = st.floats(allow_nan=False, allow_infinity=False)
int64 = st.integers(-(2**63), 2**63 - 1)


@settings(deadline=None)
@given(st.data())
def test_every_row_reads_back_or_is_accounted_for(data: st.DataObject) -> None:
    keys = data.draw(st.lists(label_sets(), unique=True, max_size=8))
    rows = [
        (key, {name: data.draw(int64 if name in INTEGERS else st.floats(), label=name) for name in COLUMNS})
        for key in keys
    ]
    if not rows:
        return
    batch = rollups(rows)
    lines = rollup_lines(batch)
    held = {key: {name: value for name, value in values.items() if math.isfinite(value)} for key, values in rows}
    unholdable = {row.series: row for row in lines.unholdable}
    assert lines.unwritable == 0
    wanted = [expected(key, held[key], WINDOW) for key in as_rows(batch) if series_text(*key) not in unholdable]
    assert sorted(map(repr, read(lines))) == sorted(map(repr, wanted))
    assert len(wanted) + len(lines.unholdable) == len(rows)
    left_out = [len(values) - len(held[key]) for key, values in rows if series_text(*key) not in unholdable]
    assert lines.values_unwritable == sum(left_out)
    for key, values in rows:
        if series_text(*key) in unholdable:
            row = unholdable[series_text(*key)]
            assert (repr(row.fields), row.time) == (repr(values), WINDOW)
            assert row.reason


@settings(deadline=None)
@given(st.lists(finite | st.sampled_from([5e-324, -0.0, 1.7976931348623157e308]), min_size=1, max_size=20))
def test_floats_survive_to_the_bit(values: list[float]) -> None:
    batch = samples([(series("a", "up"), ts, value, 0) for ts, value in enumerate(values)])
    back = [point.fields["value"] for point in read(sample_lines(batch))]
    assert np.array(back, np.float64).tobytes() == np.array(values, np.float64).tobytes()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_takes_no_other_along(value: float) -> None:
    batch = rollups([(series("a", "up"), {"sum": value, "max": value}), (series("b", "up"), {})])
    lines = rollup_lines(batch)
    assert (lines.unwritable, lines.values_unwritable) == (0, 2)
    fields = {point.tags["host"]: set(point.fields) for point in read(lines)}
    assert fields == {"a": set(COLUMNS) - {"sum", "max"}, "b": set(COLUMNS)}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_row_without_a_finite_value_is_counted(value: float) -> None:
    lines = sample_lines(samples([(series("a", "up"), WINDOW, value, 0), (series("b", "up"), WINDOW, 1.0, 0)]))
    assert (lines.unwritable, lines.values_unwritable) == (1, 0)
    assert [point.tags["host"] for point in read(lines)] == ["b"]


def test_chunks_keep_to_the_limits_and_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = fleet(hosts=170, metrics=70)
    for slice_rows in (influxdb_lines._SLICE, 1_000):
        monkeypatch.setattr(influxdb_lines, "_SLICE", slice_rows)
        lines = rollup_lines(batch)
        assert all(chunk.lines <= MAX_LINES and len(chunk.data) <= MAX_BYTES for chunk in lines.chunks)
        assert all(chunk.data.count(b"\n") == chunk.lines for chunk in lines.chunks)
        wanted = [expected(key, values, WINDOW) for key, values in as_rows(batch).items()]
        assert sorted(map(repr, read(lines))) == sorted(map(repr, wanted))


def test_a_chunk_of_long_lines_is_cut_by_bytes() -> None:
    batch = samples([(series("a", "up", note="x" * 30_000), ts, 1.0, 0) for ts in range(100)])
    sizes = [(chunk.lines, len(chunk.data) <= MAX_BYTES) for chunk in sample_lines(batch).chunks]
    assert sizes == [(33, True), (33, True), (33, True), (1, True)]


def test_an_empty_batch_has_no_chunk() -> None:
    assert sample_lines(samples([])) == Lines([], 0, [])
