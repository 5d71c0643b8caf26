"""The columns of samples against a dictionary, whatever comes and goes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.promql.labels import Column, LabelFrame
from rules.promql.values import STALE, is_stale
from transforms.alerts.shards.samples import SampleColumns

ROWS = 4
VALUES = st.sampled_from((0.0, 1.0, 2.5, float("nan"), float(STALE)))
PUT = st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(0, 60), VALUES, st.integers(0, 5)), max_size=30)
STEPS = st.lists(st.one_of(PUT, st.integers(0, 60)), max_size=12)


def columns(rows: int = ROWS) -> SampleColumns:
    made = SampleColumns()
    made.add_rows(rows)
    return made


def put(made: SampleColumns, samples: list[tuple[int, int, float, int]]) -> set[tuple[int, int]]:
    rows, times, values, seqs = (np.array(column) for column in zip(*samples, strict=True))
    changed = made.put(rows.astype(np.int64), times.astype(np.int64), values.astype(np.float64), seqs.astype(np.int64))
    pairs = list(zip(*(column.tolist() for column in changed), strict=True))
    assert len(pairs) == len(set(pairs))
    return set(pairs)


def bits(value: float) -> int:
    return int(np.float64(value).view(np.uint64))


@given(STEPS)
def test_columns_hold_what_a_dictionary_would(steps: list) -> None:
    made = columns()
    kept: dict[tuple[int, int], tuple[int, float]] = {}
    for step in steps:
        if isinstance(step, int):
            made.trim(np.full(ROWS, step, np.int64) - np.arange(ROWS))
            kept = {(row, when): found for (row, when), found in kept.items() if when > step - row}
        elif step:
            before = dict(kept)
            for row, when, value, seq in step:
                if (row, when) not in kept or kept[row, when][0] <= seq:
                    kept[row, when] = seq, value
            differ = {
                place
                for place, (_, value) in kept.items()
                if place not in before or bits(before[place][1]) != bits(value)
            }
            assert put(made, step) == differ
        check(made, kept)


def check(made: SampleColumns, kept: dict[tuple[int, int], tuple[int, float]]) -> None:
    rows = np.arange(ROWS)
    found = zip(*(column.tolist() for column in made.samples(rows)), strict=True)
    assert [(row, when, bits(value), seq) for row, when, value, seq in found] == [
        (row, when, bits(value), seq) for (row, when), (seq, value) in sorted(kept.items())
    ]
    labels = LabelFrame(ROWS, {"row": Column.of(map(str, rows))})
    for stale in (True, False):
        series = made.series(rows, labels, stale=stale)
        stamps = []
        for row, (low, high) in enumerate(zip(series.begin.tolist(), series.end.tolist(), strict=True)):
            wanted = [
                (when, bits(value))
                for (of, when), (_, value) in sorted(kept.items())
                if of == row and (stale or not is_stale(np.array([value]))[0])
            ]
            times, values = series.timestamps[low:high].tolist(), series.values[low:high].tolist()
            assert list(zip(times, map(bits, values), strict=True)) == wanted
            stamps.append(tuple(times))
        clocks = series.clocks.tolist()
        assert sorted(set(clocks)) == list(range(len(set(clocks))))
        assert [[one == other for other in clocks] for one in clocks] == [
            [one == other for other in stamps] for one in stamps
        ]


@pytest.mark.parametrize("seqs", [(7, 6), ((1 << 60) + 1, 1 << 60), (-1, -2)])
def test_the_higher_position_counts_whichever_comes_first(seqs: tuple[int, int]) -> None:
    for order in ((0, 1), (1, 0)):
        made = columns()
        for place in order:
            put(made, [(1, 10, (5.0, 6.0)[place], seqs[place])])
        assert [column.tolist() for column in made.samples(np.array([1]))] == [[1], [10], [5.0], [seqs[0]]]
        assert put(made, [(1, 10, 7.0, seqs[0])]) == {(1, 10)}


def test_growth_stays_in_proportion() -> None:
    made = columns(100)
    every = np.arange(100)
    for when in range(0, 3_000, 10):
        made.put(every, np.full(100, when), np.full(100, 1.0), np.zeros(100, np.int64))
        made.trim(np.full(100, when - 200))
    assert made.counts.tolist() == [20] * 100
    assert made.nbytes < 100 * 20 * 24 * 3


@pytest.mark.parametrize("grown", [1, 7])
def test_a_row_that_outgrows_the_others_moves_alone(grown: int) -> None:
    made = columns(10)
    every = np.arange(10)
    made.put(every, np.zeros(10, np.int64), np.arange(10.0), np.zeros(10, np.int64))
    times = np.arange(1, 1_000)
    rows = np.full(len(times), grown)
    for part in np.array_split(np.arange(len(times)), 40):
        made.put(rows[part], times[part], times[part] * 1.0, np.zeros(len(part), np.int64))
    assert made.counts.tolist() == [1000 if row == grown else 1 for row in range(10)]
    assert made.samples(every)[2][:2].tolist() == ([0.0, 1.0])
