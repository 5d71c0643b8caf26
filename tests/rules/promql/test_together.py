"""Expressions evaluated together yield what each yields by itself: labels, order, presence, every bit of a value, and what fails."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from rules.promql.context import Options
from rules.promql.engine import at_instants
from rules.promql.labels import LabelFrame
from rules.promql.shapes import MEMBER, Selectors
from rules.promql.storage import MemoryStorage, matching_rows
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse
from rules.promql.together import Together
from rules.promql.values import Index, InstantVector, SeriesSet, Times
from tests.oracle.data import BASE_MS, dataset
from tests.oracle.expressions import cases

MINUTE = 60_000
OPTIONS = Options(default_step_ms=30_000)


class Store(MemoryStorage):
    """Samples in memory, and some vectors as fragments; of those without a vector one fails."""

    vectors: Sequence[InstantVector | None] = ()
    asked = 0

    def select_many(
        self, selectors: Selectors, start_ms: int, end_ms: int, range_ms: int, *, stale: bool
    ) -> tuple[SeriesSet, Index] | None:
        self.asked += 1
        series = self._with_stale if stale else self._without_stale
        found = [np.flatnonzero(matching_rows(series.labels, each)) for each in selectors.matchers]
        owners = np.repeat(np.arange(len(found)), [len(rows) for rows in found])
        return series.take(np.concatenate(found)), owners

    def fragment(self, number: int, times: Times) -> InstantVector:
        vector = self.vectors[number]
        if vector is None:
            raise PromQLError(f"no {number}", None)
        return vector

    def fragments(self, numbers: dict[int, int], times: Times) -> tuple[InstantVector, Index, Sequence[int]] | None:
        good = {number: vector for number in numbers if (vector := self.vectors[number]) is not None}
        found = list(good.values()) or [InstantVector.empty(len(times))]
        whole = InstantVector(
            LabelFrame.concat([each.labels for each in found]),
            np.concatenate([each.values for each in found]),
            np.concatenate([each.present for each in found]),
        )
        owners = np.repeat([numbers[number] for number in good], [each.size for each in good.values()])
        order = np.argsort(owners, kind="stable")
        failed = [place for number, place in numbers.items() if number not in good]
        return whole.take(order), owners[order].astype(np.int64), failed


def shown(vector: InstantVector) -> list[Any]:
    """All that may be seen of a vector, in the order of its series."""
    bits = np.where(vector.present, vector.values, 0.0).view(np.int64)
    return [
        (labels, there, row)
        for labels, there, row in zip(vector.labels.rows(), vector.present.tolist(), bits.tolist(), strict=True)
    ]


def compare(exprs: Sequence[ast.Expr], store: Store, times: Times, options: Options = OPTIONS) -> tuple[int, int]:
    """How many expressions were evaluated together, and how many of them yield anything."""
    answers = Together(exprs).evaluate(store, times, options)
    together = yielding = 0
    for number, expr in enumerate(exprs):
        if number in answers.alone:
            assert number not in answers.vectors
            continue
        value = at_instants(expr, store, times, options).value
        assert isinstance(value, InstantVector)
        found = answers.vectors.get(number)
        assert shown(InstantVector.empty(len(times)) if found is None else found) == shown(value)
        assert found is None or MEMBER not in found.labels.columns
        together += 1
        yielding += bool(value.size)
    return together, yielding


def changed(expr: ast.Expr, rng: random.Random) -> ast.Expr:
    """An expression with other constants and matchers."""
    values = {}
    for each in fields(expr):
        value = getattr(expr, each.name)
        if isinstance(expr, ast.NumberLiteral) and each.name == "value":
            value = rng.choice((value, value + 1, -value, 0.0, 100.0, float("nan"), float("inf")))
        elif each.name == "matchers":
            more = rng.choice(((), (("instance", "h1"),), (("job", "a"),), (("dev", ""),), (("job", "none"),)))
            value = (*value, *(ast.Matcher(name, ast.MatchOp.EQUAL, text) for name, text in more))
        elif isinstance(value, tuple) and each.name == "args":
            value = tuple(changed(part, rng) for part in value)
        elif hasattr(value, "span") and each.name in ("expr", "lhs", "rhs", "param", "selector"):
            value = changed(value, rng)
        values[each.name] = value
    return replace(expr, **values)


@pytest.mark.parametrize("number", range(12))
def test_together_as_alone(number: int) -> None:
    data, rng = dataset(11, number), random.Random(number)
    store = Store.from_series(data.series)
    assert isinstance(store, Store)
    trees = [tree for case in cases(11, data, 60) if (tree := parse(case.expr)).type is ast.ValueType.VECTOR]
    trees += [changed(tree, rng) for tree in trees for _ in range(3)]
    rng.shuffle(trees)
    together = yielding = 0
    for instants in (1, 7):
        times = BASE_MS + MINUTE * rng.randrange(1, 12) + 13_000 * np.arange(instants, dtype=np.int64)
        ones, others = compare(trees, store, times)
        together, yielding = together + ones, yielding + others
    assert together > len(trees) / 3
    assert yielding > together / 4


def store_of(*series: tuple[str, float], **vectors: Any) -> Store:
    """Series of one label, ``metric/value`` say, with one sample."""
    rows = [(dict(zip(("__name__", "a"), text.split("/"), strict=True)), [0], [value]) for text, value in series]
    store = Store.from_series(rows)
    assert isinstance(store, Store)
    return store


NOW = np.zeros(1, np.int64)
XS = store_of(("x/1", 1.0), ("x/2", 2.0), ("y/1", 4.0), ("y/2", 8.0))


def test_a_failure_takes_no_neighbours_with_it() -> None:
    texts = [f'y{{a=~"{pattern}"}} * on () x{{a=~"{pattern}"}}' for pattern in ("1", ".*", "2", "", "1|2", "3")]
    exprs = list(map(parse, texts))
    answers = Together(exprs).evaluate(XS, NOW, OPTIONS)
    assert answers.alone == {1, 4}
    assert {number: vector.values.tolist() for number, vector in answers.vectors.items()} == {0: [[4.0]], 2: [[16.0]]}
    # What stands above a part that fails is evaluated alone too, what stands beside it is not.
    above = [*exprs, *(parse(f"sum({text}) > 1") for text in texts), parse("x"), parse("x > 1")]
    assert Together(above).evaluate(XS, NOW, OPTIONS).alone == {1, 4, 7, 10}
    assert compare(above, XS, NOW) == (10, 6)


@pytest.mark.parametrize(
    ("texts", "selected"),
    [
        (["x > 1", "x > 2", "y > 1", 'y{a="1"} < 3', "3 < x", "sum(x)"], 1),
        (["rate(x[5m]) > 1", "rate(y[5m]) > 1", "rate(y[6m]) > 1", "x"], 3),
        (["x + y", "x + x", "(y) + (x)", "x offset 1m"], 2),
    ],
)
def test_selectors_of_one_shape_are_asked_for_at_once(texts: list[str], selected: int) -> None:
    XS.asked = 0
    assert compare(list(map(parse, texts)), XS, NOW)[0] == len(texts)
    assert XS.asked == selected


def test_constants_are_told_apart_to_the_bit() -> None:
    zeros = store_of(("x/1", -1.0), ("x/2", 1.0))
    number = parse("0")
    assert isinstance(number, ast.NumberLiteral)
    exprs = [
        changed_to(parse(text), replace(number, value=value))
        for text in ("x * 0", "clamp_max(x, 0)")
        for value in (0.0, -0.0)
    ]
    assert compare(exprs, zeros, NOW) == (4, 4)


def changed_to(expr: ast.Expr, number: ast.NumberLiteral) -> ast.Expr:
    """The expression with another number at its end."""
    if isinstance(expr, ast.Binary):
        return replace(expr, rhs=number)
    assert isinstance(expr, ast.Call)
    return replace(expr, args=(*expr.args[:-1], number))


def test_sums_of_many_series_are_cut_as_by_themselves() -> None:
    rng = np.random.default_rng(1)
    half = rng.normal(size=20_000) * 10.0 ** rng.uniform(0, 40, 20_000)
    # What is left of such sums is what rounding makes of them.
    values = rng.permutation(np.concatenate((half, -half))).tolist()
    many = Store.from_series(
        ({"__name__": "x", "a": str(number % 7), "n": str(number)}, [0], [value]) for number, value in enumerate(values)
    )
    assert isinstance(many, Store)
    exprs = [
        parse(f'sum(x{{a=~"{pattern}"}})') for pattern in (".*", "[0-4]", "[3-6]", "1", "2", "7", "[1-3]", "[1-4]")
    ]
    assert compare(exprs, many, NOW) == (8, 7)


@pytest.mark.parametrize(
    "options", [Options(max_cells=1), Options(max_cells=3), Options(max_work=3), Options(max_work=20)]
)
def test_what_costs_too_much_is_evaluated_alone(options: Options) -> None:
    exprs = list(map(parse, ("x", 'x{a="1"}', "x + x", 'sum(x + x) + sum(y{a="2"})', "y > 5")))
    answers = Together(exprs).evaluate(XS, NOW, options)
    for number, expr in enumerate(exprs):
        try:
            value = at_instants(expr, XS, NOW, options).value
        except PromQLError:
            assert number in answers.alone
            continue
        assert isinstance(value, InstantVector)
        assert number in answers.alone or shown(value) == shown(answers.vectors[number])


def test_fragments_are_parts_too() -> None:
    def vector(value: float) -> InstantVector:
        return InstantVector(LabelFrame.of([{"a": "1"}]), np.array([[value]]), np.ones((1, 1), np.bool_))

    store = store_of(("x/1", 1.0))
    store.vectors = [vector(1.0), None, vector(2.0), InstantVector.empty(1), vector(3.0)]
    parts = [ast.Fragment(number, parse("x")) for number in range(5)]
    exprs: list[ast.Expr] = [*parts, *(replace(parse_binary("x > 1"), lhs=part) for part in parts)]
    assert Together(exprs).evaluate(store, NOW, OPTIONS).alone == {1, 6}
    assert compare(exprs, store, NOW) == (8, 5)


def parse_binary(text: str) -> ast.Binary:
    expr = parse(text)
    assert isinstance(expr, ast.Binary)
    return expr


@pytest.mark.parametrize(
    "text",
    [
        "absent(x)",
        "vector(1)",
        "topk(1, x)",
        "x > scalar(y)",
        "ln(x)",
        "x ^ 2",
        "sort(x)",
        "max_over_time(x[5m:1m])",
        "x @ 0",
    ],
)
def test_some_expressions_are_always_evaluated_alone(text: str) -> None:
    exprs = [parse("x"), parse(text), parse(f"sum({text}) > 1")]
    assert Together(exprs).evaluate(XS, NOW, OPTIONS).alone == {1, 2}
    assert Together(exprs).evaluate(XS, NOW, Options(delayed_name_removal=True)).alone == {0, 1, 2}
