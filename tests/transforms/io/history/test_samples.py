"""Which samples are wanted."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from rules.promql.labels import LabelFrame
from rules.promql.syntax import ast
from tests.transforms.io.history.given import collected_by, selectors, series_of
from transforms.io.history.options import ROLLUP_VALUES
from transforms.io.history.samples import Collected, Samples, Wanted, by_parts

SAMPLES = Samples(
    LabelFrame.of([{"__name__": "up", "job": "a"}, {"__name__": "up", "job": "b"}, {"__name__": "down", "job": "a"}]),
    np.array([0, 1, 2, 0, 1, 2]),
    np.array([1, 1, 1, 2, 2, 2]),
    np.array([1.0, 2, 3, 4, 5, 6]),
)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), {"__name__=up,job=a", "__name__=up,job=b", "__name__=down,job=a"}),
        (Wanted(selectors("up")), {"__name__=up,job=a", "__name__=up,job=b"}),
        (Wanted(selectors('{job="a"}')), {"__name__=up,job=a", "__name__=down,job=a"}),
        (Wanted(selectors('up{job="a"}', 'up{job="b"}')), {"__name__=up,job=a", "__name__=up,job=b"}),
        (Wanted(selectors('{job="a"}'), frozenset({"up"})), {"__name__=down,job=a"}),
        (Wanted(()), set()),
    ],
)
def test_series_that_a_selector_fits(wanted: Wanted, found: set[str]) -> None:
    assert set(collected_by(SAMPLES, wanted)) == found


def test_first_and_last_time_are_of_all_that_was_read() -> None:
    collected = Collected()
    for times in ([30, 20], [10, 60], [50, 40]):
        samples = Samples(LabelFrame.of([{"__name__": "up"}]), np.zeros(2, np.int64), np.array(times), np.zeros(2))
        collected.take(samples, Wanted(()))
        assert not collected.parts
    assert (collected.first_ms, collected.last_ms) == (10, 60)
    collected.take(SAMPLES, Wanted(start_ms=5))
    assert (collected.first_ms, collected.last_ms) == (1, 60)


def test_bounds_leave_the_first_out_and_the_last_in() -> None:
    assert collected_by(SAMPLES, Wanted(selectors("down"), start_ms=1, end_ms=2)) == {"__name__=down,job=a": [(2, 6.0)]}
    assert collected_by(SAMPLES, Wanted(selectors("down"), start_ms=0, end_ms=1)) == {"__name__=down,job=a": [(1, 3.0)]}


def test_names() -> None:
    assert Wanted(selectors("up", "r", 'up{job="a"}'), frozenset({"r"})).names() == ["up"]
    assert Wanted(selectors("up", '{job="a"}')).names() is None
    assert Wanted().names() is None
    assert Wanted(()).names() == []


def test_what_a_server_is_asked_for() -> None:
    everything = (ast.Matcher("__name__", ast.MatchOp.REGEX, ".+"),)
    assert Wanted(selectors("up", "r", "up"), frozenset({"r"})).asked() == list(selectors("up"))
    assert Wanted().asked() == [everything]
    assert Wanted(((),)).asked() == [everything]


def test_of_two_sources_the_later_one_counts() -> None:
    into = Collected()
    into.take(SAMPLES, Wanted(selectors("down")))
    into.take(
        Samples(SAMPLES.labels, SAMPLES.series, SAMPLES.timestamps, SAMPLES.values + 10),
        Wanted(selectors("down"), None or frozenset(), 1),
    )
    assert series_of(into.storage()) == {"__name__=down,job=a": [(1, 3.0), (2, 16.0)]}


def test_problems_are_counted_and_the_first_ones_kept() -> None:
    into = Collected()
    for line in range(30):
        into.refuse(f"f:{line}", "odd" * (line + 1))
    assert (into.bad, len(into.problems), into.problems[0]) == (30, 20, "f:0: odd")


def test_lines_of_one_fault_are_reported_once() -> None:
    into = Collected()
    into.refuse("f:1", "a number is wanted, not 'a'")
    into.refuse("f:2", "a row has 1 cell")
    assert into.problems == ["f:1: a number is wanted, not 'a'", "f:2: a row has 1 cell"]
    for file, text in (("f:3", "'b'"), ("g:1", '"it\'s"'), ("f:9", "12")):
        into.refuse(file, f"a number is wanted, not {text}")
    into.refuse("f:10", "a row has 17 cells".removesuffix("s"))
    assert into.problems == [
        "f:1: a number is wanted, not 'a' (and 3 more lines for the same reason, in 2 files)",
        "f:2: a row has 1 cell (and 1 more line for the same reason)",
    ]
    assert into.bad == 6


def test_parts_of_a_series_make_its_labels() -> None:
    labels, series = by_parts(['{host="a"}', "{}"], ["up", 'm{x="1"}'], np.array([0, 1, 0, 0]), np.array([1, 0, 1, 0]))
    rows = labels.rows()
    assert [rows[row] for row in series.tolist()] == [
        {"__name__": "m", "host": "a", "x": "1"},
        {"__name__": "up"},
        {"__name__": "m", "host": "a", "x": "1"},
        {"__name__": "up", "host": "a"},
    ]
    assert labels.size == 3


def test_the_docs_list_the_values_of_a_rollup() -> None:
    docs = (Path(__file__).parents[4] / "docs" / "backtest.md").read_text()
    (default, others) = re.findall(r"the `(\w+)` value, or the one that `value=` selects\s+\(([^)]*)\)", docs)[0]
    assert (default, *re.findall(r"`(\w+)`", others)) == ROLLUP_VALUES
