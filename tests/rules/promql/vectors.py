"""Instant vectors for tests: built from plain values, drawn at random, and read back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from hypothesis import strategies as st

from rules.promql.context import Context, Options
from rules.promql.labels import LabelFrame
from rules.promql.storage import MemoryStorage
from rules.promql.values import InstantVector, Scalar, Value

Labels = tuple[tuple[str, str], ...]
Sample = dict[Labels, float]

NOTHING = MemoryStorage.from_series([])
SMALL = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 2.0, 2.5, -3.0, 1e300, -1e300, 1e-300]
VALUES = st.sampled_from(SMALL) | st.floats(width=32)


def labels(**names: str) -> Labels:
    """Labels as :func:`samples` gives them; ``name`` is the metric's."""
    named = {"__name__" if name == "name" else name: value for name, value in names.items()}
    return tuple(sorted(named.items()))


def vector(rows: Sequence[tuple[Mapping[str, str], Sequence[float | None]]], instants: int) -> InstantVector:
    """A vector of labels and values, None where a series is absent."""
    values = np.array([[0.0 if value is None else value for value in row] for _, row in rows]).reshape(-1, instants)
    present = np.array([[value is not None for value in row] for _, row in rows], np.bool_).reshape(-1, instants)
    return InstantVector(LabelFrame.of([dict(names) for names, _ in rows]), values, present)


def samples(value: Value) -> list[Sample]:
    """What is present at each instant, by labels."""
    if isinstance(value, Scalar):
        return [{(): number} for number in value.values.tolist()]
    assert isinstance(value, InstantVector)
    rows = [tuple(row.items()) for row in value.visible_labels().rows()]
    found: list[Sample] = []
    for instant in range(value.values.shape[1]):
        there = np.flatnonzero(value.present[:, instant]).tolist()
        found.append({rows[row]: float(value.values[row, instant]) for row in there})
        assert len(found[-1]) == len(there), "two series of the same labels at one instant"
    return found


def same(one: float, other: float) -> bool:
    """Equal as far as the order of a sum lets them be."""
    return (math.isnan(one) and math.isnan(other)) or one == other or math.isclose(one, other, rel_tol=1e-9)


def assert_same(found: list[Sample], wanted: list[Sample]) -> None:
    """Compares samples, all instants."""
    for got, want in zip(found, wanted, strict=True):
        assert got.keys() == want.keys()
        assert all(same(got[key], value) for key, value in want.items()), (got, want)


def context(instants: int, **options: bool) -> Context:
    """An evaluation of so many instants over no data."""
    return Context(NOTHING, np.arange(instants, dtype=np.int64) * 1000, 0, 1000 * instants, Options(**options))


@st.composite
def vectors(draw: st.DrawFn, instants: int = 3, most: int = 8, distinct_names: bool = True) -> InstantVector:
    """Series over few labels of few values, all different, with holes."""
    chosen = draw(st.lists(st.integers(0, 53 if distinct_names else 26), max_size=most, unique=True))
    cells = draw(st.lists(st.none() | VALUES, min_size=len(chosen) * instants, max_size=len(chosen) * instants))
    rows = []
    for place, key in enumerate(chosen):
        a, b, c = (["", "1", "2"][key // 3**digit % 3] for digit in range(3))
        names = {"__name__": "xy"[key // 27], "a": a, "b": b, "c": c}
        rows.append((names, cells[place * instants : (place + 1) * instants]))
    return vector(rows, instants)
