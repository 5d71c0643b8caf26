"""Instants without a list of them."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from rules.evaluation.instants import aligned, count, distinct


@given(st.lists(st.integers(1, 40), max_size=5), st.integers(-300, 300), st.integers(-50, 400))
@example([4, 6, 10], 0, 120)
def test_their_number_is_that_of_the_list(intervals: list[int], after: int, length: int) -> None:
    until = after + length
    listed = np.unique(np.concatenate([[], *(aligned(each, after, until) for each in intervals)]))
    assert count(distinct(intervals), after, until) == len(listed)


def test_multiples_of_other_intervals_add_nothing() -> None:
    assert distinct([300_000, 60_000, 45_000, 60_000]) == (45_000, 60_000)
    assert count((1,), 0, 10**15) == 10**15
