"""What rules come to, in a form that compares: every transition of every alert, and every sample that rules write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import numpy as np

from rules.promql.values import is_stale
from tests.oracle.agree import equal_values
from tests.oracle.rule_lives import Labels, Samples, State


class Rule(NamedTuple):
    """Which rule."""

    file: str
    group: str
    name: str


class Turn(NamedTuple):
    """Which transition: the alert, the instant, and what it is from then on."""

    rule: Rule
    labels: Labels
    time: int
    state: str


class PartitionWatermark(NamedTuple):
    """What is said of a transition; times in ms, as in :class:`schemas.alert_event.AlertEvent`."""

    active_since: int
    starts_at: int | None
    ends_at: int | None
    value: float


@dataclass
class Verdict:
    """What rules come to.

    Attributes:
        turns: all transitions.
        written: what the rules wrote, staleness markers among them.
        corrections: how many of the events that were sent corrected earlier ones.
    """

    turns: dict[Turn, PartitionWatermark] = field(default_factory=dict)
    written: Samples = field(default_factory=dict)
    corrections: int = 0

    def fired(self) -> set[Rule]:
        """The rules of which an alert fired."""
        return {turn.rule for turn in self.turns if turn.state == "firing"}

    def count(self, state: str) -> int:
        """How many transitions to a state there are."""
        return sum(turn.state == state for turn in self.turns)


def turns(rule: Rule, states: Iterable[State], evaluated: Sequence[int]) -> Iterator[tuple[Turn, PartitionWatermark]]:
    """The transitions of a rule's alerts, from what they are at each evaluated instant."""
    places = {when: place for place, when in enumerate(evaluated)}
    for labels, own in groupby(states, lambda state: state.labels):
        last: State | None = None
        started: int | None = None
        for state in own:
            if last is not None and (state.since != last.since or places[state.time] > places[last.time] + 1):
                yield _ended(rule, last, started, evaluated[places[last.time] + 1])
                last = None
            if last is None or state.phase != last.phase:
                started = state.time if state.phase == "firing" else None
                yield (
                    Turn(rule, labels, state.time, state.phase),
                    PartitionWatermark(state.since, started, None, state.value),
                )
            last = state
        if last is not None and places[last.time] + 1 < len(evaluated):
            yield _ended(rule, last, started, evaluated[places[last.time] + 1])


def _ended(rule: Rule, last: State, started: int | None, when: int) -> tuple[Turn, PartitionWatermark]:
    state = "resolved" if last.phase == "firing" else "inactive"
    return Turn(rule, last.labels, when, state), PartitionWatermark(last.since, started, when, last.value)


def differences(ours: Verdict, theirs: Verdict, most: int = 8) -> list[str]:
    """What the two differ in, in words: the first few of each kind; empty if they agree.

    Instants, phases, labels and counts of seconds are compared to the bit, values as :func:`tests.oracle.agree.equal_values` does.
    """
    found = _turn_differences(ours, theirs)[:most]
    unlike = []
    for labels in sorted(ours.written.keys() | theirs.written.keys()):
        left, right = ours.written.get(labels, {}), theirs.written.get(labels, {})
        for when in sorted(left.keys() | right.keys()):
            if not _same(left.get(when), right.get(when)):
                unlike.append(
                    (when, f"{when} {_series(labels)}: {_shown(left.get(when))}, not {_shown(right.get(when))}")
                )
    return found + [words for _, words in sorted(unlike)[:most]]


def _turn_differences(ours: Verdict, theirs: Verdict) -> list[str]:
    found = []
    for turn in sorted(ours.turns.keys() | theirs.turns.keys(), key=lambda turn: (turn.time, turn)):
        left, right = ours.turns.get(turn), theirs.turns.get(turn)
        words = f"{turn.time} {turn.rule.name}{_series(turn.labels)} {turn.state}"
        if left is None or right is None:
            found.append(f"{words}: only {'theirs' if left is None else 'ours'}")
        elif left[:-1] != right[:-1] or not equal_values(np.array([left.value]), np.array([right.value])):
            found.append(f"{words}: {left}, not {right}")
    return found


def _same(left: float | None, right: float | None) -> bool:
    if left is None or right is None:
        return left is right
    sides = np.array([left]), np.array([right])
    marked = [bool(is_stale(side)[0]) for side in sides]
    return marked == [True, True] or (marked == [False, False] and equal_values(*sides))


def _series(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{text}"' for name, text in labels) + "}"


def _shown(value: float | None) -> str:
    if value is None:
        return "nothing"
    return "stale" if is_stale(np.array([value]))[0] else repr(value)
