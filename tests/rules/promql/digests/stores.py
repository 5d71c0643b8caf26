"""A store that answers from digests of windows cut into pieces, and what it says beside a store that answers from samples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from rules.promql.digests.digests import Digests
from rules.promql.digests.measures import Measure
from rules.promql.engine import Result, at_instants
from rules.promql.labels import LabelFrame
from rules.promql.storage import MemoryStorage
from rules.promql.syntax.ast import Matcher
from rules.promql.values import STALE, InstantVector, RangeVector, SeriesSet, Times, Windows

START = 1_700_000_000_000
MINUTE, HOUR = 60_000, 3_600_000
HOURS = [START + hour * HOUR for hour in range(4)]
TIMES = START + np.array([HOUR, HOUR + MINUTE, 2 * HOUR + 1, 3 * HOUR - 7_000, 4 * HOUR])
EPS = float(np.finfo(np.float64).eps)

KINDS = ["counter", "resetting", "float_counter", "gauge", "offset_gauge", "constant", "integers", "nan", "inf", "rare"]


FLOATS = ["counter", "float_counter", "gauge", "offset_gauge", "constant", "rare"]


def values_of(kind: str, size: int, random: np.random.Generator) -> np.ndarray:
    match kind:
        case "counter":
            return np.cumsum(random.integers(0, 1000, size)).astype(np.float64)
        case "resetting":
            return random.integers(0, 1 << 40, size).astype(np.float64)
        case "float_counter":
            return np.cumsum(random.random(size)) % 5.0
        case "gauge":
            return random.normal(size=size) * 10.0 ** random.integers(-3, 9)
        case "offset_gauge":
            return 1e9 + random.normal(size=size)
        case "constant":
            return np.full(size, random.choice([0.1, -3.7, 0.0, 1e9 / 7]))
        case "integers" | "rare":
            return random.integers(-3, 4, size).astype(np.float64)
        case "nan":
            return np.where(random.random(size) < 0.3, np.nan, random.integers(-3, 4, size))
        case _:
            return np.where(random.random(size) < 0.1, random.choice([np.inf, -np.inf], size), random.normal(size=size))


def times_of(kind: str, size: int, random: np.random.Generator) -> np.ndarray:
    if kind == "rare":
        return START + np.sort(random.choice(3 * HOUR, size, replace=False))
    steps = random.choice([15_000, 15_000, 15_001, 60_000, 900_000], size, p=[0.5, 0.2, 0.2, 0.08, 0.02])
    return START + np.cumsum(steps)


@st.composite
def stores(draw: st.DrawFn, kinds: Sequence[str] = KINDS) -> MemoryStorage:
    series = []
    for number, kind in enumerate(draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=5))):
        random = np.random.default_rng(draw(st.integers(0, 1 << 20)))
        size = draw(st.sampled_from([1, 2, 3, 10, 200]))
        times = times_of(kind, size, random)
        series.append(({"__name__": "x_total", "number": str(number)}, times, values_of(kind, size, random)))
        if draw(st.booleans()):
            series.append(({"__name__": "x_total", "twin": str(number)}, times, values_of(kind, size, random)))
    return MemoryStorage.from_series(series)


cuts = st.lists(st.integers(START, START + 3 * HOUR), max_size=4).map(sorted)
instants = st.lists(st.integers(START, START + 3 * HOUR), min_size=1, max_size=4, unique=True).map(
    lambda times: np.array(sorted(times), np.int64)
)


def windows_of(series: SeriesSet, start: int, end: int) -> Windows:
    return RangeVector(series, np.array([start]), np.array([end])).windows()


class CutStorage:
    """Digests of a store's windows, each merged from those of the pieces that fixed times cut it into."""

    def __init__(self, memory: MemoryStorage, cuts: Sequence[int]) -> None:
        self.memory, self.cuts = memory, cuts
        self.asked: list[Measure] = []
        self.selected = 0

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, stale: bool) -> SeriesSet:
        self.selected += 1
        return self.memory.select(matchers, start_ms, end_ms, stale=stale)

    def digests(
        self, matchers: Sequence[Matcher], starts: Times, ends: Times, measures: Measure
    ) -> tuple[LabelFrame, Digests] | None:
        self.asked.append(measures)
        series = self.memory.select(matchers, int(starts.min()), int(ends.max()), stale=False)
        each = [self._window(series, start, end, measures) for start, end in zip(starts, ends, strict=True)]
        return series.labels, Digests.beside(each)

    def _window(self, series: SeriesSet, start: int, end: int, measures: Measure) -> Digests:
        bounds = [start, *(cut for cut in self.cuts if start < cut < end), end]
        pieces = [Digests.of(windows_of(series, low, high), measures) for low, high in pairwise(bounds)]
        return reduce(Digests.merged, pieces)


Labels = tuple[tuple[str, str], ...]


def rows(result: Result) -> dict[Labels, tuple[np.ndarray, np.ndarray]]:
    vector = result.value
    assert isinstance(vector, InstantVector)
    return {
        tuple(labels.items()): (values, present)
        for labels, values, present in zip(vector.labels.rows(), vector.values, vector.present, strict=True)
    }


def both(
    expr: str, memory: MemoryStorage, cuts: Sequence[int], times: np.ndarray
) -> dict[Labels, tuple[np.ndarray, np.ndarray]]:
    """Values of each series from digests and from samples, where there are any, after all else is found the same."""
    store = CutStorage(memory, cuts)
    found, wanted = at_instants(expr, store, times), at_instants(expr, memory, times)
    assert store.asked
    assert found.annotations == wanted.annotations
    here, there = rows(found), rows(wanted)
    assert list(here) == list(there)
    for labels, (_, present) in here.items():
        np.testing.assert_array_equal(present, there[labels][1])
    return {labels: (values[present], there[labels][0][present]) for labels, (values, present) in here.items()}


def assert_same_bits(expr: str, memory: MemoryStorage, cuts: Sequence[int], times: np.ndarray) -> None:
    for sides in both(expr, memory, cuts, times).values():
        # A NaN is as good as another, and so is a zero.
        found, wanted = (np.where(np.isnan(side), np.nan, side + 0.0) for side in sides)
        assert found.tobytes() == wanted.tobytes(), (expr, found, wanted)


def steady(*names: str, stale: bool = False) -> MemoryStorage:
    """Counters of one clock, 15 s apart over three hours; the second half of the first one is gone if ``stale``."""
    times = START + np.arange(720) * 15_000
    values = np.arange(720.0) % 500
    series = [
        ({"__name__": name, "job": "a", "number": str(number)}, times, values * (number + 1))
        for number, name in enumerate(names)
    ]
    if stale:
        labels, times, values = series[0]
        series[0] = labels, times[:361], np.append(values[:360], STALE)
    return MemoryStorage.from_series(series)
