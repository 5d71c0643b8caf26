"""Evaluation of rule groups over event time: the one evaluator of unit tests, backtests and the streaming job.

Semantics: Prometheus 3 (``rules/group.go``, ``recording.go``, ``alerting.go``). At an instant the groups, and the rules of a group, are evaluated
in order, and each sees what those before it have written. Columnar over time: a rule that reads nothing which itself or a later rule writes is
evaluated for all instants at once, with the same result as instant by instant (``tests/rules/test_groups.py`` compares the two).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rules.alert_text import Query
from rules.alerting import Course, Samples, run_alerts
from rules.alerts import Alert, AlertState, Labels, Phase
from rules.dependencies import Component
from rules.outcome import ActiveAlert, Event, Outcome, QueriedSample, RuleError
from rules.program import Prepared, Program, Settings
from rules.promql import ast
from rules.promql.engine import at_instants
from rules.promql.errors import EvaluationError, PromQLError
from rules.promql.labels import LabelFrame
from rules.promql.parser import parse
from rules.promql.storage import Storage
from rules.promql.values import InstantVector, Mask, Scalar, Times
from rules.recorded import Combined, Recorded, View
from rules.recording import recorded_series
from rules.writing import Block, Source, append, append_checked

NOT_A_VECTOR = "rule result is not a vector or scalar"

_SCALAR_LABELS = LabelFrame(1, {})


@dataclass(slots=True)
class RuleState:
    """What a rule keeps between evaluations: its alerts, and the series it wrote when it last succeeded."""

    alerts: AlertState = field(default_factory=AlertState)
    written: dict[str, frozenset[Labels]] = field(default_factory=dict)

    def as_plain(self) -> dict[str, Any]:
        """The state in lists, dictionaries, texts and numbers, for JSON or a checkpoint."""
        written = {name: sorted(map(list, series)) for name, series in self.written.items()}
        return {"alerts": self.alerts.as_plain(), "written": written}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> RuleState:
        """The state that :meth:`as_plain` gave.

        Raises:
            ValueError: it is none.
        """
        try:
            written = {
                str(name): frozenset(tuple((str(label), str(value)) for label, value in each) for each in series)
                for name, series in plain["written"].items()
            }
            return cls(AlertState.from_plain(plain["alerts"]), written)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not the state of a rule: {error}") from error


Observer = Callable[[Prepared, Times, InstantVector], None]
"""Told of every evaluated expression: the rule, the instants, and the vector at them (of one rule in ascending time)."""


Quiet = Callable[[ast.Expr, Times], bool]
"""Whether an expression is known to yield nothing at some instants, and not to fail either."""


class Evaluator:
    """Evaluates a program's groups at the instants it is given, in ascending order, few or many at a time.

    What bounds its state: per rule, the active alerts, those resolved in the last 15 minutes, and the series written at the last instant;
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
        quiet: Quiet | None = None,
    ) -> None:
        """Start with no alerts.

        Args:
            program: the groups.
            source: the samples; what is dated after an instant must not change what the instant sees, and need not be there yet.
                It may be replaced between evaluations (:attr:`source`).
            stepped: go instant by instant throughout; for comparison.
            observer: told of every evaluated expression.
            quiet: which expressions need not be evaluated.
        """
        self.program = program
        self.source = source
        self.recorded = Recorded()
        self.states = [RuleState() for _ in program.rules]
        self._stepped = stepped
        self._observer = observer
        self._quiet = quiet

    @property
    def storage(self) -> Combined:
        """The samples that came in and those that the rules have written."""
        return Combined(self.source, self.recorded)

    def evaluate(self, times: Times, snapshots: Collection[int] = ()) -> Outcome:
        """Evaluate all groups at the same instants.

        Args:
            times: ascending milliseconds, after all earlier ones.
            snapshots: the instants among them whose active alerts are wanted.
        """
        return self.evaluate_schedule([times] * len(self.program.groups), snapshots)

    def evaluate_schedule(
        self, schedule: Sequence[Times], snapshots: Collection[int] = (), *, only: Collection[int] | None = None
    ) -> Outcome:
        """Evaluate each group at its own instants; see :func:`aligned`.

        Args:
            schedule: ascending milliseconds, for each group of the program; after all earlier ones.
            snapshots: instants whose active alerts are wanted, of the groups that are evaluated then.
            only: the positions of the rules to evaluate, all of a component (:attr:`Program.components`) or none; None: all rules. They are
                evaluated again, say: the states and records of the others are those of later instants, and stay as they are.
        """
        ends = [int(times[-1]) for times in schedule if len(times)]
        if not ends:
            return Outcome()
        run = _Run(self, Source(self.source), max(ends), frozenset(snapshots))
        if self._stepped:
            run.step([each.position for each in self.program.rules if only is None or each.position in only], schedule)
        else:
            for component in self.program.components:
                if only is None or component.positions[0] in only:
                    run.component(component, schedule)
        return run.outcome()

    def annotations(self, rule: Prepared, alert: Alert) -> dict[str, str]:
        """The annotations of an alert, expanded with what its rule saw when the alert's series was last there."""
        if rule.text is None:
            return {}
        return rule.text.annotations(alert.source, alert.value, alert.seen_at, self.query_as(rule, alert.seen_at))

    def query_as(self, rule: Prepared, time_ms: int) -> Query:
        """Answers queries with what a rule sees at an instant, for templates."""
        view = View(self.source, self.recorded, rule.position, time_ms)

        def query(expr: str, when_ms: int) -> list[Any]:
            tree = self.program.queries.get(expr) or parse(expr)
            vector = _vector(tree, view, np.array([when_ms], np.int64), self.program.settings)
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
        """An expression as its rule sees it at instants that have been evaluated: a part of the rule's own, say.

        Raises:
            PromQLError: it fails at one of them.
        """
        dated = times - rule.turn.query_offset_ms
        if not (rule.ahead and len(times) > 1):
            return _vector(expr, self._store(rule, int(times[-1])), dated, self.program.settings)
        parts = [self.observe(rule, expr, times[index : index + 1]) for index in range(len(times))]
        return _side_by_side(parts)

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
        self._outcome = Outcome()

    def component(self, component: Component, schedule: Sequence[Times]) -> None:
        rules = [self._program.rules[position] for position in component.positions]
        if component.stepped or any(self._shared(rule) for rule in rules):
            self.step(component.positions, schedule)
            return
        for rule in rules:
            times = schedule[rule.group_number]
            if len(times):
                self._evaluate(rule, times, checked=False)

    def step(self, positions: Sequence[int], schedule: Sequence[Times]) -> None:
        """Evaluate rules instant by instant, in their order at each."""
        rules = [self._program.rules[position] for position in positions]
        due = [set(schedule[rule.group_number].tolist()) for rule in rules]
        for when in sorted(set().union(*due)):
            instant = np.array([when], np.int64)
            for rule, instants in zip(rules, due, strict=True):
                if when in instants:
                    self._evaluate(rule, instant, checked=True)

    def outcome(self) -> Outcome:
        found = self._outcome
        # The order of series is an accident of the store: alerts of one rule and instant are in the order of their labels.
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

    def _evaluate(self, rule: Prepared, times: Times, *, checked: bool) -> None:
        evaluator = self._evaluator
        dated = times - rule.turn.query_offset_ms
        quiet = evaluator._quiet is not None and evaluator._quiet(rule.rule.ast, dated)
        try:
            if quiet:
                vector = InstantVector.empty(len(times))
            else:
                vector = _vector(rule.rule.ast, evaluator._store(rule, int(times[-1])), dated, self._program.settings)
        except PromQLError as error:
            if len(times) == 1:
                self._outcome.errors.append(RuleError(int(times[0]), rule, error.message))
                return
            # One instant that fails must not take the others with it; halving also fits what was too large at once.
            middle = len(times) // 2
            self._evaluate(rule, times[:middle], checked=checked)
            self._evaluate(rule, times[middle:], checked=checked)
            return
        if evaluator._observer is not None:
            evaluator._observer(rule, times, vector)
        if rule.text is None:
            block, good, errors = recorded_series(rule.rule.name, rule.turn.labels, rule.policy.limit, vector)
            blocks: tuple[Block, ...] = (block,)
        else:
            course = self._alerts(rule, vector, times)
            blocks, good, errors = course.blocks, course.good, course.errors
        for index, message in errors.items():
            self._outcome.errors.append(RuleError(int(times[index]), rule, message))
        self._write(rule, blocks, times, good, checked)

    def _alerts(self, rule: Prepared, vector: InstantVector, times: Times) -> Course:
        state = self._evaluator.states[rule.position]
        if rule.text is None:
            raise TypeError(f"{rule.key} is no alerting rule")
        samples = Samples(vector, times, rule.text, lambda when: self._evaluator.query_as(rule, when))
        course = run_alerts(rule.text, rule.policy, state.alerts, samples, times, self._wanted)
        state.alerts = course.state
        self._outcome.events.extend(Event(rule, transition) for transition in course.transitions)
        for taken in course.snapshots:
            found = self._outcome.snapshots.setdefault(taken.time_ms, [])
            found.extend(ActiveAlert(rule, alert) for alert in taken.alerts)
        return course

    def _write(self, rule: Prepared, blocks: Sequence[Block], times: Times, good: Mask, checked: bool) -> None:
        state, recorded = self._evaluator.states[rule.position], self._evaluator.recorded
        if not good.all():
            times = times[good]
            blocks = [Block(each.name, each.series, each.values[:, good], each.mask[:, good]) for each in blocks]
        if not len(times):
            return
        refusal = ""
        for block in blocks:
            before = state.written.get(block.name, frozenset())
            if not checked:
                state.written[block.name] = append(recorded, rule.writer, block, times, before)
                continue
            self._source.has(block.name, self._end_ms)
            written, refused = append_checked(recorded, self._source, rule.writer, block, int(times[0]), before)
            state.written[block.name] = written
            refusal = refused or refusal
        if refusal:
            self._outcome.errors.append(RuleError(int(times[0]), rule, refusal))


def _place(event: Event) -> tuple[int, int, bool, Labels]:
    change = event.transition
    return change.time_ms, event.rule.position, change.after is not Phase.INACTIVE, change.alert.labels


def aligned(interval_ms: int, after_ms: int, until_ms: int) -> Times:
    """The instants of a group: the multiples of its interval in ``(after_ms, until_ms]``."""
    first = (after_ms // interval_ms + 1) * interval_ms
    return np.arange(first, until_ms + 1, interval_ms, dtype=np.int64)


def _is_sorted(expr: ast.Expr) -> bool:
    """Whether the order of an expression's series means something."""
    expr = ast.unwrap(expr)
    return (isinstance(expr, ast.Call) and expr.func.startswith("sort")) or (
        isinstance(expr, ast.Aggregate) and expr.op in ("topk", "bottomk")
    )


def _vector(expr: ast.Expr, storage: Storage, times: Times, settings: Settings) -> InstantVector:
    if expr.type not in (ast.ValueType.SCALAR, ast.ValueType.VECTOR):
        raise EvaluationError(NOT_A_VECTOR, expr.span)
    value = at_instants(expr, storage, times, settings.options).value
    if isinstance(value, Scalar):
        values = value.values[None, :]
        return InstantVector(_SCALAR_LABELS, values, np.ones(values.shape, np.bool_))
    if not isinstance(value, InstantVector):
        raise EvaluationError(NOT_A_VECTOR, expr.span)
    return value


def _side_by_side(parts: Sequence[InstantVector]) -> InstantVector:
    """Vectors of one instant each as one of all."""
    rows: dict[Labels, int] = {}
    places = [[rows.setdefault(tuple(row.items()), len(rows)) for row in part.labels.rows()] for part in parts]
    values = np.zeros((len(rows), len(parts)))
    present = np.zeros((len(rows), len(parts)), np.bool_)
    for column, (part, taken) in enumerate(zip(parts, places, strict=True)):
        values[taken, column] = part.values[:, 0]
        present[taken, column] = part.present[:, 0]
    return InstantVector(LabelFrame.of([dict(labels) for labels in rows]), values, present)
