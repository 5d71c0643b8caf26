"""What the comparison of two engines lets through, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracle.agree import difference
from tests.oracle.data import BASE_MS, dataset
from tests.oracle.expressions import Case, cases
from tests.oracle.prometheus import Answer, Row, Series, encode_samples

NAN, INF = float("nan"), float("inf")


def answer(*samples: tuple[str, float], kind: str = "vector") -> Answer:
    """Series ``{a="..."}`` of one sample each."""
    return Answer(
        kind, [Row({"a": text, "g": text[:1]}, np.array([BASE_MS]), np.array([value])) for text, value in samples]
    )


def differ(ours: Answer, theirs: Answer, expr: str = "x") -> bool:
    return bool(difference(Case(0, expr, BASE_MS, BASE_MS, 0), ours, theirs))


@pytest.mark.parametrize(
    ("ours", "theirs", "wanted"),
    [
        (1.0, 1.0 + 1e-12, False),
        (1.0, 1.0 + 1e-8, True),
        (1e-20, 0.0, True),
        (0.0, -0.0, False),
        (NAN, NAN, False),
        (NAN, 1.0, True),
        (INF, INF, False),
        (INF, -INF, True),
        (INF, 1e308, False),
        (-INF, 1e308, True),
        (INF, 1e307, True),
    ],
)
def test_values(ours: float, theirs: float, wanted: bool) -> None:
    assert differ(answer(("a", ours)), answer(("a", theirs))) is wanted


@pytest.mark.parametrize(
    ("ours", "theirs", "wanted"),
    [
        (answer(), answer(("a", 1)), True),
        (answer(("b", 1)), answer(("a", 1)), True),
        (answer(("b", 1), ("a", 2)), answer(("a", 2), ("b", 1)), False),
        (answer(("a", 1)), answer(("a", 1), kind="scalar"), True),
        (Answer("", [], "one"), Answer("", [], "another"), False),
        (Answer("", [], "one"), answer(), True),
        (answer(), Answer("", [], "one"), True),
    ],
)
def test_series_and_errors(ours: Answer, theirs: Answer, wanted: bool) -> None:
    assert differ(ours, theirs) is wanted


@pytest.mark.parametrize(
    ("expr", "ours", "theirs", "wanted"),
    [
        ("sort(x)", answer(("a", 1), ("b", 2)), answer(("b", 2), ("a", 1)), True),
        ("(sort(x))", answer(("a", 1), ("b", 2)), answer(("b", 2), ("a", 1)), True),
        ("sort(x)", answer(("a", 1), ("b", 1)), answer(("b", 1), ("a", 1)), False),
        ("topk(1, x)", answer(("a", 1)), answer(("b", 1)), False),
        ("topk(1, x)", answer(("a", 1)), answer(("b", 2)), True),
        ("topk(1, x)", answer(("a", 1)), answer(("a", 1), ("b", 1)), True),
        ("bottomk by (g) (1, x)", answer(("a1", 1)), answer(("a2", 1)), False),
        ("bottomk by (g) (1, x)", answer(("a1", 1)), answer(("b1", 1)), True),
        ("bottomk without (a) (1, x)", answer(("a1", 1)), answer(("b1", 1)), True),
        ("sum(topk(1, x))", answer(("a", 1)), answer(("b", 1)), True),
    ],
)
def test_order_and_ties(expr: str, ours: Answer, theirs: Answer, wanted: bool) -> None:
    assert differ(ours, theirs, expr) is wanted


def same(left: Series, right: Series) -> bool:
    return left[0] == right[0] and encode_samples(*left[1:]) == encode_samples(*right[1:])


def test_a_seed_always_gives_the_same_cases() -> None:
    one, other = dataset(7, 3), dataset(7, 3)
    assert all(same(left, right) for left, right in zip(one.series, other.series, strict=True))
    assert cases(7, one, 50) == cases(7, other, 50) != cases(8, one, 50)
