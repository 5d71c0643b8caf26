"""What digests hold, how they merge, and how accurate the sums and moments in them are."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.promql.digests.digests import Digests
from rules.promql.digests.functions import NEEDS
from rules.promql.digests.measures import Measure
from rules.promql.engine import Result, at_instants
from rules.promql.storage import MemoryStorage
from rules.promql.values import RangeVector
from tests.rules.promql.digests.stores import (
    EPS,
    FLOATS,
    HOUR,
    HOURS,
    START,
    CutStorage,
    cuts,
    instants,
    rows,
    steady,
    stores,
    windows_of,
)


@settings(max_examples=100)
@given(stores(FLOATS), cuts, cuts, instants)
def test_sums_do_not_depend_on_where_windows_are_cut(
    memory: MemoryStorage, cuts: list[int], others: list[int], times: np.ndarray
) -> None:
    """What rounding cuts off is kept to twice the digits, so that only a sum that lies next to a tie could be rounded otherwise."""
    for function in ("sum_over_time", "avg_over_time", "rate"):
        expr = f"{function}(x_total[2h])"
        found, wanted = (rows(at_instants(expr, CutStorage(memory, each), times)) for each in (cuts, others))
        for labels, (values, present) in found.items():
            assert values[present].tobytes() == wanted[labels][0][present].tobytes()


def samples_of(memory: MemoryStorage, row: int, start: int, end: int) -> tuple[list[Fraction], list[Fraction]]:
    """Times (s) and values of a series in a window, exactly."""
    part = slice(memory.offsets[row], memory.offsets[row + 1])
    times, values = memory.timestamps[part], memory.values[part]
    inside = (times > start) & (times <= end)
    return [Fraction(at, 1000) for at in times[inside].tolist()], [Fraction(v) for v in values[inside].tolist()]


def windows_by_row(memory: MemoryStorage, found: Result) -> Iterator[tuple[int, float, list[Fraction], list[Fraction]]]:
    """The end of each window of two hours that has a value, the value, and its samples, exactly."""
    values = rows(found)
    for row, labels in enumerate(memory.labels.drop(("__name__",)).rows()):
        value, present = values.get(tuple(labels.items()), (np.empty(0), np.empty(0)))
        for place in np.flatnonzero(present):
            end = int(found.times[place])
            at, what = samples_of(memory, row, end - 2 * HOUR, end)
            yield end, float(value[place]), at, what


@settings(max_examples=100)
@given(stores(FLOATS), cuts, instants)
def test_variances_are_accurate(memory: MemoryStorage, cuts: list[int], times: np.ndarray) -> None:
    """Within a unit in the last place of the variance, and in that of the largest value, from which distances are taken."""
    found = at_instants("stdvar_over_time(x_total[2h])", CutStorage(memory, cuts), times)
    for _, value, _, values in windows_by_row(memory, found):
        exact = statistics.pvariance(values)
        largest = float(max(map(abs, values)))
        bound = EPS * (float(exact) + largest * math.sqrt(exact)) + (EPS * largest) ** 2
        assert abs(Fraction(value) - exact) <= bound
        assert value == 0.0 or min(values) < max(values)


@settings(max_examples=100)
@given(stores(FLOATS), cuts, instants)
def test_lines_are_accurate(memory: MemoryStorage, cuts: list[int], times: np.ndarray) -> None:
    """As if each value were off by two units in the last place of the largest."""
    store = CutStorage(memory, cuts)
    slopes = at_instants("deriv(x_total[2h])", store, times)
    later = at_instants("predict_linear(x_total[2h], 3600)", store, times)
    for (end, slope, at, values), (_, value, _, _) in zip(
        windows_by_row(memory, slopes), windows_by_row(memory, later), strict=True
    ):
        middle, mean = sum(at) / len(at), sum(values) / len(at)
        spread = sum((x - middle) ** 2 for x in at)
        exact = sum((x - middle) * (y - mean) for x, y in zip(at, values, strict=True)) / spread
        off = 2 * EPS * float(max(map(abs, values))) * math.sqrt(len(at) / spread)
        assert abs(Fraction(slope) - exact) <= off
        away = Fraction(end, 1000) + 3600 - middle
        assert abs(Fraction(value) - (mean + exact * away)) <= off * float(away) + 2 * EPS * abs(value)


def assert_alike(one: Digests, other: Digests) -> None:
    """The same but for rounding, and for what is undefined without samples."""
    shape = np.broadcast_shapes(*(each.count.shape for each in (one, other)), (one.size, 1))
    counts = np.broadcast_to(one.count, shape)
    defined = {"first_at": 1, "last_at": 1, "first": 1, "last": 1, "previous_at": 2, "previous": 2}
    for name, array in one.arrays().items():
        sides = [np.broadcast_to(side, shape)[counts >= defined.get(name, 0)] for side in (array, other.arrays()[name])]
        if name in ("lost", "dropped_lost", "dropped", "total", "squares", "products", "spread"):
            np.testing.assert_allclose(*sides, rtol=1e-9, atol=1e-6 * max(1.0, scale(one)), err_msg=name)
        else:
            np.testing.assert_array_equal(*sides, err_msg=name)


def scale(digests: Digests) -> float:
    largest = np.abs(np.concatenate((digests.low.ravel(), digests.high.ravel())))
    return float(largest[np.isfinite(largest)].max(initial=0.0)) ** 2


@settings(max_examples=100)
@given(stores(), st.lists(st.integers(START, START + 3 * HOUR), min_size=2, max_size=2).map(sorted))
def test_merging_is_associative_and_nothing_is_neutral(memory: MemoryStorage, cuts: list[int]) -> None:
    series = memory.select((), 0, START + 9 * HOUR, stale=False)
    bounds = [0, *cuts, START + 9 * HOUR]
    first, second, third = (Digests.of(windows_of(series, low, high)) for low, high in pairwise(bounds))
    assert_alike(first.merged(second).merged(third), first.merged(second.merged(third)))
    assert_alike(first.merged(second).merged(third), Digests.of(windows_of(series, 0, bounds[-1])))
    for nothing in (Digests.empty(series.size, 1), Digests.empty(series.size, 3)):
        assert_alike(nothing.merged(second), second)
        assert_alike(second.merged(nothing), second)


@given(stores(), instants, st.data())
def test_series_are_taken_and_missing_ones_are_empty(
    memory: MemoryStorage, times: np.ndarray, data: st.DataObject
) -> None:
    series = memory.select((), 0, START + 9 * HOUR, stale=False)
    digests = Digests.of(RangeVector(series, times - HOUR, times).windows())
    chosen = np.array(data.draw(st.lists(st.integers(-1, series.size - 1), max_size=6)), np.int64)
    taken = digests.take(chosen)
    assert taken.size == len(chosen)
    for place, row in enumerate(chosen.tolist()):
        one = digests.take(np.array([row])) if row >= 0 else Digests.empty(1, len(times))
        assert_alike(taken.take(np.array([place])), one)
    later = Digests.of(RangeVector(series, times, times + HOUR).windows())
    assert_alike(taken.merged(later.take(chosen)), digests.merged(later).take(chosen))
    assert_alike(Digests.empty(0, 1).take(np.array([-1, -1])), Digests.empty(2, 1))


def test_what_both_hold_is_merged() -> None:
    series = steady("x_total").select((), 0, START + 9 * HOUR, stale=False)
    first = Digests.of(windows_of(series, 0, HOURS[1]), Measure.SUMS | Measure.RESETS)
    second = Digests.of(windows_of(series, HOURS[1], HOURS[2]), Measure.LINE)
    assert second.measures == Measure.LINE | Measure.SUMS | Measure.EXTREMES
    merged = first.merged(second)
    assert merged.measures == Measure.SUMS
    assert not merged.resets.any()
    np.testing.assert_array_equal(merged.total, [[first.total[0, 0] + second.total[0, 0]]])


def test_what_is_zero_or_shared_takes_no_room() -> None:
    series = steady(*["x_total"] * 100).select((), 0, START + 9 * HOUR, stale=False)
    rates = Digests.of(windows_of(series, HOURS[0], HOURS[1]), NEEDS["rate"])
    # The first and the last value.
    assert rates.nbytes < 100 * 8 * 2 + 200
    assert Digests.beside([rates, rates, rates]).nbytes < 100 * 8 * 6 + 300
    everything = Digests.of(windows_of(series, HOURS[0], HOURS[1]))
    assert everything.nbytes < 100 * 8 * 9 + 200
