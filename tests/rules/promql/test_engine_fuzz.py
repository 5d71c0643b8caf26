"""Whatever the expression, the data and the instants: a result that is whole, or a typed error; soon, and in bounded memory."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.promql import engine
from rules.promql.context import Options
from rules.promql.labels import LabelFrame
from rules.promql.scripts.read import ScriptError, parse_script
from rules.promql.storage import MemoryStorage
from rules.promql.syntax.ast import ValueType
from rules.promql.syntax.errors import LimitExceeded, PromQLError
from rules.promql.syntax.signatures import FUNCTIONS
from rules.promql.values import STALE, InstantVector, RangeVector, Scalar, Value
from tests.rules.promql.expressions import CORPORA, corpus, random_expressions

Series = tuple[dict[str, str], list[int], list[float]]

SCALAR, STRING, MATRIX, VECTOR = ValueType.SCALAR, ValueType.STRING, ValueType.MATRIX, ValueType.VECTOR
YEAR_9999 = 253_402_300_799_000
FURTHEST_S = (2**63 - 1) // 1000
HOSTILE_VALUES = [
    math.nan, math.inf, -math.inf, -0.0, 0.0, 5e-324, -5e-324, 1.7e308, -1.7e308, float(STALE), 1e300, 1.0
]  # fmt: skip
INSTANTS = [0, 285_000, 1, -1, YEAR_9999, 2**62, -(2**62), 2**63 - 1, -(2**63), 2**70]
SMALL = Options(max_cells=200_000, max_work=2_000_000)


def _grid(value: Callable[[int], float], step_ms: int = 15_000) -> tuple[list[int], list[float]]:
    return [index * step_ms for index in range(20)], [value(index) for index in range(20)]


def _multiple(factor: int) -> Callable[[int], float]:
    return lambda index: float(index * factor)


def _hostile(stride: int) -> Callable[[int], float]:
    return lambda index: HOSTILE_VALUES[index * stride % len(HOSTILE_VALUES)]


def _series(name: str, columns: tuple[list[int], list[float]], **labels: str) -> Series:
    return {"__name__": name, **labels}, *columns


def _buckets() -> list[Series]:
    bounds = ["1", "1.0", "1e0", "2", "+Inf", "Inf", "-Inf", "nan", "1e400", "0x10", "0x1p4", "", "abc", "1_000", " 1"]
    return [
        _series("b", _grid(_hostile(7) if number % 5 == 4 else _multiple(number % 4)), le=le, j=job)
        for job in ("1", "2")
        for number, le in enumerate(bounds)
    ]  # fmt: skip


STORES = {
    "nothing": [],
    "one sample": [_series("x", ([0], [1.0]))],
    "staleness alone": [_series("x", ([0], [float(STALE)]))],
    "hostile values": [
        _series("x", _grid(_hostile(1)), job="1"), _series("x", _grid(_hostile(7)), job="2"), _series("y", _grid(_hostile(5)), job="1"),
    ],
    "1 ms apart": [_series("x", _grid(float, 1), job="1"), _series("y", _grid(_hostile(5), 1), job="1")],
    "far apart": [
        _series("x", ([-(2**63), -(10**15), -1, 0, 1, 2**63 - 1], [1.0, 2, 3, 4, 5, 6]), job="1"),
        _series("y", ([YEAR_9999 - 1, YEAR_9999], [1.0, 2.0]), job="1"),
    ],
    "labels": [
        _series("x", _grid(float), job="v" * 100_000), _series("x", _grid(float), job="é\u2028\0"), _series("", _grid(float), job=""),
        _series("x", _grid(float), **{"job": "a\1b", "ü b": "\U0001f600", "__type__": "gauge"}), _series("y", _grid(float), instance=""),
    ],
    "broken buckets": _buckets(),
}  # fmt: skip


@cache
def store(name: str) -> MemoryStorage:
    return MemoryStorage.from_series(STORES[name])


def sound(value: Value, instants: int) -> None:
    """A value has one shape throughout, and no series twice."""
    if isinstance(value, Scalar):
        assert value.values.shape == (instants,)
    elif isinstance(value, InstantVector):
        assert value.values.shape == value.present.shape == (value.labels.size, instants)
        assert (value.values.dtype, value.present.dtype) == (np.float64, np.bool_)
        assert all(len(column.codes) == value.size for column in value.labels.columns.values())
        assert value.present.any(axis=1).all()
        assert value.drop_name is None
        assert not value.labels.has_duplicates()
    elif isinstance(value, RangeVector):
        assert (value.series.begin <= value.series.end).all()
        assert not value.series.labels.has_duplicates()


def survive(expr: str, data: MemoryStorage, time_ms: int, options: Options | None = None) -> None:
    """Both ways of evaluation give a sound value or a typed error."""
    with suppress(PromQLError):
        sound(engine.instant(expr, data, time_ms, options).value, 1)
    with suppress(PromQLError):
        sound(engine.query_range(expr, data, time_ms, time_ms + 601_000, 60_000, options).value, 11)


def _calls() -> list[str]:
    """Every function with arguments of the right types, extreme ones among them."""
    numbers = ["NaN", "Inf", "-Inf", "0", "-1", "1e300", "5e-324", "scalar(x)", "time()"]
    texts = ['"job"', '""', '"\\xff"', '"$1"', '"(.*)"', '"("']
    ranges = ["x[5m]", "x[1ms]", "x[290y]", "{__name__=~'x|y'}[1m]", "x[5m:1s]", "x[290y:290y] @ start()"]
    vectors = ["x", "b", "{__name__=~'.*',job=~'.*'}", "vector(1e300)", "-x", "x offset 290y"]
    chance = random.Random("calls")
    choices = {SCALAR: numbers, STRING: texts, MATRIX: ranges, VECTOR: vectors}
    calls = []
    for name, signature in FUNCTIONS.items():
        for _ in range(4):
            args = [chance.choice(choices[kind]) for kind in signature.args]
            calls.append(f"{name}({', '.join(args)})")
    return calls


EXTREMES = [
    *(f"{op}({k}, x)" for op in ("topk", "bottomk", "quantile") for k in ("NaN", "Inf", "-Inf", "1e300", "9.3e18", "-1", "scalar(x)")),
    *(f"x{at}{offset}" for at in ("", f" @ {FURTHEST_S}", f" @ -{FURTHEST_S}", " @ 9.2e18", " @ -9.2e18", " @ end()")
      for offset in ("", " offset 290y", " offset -290y")),
    *(f"rate(x[290y]{at}{offset})" for at in ("", f" @ {FURTHEST_S}", f" @ -{FURTHEST_S}") for offset in ("", " offset 290y", " offset -290y")),
    *(f"max_over_time(x[{sub}] @ {at} offset {by})"
      for sub in ("290y:290y", "1ms:290y") for at in (FURTHEST_S, -FURTHEST_S) for by in ("290y", "-290y")),
    f"timestamp(x @ {FURTHEST_S} offset -290y)", f"timestamp(x @ -{FURTHEST_S} offset 290y)",
    *(f'label_replace(x, "{to}", "{text}", "{of}", "{pattern}")' for to, text, of, pattern in (
        ("a", "$1", "job", "(.*)"), ("a", "${1}$", "job", "(.*)"), ("a", "${", "job", "(.*)"), ("a", "$$$0$99999999999999", "job", "(.*)"),
        ("a", "$n", "job", "(?P<n>.*)(?P<n>.*)"), ("", "$1", "job", ".*"), ("\\xff", "", "job", ".*"), ("job", "\\xff", "job", ".*"),
        ("a", "", "job", "("), ("a", "", "job", "(a{1000}){1000}"), ("__name__", "", "job", ".*"), ("job", "", "job", ".*"))),
    *(f'label_join(x, {rest})'
      for rest in ('"a"', '"a", "-"', '"", "-", "job"', '"\\xff", "", "job"', '"a", "\\xff", "job", "\\xff"', '"job", "", ""')),
    *(f"count_values({label}, x)" for label in ('""', '"\\xff"', '"__name__"', '"job"')), 'count_values("job", x) by (job)',
    "x + on () group_left x", "x * on () y", "x + on (job) group_left (job) y", "x + on (job) group_right (__name__) y", "x ^ 1e300", "x % 0",
    "x and on () y", "x or y or -x", '{__name__=~".+"} or -{__name__=~".+"}', "-{job=~'.*'}", "{job=~'.*'}[5m]", "sum without () (x)",
    "year(vector(9e18))", "day_of_month(vector(-1e300))", "days_in_month(vector(NaN))", "round(x, 5e-324)", "round(x, 0)", "clamp(x, 5, 1)",
    "histogram_quantile(scalar(x), b)", "histogram_quantile(0.5, b @ 200)", "histogram_quantile(0.9, rate(b[1m]))", "histogram_fraction(Inf, NaN, b)",
    "histogram_quantile(NaN, x)", "predict_linear(x[5m], 1e300)", 'x{job=~"(a*)*b"}', 'absent(x{a="1",a=~"\\xff"})', "1e999", "2 ^ 1024 - 2 ^ 1024",
]  # fmt: skip


@pytest.mark.parametrize("name", STORES)
def test_extremes_are_survived(name: str) -> None:
    for expr in (*EXTREMES, *_calls()):
        for time_ms in INSTANTS:
            survive(expr, store(name), time_ms, SMALL)


@settings(max_examples=250, derandomize=True)
@given(st.text())
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    survive(text, store("hostile values"), 60_000)


@settings(max_examples=250, derandomize=True)
@given(random_expressions, st.sampled_from(list(STORES)), st.sampled_from(INSTANTS))
def test_random_expressions_over_hostile_data(expr: str, name: str, time_ms: int) -> None:
    survive(expr, store(name), time_ms, SMALL)


@settings(max_examples=250, derandomize=True)
@given(st.randoms(use_true_random=False), st.sampled_from(list(STORES)))
def test_broken_expressions_of_the_corpora(chance: random.Random, name: str) -> None:
    if not CORPORA.exists():
        pytest.skip(f"{CORPORA} is absent")
    expr = chance.choice(corpus())
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(expr) + 1)
        piece = chance.choice(
            [
                "",
                "(",
                ")",
                "[5m]",
                "[290y:1ms]",
                " @ 0",
                " offset -1y",
                "-",
                "sum",
                " by (le)",
                "x",
                '"',
                "{",
                "1e9",
                " or ",
            ]
        )
        expr = expr[:at] + piece + expr[at + chance.randint(0, 4) :]
    survive(expr, store(name), 60_000, SMALL)


WORK = [
    "max_over_time(x[290y:1ms])",
    "max_over_time(max_over_time(x[1d:1ms])[1d:1ms])",
    "quantile_over_time(0.5, quantile_over_time(0.5, x[1h:1ms])[1h:1s])",
    "deriv(deriv(x[1h:1ms])[1h:1s])",
    "stddev_over_time((x + stddev_over_time(x[1m:1ms]))[1m:1ms])",
    " + ".join(["sum_over_time(vector(1)[5h:1ms])"] * 150),
    "stddev_over_time(x[3h:1ms])",
    'count_over_time(count_values("v", vector(time()))[10h:1s])',
]


@pytest.mark.parametrize("expr", WORK)
def test_work_without_end_is_refused(expr: str) -> None:
    with pytest.raises(LimitExceeded):
        engine.instant(expr, store("hostile values"), 300_000, Options(max_work=50_000_000))


@pytest.mark.parametrize(
    "call",
    [
        'label_replace({}, "job", "$0$0$0$0$0$0$0$0", "job", "(.*)")',
        'label_join({}, "job", "", "job", "job", "job", "job", "job", "job")',
    ],
)
def test_labels_do_not_grow_without_end(call: str) -> None:
    expr = "x"
    for _ in range(20):
        expr = call.format(expr)
    with pytest.raises(LimitExceeded, match="100,000,000 characters"):
        engine.instant(expr, store("labels"), 60_000)


def test_one_wide_histogram_does_not_widen_the_others() -> None:
    rows = [{"__name__": "b", "g": "wide", "le": str(bound)} for bound in range(3_000)]
    rows += [{"__name__": "b", "g": "wide", "le": "+Inf"}]
    rows += [{"__name__": "b", "g": str(group), "le": le} for group in range(30_000) for le in ("1", "+Inf")]
    frame = LabelFrame.of(rows)
    size = len(rows)
    data = MemoryStorage(frame, np.zeros(size, np.int64), np.ones(size), np.arange(size + 1))
    found = engine.instant("histogram_quantile(0.5, b)", data, 0).value
    assert isinstance(found, InstantVector)
    assert found.size == 30_001


RANGED = [call for call in _calls() if not call.startswith(("sort", "label_join")) and "start()" not in call]


@pytest.mark.parametrize("name", ["hostile values", "1 ms apart", "broken buckets"])
def test_every_function_over_a_range_is_itself_at_each_instant(name: str) -> None:
    start, end, step = 30_000, 290_000, 65_000
    compared = 0
    for call in RANGED:
        try:
            whole = engine.query_range(call, store(name), start, end, step, SMALL)
        except PromQLError:
            continue
        for index, time_ms in enumerate(range(start, end + 1, step)):
            one = engine.instant(call, store(name), time_ms, SMALL).value
            assert _at(one, 0) == _at(whole.value, index), (call, time_ms)
            compared += 1
    assert compared > 100


def _at(value: Value, index: int) -> dict[str, str]:
    """Values by labels; NaN equals itself, and zeros differ by sign."""
    if isinstance(value, Scalar):
        return {"": repr(float(value.values[index]))}
    assert isinstance(value, InstantVector)
    there = np.flatnonzero(value.present[:, index]).tolist() if value.size else []
    return {str(value.labels.row(row)): repr(float(value.values[row, index])) for row in there}


@pytest.mark.parametrize("load", ["load 1m\n" + "  x 0x999999\n" * 6, "load 290y\n  x 0x999999\n"])
def test_a_script_of_too_many_or_too_late_samples_is_refused(load: str) -> None:
    with pytest.raises(ScriptError, match="more than"):
        parse_script(load)


@settings(max_examples=60, derandomize=True)
@given(random_expressions, st.sampled_from(["hostile values", "labels", "broken buckets"]))
def test_set_operators_with_oneself(expr: str, name: str) -> None:
    data = store(name)
    try:
        plain = engine.instant(f"({expr}) unless nosuch", data, 60_000, SMALL).value
    except PromQLError:
        return
    for same in (f"({expr}) or ({expr})", f"({expr}) and ({expr})", f"nosuch or ({expr})"):
        assert _at(engine.instant(same, data, 60_000).value, 0) == _at(plain, 0)
    nothing = engine.instant(f"({expr}) unless ({expr})", data, 60_000).value
    assert isinstance(nothing, InstantVector)
    assert nothing.size == 0
