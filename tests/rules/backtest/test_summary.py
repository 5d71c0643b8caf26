"""What a backtest comes to, rule by rule."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules.backtest.run import Backtest, Episode, backtest
from rules.backtest.summary import RuleSummary, summarize
from rules.evaluation.program import Program
from tests.rules.evaluation.stepping import MINUTE, groups_of, storage_of

RULES = "groups: [{name: g, interval: 1m, rules: [{alert: A, expr: x > 5}, {alert: B, expr: x > 8, for: 2m}, {alert: C, expr: y}]}]"


def run(*lines: str, end: int, start: int = 0) -> Backtest:
    return backtest(Program(groups_of(RULES)), storage_of(*lines), start * MINUTE, end * MINUTE)


def test_counts_and_durations() -> None:
    found = run('x{host="a"} 9 9 9 0 9 0 0 0 7', 'x{host="b"} 0 7 7 0 0 0 0 0 0', end=8)
    a, b, c = summarize(found, 3 * MINUTE)
    assert (a.fired, a.pending_only, a.alerts, a.flaps, a.still_firing) == (4, 0, 2, 2, 1)
    assert (a.total_ms, a.longest_ms, a.median_ms) == (6 * MINUTE, 3 * MINUTE, 1.5 * MINUTE)
    assert (b.fired, b.pending_only, b.total_ms) == (1, 1, MINUTE)
    assert (c.fired, c.alerts, c.longest_ms, c.median_ms) == (0, 0, 0, 0)


def test_only_the_range_counts() -> None:
    (a, *_) = summarize(run("x 9x9", start=4, end=6), MINUTE)
    assert a.total_ms == 2 * MINUTE


flips = st.lists(st.booleans(), min_size=1, max_size=40)


@given(flips, st.integers(0, 10))
def test_flaps_are_short_pauses(course: list[bool], minutes: int) -> None:
    """Counted again in the letters of the course: a pause of at most so many minutes between two stretches of firing."""
    text = "".join("9" if on else "0" for on in course)
    pauses = [len(part) for part in text.strip("0").split("9") if part]
    (a, *_) = summarize(run(f"x {' '.join(text)}", end=len(course) - 1), minutes * MINUTE)
    assert a.flaps == sum(length <= minutes for length in pauses)
    assert a.fired == len([part for part in text.split("0") if part])


@given(st.lists(flips, min_size=1, max_size=3))
def test_rules_are_summed_up_one_by_one(courses: list[list[bool]]) -> None:
    lines = [f'x{{host="{n}"}} {" ".join("9" if on else "0" for on in each)}' for n, each in enumerate(courses)]
    found = run(*lines, end=40)
    summaries = summarize(found, MINUTE)
    by_rule: dict[int, list[Episode]] = {}
    for each in found.episodes:
        by_rule.setdefault(each.rule.position, []).append(each)
    for summary in summaries:
        own = by_rule.get(summary.rule.position, [])
        assert summary.fired + summary.pending_only == len(own)
        assert summary.total_ms == sum(each.firing_ms for each in own)
        assert consistent(summary)


def consistent(each: RuleSummary) -> bool:
    return each.median_ms <= each.longest_ms <= each.total_ms and each.flaps < max(each.fired, 1)
