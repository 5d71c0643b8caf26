"""avg_over_time and its like, and lines through windows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.promql.engine import instant, query_range
from rules.promql.storage import MemoryStorage
from rules.promql.values import STALE, InstantVector
from tests.rules.promql.window_reference import (
    ANY,
    FINITE,
    RANGES,
    Reference,
    Samples,
    Window,
    assert_agrees,
    data,
    neumaier,
    plus,
)


def total(window: Window) -> float:
    whole, lost = neumaier(window.values)
    return float(whole if math.isinf(whole) else whole + lost)


def average(window: Window) -> float:
    values = [np.float64(value) for value in window.values]
    whole, lost = values[0], np.float64(0)
    for place, value in enumerate(values[1:], 1):
        new, new_lost = plus(value, whole, lost)
        if math.isinf(new):
            return carried(values, place, whole / place, lost / place)
        whole, lost = new, new_lost
    return float(whole / len(values) + lost / len(values))


def carried(values: list[np.float64], start: int, mean: float, lost: float) -> float:
    """The mean from the first value on that makes the sum overflow."""
    for place in range(start, len(values)):
        count = np.float64(place + 1)
        share = (count - 1) / count
        mean, lost = plus(values[place] / count, share * mean, share * lost)
    return float(mean + lost)


def variance(window: Window) -> float:
    mean, mean_lost, squares, squares_lost = (np.float64(0) for _ in range(4))
    for count, value in enumerate(map(np.float64, window.values), 1):
        delta = value - (mean + mean_lost)
        mean, mean_lost = plus(delta / count, mean, mean_lost)
        squares, squares_lost = plus(delta * (value - (mean + mean_lost)), squares, squares_lost)
    return float((squares + squares_lost) / len(window.values))


def deviation(window: Window) -> float:
    return float(np.sqrt(variance(window)))


def extreme(window: Window, sign: int) -> float:
    numbers = [value for value in window.values if not math.isnan(value)]
    return sign * max((sign * value for value in numbers), default=math.nan)


def quantile_of(q: float) -> Reference:
    def reference(window: Window) -> float:
        if math.isnan(q) or not 0 <= q <= 1:
            return math.nan if math.isnan(q) else math.copysign(math.inf, q)
        ordered = sorted(window.values, key=lambda value: -math.inf if math.isnan(value) else value)
        # NaN is less than -Inf.
        ordered.sort(key=lambda value: not math.isnan(value))
        rank = q * (len(ordered) - 1)
        lower = math.floor(rank)
        upper = min(lower + 1, len(ordered) - 1)
        weight = rank - lower
        return float(np.float64(ordered[lower]) * (1 - weight) + np.float64(ordered[upper]) * weight)

    return reference


def line(window: Window, origin: int) -> tuple[float, float] | None:
    """Slope and value at the origin."""
    values = [np.float64(value) for value in window.values]
    if len(values) < 2:
        return None
    if all(value == values[0] for value in values[1:]):
        return (math.nan, math.nan) if math.isinf(values[0]) else (0.0, float(values[0]))
    seconds = [np.float64(when - origin) / 1e3 for when, _ in window.samples]
    sum_x, sum_y, sum_xy, sum_xx = (
        whole + lost
        for whole, lost in map(
            neumaier,
            (
                seconds,
                values,
                [x * y for x, y in zip(seconds, values, strict=True)],
                [x * x for x in seconds],
            ),
        )
    )
    size = len(values)
    slope = (sum_xy - sum_x * sum_y / size) / (sum_xx - sum_x * sum_x / size)
    return float(slope), float(sum_y / size - slope * sum_x / size)


def deriv(window: Window) -> float | None:
    found = line(window, window.samples[0][0])
    return None if found is None else found[0]


def predict_a_minute(window: Window) -> float | None:
    found = line(window, window.instant)
    return None if found is None else float(np.float64(found[0]) * 60 + found[1])


@pytest.mark.parametrize(
    ("expr", "reference"),
    [
        ("sum_over_time(x_total[RANGE])", total),
        ("avg_over_time(x_total[RANGE])", average),
        ("stdvar_over_time(x_total[RANGE])", variance),
        ("stddev_over_time(x_total[RANGE])", deviation),
        ("min_over_time(x_total[RANGE])", lambda window: extreme(window, -1)),
        ("max_over_time(x_total[RANGE])", lambda window: extreme(window, 1)),
        ("count_over_time(x_total[RANGE])", lambda window: float(len(window.values))),
        ("present_over_time(x_total[RANGE])", lambda window: 1.0),
        ("last_over_time(x_total[RANGE])", lambda window: window.values[-1]),
        ("first_over_time(x_total[RANGE])", lambda window: window.values[0]),
        ("quantile_over_time(0.37, x_total[RANGE])", quantile_of(0.37)),
        ("quantile_over_time(1, x_total[RANGE])", quantile_of(1)),
        ("quantile_over_time(2, x_total[RANGE])", quantile_of(2)),
        ("quantile_over_time(-1, x_total[RANGE])", quantile_of(-1)),
        ("quantile_over_time(NaN, x_total[RANGE])", quantile_of(math.nan)),
        ("deriv(x_total[RANGE])", deriv),
        ("predict_linear(x_total[RANGE], 60)", predict_a_minute),
    ],
)
@settings(max_examples=40, deadline=None)
@given(series=st.one_of(data(st.integers(-9, 9).map(float)), data(FINITE), data(ANY)), shape=RANGES)
def test_agrees_with_the_definition(
    expr: str, reference: Reference, series: list[Samples], shape: tuple[int, int]
) -> None:
    assert_agrees(expr, series, shape, reference)


def store(*values: float) -> MemoryStorage:
    return MemoryStorage.from_series([({"__name__": "x", "job": "a"}, np.arange(len(values)) * 15_000, values)])


def value(expr: str, *values: float) -> float:
    found = instant(expr, store(*values), 600_000).value
    assert isinstance(found, InstantVector)
    return float(found.values[0, 0])


@pytest.mark.parametrize(
    ("expr", "values", "wanted"),
    [
        # A plain sum would lose the ones.
        ("sum_over_time(x[1h])", (1e100, 1, -1e100, 1), 2),
        ("avg_over_time(x[1h])", (1e100, 1, -1e100, 1), 0.5),
        # The sum overflows, the mean does not.
        ("avg_over_time(x[1h])", (1.5e308, 1.5e308, 1.5e308), 1.5e308),
        ("sum_over_time(x[1h])", (1.5e308, 1.5e308), math.inf),
        ("sum_over_time(x[1h])", (0.1,) * 10, 1.0),
        ("stddev_over_time(x[1h])", (1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16), math.sqrt(22.5)),
        ("quantile_over_time(0.5, x[1h])", (3, 1, 2), 2),
        ("quantile_over_time(0.25, x[1h])", (0, 1), 0.25),
        ("max_over_time(x[1h])", (math.nan, 1, math.nan), 1),
        ("min_over_time(x[1h])", (-math.inf, math.nan), -math.inf),
        # A staleness marker is no sample of a range.
        ("count_over_time(x[1h])", (1, float(STALE), 3), 2),
    ],
)
def test_values(expr: str, values: tuple[float, ...], wanted: float) -> None:
    assert value(expr, *values) == wanted


def test_nothing_but_nan_stays_nan() -> None:
    assert math.isnan(value("max_over_time(x[1h])", math.nan, math.nan))


@pytest.mark.parametrize("infinity", [math.inf, -math.inf])
def test_there_is_no_line_through_infinity(infinity: float) -> None:
    assert math.isnan(value("deriv(x[1h])", infinity, infinity))
    assert math.isnan(value("predict_linear(x[1h], 60)", infinity, infinity))
    assert value("predict_linear(x[1h], 60)", 3.0, 3.0) == 3.0


def test_names_of_what_acts_like_an_offset_stay() -> None:
    for function, kept in (("last_over_time", True), ("first_over_time", True), ("max_over_time", False)):
        found = instant(f"{function}(x[1h])", store(1, 2), 60_000).value
        assert isinstance(found, InstantVector)
        assert found.labels.rows() == [{"__name__": "x", "job": "a"} if kept else {"job": "a"}]


@pytest.mark.parametrize(
    ("q", "shown"), [("2", "2"), ("-0.5", "-0.5"), ("NaN", "NaN"), ("Inf", "+Inf"), ("1e7", "1e+07")]
)
def test_a_parameter_that_is_no_quantile_is_remarked_on(q: str, shown: str) -> None:
    remarks = instant(f"quantile_over_time({q}, x[1h])", store(1, 2), 60_000).annotations
    assert [(each.severity.value, each.message, each.span) for each in remarks] == [
        (
            "warning",
            f"PromQL warning: quantile value should be between 0 and 1, got {shown}",
            (19, 19 + len(q)),
        )
    ]
    assert instant(f"quantile_over_time({q}, nothing[1h])", store(1, 2), 60_000).annotations == ()


def test_a_parameter_may_change_from_instant_to_instant() -> None:
    found = query_range("quantile_over_time(scalar(q), x[1h])", with_parameter(0.0, 0.5, 1.0), 60_000, 90_000, 15_000)
    assert isinstance(found.value, InstantVector)
    assert found.value.values.tolist() == [[1.0, 2.0, 3.0]]


def with_parameter(*q: float) -> MemoryStorage:
    times = np.arange(len(q)) * 15_000
    return MemoryStorage.from_series(
        [({"__name__": "x"}, [0, 1000, 2000], [1, 2, 3]), ({"__name__": "q"}, times + 60_000, q)]
    )


def test_prediction_starts_at_the_instant_whatever_the_offset() -> None:
    storage = store(*range(0, 40))
    # One every 15 s: at the instant, 600 s, the value would be 40.
    for range_text in ("x[2m]", "x[2m] offset 3m", "x[2m] @ 300"):
        found = instant(f"predict_linear({range_text}, 60)", storage, 600_000).value
        assert isinstance(found, InstantVector)
        assert found.values[0, 0] == pytest.approx(44)


def test_a_subquery_is_a_range_of_its_results() -> None:
    found = instant("max_over_time(rate(x[1m])[5m:1m])", store(0, 10, 20, 120, 130, 140, 150), 300_000).value
    assert isinstance(found, InstantVector)
    # At 60 s the counter has grown by 120 since 15 s, and was zero 3.75 s before.
    assert found.values.tolist() == [[pytest.approx(120 / 45 * 48.75 / 60)]]
