"""The life of an alert as timelines: a minute a column, and what the state machine makes of each."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.evaluation.alerts import (
    DUPLICATE_ALERTS,
    RESOLVED_RETENTION_MS,
    Alert,
    AlertState,
    Labels,
    Phase,
    Policy,
    Reason,
    Sample,
    Transition,
    alert_series,
    due,
    end_all,
    label_set,
    step,
    touch,
)

MINUTE = 60_000
X: Labels = (("alertname", "A"), ("i", "x"))
Y: Labels = (("alertname", "A"), ("i", "y"))
SHOWN = {Phase.PENDING: "p", Phase.FIRING: "F", Phase.INACTIVE: "-"}


def sample(labels: Labels = X, value: float = 1.0) -> Sample:
    return Sample(labels, value, (("__name__", "up"), *labels[1:]))


def run(policy: Policy, timeline: str) -> tuple[str, list[tuple[int, str]]]:
    """The phase at each minute of a timeline (``1`` where the series is there), and the transitions."""
    state, phases, reasons = AlertState(), [], []
    for minute, mark in enumerate(timeline):
        stepped = step(policy, state, [sample()] if mark == "1" else [], minute * MINUTE)
        assert stepped.error == ""
        state = stepped.state
        alert = state.alerts.get(X)
        phases.append("." if alert is None else SHOWN[alert.phase])
        reasons.extend((minute, change.reason.name) for change in stepped.transitions)
    return "".join(phases), reasons


@pytest.mark.parametrize(
    ("hold", "keep", "timeline", "phases", "reasons"),
    [
        (0, 0, "0110", ".FF-", [(1, "CONDITION_MET"), (3, "CONDITION_LOST")]),
        # `for: 2m` has passed when two minutes have, not three.
        (2, 0, "11110", "ppFF-", [(0, "CONDITION_MET"), (2, "HELD"), (4, "CONDITION_LOST")]),
        # A pending alert that loses its series is forgotten, and starts anew.
        (2, 0, "1011", "p.pp", [(0, "CONDITION_MET"), (1, "CONDITION_LOST"), (2, "CONDITION_MET")]),
        (2, 0, "0000", "....", []),
        # Kept for two minutes after the first without a series.
        (0, 2, "10000", "FFF--", [(0, "CONDITION_MET"), (3, "KEPT_LONG_ENOUGH")]),
        # The series is back in time: the count begins again.
        (0, 2, "1010000", "FFFFF--", [(0, "CONDITION_MET"), (5, "KEPT_LONG_ENOUGH")]),
        # Only what fires is kept.
        (2, 5, "1100", "pp..", [(0, "CONDITION_MET"), (2, "CONDITION_LOST")]),
        # Resolved alerts are remembered for 15 minutes, and go a minute later.
        (0, 0, "1" + "0" * 18, "F" + "-" * 16 + "..", [(0, "CONDITION_MET"), (1, "CONDITION_LOST")]),
        # What fires again after it was resolved is a new alert.
        (
            1,
            0,
            "11011",
            "pF-pF",
            [(0, "CONDITION_MET"), (1, "HELD"), (2, "CONDITION_LOST"), (3, "CONDITION_MET"), (4, "HELD")],
        ),
    ],
)
def test_timelines(hold: int, keep: int, timeline: str, phases: str, reasons: list[tuple[int, str]]) -> None:
    assert run(Policy(hold * MINUTE, keep * MINUTE), timeline) == (phases, reasons)


def test_times_and_values_of_an_alert() -> None:
    policy = Policy(for_ms=MINUTE, keep_firing_for_ms=MINUTE)
    state = AlertState()
    for minute, value in ((1, 10.0), (2, 20.0), (3, 30.0)):
        state = step(policy, state, [sample(value=value)], minute * MINUTE).state
    assert state.alerts[X] == Alert(
        X, sample().source, Phase.FIRING, 30.0, active_at=MINUTE, seen_at=3 * MINUTE, fired_at=2 * MINUTE
    )
    state = step(policy, state, [], 4 * MINUTE).state
    kept = state.alerts[X]
    # The value and its time stay those of the last series: annotations are made from them.
    assert (kept.phase, kept.value, kept.seen_at, kept.keep_firing_since) == (
        Phase.FIRING,
        30.0,
        3 * MINUTE,
        4 * MINUTE,
    )
    state = step(policy, state, [], 5 * MINUTE).state
    ended = state.alerts[X]
    assert (ended.phase, ended.resolved_at, ended.fired_at) == (Phase.INACTIVE, 5 * MINUTE, 2 * MINUTE)
    assert state.active() == []


# Whole alerts, field by field.

HELD = Policy(for_ms=2 * MINUTE, keep_firing_for_ms=3 * MINUTE)
SOURCE = sample().source


def fired() -> Alert:
    """Pending from minute 1 on, firing from minute 3 on, seen last in minute 4."""
    return Alert(X, SOURCE, Phase.FIRING, 4.0, active_at=MINUTE, seen_at=4 * MINUTE, fired_at=3 * MINUTE)


def test_every_field_through_a_life() -> None:
    state, course, changes = AlertState(), [], []
    for minute in range(1, 12):
        there = minute < 5 or minute == 7
        stepped = step(HELD, state, [sample(value=float(minute))] if there else [], minute * MINUTE)
        state = stepped.state
        course.append(state.alerts.get(X))
        changes += stepped.transitions
    kept = replace(fired(), keep_firing_since=5 * MINUTE)
    back = replace(fired(), value=7.0, seen_at=7 * MINUTE)
    again = replace(back, keep_firing_since=8 * MINUTE)
    ended = replace(again, phase=Phase.INACTIVE, resolved_at=11 * MINUTE)
    assert course == [
        Alert(X, SOURCE, Phase.PENDING, 1.0, active_at=MINUTE, seen_at=MINUTE),
        Alert(X, SOURCE, Phase.PENDING, 2.0, active_at=MINUTE, seen_at=2 * MINUTE),
        Alert(X, SOURCE, Phase.FIRING, 3.0, active_at=MINUTE, seen_at=3 * MINUTE, fired_at=3 * MINUTE),
        fired(),
        kept,
        kept,
        back,
        again,
        again,
        again,
        ended,
    ]
    assert changes == [
        Transition(MINUTE, Phase.INACTIVE, Phase.PENDING, Reason.CONDITION_MET, course[0]),
        Transition(3 * MINUTE, Phase.PENDING, Phase.FIRING, Reason.HELD, course[2]),
        Transition(11 * MINUTE, Phase.FIRING, Phase.INACTIVE, Reason.KEPT_LONG_ENOUGH, ended),
    ]


@pytest.mark.parametrize(("hold", "pending"), [(5, False), (6, True)])
def test_a_longer_for_makes_a_kept_alert_pending_again(hold: int, pending: bool) -> None:
    """It has been active for exactly five minutes, without its series for two."""
    policy = replace(HELD, for_ms=hold * MINUTE)
    kept = replace(fired(), keep_firing_since=5 * MINUTE)
    stepped = step(policy, AlertState({X: kept}), [], 6 * MINUTE)
    if not pending:
        assert stepped == (AlertState({X: kept}), (), "")
        return
    now = Alert(X, SOURCE, Phase.PENDING, 4.0, active_at=MINUTE, seen_at=4 * MINUTE)
    assert stepped.state == AlertState({X: now})
    assert stepped.transitions == (Transition(6 * MINUTE, Phase.FIRING, Phase.PENDING, Reason.FOR_LENGTHENED, now),)


def test_the_end_of_all_is_of_those_that_are_active() -> None:
    pending = Alert(Y, sample(Y).source, Phase.PENDING, 2.0, active_at=3 * MINUTE, seen_at=4 * MINUTE)
    over = replace(fired(), labels=(), phase=Phase.INACTIVE, resolved_at=MINUTE)
    state = AlertState({X: fired(), Y: pending, (): over})
    assert end_all(state, Reason.RULE_REMOVED, 9 * MINUTE) == (
        Transition(
            9 * MINUTE,
            Phase.FIRING,
            Phase.INACTIVE,
            Reason.RULE_REMOVED,
            replace(fired(), phase=Phase.INACTIVE, resolved_at=9 * MINUTE),
        ),
        Transition(
            9 * MINUTE,
            Phase.PENDING,
            Phase.INACTIVE,
            Reason.RULE_REMOVED,
            replace(pending, phase=Phase.INACTIVE, resolved_at=9 * MINUTE),
        ),
    )


def test_what_is_over_ends_no_others_and_comes_back_as_new() -> None:
    over = replace(fired(), phase=Phase.INACTIVE, resolved_at=5 * MINUTE)
    stepped = step(HELD, AlertState({X: over}), [sample(value=6.0)], 6 * MINUTE)
    new = Alert(X, SOURCE, Phase.PENDING, 6.0, active_at=6 * MINUTE, seen_at=6 * MINUTE)
    assert stepped.state == AlertState({X: new})
    assert stepped.transitions == (Transition(6 * MINUTE, Phase.INACTIVE, Phase.PENDING, Reason.CONDITION_MET, new),)


def test_the_earliest_that_is_due_counts() -> None:
    pending = Alert(Y, sample(Y).source, Phase.PENDING, 2.0, active_at=9 * MINUTE, seen_at=9 * MINUTE)
    kept = replace(fired(), keep_firing_since=5 * MINUTE)
    over = replace(fired(), phase=Phase.INACTIVE, resolved_at=MINUTE, keep_firing_since=0)
    assert due(HELD, AlertState({X: fired()})) is None
    assert due(HELD, AlertState({Y: pending})) == 11 * MINUTE
    assert due(HELD, AlertState({Y: pending, X: kept})) == 8 * MINUTE
    # What is over was kept before, and is no more.
    assert due(HELD, AlertState({X: over})) == MINUTE + RESOLVED_RETENTION_MS + 1


def test_the_limit_drops_more_than_it_and_none_drops_nothing() -> None:
    both = [sample(X), sample(Y)]
    assert step(Policy(limit=2), AlertState(), both, 0).error == ""
    assert step(Policy(limit=0), AlertState(), both, 0).error == ""
    assert step(Policy(limit=1), AlertState(), both, 0) == (AlertState(), (), "exceeded limit of 1 with 2 alerts")


def test_a_longer_for_makes_a_firing_alert_pending_again() -> None:
    state = step(Policy(), AlertState(), [sample()], 0).state
    stepped = step(Policy(for_ms=5 * MINUTE), state, [sample()], MINUTE)
    (change,) = stepped.transitions
    assert (change.before, change.after, change.reason) == (Phase.FIRING, Phase.PENDING, Reason.FOR_LENGTHENED)
    assert stepped.state.alerts[X].active_at == 0


def test_the_same_alert_twice_fails_and_changes_nothing() -> None:
    state = step(Policy(), AlertState(), [sample(X)], 0).state
    stepped = step(Policy(), state, [sample(Y), sample(Y)], MINUTE)
    assert stepped == (state, (), DUPLICATE_ALERTS)


def test_more_alerts_than_the_limit_drop_all() -> None:
    policy = Policy(limit=1)
    state = step(policy, AlertState(), [sample(X)], 0).state
    stepped = step(policy, state, [sample(X), sample(Y)], MINUTE)
    assert stepped.error == "exceeded limit of 1 with 2 alerts"
    assert stepped.state == AlertState()
    assert [(each.alert.labels, each.reason) for each in stepped.transitions] == [(X, Reason.LIMIT_EXCEEDED)]


def test_resolved_alerts_do_not_count_to_the_limit_and_kept_ones_do() -> None:
    resolved = step(Policy(), step(Policy(), AlertState(), [sample(X)], 0).state, [], MINUTE).state
    assert step(Policy(limit=1), resolved, [sample(Y)], 2 * MINUTE).error == ""
    keeping = Policy(keep_firing_for_ms=9 * MINUTE, limit=1)
    kept = step(keeping, AlertState(), [sample(X)], 0).state
    assert step(keeping, kept, [sample(Y)], MINUTE).error == "exceeded limit of 1 with 2 alerts"


def test_series_of_an_alert() -> None:
    state = step(Policy(for_ms=1), AlertState(), [sample()], 1500)
    rule_labels = {"severity": "page", "gone": "{{ $labels.none }}"}
    alerts, for_state = alert_series("A", rule_labels, state.state.alerts[X])
    # A label whose template came to nothing shows as it was written, as in Prometheus.
    assert dict(alerts) == {
        "__name__": "ALERTS",
        "alertname": "A",
        "alertstate": "pending",
        "i": "x",
        "severity": "page",
        "gone": "{{ $labels.none }}",
    }
    assert {**dict(for_state), "alertstate": "pending", "__name__": "ALERTS"} == dict(alerts)


def test_empty_labels_are_none() -> None:
    assert label_set({"b": "1", "a": "", "A": "2"}) == (("A", "2"), ("b", "1"))


policies = st.builds(Policy, st.integers(0, 3).map(lambda m: m * MINUTE), st.integers(0, 3).map(lambda m: m * MINUTE))
timelines = st.lists(st.sets(st.sampled_from((X, Y))), max_size=25)


@given(policies, timelines)
def test_a_state_survives_a_checkpoint(policy: Policy, timeline: list[set[Labels]]) -> None:
    state = restored = AlertState()
    for minute, there in enumerate(timeline):
        samples = [sample(labels, float(minute)) for labels in sorted(there)]
        one, other = step(policy, state, samples, minute * MINUTE), step(policy, restored, samples, minute * MINUTE)
        assert one == other
        state = one.state
        restored = AlertState.from_plain(json.loads(json.dumps(other.state.as_plain())))


@given(policies, timelines)
def test_nothing_changes_before_it_is_due(policy: Policy, timeline: list[set[Labels]]) -> None:
    state = AlertState()
    before: set[Labels] | None = None
    for minute, there in enumerate(timeline):
        when = minute * MINUTE
        samples = [sample(labels, float(minute)) for labels in sorted(there)]
        next_due = due(policy, state)
        stepped = step(policy, state, samples, when)
        if there == before and (next_due is None or when < next_due):
            assert stepped.transitions == ()
            assert stepped.state == touch(state, samples, when)
        state, before = stepped.state, there


def test_keeping_ends_a_while_after_the_series_was_first_missed() -> None:
    policy = Policy(keep_firing_for_ms=5 * MINUTE)
    state = step(policy, AlertState(), [sample()], 0).state
    assert due(policy, step(policy, state, [], 3 * MINUTE).state) == 8 * MINUTE


def test_the_retention_ends_after_fifteen_minutes() -> None:
    state = step(Policy(), step(Policy(), AlertState(), [sample()], 0).state, [], 1).state
    assert due(Policy(), state) == RESOLVED_RETENTION_MS + 2
    assert X in step(Policy(), state, [], RESOLVED_RETENTION_MS + 1).state.alerts
    assert X not in step(Policy(), state, [], RESOLVED_RETENTION_MS + 2).state.alerts


@pytest.mark.parametrize("plain", [[{}], [{"labels": []}], [{"labels": 1, "source": [], "phase": "firing"}]])
def test_what_is_no_state_is_refused(plain: list[dict[str, object]]) -> None:
    with pytest.raises(ValueError, match="not the state"):
        AlertState.from_plain(plain)


def test_what_becomes_of_one_alert_does_not_hang_on_another() -> None:
    """One is there, one is lost while pending, two are kept, and none of them ends the look at the others."""
    names: list[Labels] = [(("alertname", "A"), ("i", name)) for name in "abcd"]
    there, lost, kept, other = (replace(fired(), labels=labels) for labels in names)
    lost = replace(lost, phase=Phase.PENDING, fired_at=None)
    state = AlertState({each.labels: each for each in (there, lost, kept, other)})
    stepped = step(replace(HELD, limit=3), state, [sample(names[0], 5.0)], 5 * MINUTE)
    gone = replace(lost, phase=Phase.INACTIVE, resolved_at=5 * MINUTE)
    assert stepped.transitions == (Transition(5 * MINUTE, Phase.PENDING, Phase.INACTIVE, Reason.CONDITION_LOST, gone),)
    assert stepped.error == ""
    assert {each.labels: (each.seen_at, each.keep_firing_since) for each in stepped.state.alerts.values()} == {
        names[0]: (5 * MINUTE, None),
        names[2]: (4 * MINUTE, 5 * MINUTE),
        names[3]: (4 * MINUTE, 5 * MINUTE),
    }
    # Those that are kept count to the limit, each of them.
    dropped = step(replace(HELD, limit=2), state, [sample(names[0], 5.0)], 5 * MINUTE)
    assert (dropped.state, dropped.error) == (AlertState(), "exceeded limit of 2 with 3 alerts")
    assert [(each.time_ms, each.alert.resolved_at) for each in dropped.transitions] == [(5 * MINUTE, 5 * MINUTE)] * 4
