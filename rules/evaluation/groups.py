"""Evaluation of rule groups over event time: the one evaluator of unit tests, backtests and the streaming job.

Semantics: Prometheus 3 (``rules/group.go``, ``recording.go``, ``alerting.go``). At an evaluation time the groups, and the rules of a group, are
evaluated in order, and each sees what those before it have written. Columnar over time: a rule that reads nothing which itself or a later rule writes
is evaluated for all times at once, with the same result as one by one (``tests/rules/evaluation/test_groups.py`` compares the two).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np

from rules.evaluation.alert_text import Query
from rules.evaluation.alerting import Course
from rules.evaluation.alerts import Alert, Labels, Phase
from rules.evaluation.dependencies import Component
from rules.evaluation.kinds import Evaluated
from rules.evaluation.outcome import ActiveAlert, Event, Outcome, QueriedSample, RuleError
from rules.evaluation.program import Prepared, Program
from rules.evaluation.recorded import Combined, Recorded, View
from rules.evaluation.recording import Recordings
from rules.evaluation.rule_state import IDLE, RuleState
from rules.evaluation.turns import Yield, clash, in_turns
from rules.evaluation.vectors import NOT_A_VECTOR, IsKnownEmpty, Vectors, side_by_side, vector_of
from rules.evaluation.writing import Source, append, append_checked
from rules.promql.storage import Storage
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse
from rules.promql.values import InstantVector, Mask, Times

__all__ = ["NOT_A_VECTOR", "Evaluator", "Observer", "RuleState"]

Observer = Callable[[Prepared, Times, InstantVector], None]
"""Called for every evaluated expression with the rule, the times and the vector at them; for one rule in ascending time."""


class Evaluator:
    """Evaluates a program's groups at the evaluation times it is given, in ascending order, few or many at a time.

    What bounds its state: per rule, the active alerts, those resolved in the last 15 minutes, and the series written at the last time;
    and what the rules have written (:attr:`recorded`), which grows until :meth:`prune` is called. A restart goes on from :attr:`states`; what
    the rules wrote before it has to be among the source's samples, if a rule reads it.
    """

    def __init__(
        self,
        program: Program,
        source: Storage,
        *,
        stepped: bool = False,
        observer: Observer | None = None,
        is_known_empty: IsKnownEmpty | None = None,
    ) -> None:
        """Start with no alerts.

        Args:
            program: the groups.
            source: the samples; what is dated after an evaluation time must not change what is seen at it, and need not be there yet.
                It may be replaced between evaluations (:attr:`source`).
            stepped: take one evaluation time after the other throughout; for comparison.
            observer: called for every evaluated expression.
            is_known_empty: whether an expression need not be evaluated.
        """
        self.program = program
        self.source = source
        self.recorded = Recorded()
        self._recordings = Recordings()
        self.states: list[RuleState] = [IDLE] * len(program.rules)
        self._stepped = stepped
        self._observer = observer
        self._is_known_empty = is_known_empty

    @property
    def storage(self) -> Combined:
        """The samples that came in and those that the rules have written."""
        return Combined(self.source, self.recorded)

    def evaluate(self, times: Times, snapshots: Collection[int] = ()) -> Outcome:
        """Evaluate all groups at the same evaluation times.

        Args:
            times: ascending milliseconds, after all earlier ones.
            snapshots: the times among them whose active alerts are wanted.
        """
        return self.evaluate_schedule([times] * len(self.program.groups), snapshots)

    def evaluate_schedule(
        self, schedule: Sequence[Times], snapshots: Collection[int] = (), *, only: Collection[int] | None = None
    ) -> Outcome:
        """Evaluate each group at its own evaluation times; see :meth:`Program.due`.

        Args:
            schedule: ascending milliseconds, for each group of the program; after all earlier ones.
            snapshots: evaluation times whose active alerts are wanted, of the groups that are evaluated then.
            only: the positions of the rules to evaluate, all of a component (:attr:`Program.components`) or none; None: all rules. They are
                evaluated again, say: the states and records of the others are those of later times, and stay as they are.
        """
        ends = [int(times[-1]) for times in schedule if len(times)]
        if not ends:
            return Outcome()
        run = _Run(self, Source(self.source), max(ends), frozenset(snapshots))
        if self._stepped:
            run.step([each.position for each in self.program.rules if only is None or each.position in only], schedule)
        else:
            run.components(schedule, only)
        return run.outcome()

    def annotations(self, rule: Prepared, alert: Alert) -> dict[str, str]:
        """The annotations of an alert, expanded with what its rule saw when the alert's series was last there."""
        return rule.kind.annotations(alert, self.query_as(rule, alert.seen_at))

    def query_as(self, rule: Prepared, time_ms: int) -> Query:
        """Answers queries with what a rule sees at an evaluation time, for templates."""
        view = View(self.source, self.recorded, rule.position, time_ms)

        def query(expr: str, when_ms: int) -> list[Any]:
            tree = self.program.queries.get(expr) or parse(expr)
            vector = vector_of(tree, view, np.array([when_ms], np.int64), self.program.settings)
            rows = np.flatnonzero(vector.present[:, 0]).tolist()
            values = vector.values[:, 0].tolist()
            found = [QueriedSample(vector.labels.row(row), values[row]) for row in rows]
            # The order of a store is an accident, and would show in the texts of alerts.
            return found if _is_sorted(tree) else sorted(found, key=lambda each: tuple(each.labels.items()))

        return query

    def prune(self, before_ms: int) -> None:
        """Forget what rules wrote before a time; no rule's expression may reach further back than it."""
        self.recorded.prune(before_ms)

    def observe(self, rule: Prepared, expr: ast.Expr, times: Times) -> InstantVector:
        """An expression as its rule sees it at times that have been evaluated: a part of the rule's own, say.

        Raises:
            PromQLError: it fails at one of them.
        """
        dated = times - rule.turn.query_offset_ms
        if not (rule.ahead and len(times) > 1):
            return vector_of(expr, self._store(rule, int(times[-1])), dated, self.program.settings)
        parts = [self.observe(rule, expr, times[index : index + 1]) for index in range(len(times))]
        return side_by_side(parts)

    def _store(self, rule: Prepared, time_ms: int) -> Storage:
        return View(self.source, self.recorded, rule.position, time_ms) if rule.ahead else self.storage


class _Run:
    """One call of an evaluator."""

    def __init__(self, evaluator: Evaluator, source: Source, end_ms: int, wanted: frozenset[int]) -> None:
        self._evaluator = evaluator
        self._program = evaluator.program
        self._source = source
        self._end_ms = end_ms
        self._wanted = wanted
        self._vectors = Vectors(evaluator.program, evaluator._is_known_empty)
        self._outcome = Outcome()

    def components(self, schedule: Sequence[Times], only: Collection[int] | None) -> None:
        """Evaluate the rules, or some of them, without those that have nothing to say."""
        speaking = np.ones(len(self._program.rules), np.bool_)
        if only is not None:
            speaking[:] = False
            speaking[list(only)] = True
        if self._evaluator._observer is None:
            speaking &= ~self._silent(speaking, schedule, together=only is None)
        for number in np.unique(self._program.component_of[speaking]).tolist():
            self._component(self._program.components[number], speaking, schedule)

    def _silent(self, asked: Mask, schedule: Sequence[Times], *, together: bool) -> Mask:
        """Which rules nothing comes of: their expression yields nothing at any of their evaluation times, and they have nothing that could end.

        ``together``: the same rules are asked for again and again.
        """
        program, states = self._program, self._evaluator.states
        numbers: dict[bytes, int] = {}
        schedules = np.array([numbers.setdefault(times.tobytes(), len(numbers)) for times in schedule], np.int64)
        schedules = schedules[program.group_numbers]
        numbered = asked & (program.expressions >= 0)
        silent = np.zeros(len(asked), np.bool_)
        for due_at, number in numbers.items():
            if due_at and together:
                times = np.frombuffer(due_at, np.int64)
                silent |= self._vectors.evaluate(numbered & (schedules == number), times, self._evaluator.source)
        idle = np.array([state is IDLE for state in states], np.bool_) & numbered
        silent &= idle
        key = program.expressions * len(numbers) + schedules
        left = idle & ~silent
        keys, firsts = np.unique(key[left], return_index=True)
        empty = []
        for number, position in zip(keys.tolist(), np.flatnonzero(left)[firsts].tolist(), strict=True):
            rule = program.rules[position]
            dated = schedule[rule.group_number] - rule.turn.query_offset_ms
            if self._vectors.is_empty(rule, dated, self._evaluator.source):
                empty.append(number)
        found: Mask = silent | (left & np.isin(key, empty))
        return found

    def _component(self, component: Component, speaking: Mask, schedule: Sequence[Times]) -> None:
        """Evaluate the rules of a component that have anything to say."""
        rules = [self._program.rules[position] for position in component.positions if speaking[position]]
        if component.stepped:
            self.step([rule.position for rule in rules], schedule)
            return
        due = [(rule, schedule[rule.group_number]) for rule in rules if len(schedule[rule.group_number])]
        yields = (each for rule, times in due for each in self._evaluated(rule, times))
        shared = any(self._shared(rule) for rule, _ in due)
        if not (shared or component.contested):
            for each in yields:
                self._write(each, checked=False)
            return
        # What they yield does not depend on what they write.
        found = list(yields)
        checked = shared or clash(found, self._evaluator.recorded, self._evaluator.states)
        for each in in_turns(found) if checked else found:
            self._write(each, checked=checked)

    def step(self, positions: Sequence[int], schedule: Sequence[Times]) -> None:
        """Evaluate rules at one evaluation time after the other, in their order at each."""
        rules = [self._program.rules[position] for position in positions]
        due = [set(schedule[rule.group_number].tolist()) for rule in rules]
        for when in sorted(set().union(*due)):
            alone = np.array([when], np.int64)
            for rule, times in zip(rules, due, strict=True):
                if when in times:
                    for each in self._evaluated(rule, alone):
                        self._write(each, checked=True)

    def outcome(self) -> Outcome:
        found = self._outcome
        # The order of series is an accident of the store: alerts of one rule and time are in the order of their labels.
        found.events.sort(key=_place)
        found.errors.sort(key=lambda each: (each.time_ms, each.rule.position))
        snapshots = {
            when: sorted(active, key=lambda each: (each.rule.position, each.alert.labels))
            for when, active in sorted(found.snapshots.items())
        }
        return Outcome(found.events, found.errors, snapshots)

    def _shared(self, rule: Prepared) -> bool:
        """Whether samples came in under a name that the rule writes."""
        return any(self._source.has(name, self._end_ms) for name in rule.names)

    def _evaluated(self, rule: Prepared, times: Times, *, whole: bool = True) -> Iterator[Yield]:
        """What comes of a rule, in pieces if it fails at some of the times. Its alerts are as they are after them; nothing is written yet.

        Args:
            rule: the rule.
            times: ascending milliseconds.
            whole: there is no piece before this one, which might be yet to be written.
        """
        evaluator = self._evaluator
        dated = times - rule.turn.query_offset_ms
        try:
            vector = self._vectors.of(rule, dated, evaluator._store(rule, int(times[-1])))
        except PromQLError as error:
            if len(times) == 1:
                self._outcome.errors.append(RuleError(int(times[0]), rule, error.message))
                return
            # One time that fails must not take the others with it; halving also fits what was too large at once.
            middle = len(times) // 2
            yield from self._evaluated(rule, times[:middle], whole=False)
            yield from self._evaluated(rule, times[middle:], whole=False)
            return
        if evaluator._observer is not None:
            evaluator._observer(rule, times, vector)
        state = evaluator.states[rule.position]
        if whole and state is IDLE and not vector.size:
            return
        course = rule.kind.course(
            Evaluated(
                vector,
                times,
                state.alerts,
                self._wanted,
                lambda when: evaluator.query_as(rule, when),
                lambda name, labels: evaluator._recordings.of(self._recording_key(rule), vector.labels, name, labels),
            )
        )
        self._note(rule, times, course)
        evaluator.states[rule.position] = RuleState.of(course.state, state.written)
        yield Yield(rule, times, course.blocks, course.good)

    def _note(self, rule: Prepared, times: Times, course: Course) -> None:
        """Add what came of a rule to the outcome."""
        found = self._outcome
        found.events.extend(Event(rule, transition) for transition in course.transitions)
        for taken in course.snapshots:
            if taken.alerts:
                active = found.snapshots.setdefault(taken.time_ms, [])
                active.extend(ActiveAlert(rule, alert) for alert in taken.alerts)
        found.errors.extend(RuleError(int(times[index]), rule, message) for index, message in course.errors.items())

    def _recording_key(self, rule: Prepared) -> tuple[int, int]:
        """A key that is equal for rules with the same expression, which is evaluated once for all of them."""
        number = int(self._program.expressions[rule.position])
        return (number, -1) if number >= 0 else (-1, rule.position)

    def _write(self, yielded: Yield, *, checked: bool) -> None:
        """Write what a rule yields; ``checked``, at one time, if others may write the same."""
        evaluator, rule = self._evaluator, yielded.rule
        good = yielded if yielded.good.all() else yielded.of(yielded.good)
        if not len(good.times):
            return
        state = evaluator.states[rule.position]
        written = dict(state.written)
        refusal = ""
        for block in good.blocks:
            before = state.written.get(block.name, frozenset())
            if not checked:
                written[block.name] = append(evaluator.recorded, rule.writer, block, good.times, before)
                continue
            self._source.has(block.name, self._end_ms)
            when = int(good.times[0])
            taken, refused = append_checked(evaluator.recorded, self._source, rule.writer, block, when, before)
            written[block.name] = taken
            refusal = refused or refusal
        if refusal:
            self._outcome.errors.append(RuleError(int(good.times[0]), rule, refusal))
        evaluator.states[rule.position] = RuleState.of(state.alerts, written)


def _place(event: Event) -> tuple[int, int, bool, Labels]:
    change = event.transition
    return change.time_ms, event.rule.position, change.after is not Phase.INACTIVE, change.alert.labels


def _is_sorted(expr: ast.Expr) -> bool:
    """Whether the order of an expression's series means something."""
    expr = ast.unwrap(expr)
    return (isinstance(expr, ast.Call) and expr.func.startswith("sort")) or (
        isinstance(expr, ast.Aggregate) and expr.op in ("topk", "bottomk")
    )
