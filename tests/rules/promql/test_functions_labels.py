"""label_replace, label_join, sort; absent and its like; scalar and vector; what is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from rules.promql.context import Context, Options
from rules.promql.engine import instant, query_range
from rules.promql.functions import FUNCTIONS, NATIVE_HISTOGRAMS, call
from rules.promql.storage import MemoryStorage
from rules.promql.syntax import ast
from rules.promql.syntax.errors import EvaluationError, UnsupportedFeature
from rules.promql.syntax.signatures import FUNCTIONS as SIGNATURES
from rules.promql.values import InstantVector, Scalar


def store(*series: dict[str, str], values: Sequence[float] | None = None) -> MemoryStorage:
    given = values if values is not None else range(1, len(series) + 1)
    return MemoryStorage.from_series(
        ({"__name__": "x", **labels}, [0], [value]) for labels, value in zip(series, given, strict=True)
    )


def rows(expr: str, storage: MemoryStorage) -> list[tuple[dict[str, str], float]]:
    found = instant(expr, storage, 0).value
    assert isinstance(found, InstantVector)
    labels = [{name: value for name, value in row.items() if name != "__name__"} for row in found.labels.rows()]
    return list(zip(labels, found.values[:, 0].tolist(), strict=True))


@pytest.mark.parametrize(
    ("arguments", "source", "wanted"),
    [
        ('"to", "$1", "from", "(.*)"', "abc", "abc"),
        ('"to", "${1}x", "from", "a(.*)"', "abc", "bcx"),
        # A name after a dollar is as long as it can be.
        ('"to", "$1x", "from", "a(.*)"', "abc", ""),
        ('"to", "$2-$1", "from", "(.)(.*)"', "abc", "bc-a"),
        ('"to", "$word!", "from", "(?P<word>.*)"', "abc", "abc!"),
        ('"to", "${nothing}", "from", ".*"', "abc", ""),
        ('"to", "$$1", "from", "(.*)"', "abc", "$1"),
        ('"to", "$", "from", "(.*)"', "abc", "$"),
        ('"to", "$0", "from", "b?abc"', "abc", "abc"),
        ('"to", "$01", "from", "(.*)"', "abc", ""),
        ('"to", "new", "from", "b"', "abc", "old"),
        # Anchored, and a dot matches a line's end.
        ('"to", "new", "from", "b.*"', "abc", "old"),
        ('"to", "new", "from", "a.c"', "a\nc", "new"),
        ('"to", "", "from", ".*"', "abc", ""),
        ('"to", "new", "no_such_label", ""', "abc", "new"),
    ],
)
def test_label_replace(arguments: str, source: str, wanted: str) -> None:
    storage = store({"from": source, "to": "old"}, {"from": "other"})
    found = rows(f"label_replace(x, {arguments})", storage)
    assert found[0][0].get("to", "") == wanted


def test_label_replace_of_the_name() -> None:
    found = instant('label_replace(x, "__name__", "y_$1", "n", "(.*)")', store({"n": "1"}), 0).value
    assert isinstance(found, InstantVector)
    assert found.labels.rows() == [{"__name__": "y_1", "n": "1"}]


def test_a_name_that_is_given_anew_stays() -> None:
    expr = 'label_replace(abs(x), "__name__", "y", "n", "1")'
    for late in (False, True):
        found = instant(expr, store({"n": "1"}, {"n": "2"}), 0, Options(delayed_name_removal=late)).value
        assert isinstance(found, InstantVector)
        assert found.labels.rows() == [{"__name__": "y", "n": "1"}, {"n": "2"}]


def test_series_that_become_one() -> None:
    with pytest.raises(EvaluationError, match="same labelset"):
        instant('label_replace(x, "n", "same", "", "")', store({"n": "1"}, {"n": "2"}), 0)
    turns = MemoryStorage.from_series(
        [({"__name__": "x", "n": "1"}, [0], [1]), ({"__name__": "x", "n": "2"}, [600_000], [2])]
    )
    found = query_range('label_replace(x, "n", "same", "", "")', turns, 0, 600_000, 600_000).value
    assert isinstance(found, InstantVector)
    assert found.labels.rows() == [{"__name__": "x", "n": "same"}]
    assert found.values.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        ('label_replace(x, "", "a", "n", "")', "invalid destination label name in label_replace(): "),
        ('label_join(x, "", "-", "n")', "invalid destination label name in label_join(): "),
        ('label_join(x, "a", "-", "n", "")', "invalid source label name in label_join(): "),
        ('label_replace(x, "a", "a", "n", "(")', "invalid regular expression in label_replace(): ("),
    ],
)
def test_arguments_that_are_wrong(expr: str, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        instant(expr, store({"n": "1"}), 0)
    assert caught.value.message == message
    assert caught.value.span is not None


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ('"to", "-", "a", "b"', ["1-2", "3-"]),
        ('"to", "", "b", "a", "b"', ["212", "3"]),
        ('"a", ",", "a", "a"', ["1,1", "3,3"]),
        ('"a", ",", "no_such_label"', ["", ""]),
        ('"to", "-"', ["", ""]),
    ],
)
def test_label_join(arguments: str, wanted: list[str]) -> None:
    target = arguments.split('"')[1]
    found = rows(f"label_join(x, {arguments})", store({"a": "1", "b": "2", "keep": "1"}, {"a": "3", "keep": "2"}))
    assert [labels.get(target, "") for labels, _ in found] == wanted


def test_sort() -> None:
    storage = store({"n": "a"}, {"n": "b"}, {"n": "c"}, {"n": "d"}, values=[2, math.nan, -math.inf, 7])
    assert [labels["n"] for labels, _ in rows("sort(x)", storage)] == ["c", "a", "d", "b"]
    assert [labels["n"] for labels, _ in rows("sort_desc(x)", storage)] == ["d", "a", "c", "b"]
    kept = instant("sort(x)", storage, 0)
    assert kept.annotations == ()
    assert kept.value.labels.rows()[0]["__name__"] == "x"  # type: ignore[union-attr]


def test_sort_over_a_range_is_remarked_on() -> None:
    found = query_range("sort(x)", store({"n": "a"}), 0, 1000, 1000)
    assert [(each.message, each.span) for each in found.annotations] == [
        (
            "PromQL warning: sort is ineffective for range queries since results are always ordered by labels",
            (0, 7),
        )
    ]


@pytest.mark.parametrize(
    ("selector", "wanted"),
    [
        ('no{job="a",instance="1"}', {"job": "a", "instance": "1"}),
        ('no{job="a",instance=~"1"}', {"job": "a"}),
        ('no{job="a",job="b",instance="1"}', {"instance": "1"}),
        # Heeds the order of matchers.
        ('no{job=~"a",job="a"}', {"job": "a"}),
        ('no{job!="b",job="a"}', {}),
        ('no{job="a",job!="b"}', {}),
        ('{__name__="no",job="a"}', {"job": "a"}),
        ('(no{job="a"})', {"job": "a"}),
        ("no", {}),
    ],
)
def test_labels_of_what_is_absent(selector: str, wanted: dict[str, str]) -> None:
    storage = store({"n": "1"})
    assert rows(f"absent({selector})", storage) == [(wanted, 1)]
    if not selector.startswith("("):
        assert rows(f"absent_over_time({selector}[5m])", storage) == [(wanted, 1)]


def test_absent_of_anything_else_has_no_labels() -> None:
    storage = store({"n": "1"})
    assert rows('absent(sum(no{job="a"}))', storage) == [({}, 1)]
    assert rows('absent_over_time(no{job="a"}[5m:1m])', storage) == [({}, 1)]
    assert rows("absent(x)", storage) == []
    assert rows("absent_over_time(x[5m])", storage) == []


@pytest.mark.parametrize(
    ("expr", "absent"),
    [
        # A sample is looked back at for less than 5 minutes.
        ("absent(x)", [300, 400, 500, 600]),
        ("absent_over_time(x[101s])", [200, 300, 400, 500, 600]),
        ("absent_over_time(x[100s])", [100, 200, 300, 400, 500, 600, 800]),
        ("absent_over_time(x[2h])", []),
    ],
)
def test_absence_over_a_range(expr: str, absent: list[int]) -> None:
    storage = MemoryStorage.from_series(
        [({"__name__": "x", "n": "1"}, [0], [1]), ({"__name__": "x", "n": "2"}, [700_000], [2])]
    )
    found = query_range(expr, storage, 0, 800_000, 100_000)
    assert isinstance(found.value, InstantVector)
    assert [time // 1000 for present in found.value.present for time in found.times[present].tolist()] == absent


def test_scalar_and_vector() -> None:
    for values, wanted in (([], math.nan), ([7], 7), ([7, 8], math.nan)):
        storage = store(*({"n": str(number)} for number in range(len(values))), values=values)
        found = instant("scalar(x)", storage, 0).value
        assert isinstance(found, Scalar)
        assert np.array_equal(found.values, [wanted], equal_nan=True)
    assert rows("vector(scalar(x) + 1)", store({"n": "1"}, values=[4])) == [({}, 5)]


def test_every_function_is_here_or_refused_by_name() -> None:
    for name, signature in SIGNATURES.items():
        if name in FUNCTIONS:
            assert not signature.experimental
            continue
        assert signature.experimental != (name in NATIVE_HISTOGRAMS)
        expr = ast.Call(name, (), signature.returns, ast.NOWHERE)
        with pytest.raises(UnsupportedFeature, match=rf"{name}\(\)"):
            call(expr, [], Context(store(), np.zeros(1, np.int64), 0, 0))
