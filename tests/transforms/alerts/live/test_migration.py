"""A change of the rules: what it keeps, what it ends, and who goes on with what was written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.evaluation.alerts import Phase, Reason
from rules.evaluation.groups import Evaluator, RuleState
from rules.evaluation.outcome import Event
from rules.evaluation.program import Program
from rules.evaluation.recorded import Recorded, Writer
from rules.events.events import EventMaker
from rules.events.identity import rule_keys
from rules.promql.values import is_stale
from schemas.alert_event import State
from tests.rules.evaluation.stepping import MINUTE, groups_of, minutes, samples, storage_of, written
from transforms.alerts.live.migration import Changes, changes, hand_over, migrate
from transforms.alerts.live.rule_set import BROKEN_ALERT, RuleSet

GOOD = "groups: [{name: g, rules: [{alert: A, expr: x > 1}]}]"
BROKEN = "groups: [{name: g, rules: [{alert: A, expr: x >}, {alert: B}]}]"


def program(*rules: str, head: str = "name: g") -> Program:
    return Program(groups_of(f"groups: [{{{head}, rules: [{', '.join(f'{{{rule}}}' for rule in rules)}]}}]"))


def summary(change: Changes) -> tuple[object, ...]:
    return change.stayed, change.changed, change.came, change.went


A = "alert: A, expr: x > 1"
R = "record: r, expr: x"

CHANGES = [
    ([A, R], [A, R], (((0, 0), (1, 1)), (), (), ())),
    ([A, R], [R, A], (((1, 0), (0, 1)), (), (), ())),
    ([A], [A, R], (((0, 0),), (), (1,), ())),
    ([A, R], [R], (((1, 0),), (), (), (0,))),
    ([A], ["alert: A, expr: x > 2"], ((), ((0, 0),), (), ())),
    ([A], ["alert: A, expr: x > 1, for: 1m"], ((), ((0, 0),), (), ())),
    ([A], ["alert: A, expr: x > 1, keep_firing_for: 1m"], ((), ((0, 0),), (), ())),
    ([A], ["alert: A, expr: x > 1, annotations: {a: b}"], ((), ((0, 0),), (), ())),
    ([A], ["alert: A, expr: x > 1, labels: {a: b}"], ((), (), (0,), (0,))),
    ([A], ["alert: B, expr: x > 1"], ((), (), (0,), (0,))),
    (["record: A, expr: x > 1"], [A], ((), (), (0,), (0,))),
    ([R], ["record: r, expr: x * 1"], ((), ((0, 0),), (), ())),
    ([A, A], [A], (((0, 0),), (), (), (1,))),
    (["alert: A, expr: y", A], [A, "alert: A, expr: z"], (((1, 0),), ((0, 1),), (), ())),
]


@pytest.mark.parametrize(("old", "new", "expected"), CHANGES)
def test_changes(old: list[str], new: list[str], expected: tuple[object, ...]) -> None:
    change = changes(program(*old), program(*new))
    assert summary(change) == expected
    assert bool(change) == (expected[1:] != ((), (), ()))


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        ("name: g, interval: 30s", True),
        ("name: g, limit: 5", True),
        ("name: g, query_offset: 1m", True),
        ("name: g, labels: {a: b}", False),
        ("name: h", False),
    ],
)
def test_a_change_of_the_group_is_one_of_its_rules(head: str, kept: bool) -> None:
    change = changes(program(A), program(A, head=head))
    assert summary(change) == (((), ((0, 0),), (), ()) if kept else ((), (), (0,), (0,)))


def test_rules_of_another_file_are_other_rules() -> None:
    change = changes(Program(groups_of(GOOD, "a.yml")), Program(groups_of(GOOD, "b.yml")))
    assert summary(change) == ((), (), (0,), (0,))


some_rules = st.lists(st.sampled_from([A, R, "alert: A, expr: x > 2", "alert: A, expr: y, labels: {a: b}"]), max_size=6)


@given(some_rules, some_rules)
def test_every_rule_has_one_fate(old: list[str], new: list[str]) -> None:
    before, after = program(*old), program(*new)
    change = changes(before, after)
    assert sorted([pair[0] for pair in change.kept] + [*change.went]) == list(range(len(old)))
    assert sorted([pair[1] for pair in change.kept] + [*change.came]) == list(range(len(new)))
    old_keys = [replace(each, occurrence=0) for each in rule_keys(before)]
    new_keys = [replace(each, occurrence=0) for each in rule_keys(after)]
    assert all(old_keys[one] == new_keys[other] for one, other in change.kept)
    assert not {old_keys[position] for position in change.went} & {new_keys[position] for position in change.came}
    assert all(old[one] == new[other] for one, other in change.stayed)
    assert not {old[pair[0]] for pair in change.changed} & {new[pair[1]] for pair in change.changed}
    assert len(set(rule_keys(before))) == len(old)


SERIES = ('x{i="1"} 3x20', 'x{i="2"} 0 0 0 3x17')


def reloaded(old: Program, new: Program, at: int, last: int) -> tuple[list[Event], list[Event]]:
    """The transitions of a run in which the rules change after an evaluation time, and those of alerts that ended with their rules."""
    before, after = Evaluator(old, storage_of(*SERIES)), Evaluator(new, storage_of(*SERIES))
    events = before.evaluate(minutes(0, at)).events
    states = [RuleState.from_plain(state.as_plain()) for state in before.states]
    migrated = migrate(states, changes(old, new), (at + 1) * MINUTE)
    after.states = migrated.states
    events += after.evaluate(minutes(at + 1, last)).events
    return events, list(migrated.ended)


def course(events: list[Event]) -> list[str]:
    return [
        f"{each.transition.time_ms // MINUTE} {each.rule.rule.name}{dict(each.transition.alert.labels).get('i')} "
        f"{each.transition.after.value}: {each.transition.reason.name}"
        for each in events
    ]


def test_an_unchanged_rule_goes_on_mid_for() -> None:
    held = "alert: A, expr: x > 1, for: 3m"
    events, ended = reloaded(program(held), program("alert: B, expr: y", held), at=1, last=9)
    undisturbed = Evaluator(program(held), storage_of(*SERIES)).evaluate(minutes(0, 9)).events
    assert course(events) == course(undisturbed)
    assert ended == []
    assert len(events) == 4


def test_a_changed_rule_keeps_its_alerts() -> None:
    """As in Prometheus: a firing alert whose `for` is made longer is pending again."""
    events, ended = reloaded(program(A), program("alert: A, expr: x > 1, for: 5m"), at=3, last=5)
    assert course(events)[2:] == ["4 A1 pending: FOR_LENGTHENED", "4 A2 pending: FOR_LENGTHENED", "5 A1 firing: HELD"]
    assert ended == []


def test_alerts_of_a_removed_rule_are_resolved() -> None:
    old = program("alert: P, expr: x > 1, for: 9m", A, R)
    _, ended = reloaded(old, program(R), at=4, last=4)
    assert course(ended) == [
        "5 P1 inactive: RULE_REMOVED",
        "5 P2 inactive: RULE_REMOVED",
        "5 A1 inactive: RULE_REMOVED",
        "5 A2 inactive: RULE_REMOVED",
    ]
    assert all(each.transition.alert.phase is Phase.INACTIVE for each in ended)
    made = EventMaker(old).make(Evaluator(old, storage_of(*SERIES)), ended)
    assert [(each.state, each.reason, each.ends_at) for each in made] == [
        *[(State.INACTIVE, "rule_removed", 5 * MINUTE)] * 2,
        *[(State.RESOLVED, "rule_removed", 5 * MINUTE)] * 2,
    ]


def test_a_file_that_is_mended_ends_the_alert_about_it() -> None:
    broken = RuleSet.load({"a.yml": BROKEN}, RuleSet.load({"a.yml": GOOD}))
    old, new = broken.program(), RuleSet.load({"a.yml": GOOD}, broken).program()
    assert summary(changes(old, new)) == (((0, 0),), (), (), (1,))
    _, ended = reloaded(old, new, at=1, last=1)
    assert [(each.rule.rule.name, each.transition.reason) for each in ended] == [(BROKEN_ALERT, Reason.RULE_REMOVED)]


def test_series_of_removed_rules_are_named() -> None:
    old = program(R, "record: s, expr: x")
    evaluator = Evaluator(old, storage_of('x{i="1"} 1'))
    evaluator.evaluate(minutes(0, 0))
    migrated = migrate(evaluator.states, changes(old, program(R)), MINUTE)
    assert migrated.stale == {"s": ((("__name__", "s"), ("i", "1")),)}
    assert migrated.states[0].written == evaluator.states[0].written


def test_a_rule_that_takes_the_place_of_several_ends_the_series_of_all() -> None:
    old = program("record: r, expr: 'x{i=\"1\"}'", "record: r, expr: 'x{i=\"2\"}', labels: {a: b}")
    evaluator = Evaluator(old, storage_of(*SERIES))
    evaluator.evaluate(minutes(0, 0))
    migrated = migrate(evaluator.states, changes(old, program("record: r, expr: x", head="name: h")), MINUTE)
    assert [dict(each) for each in sorted(migrated.states[0].written["r"])] == [
        {"__name__": "r", "a": "b", "i": "2"},
        {"__name__": "r", "i": "1"},
    ]
    assert migrated.stale == {}


def test_states_are_not_shared() -> None:
    old, new = program(R), program(R)
    states = [RuleState(written={"r": frozenset()})]
    migrate(states, changes(old, new), 0).states[0].written["s"] = frozenset()
    assert states[0].written == {"r": frozenset()}


def test_states_of_other_rules_are_refused() -> None:
    with pytest.raises(ValueError, match="0 states of 1 rules"):
        migrate([], changes(program(A), program(A)), 0)


def run(*programs: tuple[Program, int]) -> Evaluator:
    """The last evaluator of a run in which each program is evaluated until its minute."""
    evaluator, first = Evaluator(programs[0][0], storage_of(*SERIES)), 0
    for each, until in programs:
        if each is not evaluator.program:
            change = changes(evaluator.program, each)
            migrated = migrate(evaluator.states, change, first * MINUTE)
            following = Evaluator(each, storage_of(*SERIES))
            following.states, following.recorded = migrated.states, evaluator.recorded
            hand_over(following.recorded, change, migrated.stale, first * MINUTE)
            evaluator = following
        evaluator.evaluate(minutes(first, until))
        first = until + 1
    return evaluator


CHAIN = [
    "record: r, expr: x",
    "record: ahead, expr: 'count_over_time(r[5m] offset -1m)'",
    "record: n, expr: 'count_over_time(r[5m])'",
    "alert: A, expr: n > 2, for: 2m, labels: {k: v}",
    "record: f, expr: 'count(ALERTS{k=\"v\"})'",
    "record: late, expr: last",
    "record: last, expr: 'count_over_time(late[3m]) or r'",
]
EXTRA = ["record: e, expr: x", "alert: E, expr: x > 1", "record: e, expr: '1', labels: {p: q}"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(EXTRA), st.integers(0, len(CHAIN))), max_size=3),
    st.lists(st.tuples(st.sampled_from(EXTRA), st.integers(0, len(CHAIN))), max_size=3),
    st.integers(0, 8),
)
def test_rules_go_on_with_what_they_wrote_wherever_they_stand(
    before: list[tuple[str, int]], after: list[tuple[str, int]], cut: int
) -> None:
    def with_extra(extra: list[tuple[str, int]]) -> Program:
        rules = list(CHAIN)
        for rule, place in extra:
            rules.insert(place, rule)
        return program(*rules)

    def chained(evaluator: Evaluator) -> dict[object, object]:
        found = written(evaluator)
        return {
            key: points
            for key, points in found.items()
            if dict(key).get("alertname", "A") == "A" and ("__name__", "e") not in key
        }

    changed = run((with_extra(before), cut), (with_extra(after), 9))
    assert chained(changed) == chained(run((program(*CHAIN), 9)))


def test_series_of_removed_rules_end() -> None:
    old = program(R, "record: s, expr: x", "alert: G, expr: x > 1")
    new = program(R, "record: s, expr: 'x{i=\"1\"}', labels: {a: b}")
    evaluator = run((old, 4), (new, 6))
    assert samples(evaluator, "r", {"i": "1"})[-1] == "6=3"
    assert samples(evaluator, "s", {"i": "1"})[-2:] == ["4=3", "5=stale"]
    assert samples(evaluator, "s", {"i": "1", "a": "b"}) == ["5=3", "6=3"]
    ended = samples(evaluator, "ALERTS", {"alertname": "G", "alertstate": "firing", "i": "1"})
    assert ended[-2:] == ["4=1", "5=stale"]


def test_a_rule_that_takes_the_place_of_another_goes_on_with_its_series() -> None:
    """A rule that moves to another group is another rule, but its series need no break; who reads it sees what it wrote before its turn."""
    reader = """{alert: A, expr: x > 1, annotations: {n: '{{ query "count_over_time(r[9m])" | first | value }}'}}"""
    moved = Program(groups_of(f"groups: [{{name: h, rules: [{reader}, {{record: r, expr: x}}]}}]"))
    again = Program(moved.groups)
    for evaluator in (run((moved, 6)), run((program(R), 4), (moved, 6)), run((again, 4), (moved, 6))):
        assert samples(evaluator, "r", {"i": "1"}) == [f"{minute}=3" for minute in range(7)]
        alert = evaluator.states[0].alerts.active()[0]
        assert evaluator.annotations(moved.rules[0], alert) == {"n": "6"}


def test_a_series_that_was_forgotten_does_not_come_back_to_end() -> None:
    recorded = Recorded()
    hand_over(recorded, changes(program(R), program()), {"r": ((("__name__", "r"),),)}, 0)
    assert list(recorded.series()) == []


def test_series_belong_to_the_rule_that_goes_on_with_them_before_it_writes_again() -> None:
    """Late samples may take back what a rule wrote at once after a change, so whose it is must be known then."""
    first = "{name: first, query_offset: 10s, rules: [{record: went, expr: x}, {record: stays, expr: x}]}"
    other = "{name: other, query_offset: 20s, rules: [{record: moved, expr: x}]}"
    old = Program(groups_of(f"groups: [{first}, {other}]"))
    fresh = "{name: fresh, query_offset: 30s, rules: [{record: new, expr: x}, {record: moved, expr: x}]}"
    new = Program(groups_of(f"groups: [{fresh}, {{name: first, rules: [{{record: stays, expr: x * 1}}]}}]"))
    evaluator = Evaluator(old, storage_of('x{i="1"} 1x9'))
    evaluator.evaluate(minutes(0, 1))
    hand_over(evaluator.recorded, changes(old, new), {"went": ((("__name__", "gone"),),)}, 2 * MINUTE)
    writers = {dict(labels)["__name__"]: writer for labels, writer, _, _ in evaluator.recorded.series()}
    assert writers == {
        "moved": new.rules[1].writer,
        "stays": new.rules[2].writer,
        # No rule's, and seen up to where its own rule was.
        "went": Writer(-1, 10_000),
    }
    assert [new.rules[1].writer, new.rules[2].writer] == [Writer(1, 30_000), Writer(2)]


def test_nothing_that_a_rule_does_again_takes_back_the_end_of_a_series() -> None:
    recorded = Recorded()
    series = (("__name__", "r"),)
    recorded.append(Writer(0), "r", [series], np.array([0]), np.array([[1.0]]), np.array([[True]]))
    hand_over(recorded, changes(program(R), program("record: s, expr: x", "record: t, expr: x")), {"r": (series,)}, 9)
    recorded.rewind(-1, writers={0, 1})
    ((labels, writer, times, values),) = recorded.series()
    assert (labels, writer, times.tolist()) == (series, Writer(-1), [0, 9])
    assert is_stale(values).tolist() == [False, True]
