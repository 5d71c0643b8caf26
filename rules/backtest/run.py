"""Backtests: when the alerts of a program would have been pending, firing and resolved over archived samples.

The evaluator is the one of the streaming job and of unit tests (:mod:`rules.evaluation.groups`), driven over the past.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from rules.backtest.peaks import ValueLog
from rules.evaluation.alerts import Labels, Phase, Transition
from rules.evaluation.groups import Evaluator
from rules.evaluation.known_empty import needs_samples
from rules.evaluation.outcome import Event
from rules.evaluation.program import Prepared, Program
from rules.evaluation.rule_state import IDLE
from rules.planning.reach import Reach, reaches, together
from rules.promql.storage import MemoryStorage
from rules.promql.values import Times

_CELLS_AT_ONCE = 400_000
_FEWEST_TIMES = 256

Progress = Callable[[int, int], None]
"""Called with the milliseconds that are done, and their total."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One alert from the time at which it becomes active until it is so no longer; times are evaluation times, in ms.

    Attributes:
        rule: whose alert it is.
        labels: the alert's.
        pending_since: the first time at which its series was there.
        firing_since: the first time at which it fired; None if it never did.
        ended_at: the first time at which it was neither pending nor firing; None if it is active at the end of the backtest.
        until: ``ended_at``, or else the end of the backtest.
        peak: the value of the expression that lies furthest in the direction which the rule compares to: the smallest for ``<`` and ``<=``,
            else the largest. NaN if every value was.
        annotations: as they were at the first time of firing.
        reason: why it ended.
    """

    rule: Prepared
    labels: Labels
    pending_since: int
    firing_since: int | None
    ended_at: int | None
    until: int
    peak: float = float("nan")
    annotations: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    @property
    def fired(self) -> bool:
        return self.firing_since is not None

    @property
    def firing_ms(self) -> int:
        """How long it fired: from the first firing time until the first that is not."""
        return 0 if self.firing_since is None else self.until - self.firing_since


@dataclass(frozen=True, slots=True)
class Failures:
    """Evaluations of a rule that failed: how many, the first one's time, and its message."""

    count: int
    first_ms: int
    message: str


@dataclass(frozen=True, slots=True)
class Backtest:
    """What the rules would have done.

    Attributes:
        start_ms, end_ms: the range that was asked for, both ends included.
        episodes: those that are active somewhere in it, by time of beginning, then by the order of the rules, then by labels.
        failures: of rules that failed somewhere, by position.
        evaluations: how many there were, of all rules and times, those before the range included.
        reaches: what each rule reads, by position.
    """

    program: Program
    start_ms: int
    end_ms: int
    episodes: tuple[Episode, ...]
    failures: Mapping[int, Failures]
    evaluations: int
    reaches: tuple[Reach, ...]

    @property
    def alerts(self) -> tuple[Prepared, ...]:
        """The alerting rules."""
        return self.program.alerts


def backtest(
    program: Program, source: MemoryStorage, start_ms: int, end_ms: int, progress: Progress | None = None
) -> Backtest:
    """Evaluate the program's groups at the multiples of their intervals in ``[start_ms, end_ms]``.

    Evaluation begins earlier where there are samples from before the range, as much as the rules can see at its start (:class:`Reach`), so
    what they record is there and alerts are in the phase they would be in. It begins at the first sample at the earliest.

    Raises:
        ValueError: the range is empty.
    """
    if end_ms < start_ms:
        raise ValueError(f"the range ends ({end_ms}) before it begins ({start_ms})")
    found = reaches(program)
    reach = together(found)
    begin = _begin(source, start_ms, reach)
    values = ValueLog(program.alerts)
    evaluator = Evaluator(program, source, observer=values.observe)
    course = _Course(evaluator, end_ms)
    evaluations = 0
    slice_ms = _slice_ms(source.labels.size, program.times.shortest_ms or 60_000)
    stamps = _stamps(program, source, reach)
    after = begin - 1
    while after < end_ms:
        idle_until = _idle_until(evaluator, stamps, reach, after, end_ms)
        if idle_until > after + slice_ms:
            # One sample of another decade must not cost the evaluation of all times between.
            evaluations += sum(
                len(group.rules) * each.count(after, idle_until)
                for group, each in zip(program.groups, program.schedules, strict=True)
            )
            after = idle_until
            continue
        until = min(after + slice_ms, end_ms)
        schedule = program.due(after, until)
        outcome = evaluator.evaluate_schedule(schedule)
        evaluations += sum(len(schedule[rule.group_number]) for rule in program.rules)
        for event in outcome.events:
            course.take(event)
        for error in outcome.errors:
            course.fail(error.rule.position, error.time_ms, error.message)
        after = until
        if reach.bounded:
            evaluator.prune(after - reach.back_ms)
        if progress is not None:
            progress(after - begin + 1, end_ms - begin + 1)
    peaks = values.peaks()
    episodes = [
        replace(each, peak=peaks.of(each.rule, sources, each.pending_since, each.until))
        for each, sources in course.episodes()
        if each.until >= start_ms
    ]
    episodes.sort(key=lambda each: (each.pending_since, each.rule.position, each.labels))
    return Backtest(program, start_ms, end_ms, tuple(episodes), course.failures, evaluations, tuple(found))


def _begin(source: MemoryStorage, start_ms: int, reach: Reach) -> int:
    first = int(source.timestamps.min()) if len(source.timestamps) else start_ms
    if first >= start_ms:
        return start_ms
    return max(first, start_ms - reach.back_ms) if reach.bounded else first


def _stamps(program: Program, source: MemoryStorage, reach: Reach) -> Times | None:
    """The times of all samples, ascending; None if rules may yield something where none is near."""
    options = program.settings.options
    if not reach.bounded or any(rule.ahead or not needs_samples(rule.rule.ast, options) for rule in program.rules):
        return None
    return np.unique(source.timestamps)


def _idle_until(evaluator: Evaluator, stamps: Times | None, reach: Reach, after_ms: int, end_ms: int) -> int:
    """The end of a stretch after a time in which no rule can yield anything; the time itself if there is none."""
    if stamps is None or any(state is not IDLE for state in evaluator.states):
        return after_ms
    if evaluator.recorded.seen(after_ms + 1, reach.back_ms + 1) is not None:
        return after_ms
    place = int(np.searchsorted(stamps, after_ms, side="right"))
    if place and int(stamps[place - 1]) + reach.back_ms > after_ms:
        return after_ms
    return min(int(stamps[place]) - 1, end_ms) if place < len(stamps) else end_ms


def _slice_ms(series: int, interval_ms: int) -> int:
    """How much to evaluate at once, to bound intermediate results and to report progress."""
    return max(_CELLS_AT_ONCE // max(series, 1), _FEWEST_TIMES) * interval_ms


@dataclass(slots=True)
class _Open:
    rule: Prepared
    labels: Labels
    pending_since: int
    firing_since: int | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    sources: set[Labels] = field(default_factory=set)


class _Course:
    """Turns transitions into episodes."""

    def __init__(self, evaluator: Evaluator, end_ms: int) -> None:
        self.failures: dict[int, Failures] = {}
        self._evaluator = evaluator
        self._end_ms = end_ms
        self._open: dict[tuple[int, Labels], _Open] = {}
        self._closed: list[tuple[Episode, set[Labels]]] = []

    def take(self, event: Event) -> None:
        rule, transition = event.rule, event.transition
        key = rule.position, transition.alert.labels
        if transition.after is Phase.INACTIVE:
            self._close(self._open.pop(key), transition)
            return
        since = transition.alert.active_at
        episode = self._open.setdefault(key, _Open(rule, transition.alert.labels, since))
        episode.sources.add(transition.alert.source)
        if transition.after is Phase.FIRING:
            episode.firing_since = transition.time_ms
            episode.annotations = self._evaluator.annotations(rule, transition.alert)

    def fail(self, position: int, time_ms: int, message: str) -> None:
        before = self.failures.get(position, Failures(0, time_ms, message))
        self.failures[position] = replace(before, count=before.count + 1)

    def episodes(self) -> Iterator[tuple[Episode, set[Labels]]]:
        """All of them, each with the labels of the series it came from."""
        yield from self._closed
        for each in self._open.values():
            yield self._episode(each, None, ""), each.sources

    def _close(self, each: _Open, transition: Transition) -> None:
        each.sources.add(transition.alert.source)
        episode = self._episode(each, transition.time_ms, transition.reason.value)
        self._closed.append((episode, each.sources))

    def _episode(self, each: _Open, ended_at: int | None, reason: str) -> Episode:
        until = self._end_ms if ended_at is None else ended_at
        return Episode(
            each.rule,
            each.labels,
            each.pending_since,
            each.firing_since,
            ended_at,
            until,
            annotations=each.annotations,
            reason=reason,
        )
