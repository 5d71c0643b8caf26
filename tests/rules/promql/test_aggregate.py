"""Aggregations against straightforward loops, and the corners of each."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rules.promql import folding
from rules.promql.aggregate import aggregate
from rules.promql.syntax import ast
from rules.promql.syntax.errors import EvaluationError, UnsupportedFeature
from rules.promql.syntax.parser import parse
from rules.promql.values import InstantVector, Scalar, String, Value
from tests.rules.promql.vectors import Labels, Sample, assert_same, context, labels, samples, vector, vectors

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def run(text: str, given_vector: InstantVector, param: Value | None = None) -> InstantVector:
    expr = parse(text)
    assert isinstance(expr, ast.Aggregate)
    return aggregate(expr, given_vector, param, context(given_vector.values.shape[1]))


def column(*values: float | None) -> InstantVector:
    """A series per value, at one instant; labels are their places."""
    return vector([({"__name__": "x", "i": str(place)}, [value]) for place, value in enumerate(values)], 1)


def quantile(q: float, numbers: list[float]) -> float:
    if math.isnan(q):
        return math.nan
    if not 0 <= q <= 1:
        return -math.inf if q < 0 else math.inf
    ranked = sorted(numbers, key=lambda number: (not math.isnan(number), number))
    rank = q * (len(ranked) - 1)
    low = max(0, math.floor(rank))
    high = min(len(ranked) - 1, low + 1)
    weight = rank - math.floor(rank)
    return ranked[low] * (1 - weight) + ranked[high] * weight


def welford(numbers: list[float]) -> float:
    mean = squares = 0.0
    for count, number in enumerate(numbers, 1):
        delta = number - mean
        mean += delta / count
        squares += delta * (number - mean)
    return squares / len(numbers) if all(map(math.isfinite, numbers)) else math.nan


def extreme(pick: Callable[[list[float]], float]) -> Callable[[list[float]], float]:
    def picked(numbers: list[float]) -> float:
        real = [number for number in numbers if not math.isnan(number)]
        return pick(real) if real else math.nan

    return picked


def mean(numbers: list[float]) -> float:
    if any(not math.isfinite(number) for number in numbers):
        return sum(numbers)
    return math.fsum(number / len(numbers) for number in numbers)


def total(numbers: list[float]) -> float:
    try:
        return math.fsum(numbers)
    except (OverflowError, ValueError):
        return sum(numbers)


LOOPS: dict[str, Callable[[list[float]], float]] = {
    "sum": total,
    "avg": mean,
    "min": extreme(min),
    "max": extreme(max),
    "count": lambda numbers: float(len(numbers)),
    "group": lambda numbers: 1.0,
    "stdvar": welford,
    "stddev": lambda numbers: math.sqrt(welford(numbers)),
}
ROUNDED = ("sum", "avg", "stdvar", "stddev")
CLAUSES = {
    "": lambda name: False,
    "by (a)": lambda name: name == "a",
    "by (b, a, nosuch)": lambda name: name in ("a", "b"),
    "by (__name__)": lambda name: name == "__name__",
    "without ()": lambda name: name != "__name__",
    "without (a, c)": lambda name: name == "b",
}


def grouped(sample: Sample, clause: str) -> dict[Labels, list[float]]:
    groups: dict[Labels, list[float]] = {}
    for key, value in sample.items():
        groups.setdefault(tuple(pair for pair in key if CLAUSES[clause](pair[0])), []).append(value)
    return groups


@pytest.mark.parametrize("op", LOOPS)
@given(clause=st.sampled_from(list(CLAUSES)), given_vector=vectors())
def test_each_operator_equals_its_loop(op: str, clause: str, given_vector: InstantVector) -> None:
    found = samples(run(f"{op} {clause} (x)", given_vector))
    wanted = [
        {key: LOOPS[op](numbers) for key, numbers in grouped(sample, clause).items()}
        for sample in samples(given_vector)
    ]
    if op not in ROUNDED:
        assert_same(found, wanted)
        return
    for got, want in zip(found, wanted, strict=True):
        assert got.keys() == want.keys()
        # Of numbers this far apart, each order of adding keeps other digits.
        if not any(abs(value) > 1e100 for value in want.values()):
            assert all(
                math.isnan(value) or math.isclose(got[key], value, rel_tol=1e-6, abs_tol=1e-6)
                for key, value in want.items()
            )
            assert [math.isnan(got[key]) for key in want] == [math.isnan(value) for value in want.values()]


@given(
    clause=st.sampled_from(list(CLAUSES)),
    given_vector=vectors(instants=2),
    q=st.lists(st.floats(-0.5, 1.5) | st.just(math.nan), min_size=2, max_size=2),
)
def test_quantile_equals_its_loop(clause: str, given_vector: InstantVector, q: list[float]) -> None:
    found = samples(run(f"quantile {clause} (0.5, x)", given_vector, Scalar(np.array(q))))
    wanted = [
        {key: quantile(at, numbers) for key, numbers in grouped(sample, clause).items()}
        for at, sample in zip(q, samples(given_vector), strict=True)
    ]
    assert_same(found, wanted)


@pytest.mark.parametrize("op", ["topk", "bottomk"])
@given(
    clause=st.sampled_from(list(CLAUSES)),
    given_vector=vectors(instants=2),
    k=st.lists(st.integers(-1, 9), min_size=2, max_size=2),
)
def test_best_equal_a_stable_sort(op: str, clause: str, given_vector: InstantVector, k: list[int]) -> None:
    found = samples(run(f"{op} {clause} (1, x)", given_vector, Scalar(np.array(k, float))))
    sign = -1 if op == "topk" else 1
    for place, sample in enumerate(samples(given_vector)):
        groups: dict[Labels, list[tuple[bool, float, Labels]]] = {}
        for key, value in sample.items():
            rank = (math.isnan(value), 0.0 if math.isnan(value) else sign * value, key)
            groups.setdefault(tuple(pair for pair in key if CLAUSES[clause](pair[0])), []).append(rank)
        wanted = {
            key for members in groups.values() for _, _, key in sorted(members, key=lambda r: r[:2])[: max(k[place], 0)]
        }
        assert (found[place].keys() if found else set()) == wanted


@given(given_vector=vectors())
def test_count_values_counts_every_value(given_vector: InstantVector) -> None:
    found = samples(run('count_values by (a) ("v", x)', given_vector, String("v")))
    for got, sample in zip(found, samples(given_vector), strict=True):
        assert sum(got.values()) == len(sample)
        assert {key[:-1] for key in got} == {tuple(pair for pair in key if pair[0] == "a") for key in sample}


@pytest.mark.parametrize(
    ("text", "values", "result"),
    [
        # Compensated: the small number survives its large neighbours.
        ("sum(x)", [1e100, 1.0, -1e100], 1.0),
        ("avg(x)", [5e100, 3.0, -5e100], 1.0),
        ("sum(x)", [math.inf, 1.0], math.inf),
        ("sum(x)", [math.inf, -math.inf], math.nan),
        # A sum beyond the range of a float64 does not spoil the mean.
        ("avg(x)", [1e308, 1e308, 1e308], 1e308),
        # What Prometheus says of these, in this order.
        ("avg(x)", [-1.7e308, -1.7e308, 1.7e308, 1.7e308], 9.9792015476736e291),
        ("avg(x)", [math.inf, 1e308, 1e308], math.inf),
        ("avg(x)", [math.inf, -math.inf, 1.0], math.nan),
        ("max(x)", [math.nan, -math.inf], -math.inf),
        ("min(x)", [math.nan, 7.0], 7.0),
        ("max(x)", [math.nan, math.nan], math.nan),
        ("stddev(x)", [math.inf, 1.0], math.nan),
        ("stdvar(x)", [1e308, 1e308], 0.0),
        ("count(x)", [math.nan, None, 1.0], 2.0),
        ("group(x)", [math.nan], 1.0),
    ],
)
def test_corners(text: str, values: list[float | None], result: float) -> None:
    assert_same(samples(run(text, column(*values))), [{(): result}])


@pytest.mark.parametrize(
    ("text", "k", "order"),
    [
        ("topk(3, x)", 3.0, ["4", "1", "3"]),
        ("bottomk(3, x)", 3.0, ["3", "1", "4"]),
        ("topk(9, x)", 9.0, ["4", "1", "3", "0"]),
        ("topk(2.9, x)", 2.9, ["4", "1"]),
        ("topk(0, x)", 0.0, []),
    ],
)
def test_an_instant_query_is_ranked_with_nan_last(text: str, k: float, order: list[str]) -> None:
    given_vector = column(math.nan, 2.0, None, -1.0, math.inf)
    result = run(text, given_vector, Scalar(np.array([k])))
    assert [row["i"] for row in result.labels.rows()] == order


@pytest.mark.parametrize(
    ("k", "message"),
    [
        ([math.nan], "Parameter value is NaN"),
        ([1.0, math.nan], "Parameter value is NaN"),
        ([1e20], "Scalar value 1e.20 overflows int64"),
        ([1.0, -1e19], "Scalar value -1e.19 underflows int64"),
    ],
)
def test_what_is_no_count_is_refused(k: list[float], message: str) -> None:
    given_vector = vector([({"a": "1"}, [1.0] * len(k))], len(k))
    with pytest.raises(EvaluationError, match=message):
        run("topk(1, x)", given_vector, Scalar(np.array(k)))


def test_counts_below_one_ask_for_nothing_whatever_else_is_wrong() -> None:
    assert run("topk(1, x)", column(1.0), Scalar(np.array([-1e300]))).size == 0


@pytest.mark.parametrize(
    ("q", "messages"), [([0.5], []), ([1.5], ["1.5"]), ([-1.0, 2e6], ["2e+06", "-1"]), ([math.nan], ["NaN"])]
)
def test_quantiles_outside_0_to_1_are_remarked_on(q: list[float], messages: list[str]) -> None:
    expr = parse("quantile(0.5, x)")
    assert isinstance(expr, ast.Aggregate)
    assert expr.param is not None
    evaluation = context(len(q))
    aggregate(expr, vector([({"a": "1"}, [1.0] * len(q))], len(q)), Scalar(np.array(q)), evaluation)
    found = list(evaluation.annotations.found)
    assert [remark.message for remark in found] == [
        f"PromQL warning: quantile value should be between 0 and 1, got {message}" for message in messages
    ]
    assert {remark.span for remark in found} <= {expr.param.span}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            'count_values("v", x)',
            {labels(v="1"): 2, labels(v="-0"): 1, labels(v="0"): 1, labels(v="NaN"): 2, labels(v="+Inf"): 1},
        ),
        (
            'count_values without (i) ("v", x)',
            {labels(v="1"): 2, labels(v="-0"): 1, labels(v="0"): 1, labels(v="NaN"): 2, labels(v="+Inf"): 1},
        ),
        ('count_values without (i, v) ("v", x)', {(): 7}),
        ('count_values without (i) ("__name__", x)', {(): 7}),
        (
            'count_values("i", x)',
            {labels(i="1"): 2, labels(i="-0"): 1, labels(i="0"): 1, labels(i="NaN"): 2, labels(i="+Inf"): 1},
        ),
    ],
)
def test_count_values_labels(text: str, wanted: Sample) -> None:
    expr = parse(text)
    assert isinstance(expr, ast.Aggregate)
    assert isinstance(expr.param, ast.StringLiteral)
    given_vector = column(1.0, 1.0, -0.0, 0.0, math.nan, -math.nan, math.inf)
    assert samples(run(text, given_vector, String(expr.param.value))) == [wanted]


@pytest.mark.parametrize("label", ["", "a\udcc5z"])
def test_count_values_refuses_what_cannot_be_a_label(label: str) -> None:
    with pytest.raises(EvaluationError, match="invalid label name"):
        run('count_values("v", x)', column(1.0), String(label))


@pytest.mark.parametrize("op", ["limitk", "limit_ratio"])
def test_experimental_operators_are_refused_by_name(op: str) -> None:
    expr = parse(f"{op}(1, x)", experimental=True)
    assert isinstance(expr, ast.Aggregate)
    with pytest.raises(UnsupportedFeature, match=op):
        aggregate(expr, column(1.0), Scalar(np.ones(1)), context(1))


@pytest.mark.parametrize("op", ["sum", "avg", "min", "count", "stddev"])
@given(size=st.integers(1, 40), groups=st.integers(1, 4), seed=st.integers(0, 9))
@example(size=40, groups=1, seed=0)
def test_lanes_do_not_change_results(op: str, size: int, groups: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = [
        (
            {"g": str(random.integers(groups)), "i": str(row)},
            [*random.normal(size=2).tolist(), random.choice([None, 1.0])],
        )
        for row in range(size)
    ]
    given_vector = vector(rows, 3)
    whole = samples(run(f"{op} by (g) (x)", given_vector))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "_SHORTEST_LANE", 3)
        assert_same(samples(run(f"{op} by (g) (x)", given_vector)), whole)


def test_lanes_keep_what_rounding_cuts_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "_SHORTEST_LANE", 2)
    assert samples(run("sum(x)", column(1e17, 1.0, 1.0, 1.0, 1.0, -1e17))) == [{(): 4.0}]


def test_a_group_drops_its_name_if_one_of_its_series_does() -> None:
    given_vector = vector([({"__name__": "x", "i": "0"}, [1.0]), ({"__name__": "x", "i": "1"}, [2.0])], 1)
    marked = InstantVector(given_vector.labels, given_vector.values, given_vector.present, np.array([False, True]))
    assert samples(run("sum by (__name__) (x)", marked)) == [{(): 3.0}]
