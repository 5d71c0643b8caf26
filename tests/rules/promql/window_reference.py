"""Functions of range vectors sample by sample, as plainly as can be: what the columnar ones are compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from rules.promql.engine import query_range
from rules.promql.storage import MemoryStorage
from rules.promql.values import InstantVector

Samples = Sequence[tuple[int, float]]

FINITE = st.one_of(
    st.integers(-5, 5).map(float),
    st.floats(-1e6, 1e6, allow_nan=False),
    st.sampled_from([0.1, 0.2, 0.3, 1e16, -1e16, 1e-9]),
)
ANY = st.one_of(FINITE, st.sampled_from([math.nan, math.inf, -math.inf, 1e308, -1e308, 1e200, -1e160]))


@dataclass(frozen=True, slots=True)
class Window:
    """The samples of ``(start, end]``, times in ms."""

    samples: Samples
    start: int
    end: int
    instant: int

    @property
    def values(self) -> list[float]:
        return [value for _, value in self.samples]


Reference = Callable[[Window], float | None]


def _series(values: st.SearchStrategy[float]) -> st.SearchStrategy[list[tuple[int, float]]]:
    gaps = st.one_of(st.just(15_000), st.just(15_000), st.integers(1, 70_000))
    return st.lists(st.tuples(gaps, values), max_size=14).map(_timed)


def _timed(steps: list[tuple[int, float]]) -> list[tuple[int, float]]:
    now, samples = 0, []
    for gap, value in steps:
        now += gap
        samples.append((now, value))
    return samples


def data(values: st.SearchStrategy[float]) -> st.SearchStrategy[list[list[tuple[int, float]]]]:
    """Some series; some of them on the same clock."""

    def shared(series: list[list[tuple[int, float]]]) -> list[list[tuple[int, float]]]:
        twins = [[(when, value * 2 + 1) for when, value in samples] for samples in series[::2]]
        return [samples for samples in [*series, *twins] if samples]

    return st.lists(_series(values), min_size=1, max_size=4).map(shared)


def storage_of(series: Sequence[Samples]) -> MemoryStorage:
    return MemoryStorage.from_series(
        ({"__name__": "x_total", "n": str(number)}, [when for when, _ in samples], [value for _, value in samples])
        for number, samples in enumerate(series)
    )


RANGES = st.sampled_from([(30_000, 30_000), (60_000, 15_000), (77_000, 40_000), (300_000, 10_000), (15_000, 1_000)])


def assert_agrees(expr: str, series: Sequence[Samples], shape: tuple[int, int], reference: Reference) -> None:
    """Evaluate ``expr`` (``RANGE`` stands for the range) over all series and instants and compare every value, to the last bit."""
    width, step = shape
    end = max((samples[-1][0] for samples in series), default=0) + width
    result = query_range(expr.replace("RANGE", f"{width}ms"), storage_of(series), 0, end, step).value
    assert isinstance(result, InstantVector)
    found = {labels["n"]: row for row, labels in enumerate(result.labels.rows())}
    for number, samples in enumerate(series):
        row = found.get(str(number))
        for place, instant in enumerate(range(0, end + 1, step)):
            inside = [(when, value) for when, value in samples if instant - width < when <= instant]
            with np.errstate(all="ignore"):
                wanted = reference(Window(inside, instant - width, instant, instant)) if inside else None
            got = None if row is None or not result.present[row, place] else float(result.values[row, place])
            assert same(got, wanted), f"{expr} of series {number} at {instant}: got {got}, want {wanted}, of {inside}"


def same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return one == other or (math.isnan(one) and math.isnan(other))


def neumaier(terms: Sequence[float]) -> tuple[float, float]:
    """Sum and compensation."""
    total, lost = np.float64(0), np.float64(0)
    for term in map(np.float64, terms):
        total, lost = plus(term, total, lost)
    return total, lost


def plus(term: float, total: float, lost: float) -> tuple[float, float]:
    new = total + term
    if math.isinf(new):
        return new, np.float64(0)
    if abs(total) >= abs(term):
        return new, lost + ((total - new) + term)
    return new, lost + ((term - new) + total)
