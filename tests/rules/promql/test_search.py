"""Lookup of many times in many columns at once."""

from __future__ import annotations

from bisect import bisect_right as plain

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rules.promql.search import bisect_right, places, renumbered
from rules.promql.values import RangeVector
from tests.rules.promql.window_reference import storage_of

TIMES = st.lists(st.integers(-500, 500), max_size=30, unique=True).map(sorted)
REGULAR = st.builds(lambda start, step, size: [start + step * place for place in range(size)],
                    st.integers(-500, 500), st.integers(1, 40), st.integers(0, 40))  # fmt: skip


@given(
    series=st.lists(st.one_of(TIMES, REGULAR), min_size=1, max_size=12),
    bounds=st.one_of(
        st.lists(st.integers(-600, 600), min_size=1, max_size=20),
        st.builds(
            lambda start, step, size: [start + step * place for place in range(size)],
            st.integers(-700, 300),
            st.integers(1, 60),
            st.integers(1, 40),
        ),
    ),
    unused=st.integers(0, 3),
)
def test_agrees_with_one_search_at_a_time(series: list[list[int]], bounds: list[int], unused: int) -> None:
    gap = [0] * unused
    flat = np.array([when for times in series for when in [*times, *gap]], np.int64)
    sizes = np.array([len(times) for times in series], np.int64)
    begins = np.cumsum(sizes + unused) - sizes - unused
    found = bisect_right(flat, begins, begins + sizes, np.array(bounds, np.int64))
    wanted = [
        [begin + plain(times, bound) for bound in bounds] for begin, times in zip(begins.tolist(), series, strict=True)
    ]
    assert found.tolist() == wanted


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30))
@example([1_000_000, 3, 1_000_000])
@example([7])
def test_numbers_without_gaps(numbers: list[int]) -> None:
    dense, leaders = renumbered(np.array(numbers, np.int64))
    assert sorted(set(dense.tolist())) == list(range(len(leaders)))
    pairs = set(zip(numbers, dense.tolist(), strict=True))
    assert len(pairs) == len(leaders) == len(set(numbers))
    assert [dense[row] for row in leaders] == list(range(len(leaders)))


@pytest.mark.parametrize(
    ("begins", "sizes", "wanted"),
    [
        ([5, 0], [2, 2], [5, 6, 0, 1]),
        ([5, 0, 9], [1, 0, 3], [5, 9, 10, 11]),
        ([3], [0], []),
        ([], [], []),
    ],
)
def test_places(begins: list[int], sizes: list[int], wanted: list[int]) -> None:
    assert places(np.array(begins, np.int64), np.array(sizes, np.int64)).tolist() == wanted


@given(
    series=st.lists(TIMES.filter(bool), min_size=1, max_size=12),
    width=st.one_of(st.integers(1, 200), st.sampled_from([-1, -2, -5])),
    step=st.integers(1, 50),
    instants=st.one_of(st.integers(1, 40), st.integers(16, 40)),
    uneven=st.booleans(),
    cells=st.integers(1, 200),
)
@example(series=[list(range(-400, 400)), [7]], width=-2, step=7, instants=20, uneven=False, cells=50)
def test_windows_of_series_in_the_order_of_their_clocks(
    series: list[list[int]], width: int, step: int, instants: int, uneven: bool, cells: int
) -> None:
    # Below zero, in steps: then a window starts where an earlier one ends.
    width = width if width > 0 else -width * step
    # Each series twice, far apart: they share a clock.
    series = series + series
    ends = np.arange(instants, dtype=np.int64) * step - 300
    if uneven:
        ends[-1] += 17
    storage = storage_of([[(when, float(number)) for when in times] for number, times in enumerate(series)])
    vector = RangeVector(storage.select([], -1000, 5000, stale=False), ends - width, ends)
    order = [int(labels["n"]) for labels in vector.series.labels.rows()]
    seen = []
    for rows, windows in vector.chunks_by_clock(cells):
        for row, low, high in zip(np.arange(vector.size)[rows], windows.low, windows.high, strict=True):
            seen.append(row)
            number = order[row]
            for place, end in enumerate(ends.tolist()):
                inside = slice(low[place], high[place])
                assert windows.timestamps[inside].tolist() == [w for w in series[number] if end - width < w <= end]
                assert set(windows.values[inside].tolist()) <= {float(number)}
    assert sorted(seen) == list(range(vector.size))


BOUNDS = st.lists(st.integers(-600, 600), min_size=1, max_size=40).map(sorted)
EVEN = st.builds(
    lambda start, step: [start + step * place for place in range(40)], st.integers(-700, 300), st.integers(0, 60)
)


@given(
    series=st.lists(st.one_of(TIMES, REGULAR).filter(bool), min_size=1, max_size=8),
    one=st.one_of(BOUNDS, EVEN),
    other=st.one_of(BOUNDS, EVEN, st.integers(-7, 7)),
)
# Windows that share a start, those that share an end, and those that grow.
@example(series=[list(range(-500, 500, 7))], one=[-250] * 40, other=[60 * place - 250 for place in range(40)])
@example(series=[list(range(-500, 500, 7))], one=[60 * place - 250 for place in range(40)], other=[2400] * 40)
@example(series=[list(range(-500, 500, 7))], one=[10 * p for p in range(40)], other=[20 * p for p in range(40)])
@example(series=[[0]], one=[-250] * 20, other=[250] * 20)
def test_windows_of_any_widths(series: list[list[int]], one: list[int], other: list[int] | int) -> None:
    size = len(one) if isinstance(other, int) else min(len(one), len(other))
    # A number says how many windows later a window ends another one begins.
    shifted = [one[min(max(place + other, 0), size - 1)] for place in range(size)] if isinstance(other, int) else other
    starts = np.array([min(pair) for pair in zip(one[:size], shifted[:size], strict=True)], np.int64)
    ends = np.array([max(pair) for pair in zip(one[:size], shifted[:size], strict=True)], np.int64)
    storage = storage_of([[(when, float(when)) for when in times] for times in series])
    vector = RangeVector(storage.select([], -1000, 5000, stale=False), starts, ends)
    same = len(set(zip(starts.tolist(), ends.tolist(), strict=True))) == 1
    assert vector.pinned is (size > 1 and same)
    windows = vector.windows()
    for number, low, high in zip(
        map(int, (row["n"] for row in vector.series.labels.rows())), windows.low, windows.high, strict=True
    ):
        for place, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            inside = windows.timestamps[low[place] : high[place]].tolist()
            assert inside == [when for when in series[number] if start < when <= end]
