"""Classic histograms: histogram_quantile and histogram_fraction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.promql.context import Options
from rules.promql.engine import instant, query_range
from rules.promql.functions import buckets as blocks_of
from rules.promql.functions.buckets import bound
from rules.promql.storage import MemoryStorage
from rules.promql.syntax.errors import EvaluationError
from rules.promql.values import InstantVector
from tests.rules.promql.window_reference import same

Histogram = Mapping[str, Sequence[float | None]]
"""Counts by bucket label, one an instant; None for no sample."""


def store(*histograms: Histogram) -> MemoryStorage:
    series = []
    for number, histogram in enumerate(histograms):
        for le, counts in histogram.items():
            there = [place for place, count in enumerate(counts) if count is not None]
            labels = {"__name__": "h_bucket", "n": str(number), "le": le}
            series.append((labels, [place * 600_000 for place in there], [counts[place] for place in there]))
    return MemoryStorage.from_series(each for each in series if each[1])


def reference_quantile(q: float, buckets: list[tuple[float, float]]) -> float:
    """The definition for one histogram at one instant: ``(upper bound, cumulative count)`` in any order."""
    if math.isnan(q) or not 0 <= q <= 1:
        return math.nan if math.isnan(q) else math.copysign(math.inf, q)
    merged = coalesced(buckets)
    if merged[-1][0] != math.inf:
        return math.nan
    counts: list[float] = []
    before = merged[0][1]
    for _, count in merged:
        if count > before and not abs(count - before) / (count + before) < 1e-12:
            before = count
        counts.append(before)
    if len(merged) < 2 or counts[-1] == 0:
        return math.nan
    rank = q * counts[-1]
    place = next((place for place, count in enumerate(counts[:-1]) if count >= rank), len(counts) - 1)
    if place == len(counts) - 1:
        return merged[-2][0]
    upper = merged[place][0]
    if place == 0:
        return upper if upper <= 0 else upper * (rank / counts[0]) if counts[0] else math.nan
    lower, below = merged[place - 1][0], counts[place - 1]
    return lower + (upper - lower) * ((rank - below) / (counts[place] - below))


def coalesced(buckets: list[tuple[float, float]]) -> list[tuple[float, float]]:
    sums: dict[float, float] = {}
    for limit, count in sorted(buckets):
        sums[limit] = sums.get(limit, 0) + count
    return list(sums.items())


def reference_fraction(lower: float, upper: float, buckets: list[tuple[float, float]]) -> float:
    merged = coalesced(buckets)
    count = merged[-1][1]
    if merged[-1][0] != math.inf or count == 0:
        return math.nan
    if lower >= upper:
        return 0

    def rank(value: float) -> float:
        edge, below = (-math.inf if merged[0][0] <= 0 else 0.0), 0.0
        for limit, observations in merged:
            if edge >= value:
                return below
            if limit > value:
                if edge == -math.inf:
                    return observations
                return below + (observations - below) * (value - edge) / (limit - edge)
            edge, below = limit, observations
        return count

    return (min(rank(upper), count) - min(rank(lower), count)) / count


BOUNDS = st.sampled_from(["-1", "0", "0.1", "0.25", "1", "1.0", "2.5", "10", "+Inf", "Inf"])
COUNTS = st.one_of(st.none(), st.integers(0, 9).map(float), st.sampled_from([5.0, 5.0000000000001, 0.3]))
HISTOGRAMS = st.lists(
    st.dictionaries(BOUNDS, st.lists(COUNTS, min_size=3, max_size=3), min_size=1), min_size=1, max_size=4
)


def assert_agrees(expr: str, histograms: Sequence[Histogram], reference) -> None:  # type: ignore[no-untyped-def]
    result = query_range(expr, store(*histograms), 0, 1_200_000, 600_000).value
    assert isinstance(result, InstantVector)
    found = {labels["n"]: row for row, labels in enumerate(result.labels.rows())}
    for number, histogram in enumerate(histograms):
        for place in range(3):
            buckets = [(float(le), count) for le, counts in histogram.items() if (count := counts[place]) is not None]
            row = found.get(str(number))
            got = None if row is None or not result.present[row, place] else float(result.values[row, place])
            wanted = reference(buckets) if buckets else None
            assert same(got, wanted) or got == pytest.approx(wanted, rel=1e-12), (number, place, got, wanted)


@settings(max_examples=150, deadline=None)
@given(histograms=HISTOGRAMS, q=st.sampled_from([0.0, 0.2, 0.5, 0.99, 1.0, -1.0, 2.0, math.nan]))
def test_quantile_agrees_with_the_definition(histograms: list[Histogram], q: float) -> None:
    assert_agrees(f"histogram_quantile({q}, h_bucket)", histograms, lambda buckets: reference_quantile(q, buckets))


@settings(max_examples=150, deadline=None)
@given(
    histograms=HISTOGRAMS,
    lower=st.sampled_from([-2.0, 0.0, 0.17, 1.0, 3.0]),
    upper=st.sampled_from([-1.0, 0.0, 0.9, 2.5, 100.0, math.inf]),
)
def test_fraction_agrees_with_the_definition(histograms: list[Histogram], lower: float, upper: float) -> None:
    assert_agrees(
        f"histogram_fraction({lower}, {upper}, h_bucket)",
        histograms,
        lambda buckets: reference_fraction(lower, upper, buckets),
    )


@given(histograms=HISTOGRAMS)
def test_blocks_make_up_the_whole(histograms: list[Histogram]) -> None:
    storage = store(*histograms)

    def found() -> tuple[object, ...]:
        result = query_range("histogram_quantile(0.5, h_bucket)", storage, 0, 1_200_000, 600_000)
        assert isinstance(result.value, InstantVector)
        return result.value.labels.rows(), str(result.value.values.tolist()), result.annotations

    whole = found()
    with mock.patch.object(blocks_of, "BLOCK_CELLS", 1):
        assert found() == whole


LATENCIES = {"0.1": [50], "0.5": [90], "1": [100], "+Inf": [100]}


@pytest.mark.parametrize(
    ("q", "wanted"),
    [(0.5, 0.1), (0.25, 0.05), (0.7, 0.3), (0.95, 0.75), (1, 1), (0, 0), (-1, -math.inf), (2, math.inf)],
)
def test_quantiles(q: float, wanted: float) -> None:
    found = instant(f"histogram_quantile({q}, h_bucket)", store(LATENCIES), 0).value
    assert isinstance(found, InstantVector)
    assert found.labels.rows() == [{"n": "0"}]
    assert found.values[0, 0] == pytest.approx(wanted)


def test_an_empty_bucket_up_to_zero_has_its_bound_as_quantile() -> None:
    found = instant("histogram_quantile(0, h_bucket)", store({"0": [0], "1": [5], "+Inf": [5]}), 0).value
    assert isinstance(found, InstantVector)
    assert found.values.tolist() == [[0]]


def test_a_rise_by_rounding_alone_is_none() -> None:
    # Half of the observations are in the first bucket: the second one has none of its own.
    counts = {"1": [1.0], "2": [1.0000000000001], "4": [2.0], "+Inf": [2.0]}
    found = instant("histogram_quantile(0.50000000000001, h_bucket)", store(counts), 0)
    assert isinstance(found.value, InstantVector)
    assert found.value.values[0, 0] == pytest.approx(2.0)
    assert not found.annotations


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1", 1.0),
        ("+Inf", math.inf),
        ("-inf", -math.inf),
        ("Infinity", math.inf),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("0x1p-2", 0.25),
        ("0X.8p1", 1.0),
        ("", None),
        ("one", None),
        (" 1", None),
        ("1_000", 1000.0),
        ("1e999", None),
        ("0x1p9999", None),
        ("0x1", None),
        ("١", None),
    ],
)
def test_bounds_are_read_as_go_reads_numbers(text: str, wanted: float | None) -> None:
    assert bound(text) == wanted


@pytest.mark.parametrize("late", [False, True])
def test_series_without_a_bound_are_remarked_on(late: bool) -> None:
    storage = MemoryStorage.from_series(
        ({"__name__": "h", **labels}, [0], [1]) for labels in ({"le": "x"}, {}, {"le": "1"}, {"le": "+Inf"})
    )
    found = instant("histogram_quantile(0.5, h)", storage, 0, Options(delayed_name_removal=late))
    metric = ' for metric name "h"' if late else ""
    assert sorted(each.message for each in found.annotations) == sorted(
        f'PromQL warning: bucket label "le" is missing or has a malformed value of "{le}"{metric}' for le in ("x", "")
    )
    assert {each.span for each in found.annotations} == {(24, 25)}
    assert isinstance(found.value, InstantVector)
    assert found.value.values.tolist() == [[0.5]]


def test_counts_that_fall_are_mended_and_remarked_on() -> None:
    histogram = {"0.1": [3, 3], "1": [2, 5], "10": [8, 4.5], "+Inf": [8, 8]}
    found = query_range("histogram_quantile(0.9, h_bucket)", store(histogram), 0, 600_000, 600_000)
    (remark,) = found.annotations
    assert remark.severity.value == "info"
    assert remark.message == (
        "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see "
        "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile), from buckets 1 to 10, "
        "with a max diff of 1, over 2 samples from 1970-01-01T00:00:00Z to 1970-01-01T00:10:00Z"
    )
    assert remark.span == (24, 32)


def test_differences_of_rounding_are_not() -> None:
    histogram = {"0.1": [1e15 + 1], "1": [1e15], "+Inf": [2e15]}
    assert instant("histogram_quantile(0.9, h_bucket)", store(histogram), 0).annotations == ()


def test_a_parameter_that_is_no_quantile_is_remarked_on() -> None:
    found = instant("histogram_quantile(7, h_bucket)", store(LATENCIES), 0)
    assert [each.message for each in found.annotations] == [
        "PromQL warning: quantile value should be between 0 and 1, got 7"
    ]


def test_histograms_of_two_metrics_are_not_one() -> None:
    storage = MemoryStorage.from_series(
        ({"__name__": name, "le": le}, [0], [count])
        for name in ("a_bucket", "b_bucket")
        for le, count in (("1", 1), ("+Inf", 2))
    )
    with pytest.raises(EvaluationError, match="same labelset"):
        instant('histogram_quantile(0.5, {__name__=~".*_bucket"})', storage, 0)


def test_no_histogram_gives_nothing() -> None:
    for expr in (
        "histogram_quantile(0.5, nothing)",
        "histogram_fraction(0, 1, nothing)",
        "histogram_quantile(0.5, h_bucket)",
    ):
        found = instant(expr, MemoryStorage.from_series([({"__name__": "h_bucket"}, [0], [1])]), 0).value
        assert isinstance(found, InstantVector)
        assert found.size == 0
