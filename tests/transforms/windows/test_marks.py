from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.batch import MIN_WATERMARK
from schemas.tiers import Tier, Tiers
from tests.transforms.naive import HOSTS, METRICS, MINUTE, NOON, Sample, rows_of
from tests.transforms.windows.core import END_OF_TIME, Core
from transforms.machines import watermarks
from transforms.machines.watermarks import PartitionWatermark
from transforms.windows import marks
from transforms.windows.content import Key

SECOND = 1_000


def mark(
    after_ms: int, partition: int = 0, partitions: int = 2, source: int = 7, before_ms: int | None = None
) -> bytes:
    """The data of a source's mark."""
    after = PartitionWatermark(source, partition, partitions, after_ms)
    before = () if before_ms is None else (after._replace(watermark_ms=before_ms),)
    return watermarks.encode([*before, after])


@pytest.mark.parametrize(
    ("before", "after", "minutes"),
    [
        (NOON + 1, NOON + MINUTE - 1, []),
        (NOON + 1, NOON + MINUTE, [0]),
        (NOON, NOON + MINUTE, [0]),
        (NOON - 1, NOON, [-1]),
        (NOON, NOON, []),
        (NOON + MINUTE, NOON, []),
        (NOON - 1, NOON + 2 * MINUTE, [-1, 0, 1]),
        (NOON, NOON + 60 * MINUTE, [56, 57, 58, 59]),
        (MIN_WATERMARK, NOON + SECOND, [-4, -3, -2, -1]),
    ],
    ids=[
        "none ends",
        "one ends now",
        "one that began with the block",
        "the end counts once the watermark is there",
        "no move",
        "a move back",
        "several",
        "too many: the last ones",
        "the first block",
    ],
)
def test_windows_that_ended_within_a_block(before: int, after: int, minutes: list[int]) -> None:
    assert [(window - NOON) // MINUTE for window in marks.ended(before, after, MINUTE)] == minutes


@given(st.lists(st.integers(-200, 200), min_size=1))
def test_each_window_ends_once_however_the_watermark_moves(seconds: list[int]) -> None:
    reached = [NOON + 1_000 * at for at in sorted(seconds)]
    found = [window for a, b in pairwise(reached) for window in marks.ended(a, b, MINUTE)]
    model = [
        start for start in range(NOON - 600_000, NOON + 600_000, MINUTE) if reached[0] < start + MINUTE <= reached[-1]
    ]
    assert len(set(found)) == len(found)
    assert set(found) <= set(model)
    if all(b - a < marks.MOST_WINDOWS * MINUTE for a, b in pairwise(reached)):
        assert found == model


def test_a_mark_becomes_an_element_for_each_window_that_ended_and_each_shard() -> None:
    found = list(marks.elements_of(mark(NOON + 2 * MINUTE, before_ms=NOON), 2, MINUTE))
    assert [Key.decode(key) for key, _ in found] == [
        Key(shard, NOON + at * MINUTE) for at in range(2) for shard in range(2)
    ]
    assert all(marks.is_mark(element) for _, element in found)
    assert {marks.stored(element) for _, element in found} == {mark(NOON + 2 * MINUTE)}


def test_a_mark_that_does_not_say_what_was_before_ends_no_window() -> None:
    assert list(marks.elements_of(mark(NOON + 2 * MINUTE), 2, MINUTE)) == []


def test_all_have_passed_once_each_partition_of_each_source_has() -> None:
    kept = [mark(NOON, 0), mark(NOON + 5, 1), mark(NOON, 0), mark(NOON, 0, 1, source=8)]
    assert marks.all_passed(kept, {7, 8}, NOON)
    assert not marks.all_passed(kept, {7, 8}, NOON + 1)
    assert not marks.all_passed(kept, {7, 8, 9}, NOON)
    for missing in (1, 3):
        assert not marks.all_passed(kept[:missing] + kept[missing + 1 :], {7, 8}, NOON)


def test_progress_is_that_of_all_windows_together() -> None:
    found = marks.Progress({7})
    elements = [
        element for at in range(2) for _, element in marks.elements_of(mark(NOON, at, before_ms=NOON - 1), 1, MINUTE)
    ]
    assert [found.passed(element, NOON) for element in elements] == [False, True]
    assert not found.passed(elements[0], NOON + 1)


# Windows that receive marks.

A, B = (HOSTS[0], METRICS[0]), (HOSTS[1], METRICS[0])
TIERS = Tiers(rollups=(Tier("1m", MINUTE, 0, ""),), lateness_ms=5 * MINUTE, late_pane_delay_ms=10 * SECOND)


def at(second: float, value: float = 1.0, series: tuple[str, str] = A) -> list[Sample]:
    """A record of one sample."""
    return [Sample(series, NOON + round(second * SECOND), value, round(second * SECOND) + 1)]


def core(partitions: int = 2) -> Core:
    return Core(TIERS, delay_ms=10 * SECOND, partitions=partitions, marked=True)


def counts(found: Core) -> list[tuple[int, int, list[int]]]:
    """Of each pane the minute, its number, and how many samples its series have."""
    return [
        ((pane.window - NOON) // MINUTE, pane.pane, sorted(row.count for row in rows_of(pane).values()))
        for pane in found.panes
    ]


def test_a_window_fires_with_the_last_mark_and_needs_no_timer() -> None:
    job = core()
    job.feed([at(1), at(71)], 0)
    assert counts(job) == [], "the other partition may send more"
    job.feed([at(2), at(69)], 1)
    assert counts(job) == [], "its watermark is at 12:00:59"
    job.feed([at(70)], 1)
    assert counts(job) == [(0, 0, [2])]
    assert job.panes[0].watermark == NOON + MINUTE
    assert "on_time" not in next(iter(job.levels[0].windows.values())).timers
    assert job.advance(NOON + MINUTE) == []


def test_a_timer_that_comes_first_leaves_nothing_to_do() -> None:
    job = core()
    job.feed([at(1), at(70)], 0)
    assert len(job.advance(NOON + MINUTE)) == 1
    job.feed([at(70)], 1)
    assert len(job.panes) == 1


def test_late_rows_that_are_there_already_are_in_the_pane() -> None:
    job = core()
    job.feed([at(1), at(70)], 0)
    job.feed([at(2)], 0)
    job.feed([at(71)], 1)
    assert counts(job) == [(0, 0, [2])]
    job.feed([at(3, series=B)], 0)
    job.advance(NOON + 3 * MINUTE)
    assert [pane for pane in counts(job) if pane[0] == 0] == [(0, 0, [2]), (0, 1, [1])]
    assert (job.fates.written, job.fates.merged_late) == (3, 2)


def test_a_window_without_rows_leaves_nothing_behind() -> None:
    job = core()
    job.feed([at(1), at(250)], 0)
    assert not job.empty, "the marks of one partition wait for those of the other"
    job.feed([at(1), at(250)], 1)
    job.advance(END_OF_TIME)
    assert job.empty


def test_windows_that_no_mark_names_fire_by_their_timers() -> None:
    job = core(1)
    job.feed([at(60 * minute + 1) for minute in range(9)], 0)
    assert [minute for minute, _, _ in counts(job)] == [3, 4, 5, 6]
    job.advance(job.watermark)
    assert sorted(minute for minute, _, _ in counts(job)) == [*range(7)]


@pytest.mark.parametrize("value", [1.0, float("nan")], ids=["", "that no store takes"])
def test_rows_that_come_after_a_partition_was_added_correct_the_window(value: float) -> None:
    """They are on time by the watermark of their own partition, which no mark knows."""
    job = core()
    job.feed([at(1), at(70)], 0)
    job.feed([at(70)], 1)
    late = Core(TIERS, delay_ms=10 * SECOND, partitions=1)
    late.levels = job.levels
    late.feed([at(5, value)])
    found = job.advance(NOON + MINUTE)
    assert [pane.pane for pane in found] == ([1] if value == 1 else [])
    assert job.fates.written + job.fates.unwritable == 2
