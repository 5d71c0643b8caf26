"""Selection from the store in memory, and the lookup of windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.promql.labels import LabelFrame
from rules.promql.search import bisect_right
from rules.promql.storage import MemoryStorage
from rules.promql.syntax.ast import Matcher, MatchOp
from rules.promql.values import STALE, RangeVector, is_stale

TIMES = st.lists(st.integers(-50, 50), max_size=12, unique=True).map(sorted)


def names(storage: MemoryStorage, *matchers: Matcher, start: int = -1000, end: int = 1000) -> list[str]:
    rows = storage.select(matchers, start, end, stale=True).labels.rows()
    return sorted(row["__name__"] for row in rows)


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage.from_series(
        [
            ({"__name__": "one", "host": "a"}, [0, 10], [1, 2]),
            ({"__name__": "two", "host": "ab"}, [0, 10], [1, STALE]),
            ({"__name__": "three"}, [500], [3]),
        ]
    )


@pytest.mark.parametrize(
    ("matcher", "found"),
    [
        (Matcher("host", MatchOp.EQUAL, "a"), ["one"]),
        (Matcher("host", MatchOp.EQUAL, ""), ["three"]),
        (Matcher("host", MatchOp.NOT_EQUAL, "a"), ["three", "two"]),
        (Matcher("host", MatchOp.NOT_EQUAL, ""), ["one", "two"]),
        (Matcher("host", MatchOp.REGEX, "a"), ["one"]),
        (Matcher("host", MatchOp.REGEX, "a.*"), ["one", "two"]),
        (Matcher("host", MatchOp.REGEX, "a|"), ["one", "three"]),
        (Matcher("host", MatchOp.NOT_REGEX, "a.+"), ["one", "three"]),
        (Matcher("other", MatchOp.REGEX, ".*"), ["one", "three", "two"]),
        (Matcher("other", MatchOp.REGEX, ".+"), []),
    ],
)
def test_matchers(storage: MemoryStorage, matcher: Matcher, found: list[str]) -> None:
    assert names(storage, matcher) == found


def test_all_matchers_must_fit(storage: MemoryStorage) -> None:
    assert names(storage, Matcher("host", MatchOp.REGEX, "a.*"), Matcher("__name__", MatchOp.NOT_EQUAL, "one")) == [
        "two"
    ]


def test_series_without_samples_in_the_interval_are_left_out(storage: MemoryStorage) -> None:
    assert names(storage, start=10, end=499) == []
    assert names(storage, start=9, end=499) == ["one", "two"]
    assert names(storage, start=10, end=500) == ["three"]


def test_ranges_come_without_staleness_markers(storage: MemoryStorage) -> None:
    two = [Matcher("__name__", MatchOp.EQUAL, "two")]
    marked, plain = (storage.select(two, -1, 1000, stale=stale) for stale in (True, False))
    assert is_stale(marked.values[marked.begin[0] : marked.end[0]]).tolist() == [False, True]
    assert plain.values[plain.begin[0] : plain.end[0]].tolist() == [1]


def test_series_of_one_scrape_share_a_clock(storage: MemoryStorage) -> None:
    assert storage.select([], -1, 1000, stale=True).clocks.tolist() == [0, 0, 1]


def test_a_plain_nan_is_no_staleness_marker() -> None:
    assert is_stale(np.array([np.nan, STALE, -np.nan, np.inf])).tolist() == [False, True, False, False]


@pytest.mark.parametrize("when", [[1, 1], [2, 1]])
def test_timestamps_must_ascend(when: list[int]) -> None:
    with pytest.raises(ValueError, match="do not ascend"):
        MemoryStorage.from_series([({"a": "b"}, when, [0, 0])])


def test_equal_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="same labels"):
        MemoryStorage.from_series([({"a": "b"}, [1], [0]), ({"a": "b", "c": ""}, [1], [0])])


@given(st.lists(TIMES, max_size=9), st.lists(st.integers(-60, 60), min_size=1, max_size=6))
def test_bisect_of_many_stretches_at_once(series: list[list[int]], bounds: list[int]) -> None:
    flat = np.array([when for times in series for when in times], np.int64)
    ends = np.cumsum([len(times) for times in series], dtype=np.int64)
    begins = ends - np.array([len(times) for times in series], np.int64)
    found = bisect_right(flat, begins, ends, np.array(bounds, np.int64))
    wanted = [
        [begin + sum(when <= bound for when in times) for bound in bounds]
        for begin, times in zip(begins.tolist(), series, strict=True)
    ]
    assert found.tolist() == wanted


@given(st.lists(TIMES.filter(bool), min_size=1, max_size=9), st.integers(1, 40), st.integers(1, 30))
def test_windows_are_left_open_and_chunks_make_up_the_whole(series: list[list[int]], width: int, cells: int) -> None:
    storage = MemoryStorage.from_series(
        ({"n": str(number)}, times, np.array(times) * 1.0) for number, times in enumerate(series)
    )
    ends = np.array([-30, 0, 7, 60], np.int64)
    vector = RangeVector(storage.select([], -100, 100, stale=False), ends - width, ends)
    found = []
    for _, windows in vector.chunks(cells):
        for low, high in zip(windows.low, windows.high, strict=True):
            found.append([windows.values[one:other].tolist() for one, other in zip(low, high, strict=True)])
    assert found == [
        [[float(when) for when in times if end - width < when <= end] for end in ends.tolist()] for times in series
    ]


@given(st.lists(st.tuples(st.sampled_from("abA"), st.integers(0, 5), st.integers(0, 9)), max_size=30))
def test_from_columns_sorts_and_keeps_the_later_of_equal_times(rows: list[tuple[str, int, int]]) -> None:
    # "a" and "A" are rows of the frame with equal labels.
    frame = LabelFrame.of([{"n": "a"}, {"n": "b"}, {"n": "a"}])
    series = np.array(["abA".index(name) for name, _, _ in rows], np.int64)
    when = np.array([when for _, when, _ in rows], np.int64)
    storage = MemoryStorage.from_columns(frame, series, when, np.array([value * 1.0 for _, _, value in rows]))
    wanted: dict[str, dict[int, float]] = {"a": {}, "b": {}}
    for name, time, value in rows:
        wanted[name.lower()][time] = float(value)
    bounds = storage.offsets.tolist()
    found = {
        row["n"]: dict(zip(storage.timestamps[low:high].tolist(), storage.values[low:high].tolist(), strict=True))
        for row, low, high in zip(storage.labels.rows(), bounds[:-1], bounds[1:], strict=True)
    }
    assert found == wanted
    assert all(list(samples) == sorted(samples) for samples in found.values())
