"""Functions finished from digests against the same functions over the samples, which stay the reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.promql.context import Options
from rules.promql.digests.digests import Digests
from rules.promql.digests.functions import DIGESTED, NEEDS
from rules.promql.digests.measures import Measure
from rules.promql.engine import at_instants
from rules.promql.labels import LabelFrame
from rules.promql.storage import DigestStorage, MemoryStorage
from rules.promql.syntax.ast import Matcher
from rules.promql.syntax.errors import EvaluationError, LimitExceeded
from rules.promql.values import Times
from tests.rules.promql.digests.stores import (
    EPS,
    FLOATS,
    HOUR,
    HOURS,
    MINUTE,
    START,
    TIMES,
    CutStorage,
    assert_same_bits,
    both,
    cuts,
    instants,
    rows,
    steady,
    stores,
)

PICKING = sorted(
    DIGESTED
    - {"sum_over_time", "avg_over_time", "stdvar_over_time", "stddev_over_time", "rate", "increase", "deriv"}
    - {"predict_linear", "absent_over_time"}
)
ADDING = ["sum_over_time", "avg_over_time", "rate", "increase"]


class ReluctantStorage(CutStorage):
    def digests(self, matchers: Sequence[Matcher], starts: Times, ends: Times, measures: Measure) -> None:
        return None


@settings(max_examples=150)
@given(stores(), cuts, instants, st.sampled_from(PICKING))
def test_what_picks_or_counts_is_the_same_to_the_bit(
    memory: MemoryStorage, cuts: list[int], times: np.ndarray, function: str
) -> None:
    for span in ("10m", "2h"):
        assert_same_bits(f"{function}(x_total[{span}])", memory, cuts, times)


@settings(max_examples=150)
@given(stores(["counter", "resetting", "integers", "rare", "nan"]), cuts, instants, st.sampled_from(ADDING))
def test_what_adds_integers_is_the_same_to_the_bit(
    memory: MemoryStorage, cuts: list[int], times: np.ndarray, function: str
) -> None:
    for span in ("10m", "2h"):
        assert_same_bits(f"{function}(x_total[{span}])", memory, cuts, times)


@settings(max_examples=150)
@given(stores(), cuts, instants, st.sampled_from(ADDING))
def test_other_sums_differ_in_the_last_places_at_most(
    memory: MemoryStorage, cuts: list[int], times: np.ndarray, function: str
) -> None:
    """Within 4 units in the last place of the sum of magnitudes, or of their mean; rates by how far they are extended, too."""
    magnitude = np.where(np.isfinite(memory.values), np.abs(memory.values), 0.0)
    sizes = MemoryStorage(memory.labels, memory.timestamps, magnitude, memory.offsets)
    summed = "avg_over_time" if function == "avg_over_time" else "sum_over_time"
    scales = rows(at_instants(f"{summed}(x_total[2h])", sizes, times))
    extended = {"rate": 3.2 / 7200, "increase": 3.2}.get(function, 1.0)
    expr = f"{function}(x_total[2h])"
    present = {labels: present for labels, (_, present) in rows(at_instants(expr, memory, times)).items()}
    for labels, (found, wanted) in both(expr, memory, cuts, times).items():
        assert_close(found, wanted, 4 * EPS * extended * scales[labels][0][present[labels]])


def assert_close(found: np.ndarray, wanted: np.ndarray, bound: np.ndarray) -> None:
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(found[~finite], wanted[~finite])
    off = np.abs(found[finite] - wanted[finite])
    assert (off <= bound[finite]).all(), (off, bound[finite])


SEAMS = [
    [np.nan, np.nan, np.nan, 1.0, np.nan],
    [5.0, 3.0, 3.0, 7.0, 0.0],
    [np.inf, np.inf, 1.0, -np.inf, -np.inf],
    [0.0, -0.0, 4.0, 4.0, -4.0],
    [8.0],
]


@pytest.mark.parametrize("function", [*PICKING, *ADDING])
def test_what_lies_between_two_pieces_counts(function: str) -> None:
    for values in SEAMS:
        times = START + MINUTE * np.arange(1, len(values) + 1)
        memory = MemoryStorage.from_series([({"__name__": "x_total"}, times, values)])
        for cut in range(len(values)):
            for other in range(cut, len(values) + 2):
                seams = [START + cut * MINUTE + 5, START + other * MINUTE + 6]
                assert_same_bits(f"{function}(x_total[1h])", memory, seams, TIMES[:1])


@settings(max_examples=100)
@given(stores(FLOATS), cuts, instants, st.sampled_from(["stdvar_over_time", "stddev_over_time", "deriv"]))
def test_moments_are_those_of_the_samples(
    memory: MemoryStorage, cuts: list[int], times: np.ndarray, function: str
) -> None:
    for found, wanted in both(f"{function}(x_total[2h])", memory, cuts, times).values():
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@settings(max_examples=100)
@given(stores(["nan", "inf"]), cuts, instants)
def test_moments_of_what_is_not_finite(memory: MemoryStorage, cuts: list[int], times: np.ndarray) -> None:
    for expr in ("stdvar_over_time(x_total[2h])", "deriv(x_total[2h])", "predict_linear(x_total[2h] offset -1h, 60)"):
        for found, wanted in both(expr, memory, cuts, times).values():
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("function", sorted(DIGESTED))
@pytest.mark.parametrize(
    "selector",
    [
        "x_total[1h]",
        "(x_total[2h])",
        "x_total[1h] offset 30m",
        "x_total[1h] offset -30m",
        f"x_total[90m] @ {(START + 2 * HOUR + 5_000) / 1000}",
        "x_total[90m] @ end() offset 1h",
        '{job="a"}[1h]',
        "nothing[1h]",
    ],
)
def test_every_function_of_every_selector(function: str, selector: str) -> None:
    numbers = ", time() / 1e6" if function == "predict_linear" else ""
    for memory in (steady("x_total", "x_total", "x_total"), steady("x_total", "x_total", stale=True), steady("x")):
        for times in (TIMES, TIMES[:1]):
            expr = f"{function}({selector}{numbers})"
            for found, wanted in both(expr, memory, HOURS, times).values():
                np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_names_are_kept_by_what_acts_like_an_offset_only() -> None:
    for function in DIGESTED - {"predict_linear", "absent_over_time"}:
        for options in (Options(), Options(delayed_name_removal=True)):
            found = at_instants(f"{function}(x_total[2h])", CutStorage(steady("x_total"), HOURS), TIMES, options)
            named = function in ("first_over_time", "last_over_time")
            assert [dict(key).get("__name__") for key in rows(found)] == ["x_total" if named else None]


def test_series_that_differ_in_their_names_alone_are_refused() -> None:
    memory = MemoryStorage.from_series([({"__name__": name}, [START + 1], [1.0]) for name in ("a", "b")])
    for storage in (memory, CutStorage(memory, [])):
        with pytest.raises(EvaluationError, match="same labelset"):
            at_instants('sum_over_time({__name__=~"a|b"}[1h])', storage, TIMES)


def test_counters_are_doubted_by_their_names() -> None:
    found = at_instants("rate(x[2h])", CutStorage(steady("x"), HOURS), TIMES)
    assert [each.message for each in found.annotations] == [
        'PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "x"'
    ]


def test_absent_is_reported_the_selector() -> None:
    found = at_instants('absent_over_time(nothing{job="a"}[1h])', CutStorage(steady("x"), HOURS), TIMES)
    assert list(rows(found)) == [(("job", "a"),)]
    assert rows(at_instants("absent_over_time(x[1h])", CutStorage(steady("x"), HOURS), TIMES[:2])) == {}


def test_a_result_that_is_too_large_is_refused() -> None:
    store = CutStorage(steady("x_total", "x_total"), HOURS)
    for options in (Options(max_cells=9), Options(max_work=9)):
        with pytest.raises(LimitExceeded, match="more than"):
            at_instants("rate(x_total[1h])", store, TIMES, options)
    at_instants("rate(x_total[1h])", store, TIMES, Options(max_cells=10, max_work=10))


def test_a_window_for_all_instants_is_asked_for_once() -> None:
    asked = []

    class Storage(CutStorage):
        def digests(
            self, matchers: Sequence[Matcher], starts: Times, ends: Times, measures: Measure
        ) -> tuple[LabelFrame, Digests] | None:
            asked.append((starts.tolist(), ends.tolist(), measures))
            return super().digests(matchers, starts, ends, measures)

    at_instants("rate(x_total[1h] @ end())", Storage(steady("x_total"), HOURS), TIMES)
    assert asked == [([int(TIMES[-1]) - HOUR], [int(TIMES[-1])], NEEDS["rate"])]


def test_samples_are_asked_for_where_there_are_no_digests() -> None:
    memory = steady("x_total")
    reluctant, willing = ReluctantStorage(memory, HOURS), CutStorage(memory, HOURS)
    assert isinstance(willing, DigestStorage)
    assert not isinstance(memory, DigestStorage)
    expr = "rate(x_total[1h])"
    found, digested = at_instants(expr, reluctant, TIMES), at_instants(expr, willing, TIMES)
    assert (reluctant.selected, willing.selected) == (1, 0)
    assert rows(found).keys() == rows(digested).keys()
    for other in ("quantile_over_time(0.5, x_total[1h])", "rate(x_total[1h:1m])", "sum(x_total)"):
        willing.asked.clear()
        at_instants(other, willing, TIMES)
        assert willing.asked == []


HUGE = [1.7e308, 1.7e308, -1.7e308, -1.7e308, 1.6e308]


@pytest.mark.parametrize("function", sorted(DIGESTED - {"predict_linear", "absent_over_time"}))
def test_sums_that_may_leave_float64_are_left_to_the_samples(function: str) -> None:
    for values in (HUGE, [*HUGE, np.inf], [-np.inf, *HUGE], [*HUGE[1:4], 1.0], [1e200, -1e200, 1e200, 3.0, 1e155]):
        times = START + MINUTE * np.arange(1, len(values) + 1)
        memory = MemoryStorage.from_series(
            [({"__name__": "x_total", "a": "1"}, times, values), ({"__name__": "x_total"}, times, np.ones(len(values)))]
        )
        for cut in range(len(values)):
            seams = [START + cut * MINUTE + 5, START + (cut + 2) * MINUTE + 5]
            assert_same_bits(f"{function}(x_total[1h])", memory, seams, TIMES[:1])


def test_lines_through_what_is_infinite_are_left_to_the_samples() -> None:
    times = START + MINUTE * np.arange(1, 6)
    memory = MemoryStorage.from_series([({"__name__": "x_total"}, times, [np.inf, 1.0, 2.0, 1.0, 3.0])])
    found = both("predict_linear(x_total[1h] offset -30m, -60)", memory, HOURS, times[:1] + 1)
    assert [wanted.tolist() for _, wanted in found.values()] == [[np.inf]]
    assert [value.tolist() for value, _ in found.values()] == [[np.inf]]


def test_infinite_sums_are_reported_by_digests() -> None:
    times = START + MINUTE * np.arange(1, 4)
    store = CutStorage(MemoryStorage.from_series([({"a": "1"}, times, [1.0, np.inf, 2.0])]), HOURS)
    (values, _), *_ = rows(at_instants('avg_over_time({a="1"}[1h])', store, TIMES)).values()
    assert (values[0], store.selected) == (np.inf, 0)


def test_digests_of_something_else_are_refused() -> None:
    class Storage(CutStorage):
        def digests(
            self, matchers: Sequence[Matcher], starts: Times, ends: Times, measures: Measure
        ) -> tuple[LabelFrame, Digests] | None:
            return super().digests(matchers, starts, ends, Measure.RESETS)

    with pytest.raises(ValueError, match="avg_over_time needs digests of"):
        at_instants("avg_over_time(x_total[1h])", Storage(steady("x_total"), HOURS), TIMES)
