"""Results of a backtest for each rule: how often and how long its alerts fired, and whether they flapped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from rules.backtest.run import Backtest, Episode
from rules.evaluation.alerts import Labels
from rules.evaluation.program import Prepared


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """One alerting rule; durations are milliseconds, of firing, inside the range of the backtest.

    Attributes:
        fired: episodes that fired.
        pending_only: episodes that ended, or reached the end of the backtest, before they fired.
        alerts: how many different alerts (label sets) fired.
        flaps: how many of ``fired`` began so soon after the same alert had ended that they count as one that flaps.
        still_firing: how many fire at the end of the backtest.
    """

    rule: Prepared
    fired: int
    pending_only: int
    alerts: int
    total_ms: int
    longest_ms: int
    median_ms: float
    flaps: int
    still_firing: int


def summarize(found: Backtest, flap_ms: int) -> list[RuleSummary]:
    """A summary of every alerting rule, in their order.

    Args:
        flap_ms: an alert that fires again within this time after it stopped firing flaps.
    """
    episodes: dict[int, list[Episode]] = {rule.position: [] for rule in found.alerts}
    for each in found.episodes:
        episodes[each.rule.position].append(each)
    return [_summary(rule, episodes[rule.position], found.start_ms, flap_ms) for rule in found.alerts]


def _summary(rule: Prepared, episodes: Sequence[Episode], start_ms: int, flap_ms: int) -> RuleSummary:
    firing = [each for each in episodes if each.fired]
    lengths = [each.until - max(each.firing_since or 0, start_ms) for each in firing]
    return RuleSummary(
        rule,
        fired=len(firing),
        pending_only=len(episodes) - len(firing),
        alerts=len({each.labels for each in firing}),
        total_ms=sum(lengths),
        longest_ms=max(lengths, default=0),
        median_ms=median(lengths) if lengths else 0,
        flaps=_flaps(firing, flap_ms),
        still_firing=sum(each.ended_at is None for each in firing),
    )


def _flaps(firing: Sequence[Episode], flap_ms: int) -> int:
    courses: dict[Labels, list[Episode]] = {}
    for each in firing:
        courses.setdefault(each.labels, []).append(each)
    return sum(
        (after.firing_since or 0) - before.until <= flap_ms
        for course in courses.values()
        for before, after in pairwise(sorted(course, key=lambda each: each.firing_since or 0))
    )
