"""The state of the second stage, and how it advances: first evaluations, corrections, changes of rules.

Three things determine the state: a *base*, the contributions of shards since, and the rule files announced since. A restart starts from these, and
reaches the same state without sending events again. For a group evaluated every minute, and samples that may be five minutes late::

    evaluation 12:10  a snapshot of the rules' states is kept
    12:10:30          a sample of 12:07:20 arrives; its shard evaluates 12:08, 12:09 and 12:10 again, and reports them together with 12:11
    evaluation 12:11  back to the snapshot of 12:07; 12:08 to 12:10 are evaluated again, differences are sent as corrections; then 12:11
    evaluation 12:16  the snapshot of 12:10 becomes the base: times up to 12:10 are not evaluated again
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from rules.evaluation.groups import Evaluator
from rules.evaluation.known_empty import is_known_empty
from rules.evaluation.outcome import Outcome, RuleError
from rules.events.corrections import History
from rules.promql.syntax import ast
from rules.promql.values import Times
from schemas.alert_event import AlertEvent
from schemas.times import LONG_AGO
from transforms.alerts.groups import written
from transforms.alerts.groups.base import Base
from transforms.alerts.groups.contributions import ReceivedContributions
from transforms.alerts.groups.event_writer import EventWriter
from transforms.alerts.groups.partial_store import PartialStore
from transforms.alerts.groups.snapshots import Snapshot, Snapshots
from transforms.alerts.groups.stretches import LONG_MS, Stretch, next_stretch, no_samples_from
from transforms.alerts.live.live import CompiledRules, LiveRules
from transforms.alerts.live.migration import changes, hand_over, migrate
from transforms.alerts.messages import Contribution, RuleFiles
from transforms.alerts.settings import EvaluationSettings
from transforms.machines.machine import Out

MOST = 1_024
"""Most evaluation times that are evaluated again at once."""

_NEVER_AGAIN = 1 << 62


class GroupState:
    """The groups' state in memory."""

    def __init__(self, settings: EvaluationSettings, live: LiveRules | None = None) -> None:
        self._settings = settings
        self.live = live or LiveRules(settings)
        self.store = PartialStore(self.live.current.tasks)
        self.evaluator = self._evaluator(self._ready)
        self.complaints: list[str] = []
        self.failed: list[RuleError] = []
        """The failures of the evaluations made last."""
        self.done: int | None = None
        """The last time that was evaluated; None before the first."""
        self._snapshots = Snapshots()
        self._initial = False
        self._long = False
        self._alone = False
        self._received = ReceivedContributions(settings.shards)
        self._event_writer = EventWriter(settings.target_labels)

    # What comes in.

    def contribute(self, contribution: Contribution) -> None:
        """Take a contribution of a shard."""
        for partials in self._received.take_up(contribution, begun=self.done is not None):
            self.store.add(partials)

    # Going on.

    def advance(self, until_ms: int) -> Iterator[Out]:
        """Evaluate all evaluation times up to one, in order, each with what was known then."""
        while True:
            first = self._first()
            if first is None or first > until_ms:
                return
            if self.live.change_ms is not None and self.live.change_ms <= first:
                yield from self._change(first)
                continue
            yield from self._correct(first)
            if self._settings.bounded and first > self._received.newest_ms:
                return
            end = until_ms
            if self._received.waiting:
                end = min(end, self._received.waiting[0].effective_ms - 1)
            if self.live.change_ms is not None:
                end = min(end, self.live.change_ms - 1)
            yield from self._evaluate(first, end)

    def _first(self) -> int | None:
        """The first time that is not evaluated yet; of the coming rules too, from when they apply."""
        if self.done is None and self._received.first_reported_ms is None:
            return None
        after = self.done if self.done is not None else self._begin(self._earliest_ms())
        return self.live.ahead.following(after)

    def _earliest_ms(self) -> int:
        return self._received.earliest_ms(
            self._ready.times.following(self._begin(self._received.first_reported_ms or 0))
        )

    def _begin(self, first_reported_ms: int) -> int:
        """The time before the first evaluation, given the first time that shards report: with an offset, data may only seem absent before."""
        return first_reported_ms - 1 + self._offset_ms

    def _evaluate(self, first: int, end: int) -> Iterator[Out]:
        """First evaluations, of a stretch."""
        stretch = next_stretch(self._ready, self.store, self.evaluator, first - 1, end, alone=self._alone)
        last = self._ready.times.latest(stretch.until_ms)
        if last is None or last < first:
            return
        if not self._snapshots:
            self._snapshots.add(first - 1, self.evaluator.states)
            self._initial = self.done is None
        outcome = self._noted(self._run_stretch(first - 1, Stretch(last, stretch.rules), None))
        if stretch.rules is not None and last - first > LONG_MS and not self._long:
            self._long = True
            self.complaints.append(no_samples_from(first))
        counter = "rules.instants" if stretch.rules is None else "rules.instants_skipped"
        self.counted[counter] += self._ready.times.count(first - 1, last)
        events = self._ready.events.make(self.evaluator, outcome.events, known=self.history)
        yield from self._event_writer.events(events)
        yield from self._event_writer.written(last, self.evaluator.recorded, first - 1)
        self.done, self._alone = last, stretch.rules is not None
        self._snapshots.add(last, self.evaluator.states)
        self._let_go(last)
        if stretch.rules:
            # They may write for years before anything is stored.
            self.prune()

    def _correct(self, time_ms: int) -> Iterator[Out]:
        """Take the changes by late samples, and evaluate again the rules that they touch."""
        known = self._received.known(time_ms)
        if not known:
            return
        revised = frozenset[int]().union(*(self.store.revise(part.partials) for part in known))
        touched = min(int(part.partials.times[0]) for part in known)
        if self.done is None or touched > self.done or not self._snapshots:
            return
        again = self._ready.affected.rules(revised)
        base = self._snapshots.base
        if self._initial and touched <= base.time_ms:
            # Nothing was evaluated before the first evaluation time, so an earlier one can take its place.
            base.time_ms = min(self._begin(touched), base.time_ms)
            again = frozenset(range(len(self.evaluator.states)))
        if not again:
            return
        back = self._snapshots.before(touched, again)
        before = list(written.written_after(self.evaluator.recorded, back.time_ms, again))
        outcome = self._again(back, again, self.done)
        self.counted["rules.instants_again"] += self._ready.times.count(back.time_ms, self.done)
        # Events that the rules sent before a change are kept, and so are the ends of alerts that the change caused.
        touched = max(touched, back.time_ms + 1)
        # From the first evaluation time touched, wherever the snapshot was: the places of corrections must not depend on snapshots.
        due = [each for each in outcome.events if each.transition.time_ms >= touched]
        sent = self._standing(touched, again)
        events = self._ready.events.corrections(self.evaluator, sent, due, time_ms)
        yield from self._event_writer.events(events, time_ms)
        after = written.written_after(self.evaluator.recorded, back.time_ms, again)
        yield from self._event_writer.samples(time_ms, written.changed(before, after))

    def _standing(self, since_ms: int, rules: Collection[int]) -> list[AlertEvent]:
        """The newest sent events of these rules at evaluation times from a time on, retractions included."""
        return [
            event
            for event in self.history.standing()
            if event.evaluated_at >= since_ms
            and event.reason != "rule_removed"
            and self._ready.events.position(event) in rules
        ]

    def _again(self, back: Snapshot, rules: Collection[int], *ends: int) -> Outcome:
        """Take some rules back to a snapshot, and evaluate them again up to some times. Returns the outcome up to the first."""
        for position in rules:
            self.evaluator.states[position] = back.states[position]
        self.evaluator.recorded.rewind(back.time_ms, rules)
        after, outcomes = back.time_ms, []
        for end in ends:
            outcomes.append(self._run(after, end, rules))
            if after < end:
                self._snapshots.replace(after, rules, end, self.evaluator.states)
            after = end
        return outcomes[0]

    def _let_go(self, until_ms: int) -> None:
        """Nothing is evaluated again from before the newest snapshot that is older than all late samples: it may be the base."""
        last = until_ms - self.horizon_ms
        base = self._snapshots.base.time_ms
        self._snapshots.forget(last)
        oldest = self._snapshots.base
        if oldest.time_ms <= last - self.horizon_ms and self.done is not None:
            # Rules that late samples touch over and over keep no state in between: they are led up to a snapshot that they lack.
            lacking = self._snapshots.newest(last)
            if lacking.missing:
                rules = frozenset(lacking.missing)
                self._again(self._snapshots.before(lacking.time_ms, rules), rules, lacking.time_ms, self.done)
                self._snapshots.forget(last)
        self._initial = self._initial and self._snapshots.base.time_ms == base

    def _change(self, time_ms: int) -> Iterator[Out]:
        """Apply other rules from an evaluation time on."""
        old, new = self._ready, self.live.change()
        change = changes(old.program, new.program)
        migrated = migrate(self.evaluator.states, change, time_ms)
        events = old.events.make(self.evaluator, migrated.ended, known=self.history)
        yield from self._event_writer.events(events)
        evaluator = self._evaluator(new)
        evaluator.states, evaluator.recorded = migrated.states, self.evaluator.recorded
        hand_over(evaluator.recorded, change, migrated.stale, time_ms)
        # Staleness markers are written at this very evaluation time.
        yield from self._event_writer.samples(time_ms, written.written_after(evaluator.recorded, time_ms - 1))
        self.evaluator = evaluator
        self.store.follow(new.tasks)
        self.counted["rules.changes"] += 1
        if self.done is not None and self._ready.times.following(self.done) != self._ready.times.following(time_ms - 1):
            # The old rules had no evaluation time since then, or none for long: the new ones have none before the change.
            self.done = time_ms - 1
        # What was evaluated by other rules is not evaluated again.
        self._snapshots.clear()
        if self.done is not None:
            self._snapshots.add(self.done, evaluator.states)
        self._initial = False

    def _evaluator(self, ready: CompiledRules) -> Evaluator:
        return Evaluator(ready.program, self.store, is_known_empty=self._is_known_empty)

    def _is_known_empty(self, expr: ast.Expr, times: Times) -> bool:
        """Most alerts are inactive, and no shard reports series for them."""
        return is_known_empty(expr, lambda _: False, lambda fragment: self.store.is_empty(fragment.number, times))

    def _run(self, after_ms: int, until_ms: int, only: Collection[int] | None = None) -> Outcome:
        """Evaluate all rules, or only some of them again, at the evaluation times in ``(after, until]``."""
        outcome = Outcome()
        alone = False
        while after_ms < until_ms:
            stretch = next_stretch(self._ready, self.store, self.evaluator, after_ms, until_ms, only, MOST, alone=alone)
            alone = stretch.rules is not None
            found = self._run_stretch(after_ms, stretch, only)
            outcome.events.extend(found.events)
            outcome.errors.extend(found.errors)
            after_ms = stretch.until_ms
        return self._noted(outcome)

    def _noted(self, outcome: Outcome) -> Outcome:
        """Count, and complain of, what failed."""
        self.failed = outcome.errors
        self.counted["rules.failures"] += len(outcome.errors)
        self.complaints += dict.fromkeys(
            f"{each.rule.group.file}: group {each.rule.group.name}: rule {each.rule.rule.name} failed: {each.message}"
            for each in outcome.errors
        )
        return outcome

    def _run_stretch(self, after_ms: int, stretch: Stretch, only: Collection[int] | None) -> Outcome:
        program = self._ready.program
        among = only if stretch.rules is None else stretch.rules
        if among is not None and not among:
            return Outcome()
        schedule = program.due(after_ms, stretch.until_ms)
        outcome = self.evaluator.evaluate_schedule(schedule, only=among)
        rules = program.rules if among is None else [program.rules[position] for position in among]
        evaluations = sum(len(schedule[rule.group_number]) for rule in rules)
        self.counted["rules.evaluations"] += evaluations
        if only is not None:
            self.counted["rules.rules_again"] += evaluations
        return outcome

    # What is kept.

    @property
    def _ready(self) -> CompiledRules:
        return self.live.current

    @property
    def complete_ms(self) -> int:
        """See :attr:`transforms.alerts.groups.progress.ShardProgress.complete_ms`."""
        return self._received.complete_ms

    @property
    def history(self) -> History:
        """The events that were sent."""
        return self._event_writer.history

    @property
    def counted(self) -> Counter[str]:
        """What happened, by the names of counters."""
        return self._event_writer.counted

    @property
    def horizon_ms(self) -> int:
        """How far before an evaluation time late samples may still change another one, ms."""
        return self._settings.late_ms + self._settings.grace_ms + self._offset_ms

    @property
    def _offset_ms(self) -> int:
        return max((rule.turn.query_offset_ms for rule in self._ready.program.rules), default=0)

    @property
    def oldest_ms(self) -> int:
        """Contributions that end before this time will not be asked for any more."""
        if not self._snapshots:
            return LONG_AGO if self._ready.program.rules else _NEVER_AGAIN
        history = max((task.spec.history_ms for task in self._ready.tasks), default=0)
        return self._snapshots.base.time_ms - self._offset_ms - history

    def prune(self) -> None:
        """Forget what no evaluation after the base reads."""
        if not self._snapshots:
            return
        base = self._snapshots.base.time_ms
        self.store.prune(base - self._offset_ms)
        self.evaluator.prune(base - self._offset_ms - self._ready.reach_ms)
        self.history.forget(base + 1)

    def to_base(self) -> bytes:
        """The base, for a checkpoint: with the contributions and rule files after it, it determines the state."""
        base = self._snapshots.base if self._snapshots else None
        return Base(
            time_ms=None if base is None else base.time_ms,
            done=self.done,
            initial=self._initial,
            states=self.evaluator.states if base is None else base.states,
            rules=self.live.to_bytes(),
            recorded=self.evaluator.recorded,
            history=self.history,
            progress=self._received.progress(),
        ).to_bytes()

    @classmethod
    def from_base(
        cls,
        settings: EvaluationSettings,
        base: bytes | None,
        contributions: Sequence[Contribution],
        announced: Sequence[RuleFiles],
        done: int | None,
    ) -> GroupState:
        """Restore the state after ``done``, without sending events again.

        Args:
            settings: of the stage.
            base: the result of :meth:`to_base`; None if there is none.
            contributions: of the shards, all that the base does not cover, in any order.
            announced: rule files since the base was taken, in their order.
            done: the last time that was evaluated.

        Raises:
            ValueError: the base is none.
        """
        state = cls(settings) if base is None else cls._at_base(settings, base, contributions)
        if base is None:
            for contribution in contributions:
                state.contribute(contribution)
        for found in announced:
            state.live.announce(found)
        if done is not None:
            for _ in state.advance(done):
                pass
        state.counted.clear()
        state.complaints.clear()
        return state

    @classmethod
    def _at_base(cls, settings: EvaluationSettings, base: bytes, contributions: Sequence[Contribution]) -> GroupState:
        kept = Base.from_bytes(base)
        state = cls(settings, LiveRules(settings, kept.rules))
        state._received = ReceivedContributions(settings.shards, kept.progress)
        for contribution in contributions:
            state.contribute(contribution)
        state.evaluator.states = kept.states
        state.evaluator.recorded = kept.recorded
        state._event_writer.history = kept.history
        state.done = done = kept.done
        if done is None or kept.time_ms is None:
            return state
        state._initial = kept.initial
        state._snapshots.add(kept.time_ms, kept.states)
        for part in state._received.known(done):
            state.store.add(part.partials)
        if kept.time_ms < done:
            state._run(kept.time_ms, done)
            state._snapshots.add(done, state.evaluator.states)
        return state
