"""Which series selectors find, and how long the samples of each are needed."""

from __future__ import annotations

import numpy as np
import pytest

from rules.planning.plan import State
from rules.promql.digests.measures import Measure
from rules.promql.labels import LabelFrame
from rules.promql.syntax import ast
from rules.promql.syntax.parser import parse
from transforms.alerts.shards.selection import Selection, label_frame


def selector(text: str) -> ast.VectorSelector:
    found = parse(text)
    assert isinstance(found, ast.VectorSelector)
    return found


def state(text: str, keep: int, single: int | None = None, measures: Measure = Measure.NONE) -> State:
    return State(selector(text), keep, False, single, measures)


def test_selectors_of_the_same_matchers_are_one_that_keeps_what_each_of_them_needs() -> None:
    made = Selection(
        [
            state('x{a="1",b="2"}', 5, 4, Measure.SUMS),
            state("y", 7),
            state('x{b="2",a="1"}', 9, 2, Measure.LOW),
            state('{b="2",__name__="x",a="1"}', 3, 3),
        ]
    )
    assert (made.keep_ms, made.single_ms, made.measures) == ((9, 7), (4, 7), Measure.SUMS | Measure.LOW)
    assert len(made.matchers) == 2
    for text in ('x{a="1",b="2"}', 'x{b="2",a="1"}', '{b="2",a="1",__name__="x"}'):
        # Asked for again, it is known by these very words.
        assert [made.number(selector(text).matchers) for _ in range(2)] == [0, 0]
    assert made.number(selector("y").matchers) == 1
    for text in ("x", 'x{a="1"}', 'x{a="1",b=~"2"}', 'x{a="1",b!="2"}', 'x{a="2",b="2"}'):
        assert made.number(selector(text).matchers) is None
    assert (Selection([state("x", 0)]).keep_ms, Selection([state("x", 0)]).single_ms) == ((0,), (0,))
    assert (Selection([]).matchers, Selection([]).measures) == ((), Measure.NONE)


@pytest.mark.parametrize(
    ("selectors", "wanted", "unwanted"),
    [
        (["x", 'y{a="1"}'], ["x", "y"], ["z", "xy", ""]),
        (['{__name__=~"x.*",a="1"}'], ["x", "xy"], ["y", ""]),
        (['{__name__=~"x.*",__name__!="xy"}'], ["x", "xz"], ["xy", "y"]),
        (['{__name__=~"x.*"}', '{__name__=~"y.*"}', "z"], ["x", "y1", "z"], ["w"]),
        (['{a="1"}'], ["x", "whatever"], []),
        # An exact name beside others is the name.
        (['{__name__=~"x.*",__name__="xy"}'], ["xy"], ["x", "xz"]),
    ],
)
def test_a_name_may_be_wanted_by_any_selector_whose_matchers_of_the_name_all_fit(
    selectors: list[str], wanted: list[str], unwanted: list[str]
) -> None:
    made = Selection([state(text, 1) for text in selectors])
    assert [name for name in wanted + unwanted if made.may_want(name)] == wanted


def test_each_series_is_kept_as_long_as_the_longest_selector_that_finds_it_needs() -> None:
    made = Selection(
        [
            state("x", 10, 2),
            state('{__name__=~"x|y",a="1"}', 7, 5),
            state('x{a="2"}', 20, 1),
            state("nothing", 99),
            state('{a="3"}', 4, 3),
        ]
    )
    series = LabelFrame.of(
        [
            {"__name__": "y", "a": "1"},
            {"__name__": "x", "a": "1"},
            {"__name__": "z", "a": "1"},
            {"__name__": "x", "a": "2"},
            {"__name__": "y", "a": "2"},
            {"__name__": "x"},
            {"__name__": "z", "a": "3"},
        ]
    )
    found = made.match(series)
    assert found.keep_ms.tolist() == [7, 10, -1, 20, -1, 10, 4]
    assert found.single_ms.tolist() == [5, 5, 0, 2, 0, 2, 3]
    assert {number: rows.tolist() for number, rows in found.members.items()} == {
        0: [1, 3, 5],
        1: [0, 1],
        2: [3],
        4: [6],
    }


def test_of_nothing_nothing_is_found() -> None:
    found = Selection([state("x", 10)]).match(LabelFrame.empty())
    assert (found.keep_ms.tolist(), found.members) == ([], {})


def test_series_have_the_labels_of_both_their_parts() -> None:
    made = label_frame(
        ['{instance="h0"}', '{instance="h1",job="j"}'], np.array([1, 0, 1]), ["x", 'y{dev="a"}'], np.array([0, 1, 1])
    )
    assert made.rows() == [
        {"__name__": "x", "instance": "h1", "job": "j"},
        {"__name__": "y", "dev": "a", "instance": "h0"},
        {"__name__": "y", "dev": "a", "instance": "h1", "job": "j"},
    ]


def test_a_label_in_both_parts_has_the_value_of_the_target() -> None:
    made = label_frame(
        ['{instance="h0"}', '{job="j"}'], np.array([0, 1, 0]), ['x{instance="h9"}', 'y{job="k"}'], np.array([0, 0, 1])
    )
    assert made.rows() == [
        {"__name__": "x", "instance": "h0"},
        {"__name__": "x", "instance": "h9", "job": "j"},
        {"__name__": "y", "instance": "h0", "job": "k"},
    ]
