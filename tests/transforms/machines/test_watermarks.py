"""Partition watermarks: when all have passed a time, and that events equal those by the runner's watermark."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert_event import decode as decode_event
from tests.transforms.alerts.streams import Sent, batch_of
from transforms.alerts.local import LocalPipeline
from transforms.alerts.messages import RuleFiles
from transforms.alerts.settings import EVENTS, EvaluationSettings
from transforms.machines.watermarks import LAUNCH, PartitionWatermark, Watermarks, decode, encode

LONG_AGO = -(1 << 62)
MINUTE = 60_000
HIGH = "groups: [{name: g, rules: [{alert: High, expr: 'x > 1'}]}]"
ABSENT = "groups: [{name: g, rules: [{alert: Absent, expr: 'absent(x)'}]}]"


def always(before: int, after: int) -> bool:
    return True


def watermarks_of(sources: int, *watermarks: PartitionWatermark) -> Watermarks:
    found = Watermarks(range(sources))
    for each in watermarks:
        found.update([each], always)
    return found


# When a time is complete.


@given(
    st.permutations(
        [LAUNCH, PartitionWatermark(0, 0, 2, 50), PartitionWatermark(0, 1, 2, 40), PartitionWatermark(1, 0, 1, 70)]
    )
)
def test_the_least_of_all_partitions_counts_once_all_have_reported(watermarks: list[PartitionWatermark]) -> None:
    for count in range(4):
        assert watermarks_of(2, *watermarks[:count]).complete_ms == LONG_AGO
    assert watermarks_of(2, *watermarks).complete_ms == 40


def test_partitions_that_were_added_count_from_their_first_watermark_on() -> None:
    found = watermarks_of(1, LAUNCH, PartitionWatermark(0, 0, 1, 50))
    assert found.complete_ms == 50
    # Two were added, and the other one has not reported.
    found.update([PartitionWatermark(0, 2, 3, 60)], always)
    assert found.complete_ms == LONG_AGO
    found.update([PartitionWatermark(0, 1, 3, 20)], always)
    assert found.complete_ms == 20


def test_what_is_behind_changes_nothing() -> None:
    found = watermarks_of(1, LAUNCH, PartitionWatermark(0, 0, 1, 50))
    assert not found.update([PartitionWatermark(0, 0, 1, 50), PartitionWatermark(0, 0, 1, 30)], always)
    assert found.complete_ms == 50


def test_what_makes_no_difference_is_not_taken_up() -> None:
    found = watermarks_of(1, LAUNCH, PartitionWatermark(0, 0, 1, 50))
    asked = []

    def not_yet(before: int, after: int) -> bool:
        asked.append((before, after))
        return False

    assert not found.update([PartitionWatermark(0, 0, 1, 90)], not_yet)
    assert (asked, found.complete_ms) == ([(50, 90)], 50)


def test_without_sources_nothing_is_complete() -> None:
    assert watermarks_of(0, LAUNCH).complete_ms == LONG_AGO
    assert Watermarks(()).complete_ms == LONG_AGO


@given(
    st.lists(
        st.builds(
            PartitionWatermark,
            st.integers(-1, 3),
            st.integers(0, 9),
            st.integers(1, 9),
            st.integers(-(1 << 62), 1 << 62),
        )
    )
)
def test_watermarks_are_restored_from_their_bytes(watermarks: list[PartitionWatermark]) -> None:
    assert decode(encode(watermarks)) == watermarks
    found = watermarks_of(2, *watermarks)
    assert Watermarks(range(2), found.to_bytes()).complete_ms == found.complete_ms


def test_watermarks_of_removed_sources_are_dropped_at_a_restart() -> None:
    before = watermarks_of(2, LAUNCH, PartitionWatermark(0, 0, 1, 90), PartitionWatermark(1, 0, 1, 80))
    assert before.complete_ms == 80
    after = Watermarks((0, 7), before.to_bytes())
    assert after.complete_ms == LONG_AGO
    after.update([PartitionWatermark(1, 0, 1, 10), PartitionWatermark(7, 0, 1, 30)], always)
    assert after.complete_ms == 30


# What shards make of it. The runner's watermark does not move in what follows.


def settings_of(text: str, **given_: object) -> EvaluationSettings:
    return replace(EvaluationSettings({"r.yml": text}, shards=2, grace_ms=5_000, sources=frozenset({0})), **given_)


def x(when: int, value: float, instance: str = "h0") -> Sent:
    return Sent((("__name__", "x"), ("instance", instance), ("job", "j")), when, value, when)


def sent_by(stage: LocalPipeline) -> list[tuple[str, str, int]]:
    """The events of a bundle."""
    found = [decode_event(out.data) for out in stage.advance(LONG_AGO) if out.tag == EVENTS]
    return [(event.state.value, event.labels.get("instance", ""), event.evaluated_at // MINUTE) for event in found]


def test_an_instant_waits_for_the_last_partition_and_for_nothing_else() -> None:
    stage = LocalPipeline(settings_of(HIGH))
    stage.add(batch_of([x(50_000, 2.0, "h0")]))
    stage.add_watermarks([LAUNCH, PartitionWatermark(0, 0, 2, 90_000)])
    assert sent_by(stage) == []
    stage.add(batch_of([x(55_000, 2.0, "h1")]))
    # The grace is not over.
    stage.add_watermarks([PartitionWatermark(0, 1, 2, MINUTE + 4_999)])
    assert sent_by(stage) == []
    stage.add_watermarks([PartitionWatermark(0, 1, 2, MINUTE + 5_000)])
    assert sorted(sent_by(stage)) == [("firing", "h0", 1), ("firing", "h1", 1)]


def test_the_launch_is_waited_for() -> None:
    stage = LocalPipeline(settings_of(ABSENT))
    stage.add(batch_of([x(9 * MINUTE, 2.0)]))
    stage.add_watermarks([PartitionWatermark(0, 0, 1, 9 * MINUTE + 5_000)])
    assert sent_by(stage) == []
    # An absence when the job began fires, whichever extent a shard receives first.
    stage.extent(7 * MINUTE)
    stage.add_watermarks([LAUNCH])
    assert sent_by(stage) == [("firing", "", 7), ("resolved", "", 9)]


def test_time_goes_on_by_watermarks_of_idle_partitions() -> None:
    stage = LocalPipeline(settings_of(ABSENT))
    stage.add(batch_of([x(50_000, 2.0)]))
    stage.add_watermarks([LAUNCH, PartitionWatermark(0, 0, 1, 55_000)])
    assert sent_by(stage) == []
    for minute in range(1, 6):
        stage.add_watermarks([PartitionWatermark(0, 0, 1, minute * MINUTE + 5_000)])
        assert sent_by(stage) == []
    stage.add_watermarks([PartitionWatermark(0, 0, 1, 6 * MINUTE + 5_000)])
    assert sent_by(stage) == [("firing", "", 6)]


@pytest.mark.parametrize("in_memory", [True, False])
def test_watermarks_count_no_further_than_the_state_they_are_part_of(in_memory: bool) -> None:
    stage = LocalPipeline(settings_of(HIGH))
    stage.add(batch_of([x(50_000, 0.0, "h1")]))
    stage.add_watermarks([LAUNCH, PartitionWatermark(0, 0, 2, 50_000), PartitionWatermark(0, 1, 2, 45_000)])
    assert sent_by(stage) == []
    stage.checkpoint()
    stage.add(batch_of([x(55_000, 2.0, "h0")]))
    stage.add_watermarks([PartitionWatermark(0, 0, 2, 70_000)])
    assert sent_by(stage) == []
    stage.lose()
    if not in_memory:
        stage.restart()
    # Partition 0 is read again, after the other one.
    stage.add_watermarks([PartitionWatermark(0, 1, 2, 70_000)])
    assert sent_by(stage) == []
    stage.add(batch_of([x(55_000, 2.0, "h0")]))
    stage.add_watermarks([PartitionWatermark(0, 0, 2, 70_000)])
    assert sent_by(stage) == [("firing", "h0", 1)]


def test_a_watermark_that_did_not_matter_counts_when_it_is_sent_again_under_new_rules() -> None:
    stage = LocalPipeline(settings_of("groups: [{name: g, interval: 10m, rules: [{alert: High, expr: 'x > 1'}]}]"))
    stage.add(batch_of([x(50_000, 2.0)]))
    stage.add_watermarks([LAUNCH, PartitionWatermark(0, 0, 1, 50_000)])
    assert sent_by(stage) == []
    stage.add_watermarks([PartitionWatermark(0, 0, 1, 3 * MINUTE + 5_000)])
    assert sent_by(stage) == []
    stage.rules(RuleFiles(2 * MINUTE, {"r.yml": HIGH}))
    assert sent_by(stage) == []
    # Sent once more, it matters under the rules that there are now.
    stage.add_watermarks([PartitionWatermark(0, 0, 1, 3 * MINUTE + 5_000)])
    assert sent_by(stage) == [("firing", "h0", 2)]
