"""Which series of the Parquet store fit selectors, by the canonical texts of their parts (:mod:`schemas.series`). Pure.

Row groups hold each text once in a dictionary, so a text is parsed and matched once, however many rows have it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rules.promql.labels import METRIC_NAME
from rules.promql.matchers import predicate
from rules.promql.syntax.ast import Matcher, MatchOp
from rules.promql.values import Index, Mask
from schemas.series import parse_labels, parse_metric

_NO, _YES, _ABSENT = range(3)

Parse = Callable[[str], dict[str, str]]


class SeriesMatcher:
    """The series that fit one of some selectors; a selector is fitted by what fits all its matchers, as in PromQL.

    Raises:
        PromQLSyntaxError: a matcher's pattern is none.
    """

    def __init__(self, selectors: Sequence[Sequence[Matcher]]) -> None:
        # The name first: it leaves least.
        by_name = [sorted(each, key=lambda it: it.name != METRIC_NAME) for each in selectors]
        self._selectors = [[_Test(matcher) for matcher in each] for each in by_name]
        self._names = [[it for it in each if it.name == METRIC_NAME] for each in selectors]
        self._labels_of_target = _Remembered(parse_labels)
        self._labels_of_metric = _Remembered(_metric_labels)

    def may_hold(self, first: str, last: str) -> bool:
        """Whether a metric name between these two, both included, can fit."""
        return any(all(_may_lie(it, first, last) for it in each) for each in self._names)

    def fitting(self, targets: Sequence[str], metrics: Sequence[str], target: Index, metric: Index) -> Mask:
        """Which rows fit.

        Args:
            targets, metrics: distinct canonical texts of target and metric parts.
            target, metric: ``[n]``, of each row its parts, as indices into them.

        Raises:
            ValueError: a text is not canonical.
        """
        # Sorted rows name a series many times in a row.
        starts = np.flatnonzero(
            np.concatenate(([True], (target[1:] != target[:-1]) | (metric[1:] != metric[:-1])))[: len(target)]
        )
        target, metric, lengths = target[starts], metric[starts], np.diff(np.append(starts, len(target)))
        of_targets = [self._labels_of_target(text) for text in targets]
        of_metrics = [self._labels_of_metric(text) for text in metrics]
        fits = np.zeros(len(starts), np.bool_)
        for tests in self._selectors:
            of_this = np.ones(len(starts), np.bool_)
            for test in tests:
                of_this &= test.rows(of_targets, of_metrics, target, metric)
                if not of_this.any():
                    break
            fits |= of_this
        return np.repeat(fits, lengths)


class _Remembered:
    """A function of texts, called once for each."""

    def __init__(self, parse: Parse) -> None:
        self._parse = parse
        self._known: dict[str, dict[str, str]] = {}

    def __call__(self, text: str) -> dict[str, str]:
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = self._parse(text)
        return found


class _Test:
    """A matcher over the two parts of series."""

    def __init__(self, matcher: Matcher) -> None:
        self._label = matcher.name
        self._fits = predicate(matcher)
        self._absent_fits = self._fits("")
        self._known: dict[str, int] = {}

    def rows(
        self, targets: Sequence[dict[str, str]], metrics: Sequence[dict[str, str]], target: Index, metric: Index
    ) -> Mask:
        states = self._states(metrics)[metric]
        absent = states == _ABSENT
        if absent.any():
            states[absent] = self._states(targets)[target[absent]]
            states[states == _ABSENT] = _YES if self._absent_fits else _NO
        fits: Mask = states == _YES
        return fits

    def _states(self, parts: Sequence[dict[str, str]]) -> Index:
        return np.fromiter((self._state(labels.get(self._label)) for labels in parts), np.int64, len(parts))

    def _state(self, value: str | None) -> int:
        if value is None:
            return _ABSENT
        found = self._known.get(value)
        if found is None:
            found = self._known[value] = _YES if self._fits(value) else _NO
        return found


def _metric_labels(text: str) -> dict[str, str]:
    name, labels = parse_metric(text)
    return {**labels, METRIC_NAME: name}


def _may_lie(matcher: Matcher, first: str, last: str) -> bool:
    """Whether a value between two can fit; of many values only equality says that none does."""
    if first == last:
        return predicate(matcher)(first)
    return matcher.op is not MatchOp.EQUAL or first <= matcher.value <= last
