"""Which rules a shard goes by at which evaluation times: before a change of the files, around it, and after it."""

from __future__ import annotations

import pytest

from rules.evaluation.schedule import Schedule
from rules.promql.syntax.printer import to_text
from tests.transforms.alerts.logs import LATE
from tests.transforms.alerts.shards.test_machine import rule_file, settings_of
from transforms.alerts.fragments.tasks import Task
from transforms.alerts.messages import RuleFiles
from transforms.alerts.settings import EvaluationSettings
from transforms.alerts.shards.rules import OLD_RULES_MS, ShardRules

SECOND = 1_000
CHANGE = 600 * SECOND
EVERY_MINUTE = settings_of(rule_file("x > 1", interval="60s"))
OVER = CHANGE + LATE + OLD_RULES_MS
"""The last time at which the rules before the change still count, if they are changed in time."""


def changing(text: str, at: int = CHANGE, stage: EvaluationSettings = EVERY_MINUTE) -> ShardRules:
    rules = ShardRules(stage)
    assert rules.announce(RuleFiles(at, {"r.yml": text}))
    return rules


def restored(rules: ShardRules) -> ShardRules:
    """The rules as they are stored, whatever the files are at a restart."""
    others = settings_of(rule_file("z > 1", interval="45s"))
    return ShardRules(others, ShardRules(others, rules.to_bytes()).to_bytes())


def seconds(rules: ShardRules, after: int, until: int) -> list[int]:
    """The evaluation times between two times, s."""
    return [when // SECOND for when in rules.times.times(after * SECOND, until * SECOND).tolist()]


def texts(tasks: list[Task] | tuple[Task, ...]) -> set[str]:
    return {to_text(task.spec.expr) for task in tasks}


@pytest.mark.parametrize("again", [False, True])
def test_until_a_change_is_made_its_evaluation_times_are_added_from_its_time_on(again: bool) -> None:
    rules = changing(rule_file("x > 1", interval="40s"))
    rules = restored(rules) if again else rules
    assert (rules.change_ms, rules.times.shortest_ms) == (CHANGE, 40 * SECOND)
    # Every 60 s, and every 40 s from 600 s on, which is such an evaluation time itself.
    assert seconds(rules, 480, 720) == [540, 600, 640, 660, 680, 720]
    # 600 and 720 are evaluation times of both.
    assert rules.times.count(480 * SECOND, 720 * SECOND) == 4 + 4
    assert [rules.times.following(each * SECOND) for each in (480, 599, 600, 640)] == [
        each * SECOND for each in (540, 600, 640, 660)
    ]
    assert [rules.times.latest(each * SECOND) for each in (599, 600, 659, 660, 719)] == [
        each * SECOND for each in (540, 600, 640, 660, 680)
    ]


def test_a_change_between_two_evaluation_times_has_its_first_one_after_it() -> None:
    rules = changing(rule_file("x > 1", interval="40s"), CHANGE + 1)
    assert seconds(rules, 560, 660) == [600, 640, 660]
    assert rules.times.count(560 * SECOND, 660 * SECOND) == 2 + 1
    assert rules.times.following(CHANGE - 1) == CHANGE
    # 640 s is an evaluation time of the new rules alone, and too early by a millisecond.
    behind = changing(rule_file("x > 1", interval="40s"), 640 * SECOND + 1)
    assert seconds(behind, 600, 700) == [660, 680]
    assert behind.times.following(600 * SECOND) == 660 * SECOND


@pytest.mark.parametrize("again", [False, True])
def test_rules_of_before_a_change_count_for_a_while_longer(again: bool) -> None:
    rules = changing(rule_file("x > 1", interval="40s"))
    rules.change(540 * SECOND)
    rules = restored(rules) if again else rules
    assert (rules.change_ms, rules.times.shortest_ms) == (None, 40 * SECOND)
    # 600 + 150 + 120 s.
    assert OVER == 870 * SECOND
    assert seconds(rules, 520, 640) == [540, 600, 640]
    assert seconds(rules, 820, 960) == [840, 880, 920, 960]
    assert seconds(rules, 719, 760) == [720, 760]
    assert rules.times.count(780 * SECOND, 960 * SECOND) == 1 + 5
    assert rules.times.latest(OVER) == 840 * SECOND
    assert not rules.is_past(OVER)
    assert rules.is_past(OVER + 1)
    rules.expire(OVER)
    assert seconds(rules, 520, 640) == [540, 600, 640]
    rules.expire(OVER + 1)
    assert not rules.is_past(1 << 60)
    # Without them there is nothing before the change.
    assert seconds(rules, 520, 680) == [600, 640, 680]
    assert rules.times.following(0) == CHANGE
    assert (rules.times.latest(CHANGE - 1), rules.times.latest(CHANGE), rules.times.latest(CHANGE + 1)) == (
        None,
        CHANGE,
        CHANGE,
    )


def test_rules_of_a_change_that_is_made_late_count_for_a_while_after_that() -> None:
    rules = changing(rule_file("x > 1", interval="40s"))
    rules.change(CHANGE + 5 * SECOND)
    assert not rules.is_past(OVER + 5 * SECOND)
    assert rules.is_past(OVER + 5 * SECOND + 1)


def test_after_the_last_group_is_gone_no_evaluation_time_follows_the_time_of_the_old_ones() -> None:
    rules = changing("groups: []")
    rules.change(540 * SECOND)
    assert rules.times.following(OVER - 31 * SECOND) == 840 * SECOND
    assert rules.times.following(840 * SECOND) is None
    assert rules.times.shortest_ms == 60 * SECOND
    rules.expire(OVER + 1)
    assert (rules.times.following(0), rules.times.latest(1 << 40), rules.times.shortest_ms) == (None, None, None)
    assert seconds(rules, 0, 10_000) == []
    assert (rules.tasks, rules.states, rules.behind_ms, rules.reach_ms) == ((), (), 0, 0)


def test_the_last_evaluation_time_of_old_rules_may_be_the_end_of_their_time() -> None:
    rules = changing("groups: []", 570 * SECOND)
    rules.change(540 * SECOND)
    # 570 + 150 + 120 s.
    assert (rules.times.following(780 * SECOND), rules.times.following(840 * SECOND)) == (840 * SECOND, None)
    assert seconds(rules, 780, 1_000) == [840]
    assert rules.times.latest(1_000 * SECOND) == 840 * SECOND


def test_fragments_that_are_new_or_due_more_often_are_reported() -> None:
    stage = settings_of(rule_file("x > 1", "y > 1", interval="60s"))
    same = changing(rule_file("y > 1", "x > 1", interval="60s"), stage=stage)
    assert same.change(0) == []
    # What a group's rules write is asked for as well: there is one rule more.
    more = changing(rule_file("x > 1", "y > 1", "z > 1", interval="60s"), stage=stage)
    assert texts(more.change(0)) == {"z > 1"}
    assert texts(more.tasks) >= {"x > 1", "y > 1", "z > 1"}
    assert len({task.id for task in more.tasks}) == len(more.tasks)
    often = changing(rule_file("x > 1", "y > 1", interval="30s"), stage=stage)
    assert texts(often.change(0)) == texts(often.tasks)
    [both] = [task for task in often.tasks if to_text(task.spec.expr) == "x > 1"]
    assert both.spec.schedules == (Schedule(30 * SECOND), Schedule(60 * SECOND))
    assert {task.id for task in often.tasks} == {task.id for task in ShardRules(stage).tasks}
    often.expire(1 << 60)
    [left] = [task for task in often.tasks if to_text(task.spec.expr) == "x > 1"]
    assert left.spec.schedules == (Schedule(30 * SECOND),)


def query_file(range_: str) -> str:
    return rule_file(f"max_over_time(sum(x)[{range_}:1m]) > 1")


def test_a_fragment_is_asked_for_as_far_back_as_any_of_the_rules_reads() -> None:
    stage = settings_of(query_file("5m"))
    longer = changing(query_file("9m"), stage=stage)
    assert longer.reach_ms == 5 * 60 * SECOND
    assert texts(longer.change(0)) == {"sum(x)"}
    assert longer.reach_ms == 9 * 60 * SECOND
    shorter = changing(query_file("2m"), stage=stage)
    assert shorter.change(0) == []
    assert shorter.reach_ms == 5 * 60 * SECOND
    shorter.expire(1 << 60)
    assert shorter.reach_ms == 2 * 60 * SECOND


def test_the_offset_of_a_group_adds_to_how_far_back_is_asked() -> None:
    text = query_file("5m").replace("name: g,", "name: g, query_offset: 45s,")
    rules = ShardRules(settings_of(text))
    assert rules.behind_ms == 45 * SECOND
    assert rules.reach_ms == (5 * 60 + 45) * SECOND


def test_the_samples_of_rules_to_come_are_kept_before_they_count() -> None:
    rules = changing(rule_file("rate(y[7m]) > 1"))
    kept = {to_text(state.selector): state.retention_ms for state in rules.states if state.selector.name in ("x", "y")}
    assert kept == {"x": 300 * SECOND, "y": 420 * SECOND}
    assert not texts(rules.tasks) & {"rate(y[7m]) > 1"}


def test_samples_are_gathered_by_the_schedules_of_the_rules_that_read_them() -> None:
    text = "groups:\n" + "\n".join(
        f"- {{name: g{every}, interval: {every}, rules: [{{record: 'r:{every}', expr: 'x'}}]}}"
        for every in ("30s", "10m")
    )
    rules = ShardRules(settings_of(text))
    found = {schedules: texts(tasks) for schedules, tasks in rules.gathering.items()}
    assert found == {(Schedule(30 * SECOND),): {"r:30s"}, (Schedule(600 * SECOND),): {"r:10m"}}
    assert texts(rules.vectors) == {"x"}
    kept: dict[str, int] = {}
    for each in rules.states:
        kept[to_text(each.selector)] = max(kept.get(to_text(each.selector), 0), each.retention_ms)
    # A gathered sample must be there until it is handed on, at the end of an interval; what is evaluated, for the lookback.
    assert kept == {"x": 300 * SECOND, "r:30s": 300 * SECOND, "r:10m": 600 * SECOND}
    assert rules.need_samples


def test_files_that_are_the_same_are_no_change() -> None:
    rules = ShardRules(EVERY_MINUTE)
    assert not rules.announce(RuleFiles(CHANGE, dict(EVERY_MINUTE.files)))
    assert rules.change_ms is None
