"""Functions of whether something is there: absent, absent_over_time; and between scalars and vectors: scalar, vector.

Semantics: ``promql/functions.go`` of Prometheus 3; labels of what is absent as ``createLabelsForAbsentFunction`` has them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rules.promql.absence import absent_labels
from rules.promql.context import Context
from rules.promql.functions.arguments import Function, ranges, scalar, vector
from rules.promql.labels import LabelFrame
from rules.promql.syntax import ast
from rules.promql.values import InstantVector, Mask, Scalar, Value


def absent_where(expr: ast.Call, missing: Mask) -> InstantVector:
    """The vector of `absent`, with a sample at the times ``[T]`` at which there is no data."""
    labels = LabelFrame.of([absent_labels(expr.args[0])])
    return InstantVector(labels, np.ones((1, len(missing))), missing[None, :]).compact()


def _absent(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    found: Mask = np.logical_or.reduce(vector(expr, args).present, axis=0)
    return absent_where(expr, ~found)


def _absent_over_time(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    found = np.zeros(context.instants, np.bool_)
    for _, windows in ranges(expr, args).chunks():
        found |= (windows.of_clocks().counts > 0).any(axis=0)
    return absent_where(expr, ~found)


def _scalar(expr: ast.Call, args: Sequence[Value], context: Context) -> Scalar:
    values = vector(expr, args)
    alone = values.present.sum(axis=0) == 1
    return Scalar(np.where(alone, np.where(values.present, values.values, 0.0).sum(axis=0), np.nan))


def _vector(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    numbers = scalar(expr, args, 0)
    return InstantVector(LabelFrame(1, {}), numbers[None, :], np.ones((1, len(numbers)), np.bool_))


FUNCTIONS: dict[str, Function] = {
    "absent": _absent,
    "absent_over_time": _absent_over_time,
    "scalar": _scalar,
    "vector": _vector,
}
