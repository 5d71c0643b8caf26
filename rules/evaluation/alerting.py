"""An alerting rule over many evaluation times: the state machine is stepped where something changes, and what lies between is filled in.

Between two times with the same series present, an alert changes only when its ``for`` or ``keep_firing_for`` has passed
(``rules.evaluation.alerts.due``); all else is its value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rules.evaluation.alert_text import AlertText, Query
from rules.evaluation.alerts import (
    ALERTS,
    ALERTS_FOR_STATE,
    Alert,
    AlertState,
    Labels,
    Phase,
    Policy,
    Sample,
    Transition,
    alert_series,
    due,
    step,
    touch,
)
from rules.evaluation.writing import Block
from rules.promql.values import InstantVector, Mask, Times


class Snapshot(NamedTuple):
    """The pending and firing alerts of a rule after its evaluation at a time."""

    time_ms: int
    alerts: tuple[Alert, ...]


@dataclass(slots=True)
class Course:
    """What comes of a rule at some evaluation times.

    Attributes:
        state: its alerts after the last of them.
        transitions: of its alerts, in order of time.
        errors: by index of the evaluation time.
        snapshots: of the evaluation times that were asked for.
        good: ``[T]``, the evaluation times at which the evaluation succeeded.
        blocks: the series to write: ``ALERTS`` and ``ALERTS_FOR_STATE``, or the recorded ones.
    """

    state: AlertState
    good: Mask
    transitions: list[Transition] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)
    snapshots: list[Snapshot] = field(default_factory=list)
    blocks: tuple[Block, ...] = ()


class Samples:
    """The series of an expression as samples of alerts, one evaluation time after the other."""

    def __init__(self, vector: InstantVector, times: Times, text: AlertText, query_at: Callable[[int], Query]) -> None:
        self._vector = vector
        self._times = times
        self._text = text
        self._query_at = query_at
        self._rows = vector.labels.rows()
        self._sources: list[Labels] = [tuple(row.items()) for row in self._rows]
        self._identities: list[Labels] = []
        if text.steady and self._rows:
            when = int(times[0])
            self._identities = text.identities(self._rows, [0.0] * len(self._rows), when, query_at(when))

    def at(self, index: int) -> list[Sample]:
        """The series that are present at a time."""
        vector = self._vector
        rows = np.flatnonzero(vector.present[:, index]).tolist()
        if not rows:
            return []
        values = vector.values[rows, index].tolist()
        identities = [self._identities[row] for row in rows] if self._text.steady else self._made(rows, values, index)
        sources = self._sources
        return [
            Sample(labels, value, sources[row]) for labels, value, row in zip(identities, values, rows, strict=True)
        ]

    def changes(self) -> list[int]:
        """The times, by index, at which the alerts present may differ from those before."""
        present = self._vector.present
        count = len(self._times)
        if not self._text.steady:
            return list(range(count))
        if not present.size:
            return [0]
        changed = np.ones(count, np.bool_)
        changed[1:] = (present[:, 1:] != present[:, :-1]).any(axis=0)
        return np.flatnonzero(changed).tolist()

    def _made(self, rows: Sequence[int], values: Sequence[float], index: int) -> list[Labels]:
        when = int(self._times[index])
        return self._text.identities([self._rows[row] for row in rows], values, when, self._query_at(when))


class _Spans:
    """The series of alerts, and from which time to which they have which value."""

    def __init__(self, text: AlertText) -> None:
        self._text = text
        self._series: dict[tuple[Labels, Phase], tuple[Labels, Labels]] = {}
        self._spans: dict[str, dict[Labels, list[tuple[int, int, float]]]] = {ALERTS: {}, ALERTS_FOR_STATE: {}}

    def add(self, active: Iterable[Alert], start: int, end: int) -> None:
        """The alerts are as they are at the times ``[start, end)``."""
        for alert in active:
            key = alert.labels, alert.phase
            if key not in self._series:
                self._series[key] = alert_series(self._text.rule.alert, self._text.labels, alert)
            state, for_state = self._series[key]
            self._spans[ALERTS].setdefault(state, []).append((start, end, 1.0))
            since = float(alert.active_at // 1000)
            self._spans[ALERTS_FOR_STATE].setdefault(for_state, []).append((start, end, since))

    def blocks(self, count: int) -> tuple[Block, ...]:
        found = []
        for name, series in self._spans.items():
            values = np.zeros((len(series), count))
            mask = np.zeros((len(series), count), np.bool_)
            for row, spans in enumerate(series.values()):
                for start, end, value in spans:
                    values[row, start:end] = value
                    mask[row, start:end] = True
            found.append(Block(name, tuple(series), values, mask))
        return tuple(found)


def run_alerts(
    text: AlertText, policy: Policy, state: AlertState, samples: Samples, times: Times, wanted: Collection[int]
) -> Course:
    """The course of a rule's alerts over ascending evaluation times.

    Args:
        text: the rule's templates.
        policy: what the rule says.
        state: after the time before the first.
        samples: the series of its expression.
        times: ``[T]`` milliseconds.
        wanted: the times, in milliseconds, to take snapshots of.
    """
    moments = times.tolist()
    course = Course(state, np.ones(len(moments), np.bool_))
    asked = [index for index, when in enumerate(moments) if when in wanted] if wanted else []
    stops = sorted({*samples.changes(), *asked})
    asked_set = set(asked)
    spans = _Spans(text)
    index, stop = 0, 0
    while index < len(moments):
        when = moments[index]
        stepped = step(policy, course.state, samples.at(index), when)
        course.state = stepped.state
        course.transitions.extend(stepped.transitions)
        active = course.state.active()
        if index in asked_set:
            course.snapshots.append(Snapshot(when, tuple(active)))
        while stop < len(stops) and stops[stop] <= index:
            stop += 1
        following = stops[stop] if stop < len(stops) else len(moments)
        if stepped.error:
            course.errors[index] = stepped.error
            course.good[index] = False
            following = index + 1
        else:
            next_due = due(policy, course.state)
            if next_due is not None:
                following = min(following, max(int(np.searchsorted(times, next_due)), index + 1))
            spans.add(active, index, following)
            if following - 1 > index and active:
                course.state = touch(course.state, samples.at(following - 1), moments[following - 1])
        index = following
    course.blocks = spans.blocks(len(moments))
    return course
