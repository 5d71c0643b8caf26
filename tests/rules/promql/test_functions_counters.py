"""rate, increase, delta, irate, idelta, resets and changes."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.promql.engine import instant, query_range
from rules.promql.storage import MemoryStorage
from rules.promql.syntax.errors import EvaluationError
from rules.promql.values import InstantVector
from tests.rules.promql.window_reference import ANY, FINITE, RANGES, Reference, Samples, Window, assert_agrees, data

COUNTS = st.one_of(st.integers(0, 20).map(float), st.floats(0, 1e6, allow_nan=False))


def extrapolated(*, counter: bool, per_second: bool) -> Reference:
    def reference(window: Window) -> float | None:
        values = np.array(window.values)
        if len(values) < 2:
            return None
        growth = values[-1] - values[0]
        if counter:
            for before, after in pairwise(values):
                if after < before:
                    growth += before
        first, last = window.samples[0][0], window.samples[-1][0]
        sampled = (last - first) / 1000
        to_start, to_end = (first - window.start) / 1000, (window.end - last) / 1000
        mean = sampled / (len(values) - 1)
        if to_start >= mean * 1.1:
            to_start = mean / 2
        if to_end >= mean * 1.1:
            to_end = mean / 2
        if counter and growth > 0 and values[0] >= 0:
            to_start = min(to_start, sampled * (values[0] / growth))
        factor = (sampled + to_start + to_end) / sampled
        if per_second:
            length = window.end - window.start
            factor /= length // 1000 + length % 1000 / 1000
        return float(growth * factor)

    return reference


def last_two(window: Window) -> tuple[float, float, float] | None:
    if len(window.samples) < 2:
        return None
    (before, previous), (at, last) = window.samples[-2:]
    return (at - before) / 1000, np.float64(previous), np.float64(last)


def irate(window: Window) -> float | None:
    if (found := last_two(window)) is None:
        return None
    seconds, previous, last = found
    return float((last if last < previous else last - previous) / seconds)


def idelta(window: Window) -> float | None:
    return None if (found := last_two(window)) is None else float(found[2] - found[1])


def resets(window: Window) -> float:
    return float(sum(after < before for before, after in pairwise(window.values)))


def changes(window: Window) -> float:
    pairs = pairwise(window.values)
    return float(sum(after != before and not (math.isnan(after) and math.isnan(before)) for before, after in pairs))


@pytest.mark.parametrize(
    ("function", "reference"),
    [
        ("rate", extrapolated(counter=True, per_second=True)),
        ("increase", extrapolated(counter=True, per_second=False)),
        ("delta", extrapolated(counter=False, per_second=False)),
        ("irate", irate),
        ("idelta", idelta),
        ("resets", resets),
        ("changes", changes),
    ],
)
@settings(max_examples=60, deadline=None)
@given(series=st.one_of(data(COUNTS), data(FINITE), data(ANY)), shape=RANGES)
def test_agrees_with_the_definition(
    function: str, reference: Reference, series: list[Samples], shape: tuple[int, int]
) -> None:
    assert_agrees(f"{function}(x_total[RANGE])", series, shape, reference)


def store(*values: float, name: str = "x_total", step: int = 15_000) -> MemoryStorage:
    times = np.arange(len(values)) * step
    return MemoryStorage.from_series([({"__name__": name, "job": "a"}, times, values)])


def value(expr: str, storage: MemoryStorage, time_ms: int) -> float:
    found = instant(expr, storage, time_ms).value
    assert isinstance(found, InstantVector)
    assert found.labels.rows() == [{"job": "a"}]
    return float(found.values[0, 0])


@pytest.mark.parametrize(
    ("values", "at", "wanted"),
    [
        # A window covered to both ends: 4 intervals' growth over 75 s.
        ((100, 110, 120, 130, 140), 60_000, 50.0),
        # The counter would be below zero at the start of the window: extended to zero only, 5 s before the first sample.
        ((5, 20, 35, 50, 65), 60_000, 60 / 60 * 65),
        # One reset, after 110: 23 - 100 + 110.
        ((100, 110, 3, 13, 23), 60_000, 33 * 75 / 60),
        # A gap before the end as long as 1.1 mean intervals and more counts for half of one.
        ((100, 110, 120), 60_000, 20 * (30 + 15 + 7.5) / 30),
    ],
)
def test_increase_is_extended_to_the_ends_of_the_window(values: tuple[float, ...], at: int, wanted: float) -> None:
    assert value("increase(x_total[75s])", store(*values), at) == pytest.approx(wanted)
    assert value("rate(x_total[75s])", store(*values), at) == pytest.approx(wanted / 75)


def test_one_sample_is_no_rate() -> None:
    found = instant("rate(x_total[10s])", store(1, 2, 3), 30_000).value
    assert isinstance(found, InstantVector)
    assert found.size == 0


def test_a_range_is_open_at_its_start() -> None:
    storage = store(1, 1, 5)
    assert value("changes(x_total[15s])", storage, 30_000) == 0
    assert value("changes(x_total[15001ms])", storage, 30_000) == 1


def test_ranges_follow_offset_and_at() -> None:
    storage = store(*range(0, 400, 10))
    plain = value("rate(x_total[1m])", storage, 300_000)
    assert value("rate(x_total[1m] offset 2m)", storage, 420_000) == plain
    assert value("rate(x_total[1m] @ 300)", storage, 1_000_000) == plain
    pinned = query_range("rate(x_total[1m] @ 300)", storage, 0, 60_000, 15_000).value
    assert isinstance(pinned, InstantVector)
    assert pinned.values.tolist() == [[plain] * 5]


@pytest.mark.parametrize(
    ("name", "remarks"),
    [
        ("x_total", 0),
        ("x_count", 0),
        ("x_sum", 0),
        ("x_bucket", 0),
        ("total", 1),
        ("memory_bytes", 1),
    ],
)
def test_a_name_that_is_none_of_a_counter_is_remarked_on(name: str, remarks: int) -> None:
    storage = store(1, 2, 3, name=name)
    for function in ("rate", "increase"):
        found = instant(f"{function}({name}[1m])", storage, 30_000).annotations
        assert [(each.severity.value, each.message) for each in found] == [
            (
                "info",
                "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "
                f'"{name}"',
            )
        ] * remarks
        assert all(each.span == (len(function) + 1, len(function) + len(name) + 5) for each in found)
    # No remark about what has no result, nor about a gauge's functions.
    assert instant(f"rate({name}[5s])", storage, 30_000).annotations == ()
    assert instant(f"delta({name}[1m])", storage, 30_000).annotations == ()


def test_series_that_differ_in_the_name_only_clash() -> None:
    storage = MemoryStorage.from_series(
        ({"__name__": name, "job": "a"}, [start, start + 10_000], [0, 1])
        for name, start in (("x_total", 0), ("y_total", 600_000))
    )
    # At no instant both have a value; Prometheus refuses all the same.
    with pytest.raises(EvaluationError, match="same labelset"):
        query_range('rate({job="a"}[1m])', storage, 0, 700_000, 10_000)
    found = query_range('last_over_time({job="a"}[1m])', storage, 0, 700_000, 10_000).value
    assert isinstance(found, InstantVector)
    assert found.size == 2
    assert instant('rate({job="a"}[1m])', storage, 10_000).value.labels.rows() == [{"job": "a"}]  # type: ignore[union-attr]
