"""What a recording rule makes of the series of its expression.

Semantics: recording rules of Prometheus 3 (``rules/recording.go``): the series get the recorded name and the rule's labels, of which an empty
one removes; an evaluation that yields a series twice, or more series than the group's limit, fails as a whole.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np

from rules.evaluation.alerts import Labels
from rules.evaluation.writing import Block
from rules.promql.labels import METRIC_NAME, Column, LabelFrame
from rules.promql.values import Index, InstantVector, Mask

DUPLICATE_SERIES = "vector contains metrics with the same labelset after applying rule labels"


@dataclass(frozen=True, slots=True)
class Recording:
    """Series under the name and with the labels that a rule gives them.

    Attributes:
        group: ``[n]``, which of the distinct ones each series has become.
        first: ``[m]``, the first series of each.
        series: ``[m]``, the distinct ones.
        whole: those, as a set.
    """

    group: Index
    first: Index
    series: tuple[Labels, ...]
    whole: frozenset[Labels]

    @classmethod
    def of(cls, frame: LabelFrame, name: str, labels: Mapping[str, str]) -> Recording:
        """What a rule of this name, with these labels and its group's, makes of series."""
        found = _relabelled(frame, name, labels)
        group, first = found.groups()
        series = tuple(tuple(row.items()) for row in found.take(first).rows())
        return cls(group, first, series, frozenset(series))


class Recordings:
    """What rules make of the series of their expressions, worked out again only when these are others than last time."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[LabelFrame, Recording]] = {}

    def of(self, expression: Hashable, frame: LabelFrame, name: str, labels: Mapping[str, str]) -> Recording:
        """See :meth:`Recording.of`; ``expression`` identifies their expression."""
        key = expression, name, *labels.items()
        known = self._known.get(key)
        if known is None or not known[0].same_as(frame):
            known = self._known[key] = frame, Recording.of(frame, name, labels)
        return known[1]


def recorded_series(
    recording: Recording, name: str, limit: int, vector: InstantVector
) -> tuple[Block, Mask, dict[int, str]]:
    """The series to write, at which evaluation times the rule succeeds (``[T]``), and the error at each evaluation time at which it does not.

    Args:
        recording: of the vector's series.
        name: what is recorded.
        limit: how many series there may be, 0 for any number.
        vector: of the expression, at ``T`` evaluation times.
    """
    evaluation_times = vector.present.shape[1]
    if not vector.size:
        return Block(name, (), vector.values, vector.present), np.ones(evaluation_times, np.bool_), {}
    group, first = recording.group, recording.first
    present, values = vector.present, vector.values
    errors: dict[int, str] = {}
    if len(first) < vector.size:
        order = np.argsort(group, kind="stable")
        starts = np.searchsorted(group[order], np.arange(len(first)))
        times_present = np.add.reduceat(present[order].astype(np.int32), starts, axis=0)
        errors.update(dict.fromkeys(np.flatnonzero((times_present > 1).any(axis=0)).tolist(), DUPLICATE_SERIES))
        values = np.add.reduceat(np.where(present, values, 0.0)[order], starts, axis=0)
        present = times_present > 0
    if limit > 0:
        counts = vector.present.sum(axis=0)
        for evaluation_time in np.flatnonzero(counts > limit).tolist():
            errors.setdefault(evaluation_time, f"exceeded limit of {limit} with {counts[evaluation_time]} series")
    good = np.ones(evaluation_times, np.bool_)
    if errors:
        good[list(errors)] = False
    return Block(name, recording.series, values, present, recording.whole), good, errors


def _relabelled(frame: LabelFrame, name: str, labels: Mapping[str, str]) -> LabelFrame:
    columns = dict(frame.columns)
    for label, value in {**labels, METRIC_NAME: name}.items():
        columns[label] = Column.constant(value, frame.size)
    return LabelFrame(frame.size, columns)
