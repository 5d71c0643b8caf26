"""The rules as a shard goes by them: those in force, those to come, and for a while those before, whose fragments groups may still ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import orjson

from rules.evaluation.known_empty import needs_samples
from rules.evaluation.schedule import NEVER, Schedule, Span, SpannedTimes
from rules.planning.plan import State
from rules.promql.context import Options
from rules.promql.syntax import ast
from schemas.forms import table as forms
from schemas.times import LONG_AGO
from transforms.alerts.fragments.tasks import Task
from transforms.alerts.live.live import CompiledRules, LiveRules
from transforms.alerts.messages import RuleFiles
from transforms.alerts.settings import EvaluationSettings

OLD_RULES_MS = 120_000
"""How long after a change, besides the lateness, the fragments of the rules before it are evaluated."""


class _Span(NamedTuple):
    """Rules, and their first and last evaluation time."""

    ready: CompiledRules
    since_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class _Past:
    """Rules that were in force; ``stored`` is what a checkpoint has of them."""

    stored: bytes
    span: _Span


class ShardRules:
    """Which fragments a shard evaluates, when, and what it keeps for them.

    Attributes:
        times: the evaluation times, of the rules to come too, from when they apply.
        tasks: of the rules in force and of those before, each once.
        vectors: those of them that yield vectors.
        gathering: those that gather samples, by their schedules, since each sample goes with one evaluation time of theirs.
        states: what their selectors need, and those of the rules to come, so that a rule is warm when it begins.
        behind_ms: the largest offset of a schedule.
        reach_ms: the most that rules look back from an evaluation time.
    """

    def __init__(self, settings: EvaluationSettings, stored: bytes | None = None) -> None:
        """Begin with the settings' files, or go on from what :meth:`to_bytes` gave.

        Raises:
            ValueError: what was stored is no such thing; :class:`schemas.forms.model.VersionError` if another release wrote it.
        """
        self._settings = settings
        self._since_ms = LONG_AGO
        self._past: list[_Past] = []
        if stored is None:
            self._live = LiveRules(settings)
        else:
            plain = orjson.loads(stored)
            forms.SHARD_RULES.check_key(plain)
            self._live = LiveRules(settings, plain["live"].encode())
            self._since_ms = plain["since_ms"]
            for each in plain["past"]:
                before = each["live"].encode()
                span = _Span(LiveRules(settings, before).current, each["since_ms"], each["until_ms"])
                self._past.append(_Past(before, span))
        self._renew()

    def to_bytes(self) -> bytes:
        """Everything, for a checkpoint."""
        past = [
            {"live": each.stored.decode(), "since_ms": each.span.since_ms, "until_ms": each.span.until_ms}
            for each in self._past
        ]
        return orjson.dumps({"live": self._live.to_bytes().decode(), "since_ms": self._since_ms, "past": past})

    # What changes.

    def announce(self, found: RuleFiles) -> bool:
        """Take up how the files are from a time on; gives whether that is a change."""
        if not self._live.announce(found):
            return False
        self._renew()
        return True

    @property
    def change_ms(self) -> int | None:
        """From when on the next change counts; None if none is known."""
        return self._live.change_ms

    def change(self, evaluated_ms: int) -> list[Task]:
        """Go on with the rules after the next change; there must be one.

        Args:
            evaluated_ms: the last time that was evaluated.

        Returns:
            the tasks that are new, or due at more evaluation times than before.
        """
        change_ms = self._live.change_ms
        assert change_ms is not None, "there is a change"
        before = {task.id: task for task in self.tasks}
        until_ms = max(change_ms, evaluated_ms) + self._settings.late_ms + OLD_RULES_MS
        span = _Span(self._live.current, self._since_ms, until_ms)
        self._past.append(_Past(self._live.to_bytes(), span))
        self._live.change()
        self._since_ms = change_ms
        self._renew()
        return [task for task in self.tasks if not _covers(before.get(task.id), task)]

    def is_past(self, evaluated_ms: int) -> bool:
        """Whether there are rules whose time is over."""
        return any(each.span.until_ms < evaluated_ms for each in self._past)

    def expire(self, evaluated_ms: int) -> None:
        """Let go of them."""
        self._past = [each for each in self._past if each.span.until_ms >= evaluated_ms]
        self._renew()

    @property
    def need_samples(self) -> bool:
        """Whether nothing comes of any task where a shard has no samples."""
        return _need_samples(self.vectors, self._settings.program.options)

    def _renew(self) -> None:
        spans = [each.span for each in self._past]
        spans.append(_Span(self._live.current, self._since_ms, NEVER))
        # While old rules are still in use, one list of tasks covers all evaluation times.
        self.tasks = _united(span.ready.tasks for span in spans)
        self.vectors = tuple(task for task in self.tasks if task.spec.kind == "vector")
        self.gathering: dict[tuple[Schedule, ...], list[Task]] = {}
        for task in self.tasks:
            if task.spec.kind == "samples":
                self.gathering.setdefault(task.spec.schedules, []).append(task)
        self.behind_ms = max((each.behind_ms for task in self.tasks for each in task.spec.schedules), default=0)
        self.reach_ms = self.behind_ms + max((task.spec.history_ms for task in self.tasks), default=0)
        spans += [_Span(ready, change_ms, NEVER) for change_ms, ready in self._live.coming()]
        self.times = SpannedTimes(Span(span.ready.times, span.since_ms, span.until_ms) for span in spans)
        self.states = tuple(state for span in spans for state in _states(span.ready))


@lru_cache(maxsize=16)
def _need_samples(tasks: tuple[Task, ...], options: Options) -> bool:
    """Whether nothing comes of the tasks without samples; all shards of a process ask for the same."""
    return all(needs_samples(task.spec.expr, options) for task in tasks)


def _covers(before: Task | None, task: Task) -> bool:
    """Whether what was evaluated before is all that a task asks for."""
    return (
        before is not None
        and before.spec.history_ms >= task.spec.history_ms
        and set(before.spec.schedules) >= set(task.spec.schedules)
    )


def _united(sources: Iterable[Sequence[Task]]) -> tuple[Task, ...]:
    """The tasks of several rule sets, each once, with the evaluation times of all."""
    found: dict[int, Task] = {}
    for tasks in sources:
        for task in tasks:
            known = found.get(task.id)
            found[task.id] = task if known is None else _both(known, task)
    return tuple(found.values())


def _both(one: Task, other: Task) -> Task:
    """A fragment of two rule sets, with the evaluation times of both."""
    if _covers(one, other):
        # The very task, which all shards of a process share.
        return one
    history_ms = max(one.spec.history_ms, other.spec.history_ms)
    schedules = tuple(sorted({*one.spec.schedules, *other.spec.schedules}))
    return Task(replace(one.spec, history_ms=history_ms, schedules=schedules), one.id)


@lru_cache(maxsize=8)
def _states(ready: CompiledRules) -> tuple[State, ...]:
    """What a rule set's selectors need kept; all shards of a process ask for the same."""
    return (*ready.cut.state(), *_gathered(ready))


def _gathered(ready: CompiledRules) -> Iterator[State]:
    for task in ready.tasks:
        if isinstance(task.spec.expr, ast.VectorSelector) and task.spec.kind == "samples":
            # What is gathered is handed on once, at the end of an interval, and must be there for as long.
            interval = max(each.interval_ms for each in task.spec.schedules)
            yield State(task.spec.expr, interval, False)
