"""What unit tests ask of an engine: a test's rules and samples in; failures of rules, the alerts at some evaluation times, and a store to ask, out.

Two engines evaluate unit tests: :func:`batch` here, at all times at once, and :func:`transforms.alerts.unit_tests.stream`, as the stages of a
stream do. The verdict is made of what they give, by the same code (:mod:`rules.unit_tests.run`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rules.evaluation.alerts import Alert, Labels, Phase
from rules.evaluation.groups import Evaluator, Observer
from rules.evaluation.outcome import ActiveAlert, Outcome, RuleError
from rules.evaluation.program import Program
from rules.promql.storage import MemoryStorage, Storage
from rules.promql.values import Floats, Times
from rules.unit_tests.model import UnitTest


class NotRun(Exception):
    """An engine cannot evaluate a test as its author means it; ``reason`` says why, for a line of text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Input(NamedTuple):
    """An input series: times in ms, ascending, and the values beside them."""

    labels: Labels
    times: Times
    values: Floats


@dataclass(frozen=True, slots=True)
class Trial:
    """A test to be evaluated.

    Attributes:
        program: its rules, in their order of evaluation, whatever intervals their groups name.
        series: distinct by labels; no sample is dated after the last evaluation.
        step_ms: between evaluations of all groups.
        times: the evaluation times, ascending.
        looks: the evaluation times at which alerts are looked at, and the names of these.
    """

    test: UnitTest
    program: Program
    series: Sequence[Input]
    step_ms: int
    times: Times
    looks: Mapping[int, frozenset[str]]

    def storage(self) -> MemoryStorage:
        """The input series as a store."""
        return MemoryStorage.from_series((dict(each.labels), each.times, each.values) for each in self.series)


class Looked(NamedTuple):
    """A pending or firing alert after an evaluation.

    Attributes:
        name: the rule's.
        for_ms: the rule's ``for``.
        annotations: of those that fire.
    """

    name: str
    for_ms: int
    alert: Alert
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a test's evaluation.

    Attributes:
        errors: failed evaluations, by time and by the order of the rules: all those of the first time that has any.
        alerts: by evaluation time, those that :attr:`Trial.looks` names, where there are any; by the order of the rules and by labels.
        storage: the samples that came in, and those that rules wrote.
    """

    errors: Sequence[RuleError]
    alerts: Mapping[int, Sequence[Looked]]
    storage: Storage


Engine = Callable[[Trial], Ran]
"""Evaluates a test.

Raises:
    NotRun: this engine cannot.
"""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A test whose rules the batch engine has evaluated, for coverage and debugging."""

    test: UnitTest
    evaluator: Evaluator
    times: Times
    outcome: Outcome


Inspect = Callable[[Evaluated], None]


def batch(observer: Observer | None = None, inspect: Inspect | None = None) -> Engine:
    """The engine that evaluates all times at once.

    Args:
        observer: see :class:`rules.evaluation.groups.Evaluator`.
        inspect: called with the evaluation when it is done.
    """

    def run(trial: Trial) -> Ran:
        evaluator = Evaluator(trial.program, trial.storage(), observer=observer)
        outcome = evaluator.evaluate(trial.times, trial.looks)
        if inspect is not None:
            inspect(Evaluated(trial.test, evaluator, trial.times, outcome))
        stopped = outcome.errors[0].time_ms if outcome.errors else None
        alerts = {
            when: looked(evaluator, outcome.snapshots.get(when, ()), names) for when, names in trial.looks.items()
        }
        return Ran([each for each in outcome.errors if each.time_ms == stopped], alerts, evaluator.storage)

    return run


def looked(evaluator: Evaluator, active: Iterable[ActiveAlert], names: frozenset[str]) -> list[Looked]:
    """Active alerts of some names, with what their annotations say now."""
    return [
        Looked(
            each.rule.rule.name,
            each.rule.policy.for_ms,
            each.alert,
            evaluator.annotations(each.rule, each.alert) if each.alert.phase is Phase.FIRING else {},
        )
        for each in active
        if each.rule.rule.name in names
    ]
