"""Why an alert is what it is: the series that the parts of its rule's expression read for it, and their newest samples.

A series is an alert's if no label that both have differs (the metric's name apart): the series of a host for the alert of the host, all
series of a pool for the alert of the pool.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rules.evaluation.alerts import Labels
from rules.evaluation.groups import Evaluator
from rules.evaluation.program import Prepared
from rules.evaluation.recorded import View
from rules.promql.labels import METRIC_NAME, LabelFrame, match_keys
from rules.promql.storage import Storage, fragment
from rules.promql.syntax import ast
from rules.promql.syntax.errors import EvaluationError
from rules.promql.syntax.printer import to_text
from rules.promql.values import Floats, Index, Times, is_stale
from schemas.alert_event import MAX_TRACED_SERIES, MAX_TRACES, Trace, TracedSeries


def traced(evaluator: Evaluator, rule: Prepared, time_ms: int, sources: Sequence[Labels]) -> list[tuple[Trace, ...]]:
    """The traces of alerts of one rule at one evaluation time that has been evaluated.

    A part that fails, or that reads nothing for the alert, is left out; of more than :data:`MAX_TRACES` parts the first are traced.

    Args:
        evaluator: whose samples and records reach back as far as the rule does.
        rule: the alerts'.
        time_ms: the evaluation time.
        sources: for each alert, the labels of its series before the rule's were added.

    Returns:
        for each alert, its traces in the order of the expression.
    """
    view = View(evaluator.source, evaluator.recorded, rule.position, time_ms)
    alerts = LabelFrame.of([dict(labels) for labels in sources])
    dated = time_ms - rule.turn.query_offset_ms
    walker = _Walker(evaluator.program.settings.options.lookback_ms, evaluator.program.settings.options.default_step_ms)
    parts: dict[tuple[str, int, int], _Part] = {}
    for part in walker.parts(rule.rule.ast, dated, dated, dated):
        parts.setdefault((part.text, part.low_ms, part.high_ms), part)
    found: list[list[Trace]] = [[] for _ in sources]
    for part in list(parts.values())[:MAX_TRACES]:
        read = _read(part, view)
        if read is None:
            continue
        for number, (rows, count) in enumerate(_of_alerts(alerts, read.labels)):
            if count:
                found[number].append(Trace(part.text, tuple(map(read.series, rows)), count - len(rows)))
    return [tuple(each) for each in found]


@dataclass(frozen=True, slots=True)
class _Part:
    """A leaf of an expression that reads the samples of ``(low_ms, high_ms]``, or a fragment at ``high_ms``."""

    node: ast.VectorSelector | ast.Fragment
    text: str
    low_ms: int
    high_ms: int
    newest_only: bool = False


@dataclass(frozen=True, slots=True)
class _Walker:
    lookback_ms: int
    step_ms: int

    def parts(self, expr: ast.Expr, first: int, last: int, now: int, step_ms: int | None = None) -> Iterator[_Part]:
        """The leaves of what is evaluated at the evaluation times from ``first`` to ``last``, of a subquery at multiples of its step."""
        match expr:
            case ast.VectorSelector():
                low, high = _moved(expr, first, last, now)
                yield _Part(expr, to_text(expr), low - self.lookback_ms, high, step_ms is None)
            case ast.MatrixSelector():
                low, high = _moved(expr.selector, first, last, now)
                yield _Part(expr.selector, to_text(expr), low - expr.range_ms, high)
            case ast.Subquery():
                low, high = _moved(expr, first, last, now)
                yield from self.parts(expr.expr, low - expr.range_ms, high, now, expr.step_ms or self.step_ms)
            case ast.Fragment():
                when = last if step_ms is None else last // step_ms * step_ms
                yield _Part(expr, to_text(expr.original), first, when)
            case _:
                for child in ast.children(expr):
                    yield from self.parts(child, first, last, now, step_ms)


def _moved(node: ast.VectorSelector | ast.Subquery, first: int, last: int, now: int) -> tuple[int, int]:
    if node.at is not None:
        first = last = node.at if isinstance(node.at, int) else now
    return first - node.offset_ms, last - node.offset_ms


@dataclass(frozen=True, slots=True)
class _Read:
    """The newest sample of each series, in the order of their labels, and how many were read of it."""

    labels: LabelFrame
    times: Times
    values: Floats
    counts: Index

    def series(self, row: int) -> TracedSeries:
        return TracedSeries(self.labels.row(row), int(self.times[row]), float(self.values[row]), int(self.counts[row]))

    def of(self, rows: Index) -> _Read:
        """The given rows, by their labels: the order of a store is an accident."""
        labels = self.labels.take(rows)
        rows = rows[_order(labels)]
        return _Read(self.labels.take(rows), self.times[rows], self.values[rows], self.counts[rows])


def _read(part: _Part, storage: Storage) -> _Read | None:
    """What a part read; None if that is unknown."""
    if isinstance(part.node, ast.Fragment):
        try:
            vector = fragment(storage, part.node.number, np.array([part.high_ms], np.int64))
        except EvaluationError:
            return None
        times = np.full(vector.size, part.high_ms, np.int64)
        return _Read(vector.labels, times, vector.values[:, 0], np.ones(vector.size, np.int64)).of(
            np.flatnonzero(vector.present[:, 0])
        )
    series = storage.select(part.node.matchers, part.low_ms, part.high_ms, stale=part.newest_only)
    if not series.size:
        return None
    bounds = series.positions(np.array([part.low_ms, part.high_ms], np.int64))
    counts = bounds[:, 1] - bounds[:, 0]
    newest = np.maximum(bounds[:, 1] - 1, 0)
    times, values = series.timestamps[newest], series.values[newest]
    there = counts > 0
    if part.newest_only:
        there &= ~is_stale(values)
        counts = np.minimum(counts, 1)
    return _Read(series.labels, times, values, counts).of(np.flatnonzero(there))


def _order(labels: LabelFrame) -> Index:
    """The rows by name, then by the other labels."""
    keys = []
    # The last key counts most.
    for name in sorted(labels.columns, key=lambda name: (name != METRIC_NAME, name), reverse=True):
        column = labels.columns[name]
        ranks = np.empty(len(column.values), np.int64)
        ranks[sorted(range(len(column.values)), key=column.values.__getitem__)] = np.arange(len(column.values))
        keys.append(ranks[column.codes])
    return np.lexsort(keys) if keys else np.arange(labels.size, dtype=np.int64)


def _of_alerts(alerts: LabelFrame, series: LabelFrame) -> list[tuple[list[int], int]]:
    """For each alert the first of its series, and how many it has."""
    rows: list[list[int]] = [[] for _ in range(alerts.size)]
    counts = np.zeros(alerts.size, np.int64)
    names = sorted((alerts.columns.keys() & series.columns.keys()) - {METRIC_NAME})
    for named, own in _alike(alerts, names):
        for others, theirs in _alike(series, names):
            both = [name for name, one, other in zip(names, named, others, strict=True) if one and other]
            wanted, keys = match_keys(alerts.take(own), series.take(theirs), both)
            order = np.argsort(keys, kind="stable")
            low = np.searchsorted(keys[order], wanted, side="left")
            high = np.searchsorted(keys[order], wanted, side="right")
            counts[own] += high - low
            for alert, start, end in zip(own.tolist(), low.tolist(), high.tolist(), strict=True):
                rows[alert].extend(theirs[order[start : min(end, start + MAX_TRACED_SERIES)]].tolist())
    return [(sorted(found)[:MAX_TRACED_SERIES], count) for found, count in zip(rows, counts.tolist(), strict=True)]


def _alike(labels: LabelFrame, names: Sequence[str]) -> Iterator[tuple[list[bool], Index]]:
    """The rows by which of some labels they have."""
    columns = [labels.column(name) for name in names]
    has = np.array([np.array([value != "" for value in it.values], np.bool_)[it.codes] for it in columns], np.bool_)
    patterns, which = np.unique(has.reshape(len(names), labels.size).T, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns.tolist()):
        yield pattern, np.flatnonzero(which.ravel() == number)
