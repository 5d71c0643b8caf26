"""From one set of rules to the next while they run: which rules are still the same, and how their state migrates.

Semantics: reloading in Prometheus 3 (``Group.CopyState`` in ``rules/group.go``): within a group, a rule of the same kind, name and labels goes
on with the state it has, whatever else of it has changed; series of rules that are gone end with a staleness marker. Prometheus leaves the
alerts of such rules to time out where they were sent; here each of them is resolved.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rules.evaluation.alerts import Labels, Reason, end_all
from rules.evaluation.groups import RuleState
from rules.evaluation.outcome import Event
from rules.evaluation.program import Prepared, Program
from rules.evaluation.recorded import Recorded, Writer
from rules.events.identity import RuleKey, rule_keys
from rules.promql.values import STALE


@dataclass(frozen=True, slots=True)
class Changes:
    """What a new program is to an old one, in positions of rules; pairs are (old, new), all in the order of the new, or else of the old.

    Attributes:
        stayed: rules whose definition is the same.
        changed: of the same group, kind, name and labels, but another definition: their state goes on.
        came: rules that begin anew.
        went: rules that are no more.
    """

    old: Program
    new: Program
    stayed: tuple[tuple[int, int], ...]
    changed: tuple[tuple[int, int], ...]
    came: tuple[int, ...]
    went: tuple[int, ...]

    @property
    def kept(self) -> tuple[tuple[int, int], ...]:
        """The rules whose state goes on."""
        return tuple(sorted((*self.stayed, *self.changed), key=lambda pair: pair[1]))

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.changed or self.came or self.went)


def changes(old: Program, new: Program) -> Changes:
    """Compare two sets of rules. Rules with the same key are matched in order, the first with the first; positions do not matter."""
    before, after = dict(enumerate(old.rules)), dict(enumerate(new.rules))
    keys_before, keys_after = rule_keys(old), rule_keys(new)
    stayed = _paired(
        before,
        after,
        lambda rule: (_kind(keys_before[rule.position]), _definition(old, rule)),
        lambda rule: (_kind(keys_after[rule.position]), _definition(new, rule)),
    )
    changed = _paired(
        before, after, lambda rule: _kind(keys_before[rule.position]), lambda rule: _kind(keys_after[rule.position])
    )
    return Changes(old, new, stayed, changed, tuple(after), tuple(before))


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a change of rules leaves.

    Attributes:
        states: of the new rules, by position.
        ended: the alerts that ended with their rules, as transitions of the old ones.
        stale: the series, by metric name, that rules which went had written, and that no new rule writes the name of.
    """

    states: list[RuleState]
    ended: tuple[Event, ...]
    stale: Mapping[str, tuple[Labels, ...]]


def migrate(states: Sequence[RuleState], change: Changes, time_ms: int) -> Migrated:
    """The states of the new rules from those of the old.

    Args:
        states: of the old rules, by position.
        change: of the rules.
        time_ms: the evaluation time from which the new rules apply. Alerts of removed rules are resolved at it.

    Raises:
        ValueError: there is not one state a rule.
    """
    if len(states) != len(change.old.rules):
        raise ValueError(f"{len(states)} states of {len(change.old.rules)} rules")
    found = [RuleState() for _ in change.new.rules]
    for old, new in change.kept:
        found[new] = RuleState(states[old].alerts, dict(states[old].written))
    ended = [
        Event(change.old.rules[position], transition)
        for position in change.went
        for transition in sorted(
            end_all(states[position].alerts, Reason.RULE_REMOVED, time_ms), key=lambda each: each.alert.labels
        )
    ]
    stale: dict[str, set[Labels]] = {}
    successors = _successors(change)
    for position in change.went:
        for name, series in states[position].written.items():
            if name in successors:
                written = found[successors[name]].written
                written[name] = written.get(name, frozenset()) | series
            else:
                stale.setdefault(name, set()).update(series)
    return Migrated(found, tuple(ended), {name: tuple(sorted(series)) for name, series in sorted(stale.items())})


def hand_over(recorded: Recorded, change: Changes, stale: Mapping[str, Sequence[Labels]], time_ms: int) -> None:
    """Let the new rules go on with what the old ones wrote, and end the series that none of them can go on with.

    Args:
        recorded: what the old rules wrote; it is changed.
        change: of the rules.
        stale: see :class:`Migrated`.
        time_ms: the evaluation time from which the new rules apply. Staleness markers have this time.
    """
    new, goes_on, successors = change.new.rules, dict(change.kept), _successors(change)

    def successor(name: str, writer: Writer) -> Writer:
        position = goes_on.get(writer.position, successors.get(name))
        # Of a series that nobody goes on with, any new rule sees what it had.
        return Writer(-1, writer.query_offset_ms) if position is None else new[position].writer

    recorded.hand_over(successor)
    when = np.array([time_ms], np.int64)
    for name, series in stale.items():
        there = [labels for labels in series if recorded.last(name, labels) is not None]
        values = np.full((len(there), 1), STALE)
        recorded.append(Writer(-1), name, there, when, values, np.ones(values.shape, np.bool_))


def _successors(change: Changes) -> dict[str, int]:
    """The first new rule that writes a metric, by the metric's name: it ends what rules which went have written of it and it does not."""
    found: dict[str, int] = {}
    for position in change.came:
        for name in change.new.rules[position].names:
            found.setdefault(name, position)
    return found


def _kind(key: RuleKey) -> Hashable:
    return key.file, key.group, key.kind, key.name, key.labels


def _definition(program: Program, rule: Prepared) -> Hashable:
    texts = tuple(sorted(rule.rule.annotations.items()))
    interval_ms = program.interval_ms(rule.group_number)
    return rule.rule.expr, rule.policy, texts, rule.turn.query_offset_ms, interval_ms


def _paired(
    before: dict[int, Prepared],
    after: dict[int, Prepared],
    key_before: Callable[[Prepared], Hashable],
    key_after: Callable[[Prepared], Hashable],
) -> tuple[tuple[int, int], ...]:
    """The rules of both sides with the same key, first with first. They are removed from both."""
    waiting: dict[Hashable, list[int]] = {}
    for position, rule in before.items():
        waiting.setdefault(key_before(rule), []).append(position)
    pairs = []
    for position, rule in list(after.items()):
        same = waiting.get(key_after(rule))
        if same:
            pairs.append((same.pop(0), position))
            del before[pairs[-1][0]], after[position]
    return tuple(pairs)
