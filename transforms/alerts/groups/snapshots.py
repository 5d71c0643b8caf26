"""The states of rules after earlier evaluation times, to go back to when late samples touch later ones.

An evaluation makes new states, so those that did not change are shared.
Rules go back one by one. Snapshots after the one from which a rule is evaluated again no longer hold its state::

    12:10  all rules                   base
    12:11  all rules but `High`        `High` was evaluated again from 12:10 on
    12:12  all rules                   the newest
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from rules.evaluation.rule_state import RuleState


@dataclass(slots=True)
class Snapshot:
    """The states of rules after an evaluation time.

    Attributes:
        states: by position.
        missing: the positions of rules that were evaluated again since, from an earlier time on: their states here are no longer right.
    """

    time_ms: int
    states: list[RuleState]
    missing: set[int] = field(default_factory=set)


class Snapshots:
    """Snapshots in ascending order. The first one, the *base*, and the newest have the states of all rules."""

    def __init__(self) -> None:
        self._kept: list[Snapshot] = []

    def __bool__(self) -> bool:
        return bool(self._kept)

    @property
    def base(self) -> Snapshot:
        """The oldest; there must be one."""
        return self._kept[0]

    def clear(self) -> None:
        """Forget all."""
        self._kept = []

    def add(self, time_ms: int, states: Sequence[RuleState]) -> None:
        """Keep the states of all rules after the newest evaluation time."""
        self._kept.append(Snapshot(time_ms, list(states)))

    def before(self, time_ms: int, positions: Collection[int]) -> Snapshot:
        """The newest from before a time that has the states of these rules, or else the base."""
        place = bisect_left(self._kept, time_ms, key=lambda each: each.time_ms)
        found = (each for each in reversed(self._kept[:place]) if each.missing.isdisjoint(positions))
        return next(found, self.base)

    def replace(self, after_ms: int, positions: Collection[int], time_ms: int, states: Sequence[RuleState]) -> None:
        """Replace the states of rules that were evaluated again after a time, up to another.

        Args:
            after_ms: later snapshots no longer hold right states of these rules.
            positions: of the rules.
            time_ms: the last time evaluated again, of which there is a snapshot.
            states: of all rules after it.
        """
        for each in self._kept:
            if each.time_ms == time_ms:
                each.missing.difference_update(positions)
                for position in positions:
                    each.states[position] = states[position]
            elif each.time_ms > after_ms:
                each.missing.update(positions)

    def forget(self, time_ms: int) -> None:
        """Let the newest complete one that is not after a time be the base."""
        places = [place for place, each in enumerate(self._kept) if each.time_ms <= time_ms and not each.missing]
        if places:
            del self._kept[: places[-1]]

    def newest(self, time_ms: int) -> Snapshot:
        """The newest that is not after a time, or else the base."""
        return next((each for each in reversed(self._kept) if each.time_ms <= time_ms), self.base)
