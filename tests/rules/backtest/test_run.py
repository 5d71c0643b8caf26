"""Backtests: episodes, where evaluation begins, and that a part of the past is judged as it is within the whole."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.backtest import run as backtests
from rules.backtest.run import Backtest, backtest
from rules.evaluation.alerts import Phase
from rules.evaluation.groups import Evaluator
from rules.evaluation.program import Program
from rules.promql.storage import MemoryStorage
from tests.rules.evaluation.stepping import MINUTE, groups_of, storage_of

RULES = """
groups:
  - name: g
    interval: 1m
    rules:
      - {record: "x:avg3m", expr: "avg_over_time(x[3m])"}
      - {alert: High, expr: "x:avg3m > 5", for: 2m, keep_firing_for: 3m, labels: {severity: page}}
      - {alert: Low, expr: "x < 2 and x:avg3m < 8", annotations: {summary: "{{ $labels.host }} at {{ $value }}"}}
"""


def program(text: str = RULES) -> Program:
    return Program(groups_of(text))


def one(rule: str) -> Program:
    return program(f"groups: [{{name: g, interval: 1m, rules: [{rule}]}}]")


def run(given: Program, *lines: str, start: int = 0, end: int) -> Backtest:
    """A backtest over minutes."""
    return backtest(given, storage_of(*lines), start * MINUTE, end * MINUTE)


def reported(found: Backtest) -> list[tuple[object, ...]]:
    """Episodes in minutes: rule, pending, firing, end."""
    return [
        (each.rule.rule.name, *(when if when is None else when // MINUTE for when in times))
        for each in found.episodes
        for times in [(each.pending_since, each.firing_since, each.ended_at)]
    ]


@pytest.mark.parametrize(
    ("rule", "values", "wanted"),
    [
        ("{alert: A, expr: x > 5}", "0 9 9 0 0", [("A", 1, 1, 3)]),
        ("{alert: A, expr: x > 5, for: 2m}", "0 9 9 0 0", [("A", 1, None, 3)]),
        ("{alert: A, expr: x > 5, for: 2m}", "0 9 9 9 9", [("A", 1, 3, None)]),
        ("{alert: A, expr: x > 5, for: 2m}", "0 0 0 9 9", [("A", 3, None, None)]),
        ("{alert: A, expr: x > 5, for: 1m, keep_firing_for: 2m}", "9 9 0 0 0", [("A", 0, 1, 4)]),
        ("{alert: A, expr: x > 5, keep_firing_for: 2m}", "9 0 9 0 0", [("A", 0, 0, None)]),
        ("{alert: A, expr: x > 5}", "9 0 9 0 9", [("A", 0, 0, 1), ("A", 2, 2, 3), ("A", 4, 4, None)]),
        ("{alert: A, expr: x > 5}", "0 0 0 0 0", []),
        ("{alert: A, expr: x > 5}", "9 stale _ _ _", [("A", 0, 0, 1)]),
    ],
)
def test_episodes(rule: str, values: str, wanted: list[tuple[object, ...]]) -> None:
    assert reported(run(one(rule), f'x{{host="a"}} {values}', end=4)) == wanted


def test_what_an_episode_says() -> None:
    found = run(program(), 'x{host="a"} 9x9 1x4', end=13)
    high, low = found.episodes
    assert (high.rule.rule.name, high.fired, high.firing_ms) == ("High", True, 12 * MINUTE - 2 * MINUTE + MINUTE)
    assert dict(high.labels) == {"alertname": "High", "host": "a", "severity": "page"}
    assert (low.until, low.ended_at, low.reason) == (13 * MINUTE, None, "")
    assert low.annotations == {"summary": "a at 1"}
    assert [each.rule.name for each in found.alerts] == ["High", "Low"]
    assert found.evaluations == 14 * 3


@pytest.mark.parametrize(
    ("expr", "peaks"),
    [
        ("x > 5", [9.0]),
        ("5 < x", [9.0]),
        ("x < 9", [6.0, 2.0]),
        ("9 > x", [6.0, 2.0]),
        ("(x <= 8) and on() vector(1)", [6.0, 2.0]),
        ("x > 1 unless x < 1", [9.0]),
        ("x != 0", [9.0]),
        ("x < bool 7", [1.0]),
        ("-x < -1", [-9.0]),
        ("x * NaN", [math.nan]),
    ],
)
def test_the_peak_lies_where_the_comparison_looks(expr: str, peaks: list[float]) -> None:
    found = run(one(f'{{alert: A, expr: "{expr}"}}'), "x 6 9 7 2", end=3)
    assert [each.peak for each in found.episodes] == pytest.approx(peaks, nan_ok=True)


def test_failed_evaluations_are_counted() -> None:
    rule = "{alert: A, expr: 'x * on (job) group_left y'}"
    found = run(one(rule), "x 1x5", 'y{a="1"} _ _ 1x3', 'y{a="2"} _ _ 1x3', end=5)
    (failures,) = found.failures.values()
    assert (failures.count, failures.first_ms) == (4, 2 * MINUTE)
    assert "many-to-many" in failures.message


def test_a_range_that_ends_before_it_begins() -> None:
    with pytest.raises(ValueError, match="ends"):
        run(program(), "x 1x5", start=3, end=2)


def test_samples_before_the_range_count() -> None:
    found = run(program(), 'x{host="a"} 9x40', start=20, end=22)
    (high,) = found.episodes
    assert high.firing_since is not None
    assert high.firing_since < 20 * MINUTE
    assert 3 * 3 < found.evaluations < 23 * 3


def test_nothing_is_evaluated_before_the_first_sample() -> None:
    late = run(one("{alert: A, expr: absent(x), for: 2m}"), "x _ _ _ _ 1 1 1", start=3, end=6)
    assert reported(late) == [("A", 3, None, 4)]
    early = run(one("{alert: A, expr: absent(y), for: 2m}"), "x _ _ 1 1 1 1 1", start=3, end=6)
    assert reported(early) == [("A", 2, 4, None)]


def test_a_rule_that_looks_ahead_sees_no_future() -> None:
    found = run(one("{alert: A, expr: 'x offset -2m > 5'}"), "x 0 0 0 9 0 0", end=5)
    assert reported(found) == [("A", 3, 3, 4)]


def test_progress_ends_at_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtests, "_CELLS_AT_ONCE", 1)
    monkeypatch.setattr(backtests, "_FEWEST_TIMES", 2)
    seen: list[tuple[int, int]] = []
    backtest(program(), storage_of("x 1x20"), 0, 20 * MINUTE, lambda done, total: seen.append((done, total)))
    assert len(seen) > 5
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


values = st.lists(st.sampled_from(["0", "1", "3", "6", "9", "_", "stale"]), min_size=10, max_size=40)


def phases(found: Backtest, start: int, end: int) -> set[tuple[int, object, Phase]]:
    """Every alert at every minute."""
    result = set()
    for each in found.episodes:
        last = each.until if each.ended_at is None else each.until - MINUTE
        for when in range(max(each.pending_since, start * MINUTE), min(last, end * MINUTE) + 1, MINUTE):
            firing = each.firing_since is not None and when >= each.firing_since
            result.add((when, each.labels, Phase.FIRING if firing else Phase.PENDING))
    return result


def store(rows: list[list[str]]) -> MemoryStorage:
    return storage_of(*(f'x{{host="{number}"}} {" ".join(row)}' for number, row in enumerate(rows)))


@settings(deadline=None, max_examples=60)
@given(st.lists(values, min_size=1, max_size=3))
def test_episodes_are_what_the_evaluator_has_evaluation_time_by_evaluation_time(rows: list[list[str]]) -> None:
    source, end = store(rows), max(map(len, rows))
    evaluator = Evaluator(program(), source, stepped=True)
    times = np.arange(end + 1, dtype=np.int64) * MINUTE
    outcome = evaluator.evaluate(times, set(times.tolist()))
    wanted = {
        (when, active.alert.labels, active.alert.phase)
        for when, snapshot in outcome.snapshots.items()
        for active in snapshot
    }
    assert phases(backtest(program(), source, 0, end * MINUTE), 0, end) == wanted


@settings(deadline=None, max_examples=60)
@given(st.lists(values, min_size=1, max_size=3), st.data())
def test_a_part_is_judged_as_it_is_within_the_whole(rows: list[list[str]], data: st.DataObject) -> None:
    source, end = store(rows), max(map(len, rows))
    start = data.draw(st.integers(0, end))
    last = data.draw(st.integers(start, end))
    whole = phases(backtest(program(), source, 0, end * MINUTE), start, last)
    assert phases(backtest(program(), source, start * MINUTE, last * MINUTE), start, last) == whole


@settings(deadline=None, max_examples=30)
@given(st.lists(values, min_size=1, max_size=3), st.integers(1, 7))
def test_slices_change_nothing(rows: list[list[str]], evaluation_times: int) -> None:
    source, end = store(rows), max(map(len, rows)) * MINUTE
    whole = backtest(program(), source, 0, end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backtests, "_CELLS_AT_ONCE", 1)
        patch.setattr(backtests, "_FEWEST_TIMES", evaluation_times)
        sliced = backtest(program(), source, 0, end)
    assert reported(sliced) == reported(whole)
    assert [each.peak for each in sliced.episodes] == [each.peak for each in whole.episodes]


@settings(max_examples=15)
@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 60)), min_size=1, max_size=4),
    st.sampled_from(
        [RULES, RULES.replace("x < 2 and", "absent(y) unless"), RULES.replace("1m\n", "1m\n    query_offset: 2m\n")]
    ),
)
def test_time_without_samples_is_skipped_and_nothing_else_changes(runs: list[tuple[int, int]], rules: str) -> None:
    times, now = [], 0
    for length, gap in runs:
        times += range(now, now + length)
        now += length + gap
    when = np.array(times, np.int64) * MINUTE
    source = MemoryStorage.from_series(
        [({"__name__": "x", "host": "a"}, when, np.array([9.0, 1.0, 7.0] * 8)[: len(when)])]
    )
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backtests, "_CELLS_AT_ONCE", 1)
        patch.setattr(backtests, "_FEWEST_TIMES", 2)
        found.append(backtest(program(rules), source, 0, now * MINUTE))
        patch.setattr(backtests, "_stamps", lambda *_: None)
        found.append(backtest(program(rules), source, 0, now * MINUTE))
    assert reported(found[0]) == reported(found[1])
    assert found[0].evaluations == found[1].evaluations


def test_a_sample_of_another_decade_costs_no_evaluation_of_those_between() -> None:
    when = np.array([0, 53 * 365 * 1440]) * MINUTE
    source = MemoryStorage.from_series([({"__name__": "x"}, when, np.array([9.0, 9.0]))])
    steps: list[int] = []
    found = backtest(one("{alert: A, expr: x > 5}"), source, 0, int(when[1]), lambda done, _: steps.append(done))
    assert reported(found) == [("A", 0, 0, 5), ("A", int(when[1]) // MINUTE, int(when[1]) // MINUTE, None)]
    assert found.evaluations == int(when[1]) // MINUTE + 1
    assert len(steps) == 2
