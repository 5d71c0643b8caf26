"""What the groups' state evaluates, evaluates again, keeps and forgets: bounds of each, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from schemas.alert_event import AlertEvent, decode
from schemas.times import LONG_AGO
from tests.transforms.alerts.streams import Sent, batch_of
from transforms.alerts.groups.base import Base
from transforms.alerts.groups.state import GroupState
from transforms.alerts.local import LocalPipeline
from transforms.alerts.messages import BEGINNING_MS, Contribution, RuleFiles
from transforms.alerts.settings import EVENTS, EvaluationSettings
from transforms.machines.machine import Out

MINUTE = 60_000
HIGH = "groups: [{name: g, rules: [{alert: High, expr: 'x > 1'}]}]"


def settings_of(text: str = HIGH, **given: object) -> EvaluationSettings:
    return replace(EvaluationSettings({"r.yml": text}, shards=1, late_ms=2 * MINUTE), **given)


def x(minute: int, value: float, name: str = "x", seq: int = 0) -> Sent:
    return Sent((("__name__", name), ("instance", "h0"), ("job", "j")), minute * MINUTE, value, seq or minute)


def stage_at(last: int, values: Sequence[float], config: EvaluationSettings) -> tuple[LocalPipeline, list[Out]]:
    """A stage that has come to a minute, with a sample at each, and what it reported."""
    stage, outs = LocalPipeline(config), list[Out]()
    for minute in range(last + 1):
        stage.add(batch_of([x(minute, values[minute % len(values)])]))
        outs += stage.advance(minute * MINUTE + config.grace_ms + 2)
    return stage, outs


def late(stage: LocalPipeline, minute: int, *sent: Sent) -> list[Out]:
    """Samples that come late, half a minute before a minute at which they are known, and what is reported at it."""
    stage.add(replace(batch_of(sent), overtaken=minute * MINUTE - 30_000))
    stage.extent(minute * MINUTE)
    return stage.advance(minute * MINUTE + stage.settings.grace_ms + 2)


def events(outs: Sequence[Out]) -> list[AlertEvent]:
    return [decode(out.data) for out in outs if out.tag == EVENTS]


def sent(outs: Sequence[Out]) -> list[tuple[int, str, str]]:
    """Minute, rule and state of each event."""
    return [(event.evaluated_at // MINUTE, event.rule, event.state.value) for event in events(outs)]


@pytest.mark.parametrize(
    ("late_ms", "grace_ms", "offset", "horizon"),
    [(0, 0, 0, 0), (2 * MINUTE, 0, 0, 2), (2 * MINUTE, MINUTE, 0, 3), (2 * MINUTE, MINUTE, 1, 4)],
)
def test_the_base_is_the_newest_evaluation_time_that_no_late_sample_touches(
    late_ms: int, grace_ms: int, offset: int, horizon: int
) -> None:
    rules = HIGH.replace("name: g", f"name: g, query_offset: {offset}m") if offset else HIGH
    stage, _ = stage_at(12, [0.0], settings_of(rules, late_ms=late_ms, grace_ms=grace_ms))
    state = stage.groups_state()
    assert state.horizon_ms == horizon * MINUTE
    assert state.done == 12 * MINUTE
    assert Base.from_bytes(state.to_base()).time_ms == (12 - horizon) * MINUTE
    # Rules look so far back, from the base on: by the offset, and for what came under a name that they write by it again.
    assert state.oldest_ms == (12 - horizon - 2 * offset) * MINUTE


def test_what_subqueries_look_back_to_is_kept() -> None:
    rules = "groups: [{name: g, rules: [{alert: High, expr: 'max_over_time(sum(x)[3m:1m]) > 1'}]}]"
    state = stage_at(12, [0.0], settings_of(rules))[0].groups_state()
    assert state.oldest_ms == (12 - 2 - 3) * MINUTE


def test_before_the_first_evaluation_time_all_is_kept_and_nothing_where_there_are_no_rules() -> None:
    assert GroupState(settings_of()).oldest_ms == LONG_AGO
    assert GroupState(EvaluationSettings({})).oldest_ms > 1 << 61


def test_a_state_of_nothing_goes_on_from_its_base() -> None:
    config = settings_of()
    state = GroupState.from_base(config, GroupState(config).to_base(), [], [], None)
    assert state.done is None
    assert list(state.advance(5 * MINUTE)) == []
    state.contribute(Contribution(0, BEGINNING_MS, MINUTE, 0, MINUTE, []))
    assert list(state.advance(MINUTE - 1)) == []
    assert state.done is None
    assert list(state.advance(MINUTE)) == []
    assert state.done == MINUTE


def test_pruning_forgets_the_events_of_the_base_and_none_after_it() -> None:
    stage, outs = stage_at(12, [0.0, 3.0], settings_of())
    assert [minute for minute, _, _ in sent(outs)] == list(range(1, 13))
    state = stage.groups_state()
    state.prune()
    # The base is at minute 10.
    assert [event.evaluated_at // MINUTE for event in state.history.standing()] == [11, 12]


def test_late_samples_have_the_evaluation_times_from_theirs_on_evaluated_again_and_what_differs_reported() -> None:
    stage, outs = stage_at(9, [0.0], settings_of())
    counted = stage.groups.machine.counted
    assert (sent(outs), counted["rules.instants"], counted["rules.evaluations"]) == ([], 10, 10)
    outs = late(stage, 10, x(8, 3.0, seq=100))
    assert [(event.evaluated_at // MINUTE, event.state.value, event.replaces) for event in events(outs)] == [
        (8, "firing", None),
        (9, "resolved", None),
    ]
    # They belong to the evaluation time from which they are known.
    assert {out.time_ms for out in outs if out.tag == EVENTS} == {10 * MINUTE}
    assert (counted["rules.instants"], counted["rules.instants_again"]) == (11, 2)
    assert (counted["rules.evaluations"], counted["rules.rules_again"]) == (13, 2)


def test_what_late_samples_change_is_reported_at_the_evaluation_time_from_which_it_is_known_however_far_a_bundle_goes() -> (
    None
):
    stage, _ = stage_at(9, [0.0], settings_of())
    stage.add(batch_of([x(10, 0.0)]))
    stage.add(replace(batch_of([x(9, 3.0, seq=100)]), overtaken=10 * MINUTE + 30_000))
    stage.add(batch_of([x(minute, 0.0, seq=100 + minute) for minute in (11, 12)]))
    outs = [out for out in stage.advance(12 * MINUTE + 2) if out.tag == EVENTS]
    assert [(out.time_ms // MINUTE, *event) for out, event in zip(outs, sent(outs), strict=True)] == [
        (11, 9, "High", "firing"),
        (11, 10, "High", "resolved"),
    ]


def test_only_what_late_samples_touch_is_evaluated_again() -> None:
    rules = "groups: [{name: g, rules: [{alert: High, expr: 'x > 1'}, {alert: Other, expr: 'y > 1'}]}]"
    stage, _ = stage_at(9, [0.0], settings_of(rules))
    late(stage, 10, x(8, 3.0, seq=100))
    assert stage.groups.machine.counted["rules.rules_again"] == 2
    late(stage, 11, x(9, 0.0, "y", seq=100))
    # Nothing comes out differently.
    assert stage.groups.machine.counted["rules.rules_again"] == 2


def test_a_first_evaluation_time_may_move_back() -> None:
    """Nothing is known of before the first evaluation time, so it may as well have been the one that late samples touch."""
    stage = LocalPipeline(settings_of())
    stage.add(batch_of([x(5, 3.0)]))
    assert sent(stage.advance(5 * MINUTE + 2)) == [(5, "High", "firing")]
    found = events(late(stage, 6, x(4, 3.0, seq=100)))
    assert [(event.evaluated_at // MINUTE, event.state.value) for event in found] == [(4, "firing")]
    assert found[0].correction


def test_rules_that_went_and_came_back_at_one_evaluation_time_leave_the_end_that_was_reported() -> None:
    stage, outs = stage_at(3, [3.0], settings_of())
    stage.rules(RuleFiles(3 * MINUTE + 10_000, {"r.yml": "groups: []"}))
    stage.rules(RuleFiles(3 * MINUTE + 20_000, {"r.yml": HIGH}))
    stage.add(batch_of([x(4, 3.0)]))
    outs += stage.advance(4 * MINUTE + 2)
    assert sent(outs) == [(0, "High", "firing"), (4, "High", "resolved"), (4, "High", "firing")]
    # The alert of the rule that is there now is taken back, the end of the one before it is not.
    found = events(late(stage, 5, x(4, 0.0, seq=100)))
    assert [(event.state.value, event.replaces) for event in found if event.correction] == [
        ("retracted", events(outs)[2].id)
    ]


def test_other_rules_count_from_the_first_evaluation_time_that_is_not_before_their_time() -> None:
    for effective_ms, expected in ((2 * MINUTE, 2), (2 * MINUTE + 1, 3)):
        stage = LocalPipeline(settings_of("groups: [{name: g, rules: [{alert: Low, expr: 'x > 1'}]}]"))
        stage.rules(RuleFiles(effective_ms, {"r.yml": HIGH}))
        outs = []
        for minute in range(5):
            stage.add(batch_of([x(minute, 3.0)]))
            outs += stage.advance(minute * MINUTE + 2)
        assert sent(outs) == [(0, "Low", "firing"), (expected, "Low", "resolved"), (expected, "High", "firing")]
        assert stage.groups.machine.counted["rules.changes"] == 1


@pytest.mark.parametrize("last", [3, 9])
def test_a_state_made_anew_from_its_base_reports_nothing_again_and_goes_on_alike(last: int) -> None:
    values = [0.0, 3.0, 3.0]
    stage, _ = stage_at(last, values, settings_of())
    state = stage.groups_state()
    again = GroupState.from_base(stage.settings, state.to_base(), [], [], state.done)
    assert again.done == state.done
    assert again.history.standing() == state.history.standing()
    assert Base.from_bytes(again.to_base()).time_ms == Base.from_bytes(state.to_base()).time_ms
    assert (again.counted, again.complaints) == ({}, [])
