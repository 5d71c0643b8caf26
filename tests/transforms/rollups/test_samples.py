from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.rollup import RollupBatch
from schemas.tiers import Tier
from tests.transforms.naive import (
    HOSTS,
    METRICS,
    MINUTE,
    NOON,
    Sample,
    agree,
    batch_of,
    bits,
    finite_values,
    partitions_of,
    rollup,
    rows_of,
    sample_lists,
    samples_of,
    survivors,
)
from transforms.rollups import samples as samples_algorithm
from transforms.rollups.fates import Fates
from transforms.rollups.samples import Merged, merge, select_series, sorted_order

TIER = Tier("1m", MINUTE, 0, "")
A, B = (HOSTS[0], METRICS[0]), (HOSTS[1], METRICS[0])


def reduce(merged: Merged) -> RollupBatch | None:
    return samples_algorithm.rollup(merged.samples, tier=TIER, window=NOON, shard=0)


def total(fates: Fates) -> int:
    return fates.written + fates.merged_late + fates.duplicate + fates.unwritable


def merged_in(parts: Sequence[Sequence[Sample]], firings: int) -> tuple[Merged, Fates]:
    """Merge parts in a number of firings, each of them into what the ones before it kept."""
    kept, fates, merged = None, Fates(), None
    for some in np.array_split(np.arange(len(parts)), firings):
        merged = merge(kept, [batch_of(parts[index]) for index in some])
        kept, fates = merged.samples, fates + merged.fates
    assert merged is not None
    return merged, fates


@settings(max_examples=200)
@given(sample_lists())
def test_a_merge_and_its_rows_are_those_of_the_plain_model(samples: list[Sample]) -> None:
    merged = merge(None, [batch_of(samples)])
    model = survivors(samples)
    kept: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples_of(merged.samples):
        kept.setdefault(sample.series, []).append(sample)
    assert kept == model
    assert len(merged.starts) == len(model)
    agree(rows_of(reduce(merged)), rollup(samples))


@settings(max_examples=200)
@given(sample_lists(), st.data())
def test_rows_and_fates_are_the_same_to_the_bit_in_any_order_and_any_split(
    samples: list[Sample], data: st.DataObject
) -> None:
    at_once = merge(None, [batch_of(samples)])
    parts = data.draw(partitions_of(samples))
    firings = data.draw(st.integers(1, len(parts)))
    piecemeal, fates = merged_in(parts, firings)
    assert bits(rows_of(reduce(piecemeal))) == bits(rows_of(reduce(at_once)))
    assert fates == at_once.fates
    assert total(fates) == len(samples)


@given(sample_lists(), sample_lists(), st.booleans())
def test_every_arrival_has_one_fate(first: list[Sample], second: list[Sample], late: bool) -> None:
    second = [sample._replace(seq=sample.seq + 1000) for sample in second]
    before = merge(None, [batch_of(first)])
    after = merge(before.samples, [batch_of(second, late=late)])
    assert total(before.fates) == len(first)
    assert total(after.fates) == len(second)
    assert after.fates.unwritable == sum(not math.isfinite(sample.value) for sample in second)
    new = len(after.samples) - len(before.samples)
    assert (after.fates.merged_late if late else after.fates.written) == new
    assert (after.fates.written if late else after.fates.merged_late) == 0


@given(sample_lists(), sample_lists())
def test_changed_names_the_series_whose_samples_are_not_what_they_were(
    first: list[Sample], second: list[Sample]
) -> None:
    second = [sample._replace(seq=sample.seq + 1000) for sample in second]
    before = merge(None, [batch_of(first)])
    after = merge(before.samples, [batch_of(second)])

    def held(samples: list[Sample]) -> set[tuple[tuple[str, str], int, str]]:
        return {
            (sample.series, sample.ts, sample.value.hex()) for kept in survivors(samples).values() for sample in kept
        }

    changed = {series for series, _, _ in held(first + second) ^ held(first)}
    selected = select_series(after, after.changed)
    assert {sample.series for sample in samples_of(selected)} == changed
    assert np.count_nonzero(after.changed) == len(changed)


@given(sample_lists(values=finite_values), sample_lists(values=finite_values))
def test_rows_of_the_changed_series_are_the_rows_of_all_series(first: list[Sample], second: list[Sample]) -> None:
    second = [sample._replace(seq=sample.seq + 1000) for sample in second]
    after = merge(merge(None, [batch_of(first)]).samples, [batch_of(second, late=True)])
    everything = bits(rows_of(reduce(after)))
    changed = select_series(after, after.changed)
    correction = bits(rows_of(samples_algorithm.rollup(changed, tier=TIER, window=NOON, shard=0)))
    assert correction.items() <= everything.items()


@pytest.mark.parametrize(
    ("kept", "arrivals", "fates", "changed"),
    [
        ([Sample(A, NOON, 1, 1)], [Sample(A, NOON, 1, 2)], Fates(duplicate=1), []),
        ([Sample(A, NOON, 1, 1)], [Sample(A, NOON, 2, 2)], Fates(duplicate=1), [A]),
        ([Sample(A, NOON, 1, 2)], [Sample(A, NOON, 2, 1)], Fates(duplicate=1), []),
        ([Sample(A, NOON, 1, 1)], [Sample(A, NOON, math.nan, 2)], Fates(unwritable=1), []),
        ([Sample(A, NOON, 1, 1)], [Sample(A, NOON + 1, 1, 2)], Fates(merged_late=1), [A]),
        ([Sample(A, NOON, 1, 1)], [Sample(B, NOON, 1, 2), Sample(B, NOON, 3, 3)], Fates(0, 1, 1), [B]),
        ([Sample(A, NOON, 0.0, 1)], [Sample(A, NOON, -0.0, 2)], Fates(duplicate=1), [A]),
        ([], [Sample(A, NOON, math.inf, 1)], Fates(unwritable=1), []),
    ],
    ids=[
        "same value again",
        "a later record corrects",
        "an earlier record does not",
        "a staleness marker does not replace a value",
        "another instant",
        "another series, twice",
        "another zero",
        "nothing finite",
    ],
)
def test_late_arrivals(
    kept: list[Sample], arrivals: list[Sample], fates: Fates, changed: list[tuple[str, str]]
) -> None:
    before = merge(None, [batch_of(kept)]).samples
    after = merge(before, [batch_of(arrivals, late=True)])
    assert after.fates == fates
    assert sorted({sample.series for sample in samples_of(select_series(after, after.changed))}) == changed


def test_within_one_record_the_later_sample_stands() -> None:
    merged = merge(None, [batch_of([Sample(A, NOON, 1, 7), Sample(A, NOON, 2, 7), Sample(A, NOON, 3, 7)])])
    assert samples_of(merged.samples) == [Sample(A, NOON, 3, 7)]
    assert merged.fates == Fates(written=1, duplicate=2)


def test_an_on_time_copy_is_what_an_instant_is_credited_to() -> None:
    late, on_time = batch_of([Sample(A, NOON, 1, 2)], late=True), batch_of([Sample(A, NOON, 1, 1)])
    for arrivals in ([late, on_time], [on_time, late]):
        assert merge(None, arrivals).fates == Fates(written=1, duplicate=1)


@pytest.mark.parametrize(
    ("values", "increase"),
    [
        ([5], 0),
        ([5, 5], 0),
        ([5, 9], 4),
        ([5, 9, 2], 6),
        ([5, 9, 2, 3], 7),
        ([5, 0, 0], 0),
        ([9, 0, 9, 0, 9], 18),
    ],
)
def test_increase_takes_a_step_down_for_a_restart_from_zero(values: list[float], increase: float) -> None:
    samples = [Sample(A, NOON + index, value, index) for index, value in enumerate(values)]
    assert rows_of(reduce(merge(None, [batch_of(samples)])))[A].increase == increase


def test_a_sum_past_the_largest_number_is_infinite_and_stays_a_row() -> None:
    samples = [Sample(A, NOON + index, 1e308, index) for index in range(3)]
    row = rows_of(reduce(merge(None, [batch_of(samples)])))[A]
    assert (row.count, row.sum, row.max, row.increase) == (3, math.inf, 1e308, 0)


def test_the_rows_of_two_hosts_and_two_metrics() -> None:
    other = HOSTS[0], METRICS[1]
    samples = [
        *(Sample(A, NOON + at, value, at) for at, value in ((0, 5), (1, 9), (3, 2))),
        *(Sample(other, NOON + at, value, 10 + at) for at, value in ((6, 7), (4, -8))),
        *(Sample(B, NOON + at, value, 20 + at) for at, value in ((2, -1), (5, 4), (8, 4), (9, 3.5))),
    ]
    # Count, sum, min, max, first, last, increase, and the first and last event time.
    assert rows_of(reduce(merge(None, [batch_of(samples)]))) == {
        A: (3, 16, 2, 9, 5, 2, 6, NOON, NOON + 3),
        other: (2, -1, -8, 7, -8, 7, 15, NOON + 4, NOON + 6),
        B: (4, 10.5, -1, 4, -1, 3.5, 8.5, NOON + 2, NOON + 9),
    }


def test_nothing_finite_is_no_row() -> None:
    assert reduce(merge(None, [batch_of([Sample(A, NOON, math.nan, 1)])])) is None


def test_rows_carry_their_window() -> None:
    batch = samples_algorithm.rollup(batch_of([Sample(A, NOON, 1, 1)]), tier=TIER, window=NOON, shard=5)
    assert batch is not None
    assert (batch.tier, batch.window, batch.window_ms, batch.shard, batch.pane) == ("1m", NOON, MINUTE, 5, 0)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(-3, 3)), max_size=40), st.sampled_from([1, 1 << 40]), st.data()
)
def test_the_packed_order_is_that_of_a_stable_sort(
    rows: list[tuple[int, int]], spread: int, data: st.DataObject
) -> None:
    # With the greater spread the bits do not fit into one integer, and the slower way is taken.
    origin = data.draw(st.integers(0, 1 << 40))
    series = np.array([row[0] for row in rows], np.int64) * spread
    ts = np.array([row[1] for row in rows], np.int64) * spread + origin
    wanted = sorted(range(len(rows)), key=lambda index: (series[index], ts[index]))
    assert sorted_order(series, ts).tolist() == wanted


@pytest.mark.parametrize(
    ("series", "after"), [(1 << 30, 1 << 30), (1 << 31, (1 << 31) - 1), (1 << 62, 1), (1, 1 << 62)]
)
def test_numbers_that_fill_all_bits_are_ordered(series: int, after: int) -> None:
    # 63 bits with the row's, which one integer holds; 64, of which one would be its sign; and the largest of either.
    found = sorted_order(np.array([series, 0]), np.array([0, after]))
    assert found.tolist() == [1, 0]
