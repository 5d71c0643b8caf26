"""The states of rules after earlier evaluation times: which of them rules may go back to, and what is let go."""

from __future__ import annotations

import pytest

from rules.evaluation.alerts import Alert, AlertState, Phase
from rules.evaluation.rule_state import RuleState
from transforms.alerts.groups.snapshots import Snapshots


def state(number: int) -> RuleState:
    """A state like no other."""
    return RuleState(AlertState({(): Alert((), (), Phase.FIRING, float(number), number, number)}), {})


@pytest.fixture
def kept() -> Snapshots:
    """Of three rules, after the evaluation times 10, 20, 30 and 40."""
    found = Snapshots()
    for time_ms in (10, 20, 30, 40):
        found.add(time_ms, [state(time_ms + rule) for rule in range(3)])
    return found


@pytest.mark.parametrize(("time_ms", "found"), [(41, 40), (40, 30), (31, 30), (30, 20), (11, 10), (10, 10), (3, 10)])
def test_rules_go_back_to_the_newest_from_before_a_time_or_the_base(kept: Snapshots, time_ms: int, found: int) -> None:
    assert kept.before(time_ms, [0, 1, 2]).time_ms == found


def test_rules_that_were_evaluated_again_lack_what_lies_in_between(kept: Snapshots) -> None:
    kept.replace(20, [1], 40, [state(number) for number in range(3)])
    # The snapshot from which rule 1 went on is still its own, and the one that it came to is again.
    assert kept.before(99, [1]).time_ms == 40
    assert kept.before(40, [0, 2]).time_ms == 30
    assert kept.before(40, [1]).time_ms == kept.before(40, [0, 1]).time_ms == 20
    assert kept.before(99, [1]).states == [state(40), state(1), state(42)]
    assert kept.newest(30).missing == {1}
    assert kept.newest(30).states == [state(30), state(31), state(32)]
    kept.replace(20, [1], 30, [state(number) for number in range(7, 10)])
    assert kept.newest(30).missing == set()
    assert kept.newest(30).states == [state(30), state(8), state(32)]
    assert kept.newest(40).missing == {1}


@pytest.mark.parametrize(("time_ms", "base"), [(9, 10), (10, 10), (19, 10), (20, 20), (39, 20), (40, 40), (99, 40)])
def test_the_newest_complete_one_that_is_not_later_becomes_the_base(kept: Snapshots, time_ms: int, base: int) -> None:
    kept.replace(20, [1], 40, [state(number) for number in range(3)])
    kept.forget(time_ms)
    assert kept.base.time_ms == base
    assert kept.newest(99).time_ms == 40


@pytest.mark.parametrize(("time_ms", "found"), [(9, 10), (10, 10), (29, 20), (30, 30), (99, 40)])
def test_the_newest_that_is_not_later_or_the_base(kept: Snapshots, time_ms: int, found: int) -> None:
    assert kept.newest(time_ms).time_ms == found


def test_states_are_those_of_then_whatever_becomes_of_the_list() -> None:
    kept, states = Snapshots(), [state(1)]
    assert not kept
    kept.add(10, states)
    states[0] = state(2)
    assert kept
    assert kept.base.states == [state(1)]
    kept.clear()
    assert not kept
