"""Evaluation times of one group, of several, and of rules that are in force for a while."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rules.evaluation.schedule import EvaluationTimes, Schedule, Span, SpannedTimes, reach, union

LOW, HIGH = -400, 800


def listed(schedule: Schedule, after: int, until: int) -> list[int]:
    """The evaluation times by their definition."""
    return [when for when in range(after + 1, until + 1) if (when + schedule.behind_ms) % schedule.interval_ms == 0]


@given(st.integers(1, 40), st.integers(-50, 50), st.integers(-300, 300), st.integers(-50, 400))
@example(15, 0, 15, 30)
def test_a_schedule(interval: int, behind: int, after: int, length: int) -> None:
    schedule, until = Schedule(interval, behind), after + length
    assert schedule.times(after, until).tolist() == listed(schedule, after, until)
    assert schedule.count(after, until) == len(listed(schedule, after, until))
    assert schedule.following(after) == listed(schedule, after, after + interval)[0]
    assert schedule.latest(after) == listed(schedule, after - interval, after)[0]


@given(st.lists(st.integers(1, 40), max_size=5), st.integers(-300, 300), st.integers(-50, 400))
@example([4, 6, 10], 0, 120)
@example([20, 30, 60, 30], 0, 60)
def test_the_times_of_several_groups_count_once(intervals: list[int], after: int, length: int) -> None:
    times, until = EvaluationTimes(intervals), after + length
    every = sorted({when for each in intervals for when in listed(Schedule(each), LOW, HIGH)})
    within = [when for when in every if after < when <= until]
    assert times.times(after, until).tolist() == within
    assert times.count(after, until) == len(within)
    assert times.following(after) == min((when for when in every if when > after), default=None)
    assert times.latest(after) == max((when for when in every if when <= after), default=None)
    assert times.shortest_ms == min(intervals, default=None)


@given(
    st.lists(
        st.tuples(st.lists(st.integers(1, 40), max_size=3), st.integers(-300, 300), st.integers(0, 300)), max_size=3
    ),
    st.integers(-300, 300),
    st.integers(-50, 400),
    st.integers(1, 6),
)
@example([([20], -300, 300), ([15], 10, 300)], 0, 100, 3)
def test_the_times_of_rules_that_are_in_force_for_a_while(
    sets: list[tuple[list[int], int, int]], after: int, length: int, most: int
) -> None:
    spans = [Span(EvaluationTimes(intervals), since, since + lasts) for intervals, since, lasts in sets]
    times, until = SpannedTimes(spans), after + length
    parts = [each.times.times(max(LOW, each.since_ms - 1), min(HIGH, each.until_ms)).tolist() for each in spans]
    every = sorted({when for part in parts for when in part})
    within = [when for when in every if after < when <= until]
    assert times.times(after, until).tolist() == within
    assert times.count(after, until) == sum(after < when <= until for part in parts for when in part)
    assert times.following(after) == min((when for when in every if when > after), default=None)
    assert times.latest(after) == max((when for when in every if when <= after), default=None)
    assert times.between(after, until) == bool(within)
    first = times.first(most, after, until).tolist()
    assert first == within[: len(first)]
    # Up to the end, or as far as so many times of the shortest interval would reach.
    assert len(first) <= most
    if within and len(first) < min(most, len(within)):
        assert within[len(first)] > reach(within[0], most, times.shortest_ms or 0)


def test_what_is_far_is_not_listed() -> None:
    assert EvaluationTimes([1]).count(0, 10**15) == 10**15
    assert EvaluationTimes([300_000, 60_000, 45_000, 60_000]).count(
        0, 10**15
    ) == 10**15 // 60_000 + 10**15 // 45_000 - (10**15 // 180_000)


def test_without_groups_there_are_none() -> None:
    for times in (EvaluationTimes([]), SpannedTimes([]), SpannedTimes([Span(EvaluationTimes([]))])):
        assert (times.shortest_ms, times.following(0), times.latest(0), times.count(0, 60_000)) == (None, None, None, 0)
        assert times.times(0, 60_000).tolist() == []
    assert SpannedTimes([]).first(3, 0, 60_000).tolist() == []
    assert not SpannedTimes([]).between(0, 60_000)


@pytest.mark.parametrize("parts", [[[1, 3]], [[1, 3], [2, 3]], [[], [2]]])
def test_a_union_has_each_time_once(parts: list[list[int]]) -> None:
    found = union([np.array(each, np.int64) for each in parts])
    assert found.tolist() == sorted({when for each in parts for when in each})
