"""An explanation names every part, where it runs, what it keeps, and what it yields."""

from __future__ import annotations

import pytest

from rules.planning.explain import Node, document, explain, render, series_name
from rules.planning.meanings import FUNCTIONS, meaning
from rules.promql.storage import MemoryStorage
from rules.promql.syntax.parser import parse
from rules.promql.syntax.signatures import FUNCTIONS as SIGNATURES

TARGET = frozenset({"host"})
DATA = MemoryStorage.from_series(
    [
        ({"__name__": "x", "host": "a", "mode": "idle"}, [0, 60_000], [1, 3]),
        ({"__name__": "x", "host": "b"}, [60_000], [10]),
    ]
)


def explained(text: str, data: MemoryStorage | None = None) -> Node:
    return explain(parse(text), TARGET, data, 60_000)


def test_the_tree_as_text() -> None:
    assert render(explained("sum by (mode) (max_over_time(x[5m])) > 2", DATA)).splitlines() == [
        "sum by (mode) (max_over_time(x[5m])) > 2",
        "│   series of the left side for which the left is greater than the right",
        "│   [globally] its input is global",
        '│   = {mode="idle"}  3',
        "│   = {}  10",
        "├── sum by (mode) (max_over_time(x[5m]))",
        "│   │   the sum for each mode",
        "│   │   [partly in the shard, merged globally] a group may span targets, host not being kept; partial sums travel",
        '│   │   = {mode="idle"}  3',
        "│   │   = {}  10",
        "│   └── max_over_time(x[5m])",
        "│       │   largest of each series' samples in the range",
        "│       │   [in the shard]",
        '│       │   = {host="a",mode="idle"}  3',
        '│       │   = {host="b"}  10',
        "│       └── x[5m]",
        "│               all samples in the range, its start excluded",
        "│               [in the shard]; keeps samples of the last 5m",
        '│               = x{host="a",mode="idle"}  2 samples: 1, 3',
        '│               = x{host="b"}  1 sample: 10',
        "└── 2",
        "        = 2",
    ]


def test_without_data_no_values_are_shown() -> None:
    assert "=" not in render(explained("rate(x[5m])"))
    assert document(explained("x")) == {
        "text": "x",
        "type": "instant vector",
        "meaning": "newest sample of each series, unless it is older than the lookback or the series has ended",
        "placement": "local",
        "reason": "",
        "state": {"retention_ms": 300_000, "fixed": False},
        "inputs": [],
    }


def test_a_part_that_yields_nothing_or_fails_says_so() -> None:
    assert "= nothing" in render(explained("y", DATA))
    assert "= error: found duplicate series" in render(explained("x * on() x", DATA))


def test_many_series_are_cut() -> None:
    data = MemoryStorage.from_series(({"__name__": "x", "n": str(n)}, [60_000], [1]) for n in range(8))
    assert "= ... and 3 more series" in render(explained("x", data))


def test_parentheses_are_no_part() -> None:
    assert explained("((x))").text == "x"


@pytest.mark.parametrize("name", sorted(name for name, it in SIGNATURES.items() if not it.experimental))
def test_every_stable_function_has_a_meaning(name: str) -> None:
    assert name in FUNCTIONS or name.startswith("histogram_")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("topk(3, x)", "the series with the largest values, over all series"),
        ("count_values('v', x)", "how many series have each value, over all series"),
        ("sum without (a, b) (x)", "the sum of the series that differ only in a, b"),
        ("x == bool 1", "1 where the left is equal to the right, else 0"),
        ("1 < x", "series of the right side for which the left is less than the right"),
        ("x and on() y", "series of the left side that have a match on the right; all series match"),
        (
            "x / ignoring(c) group_left(d) y",
            "quotient; series match on all labels but c, many on the left to one on the right, taking over d",
        ),
        ("-x", "negated values"),
        ("x[5m:1m]", "the expression evaluated at every step of the range"),
    ],
)
def test_meanings(text: str, words: str) -> None:
    assert meaning(parse(text)) == words


def test_series_names() -> None:
    assert series_name({"__name__": "x", "a": "1"}) == 'x{a="1"}'
    assert series_name({"a": "1"}) == '{a="1"}'
    assert series_name({}) == "{}"
