"""What a recording rule makes of the series of its expression.

Semantics: recording rules of Prometheus 3 (``rules/recording.go``): the series get the recorded name and the rule's labels, of which an empty
one removes; an evaluation that yields a series twice, or more series than the group's limit, fails as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rules.promql.labels import METRIC_NAME, Column, LabelFrame
from rules.promql.values import InstantVector, Mask
from rules.writing import Block

DUPLICATE_SERIES = "vector contains metrics with the same labelset after applying rule labels"


def recorded_series(
    name: str, labels: Mapping[str, str], limit: int, vector: InstantVector
) -> tuple[Block, Mask, dict[int, str]]:
    """The series to write, at which instants the rule succeeds (``[T]``), and the error at each instant at which it does not.

    Args:
        name: what is recorded.
        labels: of the rule and its group.
        limit: how many series there may be, 0 for any number.
        vector: of the expression, at ``T`` instants.
    """
    instants = vector.present.shape[1]
    if not vector.size:
        return Block(name, (), vector.values, vector.present), np.ones(instants, np.bool_), {}
    frame = _relabelled(vector.labels, name, labels)
    group, first = frame.groups()
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
        for instant in np.flatnonzero(counts > limit).tolist():
            errors.setdefault(instant, f"exceeded limit of {limit} with {counts[instant]} series")
    good = np.ones(instants, np.bool_)
    good[list(errors)] = False
    series = [tuple(row.items()) for row in frame.take(first).rows()]
    return Block(name, series, values, present), good, errors


def _relabelled(frame: LabelFrame, name: str, labels: Mapping[str, str]) -> LabelFrame:
    columns = dict(frame.columns)
    for label, value in {**labels, METRIC_NAME: name}.items():
        columns[label] = Column.constant(value, frame.size)
    return LabelFrame(frame.size, columns)
