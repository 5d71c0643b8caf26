"""What comes of a window is the same whatever windows are worked on beside it: none stands for the others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rules.promql.context import Context
from rules.promql.digests.digests import Digests
from rules.promql.digests.functions import DIGESTED
from rules.promql.functions import FUNCTIONS
from rules.promql.storage import MemoryStorage
from rules.promql.syntax import ast
from rules.promql.syntax.parser import parse
from rules.promql.syntax.signatures import FUNCTIONS as SIGNATURES
from rules.promql.values import InstantVector, RangeVector, Scalar, Times, Value
from tests.rules.promql.window_reference import ANY, Samples, data, storage_of

OF_RANGES = sorted(name for name in FUNCTIONS if ast.ValueType.MATRIX in SIGNATURES[name].args)
ENDS = 240_000

moments = st.integers(-20_000, ENDS)
rising = st.lists(moments, min_size=1, max_size=24).map(sorted)
even = st.builds(lambda first, step: [first + step * place for place in range(24)], moments, st.integers(0, 20_000))


@st.composite
def windows(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Starts and ends that do not fall: of one width or many, with one start or one end for all."""
    one, other = draw(st.one_of(rising, even)), draw(st.one_of(rising, even))
    pairs = list(zip(one, other, strict=False))
    if draw(st.booleans()):
        pairs = [(start, start + 60_000) for start, _ in pairs]
    return [min(pair) for pair in pairs], [max(pair) for pair in pairs]


GROWING = [0] * 24, [10_000 * place for place in range(24)]
SHRINKING = [10_000 * place for place in range(24)], [ENDS] * 24
STEADY = [[(15_000 * place, float(place % 7)) for place in range(16)]] * 2


def called(name: str, series: RangeVector, storage: MemoryStorage, times: Times) -> list[list[float | None]]:
    """The value of each series at each window, None where there is none."""
    text = {"quantile_over_time": "quantile_over_time(0.3, x[1m])", "predict_linear": "predict_linear(x[1m], 60)"}
    expr = parse(text.get(name, f"{name}(x[1m])"))
    assert isinstance(expr, ast.Call)
    numbers = [Scalar(np.full(len(times), part.value)) for part in expr.args if isinstance(part, ast.NumberLiteral)]
    args: list[Value] = [series, *numbers] if name != "quantile_over_time" else [*numbers, series]
    with np.errstate(all="ignore"):
        found = FUNCTIONS[name](expr, args, Context(storage, times, int(times[0]), int(times[-1])))
    assert isinstance(found, InstantVector)
    rows = {labels.get("n", ""): row for row, labels in enumerate(found.labels.rows())}
    return [
        [float(found.values[rows[n], place]) if n in rows and found.present[rows[n], place] else None for place in range(len(times))]
        for n in ("", *map(str, range(series.size)))
    ]  # fmt: skip


def bits(columns: list[list[float | None]]) -> list[list[str | None]]:
    """Every bit of the values, but a NaN is as good as another."""
    return [[None if value is None else value.hex() for value in column] for column in columns]


@pytest.mark.parametrize("name", OF_RANGES)
@settings(max_examples=10)
@given(series=data(ANY), bounds=windows())
@example(series=STEADY, bounds=GROWING)
@example(series=STEADY, bounds=SHRINKING)
def test_of_a_function(name: str, series: list[Samples], bounds: tuple[list[int], list[int]]) -> None:
    storage = storage_of(series)
    starts, ends = (np.array(each, np.int64) for each in bounds)

    def of(places: slice) -> list[list[str | None]]:
        ranged = RangeVector(storage.select([], -(1 << 40), 1 << 40, stale=False), starts[places], ends[places])
        return bits(called(name, ranged, storage, ends[places]))

    together = of(slice(None))
    for place in range(len(ends)):
        assert [row[place : place + 1] for row in together] == of(slice(place, place + 1)), place


@settings(max_examples=10)
@given(series=data(ANY), bounds=windows())
@example(series=STEADY, bounds=GROWING)
@example(series=STEADY, bounds=SHRINKING)
def test_of_digests(series: list[Samples], bounds: tuple[list[int], list[int]]) -> None:
    assert set(OF_RANGES) >= DIGESTED
    storage = storage_of(series)
    starts, ends = (np.array(each, np.int64) for each in bounds)
    found = storage.select([], -(1 << 40), 1 << 40, stale=False)
    together = Digests.of(RangeVector(found, starts, ends).windows())
    filled = np.broadcast_to(together.count, (found.size, len(ends)))
    defined: dict[str, int] = {"first_at": 1, "last_at": 1, "first": 1, "last": 1, "previous_at": 2, "previous": 2}
    for place in range(len(ends)):
        alone = Digests.of(RangeVector(found, starts[place : place + 1], ends[place : place + 1]).windows())
        for field, array in together.arrays().items():
            held = filled[:, place] >= defined.get(field, 0)
            sides = [column(array, found.size, place), column(alone.arrays()[field], found.size, 0)]
            one, other = (np.asarray(side)[held] + 0.0 for side in sides)
            np.testing.assert_array_equal(one, other, err_msg=f"{field} at {place}")


def column(array: np.ndarray, size: int, place: int) -> np.ndarray:
    return np.broadcast_to(array, (size, max(array.shape[1], place + 1)))[:, place]
