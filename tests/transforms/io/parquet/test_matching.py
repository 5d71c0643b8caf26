"""Which row groups may hold series that fit, and which rows do."""

from __future__ import annotations

import numpy as np
import pytest

from rules.promql.syntax.ast import Matcher, MatchOp
from tests.transforms.io.history.given import selectors
from transforms.io.parquet.matching import SeriesMatcher


@pytest.mark.parametrize(
    ("selector", "first", "last", "may"),
    [
        ("cpu", "cpu", "cpu", True),
        ("cpu", "cpu", "disk", True),
        ("cpu", "a", "cpu", True),
        ("cpu", "cpu_idle", "disk", False),
        ("cpu", "a", "b", False),
        ('{__name__=~"cpu.*"}', "cpu_idle", "cpu_idle", True),
        ('{__name__=~"cpu.*"}', "disk", "disk", False),
        # Between two names there may be any.
        ('{__name__=~"cpu.*"}', "a", "b", True),
        ('{__name__!="cpu",host="a"}', "cpu", "cpu", False),
        ('{__name__!="cpu",host="a"}', "cpu", "disk", True),
        ('{host="a"}', "cpu", "cpu", True),
        ('{__name__=~"c.*",__name__!="cpu"}', "cpu", "cpu", False),
    ],
)
def test_names_of_a_row_group(selector: str, first: str, last: str, may: bool) -> None:
    assert SeriesMatcher(selectors(selector)).may_hold(first, last) is may


def test_one_of_several_selectors_is_enough() -> None:
    matcher = SeriesMatcher(selectors("cpu", 'mem{host="a"}'))
    assert [matcher.may_hold(name, name) for name in ("cpu", "disk", "mem")] == [True, False, True]
    assert not SeriesMatcher(()).may_hold("a", "z")


@pytest.mark.parametrize(
    ("matchers", "fits"),
    [
        ('host="a"', [True, True, False, False]),
        ('mode="idle"', [True, False, True, False]),
        ('mode=""', [False, True, False, True]),
        ('host="a",mode!="idle"', [False, True, False, False]),
        ('other=~".*"', [True, True, True, True]),
        ('other=~".+"', [False, False, False, False]),
    ],
)
def test_rows_by_their_parts(matchers: str, fits: list[bool]) -> None:
    targets, metrics = ['{host="a"}', "{}"], ['cpu{mode="idle"}', "cpu"]
    target, metric = (np.array(codes, np.int64).repeat(3) for codes in ([0, 0, 1, 1], [0, 1, 0, 1]))
    found = SeriesMatcher(selectors(f"cpu{{{matchers}}}")).fitting(targets, metrics, target, metric)
    assert found.tolist() == np.repeat(fits, 3).tolist()


def test_a_label_stands_in_one_part_or_the_other() -> None:
    """As where the target labels of a job were changed."""
    matcher = SeriesMatcher([(Matcher("host", MatchOp.EQUAL, "a"),)])
    targets, metrics = ['{host="a"}', "{}", '{host="b"}'], ["cpu", 'cpu{host="a"}']
    pairs = np.array([[0, 0], [1, 0], [1, 1], [2, 1], [2, 0]])
    assert matcher.fitting(targets, metrics, pairs[:, 0], pairs[:, 1]).tolist() == [True, False, True, True, False]
