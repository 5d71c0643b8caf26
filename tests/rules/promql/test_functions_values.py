"""Functions of single values: mathematics, clamping, dates."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.promql.context import Options
from rules.promql.engine import instant, query_range
from rules.promql.storage import MemoryStorage
from rules.promql.syntax.errors import EvaluationError
from rules.promql.values import InstantVector, Scalar
from tests.rules.promql.window_reference import same

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def store(*values: float, **more: float) -> MemoryStorage:
    series = [({"__name__": "x", "n": str(number)}, [0], [value]) for number, value in enumerate(values)]
    return MemoryStorage.from_series([*series, *(({"__name__": name}, [0], [value]) for name, value in more.items())])


def values_of(expr: str, *values: float) -> dict[str, float]:
    found = instant(expr, store(*values), 0).value
    assert isinstance(found, InstantVector)
    return {labels.get("n", ""): float(row[0]) for labels, row in zip(found.labels.rows(), found.values, strict=True)}


@pytest.mark.parametrize(
    ("expr", "value", "wanted"),
    [
        ("abs(x)", -2.5, 2.5),
        ("ceil(x)", -2.5, -2),
        ("floor(x)", -2.5, -3),
        ("exp(x)", 1, math.e),
        ("exp(x)", 1000, math.inf),
        ("sqrt(x)", 9, 3),
        ("sqrt(x)", -1, math.nan),
        ("ln(x)", 0, -math.inf),
        ("ln(x)", -1, math.nan),
        ("log2(x)", 1024, 10),
        ("log10(x)", 1000, 3),
        ("sgn(x)", -math.inf, -1),
        ("sgn(x)", 0, 0),
        ("sgn(x)", math.nan, math.nan),
        ("sin(x)", math.pi / 2, 1),
        ("cos(x)", 0, 1),
        ("tan(x)", 0, 0),
        ("asin(x)", 1, math.pi / 2),
        ("acos(x)", 2, math.nan),
        ("atan(x)", math.inf, math.pi / 2),
        ("sinh(x)", 0, 0),
        ("cosh(x)", 0, 1),
        ("tanh(x)", math.inf, 1),
        ("asinh(x)", 0, 0),
        ("acosh(x)", 1, 0),
        ("atanh(x)", 1, math.inf),
        ("deg(x)", math.pi, 180),
        ("rad(x)", 180, math.pi),
        # Halves go up, also below zero.
        ("round(x)", 2.5, 3),
        ("round(x)", -2.5, -2),
        ("round(x, 0.1)", 1.2345, 1.2),
        ("round(x, 5)", 7.5, 10),
        ("round(x)", math.inf, math.inf),
        ("clamp(x, 0, 5)", 7, 5),
        ("clamp(x, 0, 5)", -7, 0),
        ("clamp(x, 0, 5)", math.nan, math.nan),
        ("clamp_min(x, 3)", 2, 3),
        ("clamp_max(x, 3)", 7, 3),
        # As Go's math.Min and math.Max have it.
        ("clamp_max(x, -Inf)", math.nan, -math.inf),
        ("clamp_min(x, Inf)", math.nan, math.inf),
        ("clamp_min(x, NaN)", 1, math.nan),
        # A root is another number there.
        ("x ^ 0.5", -math.inf, math.inf),
        ("1 / (x ^ 0.5)", -0.0, math.inf),
        ("x ^ 0.5", -1, math.nan),
    ],
)
def test_values(expr: str, value: float, wanted: float) -> None:
    (found,) = values_of(expr, value).values()
    assert same(found, wanted) or found == pytest.approx(wanted, rel=1e-15)


def test_bounds_the_wrong_way_round_leave_nothing() -> None:
    assert values_of("clamp(x, 5, 0)", 1, 2) == {}


def test_a_bound_may_change_from_instant_to_instant() -> None:
    found = query_range("clamp(x, 2, time() - 1)", store(10), 0, 4000, 1000).value
    assert isinstance(found, InstantVector)
    assert found.present.tolist() == [[False, False, False, True, True]]
    assert found.values[found.present].tolist() == [2, 3]


def test_names_go() -> None:
    for expr in ("abs(x)", "clamp_min(x, 0)", "round(x)", "hour(x)", "timestamp(abs(x))", "timestamp(x)"):
        found = instant(expr, store(1), 0).value
        assert isinstance(found, InstantVector)
        assert found.labels.rows() == [{"n": "0"}], expr


def test_names_go_at_the_end_when_so_asked() -> None:
    storage = MemoryStorage.from_series([({"__name__": "x"}, [0], [1]), ({"__name__": "y"}, [0], [2])])
    late = Options(delayed_name_removal=True)
    with pytest.raises(EvaluationError, match="same labelset"):
        instant('abs({__name__=~"x|y"})', storage, 0)
    with pytest.raises(EvaluationError, match="same labelset"):
        instant('abs({__name__=~"x|y"})', storage, 0, late)
    expr = 'label_replace(abs({__name__=~"x|y"}), "of", "$1", "__name__", "(.*)")'
    found = instant(expr, storage, 0, late).value
    assert isinstance(found, InstantVector)
    assert found.labels.rows() == [{"of": "x"}, {"of": "y"}]


def test_what_a_metric_is_goes_with_its_name() -> None:
    labels = {"__name__": "x", "__type__": "gauge", "__unit__": "seconds", "job": "a"}
    storage = MemoryStorage.from_series([(labels, [0], [1])])
    for late in (False, True):
        found = instant("abs(x)", storage, 0, Options(delayed_name_removal=late)).value
        assert isinstance(found, InstantVector)
        assert found.labels.rows() == [{"job": "a"}]


def test_the_same_series_may_come_of_two_metrics_in_turn() -> None:
    storage = MemoryStorage.from_series([({"__name__": "x"}, [0], [-1]), ({"__name__": "y"}, [600_000], [-2])])
    found = query_range('abs({__name__=~"x|y"})', storage, 0, 600_000, 300_000).value
    assert isinstance(found, InstantVector)
    assert found.labels.rows() == [{}]
    assert found.values[found.present].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("function", "part"),
    [
        ("minute", lambda when: when.minute),
        ("hour", lambda when: when.hour),
        ("day_of_week", lambda when: when.isoweekday() % 7),
        ("day_of_month", lambda when: when.day),
        ("day_of_year", lambda when: when.timetuple().tm_yday),
        ("month", lambda when: when.month),
        ("year", lambda when: when.year),
        (
            "days_in_month",
            lambda when: ((when.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day,
        ),
    ],
)
@given(seconds=st.lists(st.integers(-62_000_000_000, 253_000_000_000), min_size=1, max_size=30))
def test_dates(function: str, part, seconds: list[int]) -> None:  # type: ignore[no-untyped-def]
    wanted = {str(number): float(part(EPOCH + timedelta(seconds=each))) for number, each in enumerate(seconds)}
    assert values_of(f"{function}(x)", *seconds) == wanted


@pytest.mark.parametrize(
    ("value", "year", "month", "day", "hour", "minute"),
    [
        # time.Unix(math.MinInt64, 0), which is also what a number that does not fit becomes on x86.
        (math.nan, 292_277_026_596, 12, 4, 15, 30),
        (math.inf, 292_277_026_596, 12, 4, 15, 30),
        (-(2.0**63), 292_277_026_596, 12, 4, 15, 30),
        (1e15, 31_690_708, 7, 5, 1, 46),
        (-1e17, -3_168_871_881, 4, 27, 14, 13),
    ],
)
def test_dates_far_away_are_those_of_go(value: float, year: int, month: int, day: int, hour: int, minute: int) -> None:
    for expr, wanted in (
        ("year(x)", year),
        ("month(x)", month),
        ("day_of_month(x)", day),
        ("hour(x)", hour),
        ("minute(x)", minute),
    ):
        assert values_of(expr, value) == {"0": wanted}


def test_dates_of_the_instant() -> None:
    christmas = 1_766_664_000_000
    for expr, wanted in (("hour()", 12), ("day_of_week()", 4), ("day_of_year()", 359), ("days_in_month()", 31)):
        found = instant(expr, store(), christmas).value
        assert isinstance(found, InstantVector)
        assert (found.labels.rows(), found.values.tolist()) == ([{}], [[wanted]])


def test_time_and_pi_are_scalars() -> None:
    found = query_range("time() + pi()", store(), 0, 2500, 1250).value
    assert isinstance(found, Scalar)
    assert found.values.tolist() == [math.pi, 1.25 + math.pi, 2.5 + math.pi]


def test_time_of_samples_and_of_results() -> None:
    for expr, wanted in (("timestamp(x)", 0), ("timestamp((x))", 0), ("timestamp(x + 0)", 7), ("timestamp(abs(x))", 7)):
        found = instant(expr, store(3), 7000).value
        assert isinstance(found, InstantVector)
        assert found.values.tolist() == [[wanted]], expr


def test_absence_is_kept() -> None:
    storage = MemoryStorage.from_series([({"__name__": "x"}, [0, 600_000], [-1, -2])])
    found = query_range("abs(x)", storage, 0, 900_000, 300_000).value
    assert isinstance(found, InstantVector)
    assert found.present.tolist() == [[True, False, True, False]]
    assert np.isfinite(found.values[found.present]).all()
