from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import rollup as rollups
from schemas.rollup import RollupBatch
from schemas.tiers import Tier
from tests.transforms.naive import (
    HOSTS,
    HOUR,
    METRICS,
    MINUTE,
    NOON,
    Row,
    Sample,
    Series,
    agree,
    batch_of,
    bits,
    by_window,
    partitions_of,
    rollup,
    rows_of,
    sample_lists,
)
from transforms.rollups import panes as panes_algorithm
from transforms.rollups import samples as samples_algorithm
from transforms.rollups.contents import PaneContent
from transforms.rollups.panes import FOLDED, MergedPanes, Panes, decode, encode, fold_final, from_rollup, merge
from transforms.windows.content import Key

FINE, COARSE = Tier("1m", MINUTE, 0, ""), Tier("1h", HOUR, 0, "")
A, B = (HOSTS[0], METRICS[0]), (HOSTS[1], METRICS[0])

# Whole numbers: the increase is exact then, however its additions are grouped.
whole_values = st.integers(-1000, 1000).map(float)
hours = sample_lists(length_ms=HOUR, values=whole_values, grain_ms=30_000, max_size=40)


def pane(samples: Sequence[Sample], window: int, number: int = 0) -> RollupBatch | None:
    """A pane of the fine window; None if nothing is in it."""
    merged = samples_algorithm.merge(None, [batch_of(samples)])
    batch = samples_algorithm.rollup(merged.samples, tier=FINE, window=window, shard=0)
    return None if batch is None else replace(batch, pane=number)


def panes(samples: Sequence[Sample]) -> list[Panes]:
    """The on-time panes of all fine windows."""
    batches = (pane(each, window) for window, each in by_window(samples, MINUTE).items())
    return [from_rollup(batch) for batch in batches if batch is not None]


def coarse(merged: MergedPanes) -> dict[Series, Row]:
    return rows_of(panes_algorithm.rollup(merged.panes, merged.starts, tier=COARSE, window=NOON, shard=0))


@settings(max_examples=100)
@given(hours)
def test_a_coarse_row_is_that_of_all_its_samples(samples: list[Sample]) -> None:
    arrivals = panes(samples)
    if arrivals:
        rows, direct = coarse(merge(None, arrivals)), rollup(samples)
        agree(rows, direct)
        assert {series: row.increase for series, row in rows.items()} == {
            series: row.increase for series, row in direct.items()
        }


@settings(max_examples=100)
@given(sample_lists(length_ms=HOUR, values=st.floats(-1e9, 1e9), grain_ms=30_000, max_size=40), st.data())
def test_folding_a_prefix_whenever_changes_no_bit(samples: list[Sample], data: st.DataObject) -> None:
    arrivals = sorted(panes(samples), key=lambda each: int(each.window[0]))
    if not arrivals:
        return
    at_once = coarse(merge(None, arrivals))
    kept = None
    final = NOON
    for each in arrivals:
        merged = merge(kept, [each])
        final = data.draw(st.integers(final, int(each.window[0]) + MINUTE))
        kept = fold_final(merged, final)
        assert (kept.window[kept.window != FOLDED] >= final).all()
        if data.draw(st.booleans()):
            kept = decode(encode(kept.compact()))
    assert kept is not None
    assert bits(coarse(merge(kept, []))) == bits(at_once)


@settings(max_examples=100)
@given(hours, st.data())
def test_the_newest_pane_of_a_window_wins_in_any_order_and_any_split(
    samples: list[Sample], data: st.DataObject
) -> None:
    windows = by_window(samples, MINUTE)
    arrivals: list[Panes] = []
    for window, each in windows.items():
        # Later panes have seen more; some series of the earlier ones are in none of the later.
        for number in range(data.draw(st.integers(1, 3))):
            some = each[: 1 + len(each) * (number + 1) // 3]
            batch = pane(some, window, number)
            if batch is not None:
                arrivals.append(from_rollup(batch))
    if not arrivals:
        return
    newest: dict[tuple[Series, int], tuple[int, Row]] = {}
    for each in arrivals:
        for series, window, row in fine_rows(each):
            key = series, window
            newest[key] = max(newest.get(key, (-1, row)), (int(each.pane[0]), row), key=lambda found: found[0])
    kept = None
    for part in data.draw(partitions_of(arrivals)):
        kept = merge(kept, part).panes
    assert kept is not None
    found = {(series, window): row for series, window, row in fine_rows(kept)}
    assert bits(found) == bits({key: row for key, (_, row) in newest.items()})
    assert bits(coarse(merge(kept, []))) == bits(coarse(merge(None, arrivals)))


def fine_rows(rows: Panes) -> list[tuple[Series, int, Row]]:
    columns = [rows.columns[name].tolist() for name in Row._fields]
    return [
        ((rows.targets[target], rows.metrics[metric]), window, Row(*values))
        for target, metric, window, *values in zip(
            rows.target.tolist(), rows.metric.tolist(), rows.window.tolist(), *columns, strict=True
        )
    ]


@given(hours)
def test_encoding_keeps_every_bit(samples: list[Sample]) -> None:
    for each in panes(samples):
        back = decode(encode(each))
        assert fine_rows(back) == fine_rows(each)
        assert back.pane.tolist() == each.pane.tolist()


def two_minutes(first: Sequence[float], second: Sequence[float]) -> list[Sample]:
    return [
        Sample(A, NOON + minute * MINUTE + index, value, minute * 100 + index)
        for minute, values in enumerate((first, second))
        for index, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("first", "second", "increase"),
    [
        ([1, 5], [6, 9], 8),
        ([1, 5], [2, 4], 8),
        ([5, 1], [1, 0], 1),
        ([7], [7], 0),
        ([0, 3], [], 3),
    ],
    ids=["no reset", "a reset between the windows", "resets within them", "nothing happens", "one window"],
)
def test_the_increase_of_neighbours_joins(first: list[float], second: list[float], increase: float) -> None:
    assert coarse(merge(None, panes(two_minutes(first, second))))[A].increase == increase


def test_the_rows_of_series_that_are_in_three_minutes_in_one_and_in_two() -> None:
    other = HOSTS[0], METRICS[1]
    values = {A: {0: [1, 5], 1: [2, 4], 2: [7]}, other: {1: [3, 1]}, B: {0: [10], 2: [12, -2]}}
    samples = [
        Sample(series, NOON + minute * MINUTE + at, value, 0)
        for series, minutes in values.items()
        for minute, each in minutes.items()
        for at, value in enumerate(each)
    ]
    # Count, sum, min, max, first, last, increase, and the first and last event time.
    assert coarse(merge(None, panes(samples))) == {
        A: (5, 19, 1, 7, 1, 7, 4 + 2 + 2 + 3, NOON, NOON + 2 * MINUTE),
        other: (2, 4, 1, 3, 3, 1, 1, NOON + MINUTE, NOON + MINUTE + 1),
        B: (3, 20, -2, 12, 10, -2, 2 - 2, NOON, NOON + 2 * MINUTE + 1),
    }


def test_changed_names_the_series_of_panes_that_survived() -> None:
    def one(series: Series, value: float, number: int) -> Panes:
        batch = pane([Sample(series, NOON, value, 0)], NOON, number)
        assert batch is not None
        return from_rollup(batch)

    kept = merge(None, [one(A, 1, 1), one(B, 1, 1)]).panes
    merged = merge(kept, [one(A, 2, 2), one(B, 2, 0)])
    selected, starts = panes_algorithm.select_series(merged, merged.changed)
    rows = rows_of(panes_algorithm.rollup(selected, starts, tier=COARSE, window=NOON, shard=0))
    assert {series: row.last for series, row in rows.items()} == {A: 2.0}


def test_everything_has_changed_where_nothing_was_kept() -> None:
    merged = merge(None, panes([Sample(A, NOON, 1, 0), Sample(B, NOON, 2, 1)]))
    assert merged.changed.tolist() == [True, True]


def test_merging_no_rows_is_no_rows() -> None:
    none = panes([Sample(A, NOON, 1, 0)])[0].take(np.empty(0, np.intp))
    merged = merge(none, [])
    assert (len(merged.panes), merged.starts.tolist(), merged.changed.tolist()) == (0, [], [])


def test_folding_leaves_what_can_still_change() -> None:
    samples = [Sample(A, NOON + minute * MINUTE, float(minute), minute) for minute in range(5)]
    kept = fold_final(merge(None, panes(samples)), NOON + 3 * MINUTE)
    assert sorted(kept.window.tolist()) == [FOLDED, NOON + 3 * MINUTE, NOON + 4 * MINUTE]
    assert kept.columns["count"][np.argmin(kept.window)] == 3
    assert fold_final(merge(None, panes(samples)), NOON).window.tolist() == [NOON + i * MINUTE for i in range(5)]


@pytest.mark.parametrize(("after_end_ms", "final"), [(-1, False), (0, False), (1, True)])
def test_a_minute_is_folded_once_its_lateness_is_over_and_not_before(after_end_ms: int, final: bool) -> None:
    """Its last corrected pane goes out at the watermark of its end and the lateness, and may be on its way at that very watermark."""
    lateness = 5 * MINUTE
    content = PaneContent(COARSE, MINUTE, lateness)

    def one(value: float, number: int) -> Panes:
        batch = pane([Sample(A, NOON + 1, value, 0)], NOON, number)
        assert batch is not None
        return from_rollup(batch)

    kept = content.prune(content.merge(None, [one(1.0, 0)]).rows, NOON + MINUTE + lateness + after_end_ms)
    corrected = content.pane(content.merge(kept, [one(5.0, 1)]).rows, Key(0, NOON), 0, NOON)
    assert corrected is not None
    # A correction of what was folded would count beside it.
    assert [(row.count, row.sum) for row in rows_of(rollups.decode(corrected.data)).values()] == [
        (2, 6.0) if final else (1, 5.0)
    ]


def test_a_part_of_panes_is_compacted_to_what_it_uses() -> None:
    other = HOSTS[1], METRICS[1]
    both = panes([Sample(A, NOON, 1, 0), Sample(other, NOON + 1, 2, 1)])[0]
    one = both.take(np.flatnonzero(both.columns["sum"] == 2))
    small = one.compact()
    assert (list(small.targets), list(small.metrics)) == ([other[0]], [other[1]])
    assert fine_rows(small) == fine_rows(one)


def test_a_coarse_row_says_where_it_belongs() -> None:
    merged = merge(None, panes([Sample(A, NOON + 5, 1, 0)]))
    found = panes_algorithm.rollup(merged.panes, merged.starts, tier=COARSE, window=NOON, shard=3)
    assert (found.tier, found.window, found.window_ms, found.shard) == ("1h", NOON, HOUR, 3)


def test_folding_nothing_is_nothing() -> None:
    none = panes([Sample(A, NOON, 1, 0)])[0].take(np.empty(0, np.intp))
    assert len(panes_algorithm.fold(none, np.empty(0, np.intp))) == 0


@pytest.mark.filterwarnings("error")
def test_what_overflows_is_infinite_and_no_warning() -> None:
    huge = [Sample(A, NOON, 1.7e308, 0), Sample(A, NOON + MINUTE, 1.7e308, 1), Sample(A, NOON + 1, 1.7e308, 2)]
    # In a minute for one series, in the hour for the other.
    huge += [Sample(B, NOON, 1.7e308, 3), Sample(B, NOON + MINUTE, 1.7e308, 4)]
    rows = coarse(merge(None, panes(huge)))
    for series in (A, B):
        assert (rows[series].sum, rows[series].min, rows[series].max) == (float("inf"), 1.7e308, 1.7e308)
