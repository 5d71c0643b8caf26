"""Selection in time: lookback, staleness, offset, ``@``, subqueries; what an evaluation refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.promql import engine
from rules.promql.context import Options
from rules.promql.storage import MemoryStorage
from rules.promql.syntax.errors import EvaluationError, LimitExceeded, PromQLSyntaxError
from rules.promql.values import STALE, InstantVector, RangeVector, Scalar, String

MINUTE = 60_000


def storage(**series: dict[int, float]) -> MemoryStorage:
    """Series by metric name: values by time in seconds."""
    return MemoryStorage.from_series(
        ({"__name__": name}, [when * 1000 for when in samples], list(samples.values()))
        for name, samples in series.items()
    )


X = storage(x={0: 1.0, 60: 2.0, 120: 3.0, 180: 4.0, 240: 5.0})


def at(text: str, seconds: float, data: MemoryStorage = X) -> list[float]:
    """The values at one instant."""
    value = engine.instant(text, data, int(seconds * 1000)).value
    assert isinstance(value, InstantVector)
    return [float(number) for number in value.values[:, 0]]


@pytest.mark.parametrize(
    ("text", "seconds", "values"),
    [
        ("x", 0, [1]),
        ("x", 59.999, [1]),
        ("x", 60, [2]),
        ("x", -0.001, []),
        # The lookback is left-open: the last sample, 300 s old, is gone.
        ("x", 539.999, [5]),
        ("x", 540, []),
        ("x offset 1m", 240, [4]),
        ("x offset -1m", 120, [4]),
        ("x @ 60", 1_000_000, [2]),
        ("x @ 60 offset 1m", 1_000_000, [1]),
        ("x @ end()", 180, [4]),
        ("count_over_time(x[1m])", 240, [1]),
        ("count_over_time(x[61s])", 240, [2]),
        ("count_over_time(x[2m] offset 1m)", 240, [2]),
        ("count_over_time(x[2m] @ 60)", 1_000_000, [2]),
        ("count_over_time(x[5m:1m])", 240, [5]),
        ("count_over_time(x[2m:30s])", 240, [4]),
        # Steps of a subquery are multiples of its step, whatever the instant.
        ("last_over_time(x[1m:1m])", 239.9, [4]),
        ("last_over_time(x[1m:1m] offset 1m)", 240, [4]),
        ("last_over_time(x[2m:1m] @ 120)", 1_000_000, [3]),
        ("-x", 0, [-1]),
        ("+x", 0, [1]),
        ("timestamp(x)", 100, [60]),
        ("timestamp(x offset 1m)", 240, [180]),
        ("unknown", 0, []),
    ],
)
def test_instants(text: str, seconds: float, values: list[float]) -> None:
    assert at(text, seconds) == values


def test_series_of_a_subquery_keep_their_own_times() -> None:
    data = MemoryStorage.from_series(
        [({"__name__": "x", "n": "1"}, [0, 600_000], [1, 2]), ({"__name__": "x", "n": "2"}, [60_000, 120_000], [3, 7])]
    )
    for expr in ("count_over_time(x{n=~'N'}[12m:1m])", "deriv(x{n=~'N'}[12m:1m])"):
        together, one, two = (at(expr.replace("N", numbers), 660, data) for numbers in ("1|2", "1", "2"))
        assert together == one + two, expr


def test_a_staleness_marker_ends_a_series_and_is_no_sample_of_a_range() -> None:
    data = storage(x={0: 1.0, 60: STALE, 120: 3.0})
    assert [at("x", when, data) for when in (59, 60, 119, 120)] == [[1], [], [], [3]]
    assert at("count_over_time(x[5m])", 120, data) == [2]


def test_an_ordinary_nan_is_a_value() -> None:
    assert np.isnan(at("x", 0, storage(x={0: float("nan")}))).tolist() == [True]


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "rate(x[2m])",
        "sum(x) + x offset 1m",
        "max_over_time(x[3m:1m])",
        "-x",
        "time()",
        # What `@` pins is looked up once for all instants, unless something else differs between them.
        "x @ 60",
        "x @ 6000",
        "timestamp(x @ 100)",
        "increase(x[2m] @ 180)",
        "max_over_time(x[3m:1m] @ 200)",
        "quantile_over_time(time() / 400, x[3m] @ 180)",
        "predict_linear(x[3m] @ 180, 60)",
    ],
)
@given(start=st.integers(-100, 400), steps=st.integers(1, 6), step=st.integers(1, 130))
def test_a_range_is_its_instants(text: str, start: int, steps: int, step: int) -> None:
    found = engine.query_range(text, X, start * 1000, (start + step * (steps - 1)) * 1000, step * 1000)
    assert len(found.times) == steps
    for index, time in enumerate(found.times.tolist()):
        one = engine.instant(text, X, time).value
        if isinstance(one, Scalar):
            assert isinstance(found.value, Scalar)
            assert one.values[0] == found.value.values[index]
            continue
        assert isinstance(one, InstantVector)
        assert isinstance(found.value, InstantVector)
        present = found.value.present[:, index] if found.value.size else np.zeros(0, bool)
        assert found.value.values[present, index].tolist() == one.values[:, 0].tolist()


def test_start_and_end_are_those_of_the_query() -> None:
    found = engine.query_range("x @ start() + x @ end()", X, 60_000, 180_000, 60_000).value
    assert isinstance(found, InstantVector)
    assert found.values.tolist() == [[6, 6, 6]]


def test_a_range_selector_yields_its_samples() -> None:
    value = engine.instant("x[2m]", X, 240_000).value
    assert isinstance(value, RangeVector)
    windows = value.windows()
    assert windows.values[windows.low[0, 0] : windows.high[0, 0]].tolist() == [4, 5]


def test_scalars_and_strings() -> None:
    number = engine.instant("1 + 1", X, 0).value
    assert isinstance(number, Scalar)
    assert number.values.tolist() == [2]
    value = engine.instant('"text"', X, 0).value
    assert value == String("text")


def test_series_that_become_the_same_are_an_error() -> None:
    data = storage(x={0: 1.0}, y={0: 2.0})
    with pytest.raises(EvaluationError, match="same labelset"):
        engine.instant('-{__name__=~"x|y"}', data, 0)


def test_series_that_become_the_same_at_different_instants_are_one() -> None:
    data = storage(x={0: 1.0}, y={600: 2.0})
    found = engine.query_range('-{__name__=~"x|y"}', data, 0, 600_000, 600_000).value
    assert isinstance(found, InstantVector)
    assert found.values.tolist() == [[-1, -2]]
    assert found.present.all()


def test_a_result_too_large_is_refused_before_it_is_made() -> None:
    with pytest.raises(LimitExceeded, match="1 series at 1,001 instants"):
        engine.query_range("x", X, 0, 1_000_000, 1_000, Options(max_cells=1_000))
    with pytest.raises(LimitExceeded):
        engine.instant("max_over_time(x[200y:1ms])", X, 0)


@pytest.mark.parametrize("step", [0, -1])
def test_a_range_needs_a_step(step: int) -> None:
    with pytest.raises(ValueError, match="no instants"):
        engine.query_range("x", X, 0, 10, step)


@pytest.mark.parametrize("text", ["x[5m]", '"text"'])
def test_a_range_query_yields_no_ranges_or_strings(text: str) -> None:
    with pytest.raises(EvaluationError, match="range query"):
        engine.query_range(text, X, 0, 10, 10)


def test_a_syntax_error_is_typed() -> None:
    with pytest.raises(PromQLSyntaxError):
        engine.instant("x +", X, 0)


def test_the_lookback_is_an_option() -> None:
    value = engine.instant("x", X, 300_000, Options(lookback_ms=60_000)).value
    assert isinstance(value, InstantVector)
    assert value.size == 0
