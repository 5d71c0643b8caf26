"""At which evaluation times fragments are due, and which of them together."""

from __future__ import annotations

from rules.evaluation.schedule import Schedule
from rules.promql.syntax.parser import parse
from transforms.alerts.fragments.fragments import FragmentSpec
from transforms.alerts.fragments.tasks import Task, due

SECOND = 1_000


def task(number: int, *schedules: Schedule, step_ms: int | None = None) -> Task:
    return Task.of(FragmentSpec(number, parse(f"x{number}"), "vector", step_ms, 0, False, schedules))


def found(tasks: list[Task], after: int, until: int) -> list[tuple[list[int], list[int]]]:
    """Numbers of tasks, and seconds."""
    return [
        ([each.spec.number for each in run.tasks], [int(when) // SECOND for when in run.times])
        for run in due(tasks, after * SECOND, until * SECOND)
    ]


MINUTE, LATER = Schedule(60 * SECOND), Schedule(60 * SECOND, 45 * SECOND)


def test_a_fragment_is_due_at_the_evaluation_times_of_its_schedules_after_one_time_and_up_to_another() -> None:
    one = [task(0, MINUTE)]
    assert found(one, 0, 120) == [([0], [60, 120])]
    assert found(one, 59, 60) == [([0], [60])]
    assert found(one, 60, 119) == []


def test_an_offset_is_how_far_behind_the_evaluation_time() -> None:
    assert found([task(0, LATER)], 0, 120) == [([0], [15, 75])]
    assert found([task(0, LATER)], 15, 75) == [([0], [75])]


def test_evaluation_times_of_several_schedules_are_one_run_each_once() -> None:
    assert found([task(0, MINUTE, Schedule(40 * SECOND), LATER)], 0, 120) == [([0], [15, 40, 60, 75, 80, 120])]


def test_what_a_subquery_asks_for_is_due_at_all_steps_whatever_the_schedules() -> None:
    assert found([task(0, MINUTE, step_ms=20 * SECOND)], 0, 60) == [([0], [20, 40, 60])]


def test_those_of_the_same_evaluation_times_are_due_together() -> None:
    tasks = [task(0, MINUTE), task(1, LATER), task(2, MINUTE), task(3, MINUTE, step_ms=60 * SECOND), task(4)]
    assert found(tasks, 0, 60) == [([0, 2, 3], [60]), ([1], [15])]


def test_ids_follow_from_what_is_evaluated_and_fit_signed_numbers() -> None:
    one, other = task(0, MINUTE), task(1, MINUTE)
    assert one.id != other.id
    assert one.id == task(0, LATER).id
    assert Task.of(FragmentSpec(7, parse("x0"), "vector", None, 0, False)).id == one.id
    ids = [task(number).id for number in range(50)]
    assert all(0 <= each < 1 << 63 for each in ids)
    # All bits are used.
    assert max(ids) >= 1 << 62
