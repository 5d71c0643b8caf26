"""When groups are evaluated: which evaluation times are due between two times, how many, the first after a time, and the last before it.

A group is evaluated at the multiples of its interval. Several groups together are evaluated at the times of each::

    every 20 s     0    20      40    60
    every 30 s     0       30         60
    together       0    20 30   40    60

One sample whose clock is wrong spreads event time over decades, which are millions of evaluation times. So their number, the first and the last are
worked out without listing them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import lcm
from typing import NamedTuple

import numpy as np

from rules.promql.values import Times
from schemas.times import LONG_AGO

NEVER = 1 << 62
"""A time after all evaluation times."""

_MOST_INTERVALS = 12


@dataclass(frozen=True, slots=True, order=True)
class Schedule:
    """The evaluation times ``k * interval_ms - behind_ms`` for whole ``k``."""

    interval_ms: int
    behind_ms: int = 0

    def times(self, after_ms: int, until_ms: int) -> Times:
        """Those in ``(after, until]``, ascending."""
        return np.arange(self.following(after_ms), until_ms + 1, self.interval_ms, dtype=np.int64)

    def count(self, after_ms: int, until_ms: int) -> int:
        """How many are in ``(after, until]``."""
        return max(0, (self.latest(until_ms) - self.latest(after_ms)) // self.interval_ms)

    def following(self, time_ms: int) -> int:
        """The first after a time."""
        return self.latest(time_ms) + self.interval_ms

    def latest(self, time_ms: int) -> int:
        """The last up to a time."""
        return (time_ms + self.behind_ms) // self.interval_ms * self.interval_ms - self.behind_ms


class EvaluationTimes:
    """The evaluation times of several groups, each once.

    Attributes:
        intervals_ms: the distinct intervals, ascending.
    """

    def __init__(self, intervals_ms: Iterable[int]) -> None:
        self.intervals_ms = tuple(sorted(set(intervals_ms)))
        # The times of an interval are among those of one that divides it.
        self._schedules = tuple(
            Schedule(interval)
            for number, interval in enumerate(self.intervals_ms)
            if all(interval % each for each in self.intervals_ms[:number])
        )

    @property
    def shortest_ms(self) -> int | None:
        """The shortest interval; None without groups."""
        return self.intervals_ms[0] if self.intervals_ms else None

    def times(self, after_ms: int, until_ms: int) -> Times:
        """Those in ``(after, until]``, ascending."""
        return union([each.times(after_ms, until_ms) for each in self._schedules])

    def count(self, after_ms: int, until_ms: int) -> int:
        """How many are in ``(after, until]``, without listing them.

        Of more than a dozen intervals none of which is a multiple of another it is a bound from above.
        """
        if until_ms <= after_ms:
            return 0
        intervals = [each.interval_ms for each in self._schedules]
        total = 0
        # What several intervals have in common was counted too often.
        for size in range(1, len(intervals) + 1 if len(intervals) <= _MOST_INTERVALS else 2):
            for some in combinations(intervals, size):
                total += Schedule(lcm(*some)).count(after_ms, until_ms) * (1 if size % 2 else -1)
        return total

    def following(self, time_ms: int) -> int | None:
        """The first after a time; None without groups."""
        return min((each.following(time_ms) for each in self._schedules), default=None)

    def latest(self, time_ms: int) -> int | None:
        """The last up to a time; None without groups."""
        return max((each.latest(time_ms) for each in self._schedules), default=None)


class Span(NamedTuple):
    """Evaluation times that count in ``[since_ms, until_ms]`` alone."""

    times: EvaluationTimes
    since_ms: int = LONG_AGO
    until_ms: int = NEVER


class SpannedTimes:
    """The evaluation times of several sets of rules, each in force for a while; see :class:`EvaluationTimes`."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = tuple(spans)

    @property
    def shortest_ms(self) -> int | None:
        """The shortest interval of any set; None without groups."""
        return min((span.times.intervals_ms[0] for span in self._spans if span.times.intervals_ms), default=None)

    def times(self, after_ms: int, until_ms: int) -> Times:
        """Those in ``(after, until]``, ascending."""
        return union([each.times(max(after_ms, since - 1), min(until_ms, end)) for each, since, end in self._spans])

    def first(self, most: int, after_ms: int, until_ms: int) -> Times:
        """The first of those in ``(after, until]``, ascending: at most so many."""
        first = self.following(after_ms)
        if first is None:
            return union(())
        return self.times(after_ms, min(until_ms, reach(first, most, self.shortest_ms or 1)))[:most]

    def count(self, after_ms: int, until_ms: int) -> int:
        """How many are in ``(after, until]``, without listing them; those of two sets in force together count twice."""
        return sum(each.count(max(after_ms, since - 1), min(until_ms, end)) for each, since, end in self._spans)

    def following(self, time_ms: int) -> int | None:
        """The first after a time; None if there is none."""
        found = [(each.following(max(time_ms, since - 1)), end) for each, since, end in self._spans]
        return min((when for when, end in found if when is not None and when <= end), default=None)

    def latest(self, time_ms: int) -> int | None:
        """The last up to a time; None if there is none."""
        found = [(each.latest(min(time_ms, end)), since) for each, since, end in self._spans]
        return max((when for when, since in found if when is not None and when >= since), default=None)

    def between(self, after_ms: int, until_ms: int) -> bool:
        """Whether any is in ``(after, until]``."""
        following = self.following(after_ms)
        return following is not None and following <= until_ms


def union(times: Sequence[Times]) -> Times:
    """Ascending times of several schedules as one, each once."""
    if len(times) == 1:
        return times[0]
    return np.unique(np.concatenate(times)) if times else np.empty(0, np.int64)


def reach(first_ms: int, most: int, shortest_ms: int) -> int:
    """A time up to which there are at most so many evaluation times from one on, which counts."""
    return first_ms + (most - 1) * shortest_ms
