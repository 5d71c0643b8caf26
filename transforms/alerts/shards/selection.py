"""Which series rules select, out of all that a stream carries: asked once a series, for many series at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

import numpy as np

from rules.planning.plan import State
from rules.promql.digests.measures import Measure
from rules.promql.labels import METRIC_NAME, LabelFrame
from rules.promql.matchers import predicate
from rules.promql.storage import matching_rows
from rules.promql.syntax import ast
from rules.promql.values import Index
from schemas.series import parse_labels, parse_metric

Matchers = tuple[ast.Matcher, ...]

UNWANTED = -1


@dataclass(frozen=True, slots=True)
class Match:
    """What selectors find among the rows of a frame.

    Attributes:
        keep_ms: ``[n]``, how long before an evaluation time the samples of each row are needed; :data:`UNWANTED` if no selector wants it.
        single_ms: ``[n]``, the longest window of each row that is gone through sample by sample.
        members: the rows that each selector finds, ascending, by its number; those that find none are left out.
    """

    keep_ms: Index
    single_ms: Index
    members: dict[int, Index]


class Selection:
    """The distinct selectors of rules, numbered.

    Attributes:
        matchers: of each selector.
        keep_ms: of each, how long before an evaluation time its samples are needed.
        single_ms: of each, the longest window that is gone through sample by sample.
        measures: what digests have to hold, for all of them together.
    """

    def __init__(self, states: Sequence[State]) -> None:
        longest: dict[Matchers, tuple[int, int]] = {}
        for state in states:
            matchers = _ordered(state.selector.matchers)
            keep, single = longest.get(matchers, (0, 0))
            longest[matchers] = max(state.retention_ms, keep), max(state.gone_through_ms, single)
        self.matchers = tuple(longest)
        self.measures = reduce(or_, (state.measures for state in states), Measure.NONE)
        self.keep_ms = tuple(keep for keep, _ in longest.values())
        self.single_ms = tuple(single for _, single in longest.values())
        self._numbers = {matchers: number for number, matchers in enumerate(self.matchers)}
        self._named: dict[str, list[int]] = {}
        self._nameless: list[int] = []
        for number, matchers in enumerate(self.matchers):
            exact = _exact_name(matchers)
            if exact is None:
                self._nameless.append(number)
            else:
                self._named.setdefault(exact, []).append(number)

    def number(self, matchers: Sequence[ast.Matcher]) -> int | None:
        """The number of the selector of these matchers, in whatever order; None if it is not among them."""
        given = tuple(matchers)
        found = self._numbers.get(given)
        if found is None and (found := self._numbers.get(_ordered(given))) is not None:
            self._numbers[given] = found
        return found

    def may_want(self, name: str) -> bool:
        """Whether a selector may find series of this metric name."""
        return name in self._named or any(
            all(predicate(each)(name) for each in self.matchers[number] if each.name == METRIC_NAME)
            for number in self._nameless
        )

    def match(self, labels: LabelFrame) -> Match:
        """What the selectors find among series."""
        keep, single = np.full(labels.size, UNWANTED, np.int64), np.zeros(labels.size, np.int64)
        found: dict[int, list[Index]] = {}
        for numbers, rows in self._candidates(labels):
            part = labels if len(rows) == labels.size else labels.take(rows)
            for number in numbers:
                fits = rows[matching_rows(part, self.matchers[number])]
                if len(fits):
                    keep[fits] = np.maximum(keep[fits], self.keep_ms[number])
                    single[fits] = np.maximum(single[fits], self.single_ms[number])
                    found.setdefault(number, []).append(fits)
        return Match(keep, single, {number: np.concatenate(parts) for number, parts in found.items()})

    def _candidates(self, labels: LabelFrame) -> Iterator[tuple[list[int], Index]]:
        """Selectors, and the rows whose name alone does not rule them out."""
        if self._nameless:
            yield self._nameless, np.arange(labels.size, dtype=np.int64)
        names = labels.column(METRIC_NAME)
        order = np.argsort(names.codes, kind="stable")
        bounds = np.searchsorted(names.codes[order], np.arange(len(names.values) + 1))
        for code, name in enumerate(names.values):
            rows = order[bounds[code] : bounds[code + 1]]
            if len(rows) and name in self._named:
                yield self._named[name], rows


def _ordered(matchers: Matchers) -> Matchers:
    return tuple(sorted(matchers, key=lambda each: (each.name, each.op.value, each.value)))


def _exact_name(matchers: Matchers) -> str | None:
    return next((each.value for each in matchers if each.name == METRIC_NAME and each.op is ast.MatchOp.EQUAL), None)


def label_frame(targets: Sequence[str], target: Index, metrics: Sequence[str], metric: Index) -> LabelFrame:
    """The labels of series given by their parts: row ``i`` is of ``targets[target[i]]`` and ``metrics[metric[i]]``.

    Raises:
        ValueError: a text is none of :mod:`schemas.series`.
    """
    parsed = [parse_metric(text) for text in metrics]
    of_metrics = LabelFrame.of([{**labels, METRIC_NAME: name} for name, labels in parsed])
    of_targets = LabelFrame.of([parse_labels(text) for text in targets])
    if of_metrics.columns.keys().isdisjoint(of_targets.columns):
        columns = {**of_metrics.take(metric).columns, **of_targets.take(target).columns}
        return LabelFrame(len(target), columns)
    # A label may stand in either part where batches were split by different target labels; the target's value counts.
    left, right = of_metrics.rows(), of_targets.rows()
    pairs = zip(metric.tolist(), target.tolist(), strict=True)
    return LabelFrame.of([{**left[one], **right[other]} for one, other in pairs])
