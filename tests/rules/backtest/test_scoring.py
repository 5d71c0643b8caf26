"""What alerts find of labelled windows, counted; and counted again evaluation time by evaluation time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.backtest.run import Backtest, backtest
from rules.backtest.scoring import LabelledSeries, Score, score
from rules.evaluation.program import Program
from rules.promql.syntax import ast
from rules.promql.syntax.parser import parse
from tests.rules.evaluation.stepping import MINUTE, groups_of, storage_of

ONE = "{alert: A, expr: x > 5}"


def run(*lines: str, rules: str = ONE, end: int) -> Backtest:
    program = Program(groups_of(f"groups: [{{name: g, interval: 1m, rules: [{rules}]}}]"))
    return backtest(program, storage_of(*lines), 0, end * MINUTE)


def labelled(selector: str, *windows: tuple[int, int]) -> LabelledSeries:
    expr = parse(selector)
    assert isinstance(expr, ast.VectorSelector)
    return LabelledSeries(selector, expr.matchers, tuple((first * MINUTE, last * MINUTE) for first, last in windows))


@pytest.mark.parametrize(
    ("window", "found", "delay"),
    [
        ((0, 1), 0, None),
        ((0, 2), 1, 2),
        ((2, 9), 1, 0),
        ((3, 3), 1, 0),
        ((4, 9), 1, 0),
        # The alert fires last at minute 4 and is resolved at minute 5.
        ((5, 9), 0, None),
    ],
)
def test_a_window_is_found_if_an_alert_fires_in_it(window: tuple[int, int], found: int, delay: int | None) -> None:
    total, _ = score(run('x{host="a"} 0 0 9 9 9 0 0 0 0 0', end=9), [labelled('x{host="a"}', window)])
    delays = () if delay is None else (delay * MINUTE,)
    assert total == Score(1, found, 1, 1 - found, 0, 0, delays)


def test_an_alert_that_fires_at_the_end_fires_at_the_last_evaluation_time() -> None:
    total, _ = score(run("x 0 0 0 9", end=3), [labelled("x", (3, 5))])
    assert total.found == 1


def test_windows_of_other_series_are_not_found() -> None:
    total, _ = score(
        run('x{host="a"} 0 9 0 0', 'x{host="b"} 0 0 0 0', end=3),
        [labelled('x{host="a"}'), labelled('x{host="b"}', (0, 3))],
    )
    assert total == Score(1, 0, 1, 1, 0, 0, ())
    assert (total.recall, total.precision) == (0, 0)


def test_alerts_on_series_without_labels_are_counted_apart() -> None:
    total, _ = score(run('x{host="a"} 0 9 0 0', end=3), [labelled('x{host="b"}', (0, 3))])
    assert total == Score(1, 0, 0, 0, 1, 0, ())
    assert total.precision is None


def test_a_sum_over_hosts_concerns_none_of_them() -> None:
    total, _ = score(
        run('x{host="a"} 0 9 0', rules="{alert: A, expr: sum(x) > 5}", end=2), [labelled('x{host="a"}', (0, 2))]
    )
    assert (total.episodes, total.unlabelled) == (0, 1)


def test_a_pending_alert_finds_nothing() -> None:
    total, _ = score(run("x 0 9 9", rules="{alert: A, expr: x > 5, for: 5m}", end=2), [labelled("x", (0, 2))])
    assert total == Score(1, 0, 0, 0, 0, 0, ())


def test_each_rule_is_measured_on_what_it_reads_and_all_together_on_everything() -> None:
    rules = "{alert: A, expr: x > 5}, {record: z, expr: y}, {alert: B, expr: z > 5}, {alert: C, expr: y > 50}"
    found = run('x{host="a"} 0 9 0 0', 'y{host="a"} 0 0 9 9', rules=rules, end=3)
    known = [labelled('x{host="a"}', (1, 1), (3, 3)), labelled('y{host="a"}', (3, 3)), labelled("other", (0, 3))]
    total, by_rule = score(found, known)
    a, b, c = (by_rule[rule.position] for rule in found.alerts)
    assert a == Score(2, 1, 1, 0, 0, 0, (0,))
    assert b == Score(1, 1, 1, 0, 0, 0, (0,))
    assert c == Score(1, 0, 0, 0, 0, 0, ())
    assert total == Score(4, 2, 2, 0, 0, 1, (0, 0))
    assert total.recall == 0.5


def test_windows_outside_the_range_do_not_count() -> None:
    total, _ = score(run("x 0 9 0", end=2), [labelled("x", (-9, -1), (1, 1), (3, 9))])
    assert total.windows == 1


minutes = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda pair: (min(pair), max(pair)))


@settings(deadline=None)
@given(
    st.lists(st.lists(st.booleans(), min_size=21, max_size=21), min_size=1, max_size=3),
    st.lists(st.lists(minutes, max_size=3), min_size=3, max_size=3),
)
def test_counts_are_those_of_a_count_by_minutes(
    courses: list[list[bool]], windows: list[list[tuple[int, int]]]
) -> None:
    lines = [f'x{{host="{n}"}} {" ".join("9" if on else "0" for on in each)}' for n, each in enumerate(courses)]
    known = [labelled(f'x{{host="{n}"}}', *each) for n, each in enumerate(windows)]
    total, _ = score(run(*lines, end=20), known)
    found, delays, episodes, false = 0, [], 0, 0
    for number, own in enumerate(windows):
        firing = {minute for minute, on in enumerate(courses[number]) if on} if number < len(courses) else set()
        for first, last in own:
            hits = sorted(minute for minute in firing if first <= minute <= last)
            found += bool(hits)
            delays += [(hits[0] - first) * MINUTE] if hits else []
        inside = {minute for first, last in own for minute in range(first, last + 1)}
        for minute in sorted(firing):
            if minute - 1 in firing:
                continue
            last = minute
            while last + 1 in firing:
                last += 1
            episodes += 1
            false += not inside & set(range(minute, last + 1))
    assert total == Score(sum(map(len, windows)), found, episodes, false, 0, 0, tuple(delays))
