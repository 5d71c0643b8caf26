"""Aggregation over series: sum, topk, quantile and the others.

Semantics: "Aggregation operators" of Prometheus' documentation. NaN is a value like any other, except that ``min``, ``max`` and the
``k`` operators prefer every number to it; sums are compensated; a mean whose sum overflows is computed incrementally.
"""

from __future__ import annotations

import numpy as np

from rules.golang.floats import decimal, shortest
from rules.golang.quoting import quote
from rules.promql.context import Context
from rules.promql.folding import Groups, compensated_sums, counts, extremes, variances
from rules.promql.functions.quantiles import doubt_quantile
from rules.promql.labels import METRIC_NAME, Column, LabelFrame, dense
from rules.promql.ranking import best, quantiles
from rules.promql.summation import increment_number
from rules.promql.syntax import ast
from rules.promql.syntax.errors import EvaluationError, UnsupportedFeature
from rules.promql.values import Floats, Index, InstantVector, Mask, Scalar, String, Value

_EXPERIMENTAL = frozenset({"limitk", "limit_ratio"})
_INT64 = float(1 << 63)


def aggregate(expr: ast.Aggregate, vector: InstantVector, param: Value | None, context: Context) -> InstantVector:
    """The value of an aggregation.

    Args:
        param: the number of ``topk``, ``bottomk`` and ``quantile`` at each instant, or the label of ``count_values``.

    Raises:
        UnsupportedFeature: ``limitk`` and ``limit_ratio``, which Prometheus calls experimental.
        EvaluationError: the parameter is not valid.
    """
    if expr.op in _EXPERIMENTAL:
        raise UnsupportedFeature(f"aggregation {expr.op} is experimental and not supported", expr.span)
    if expr.op == "count_values":
        return _count_values(expr, vector, param, context)
    number = param.values if isinstance(param, Scalar) else np.zeros(0)
    if expr.op in ("topk", "bottomk"):
        k = _whole(number, expr)
        if k is None or not vector.size:
            return InstantVector.empty(context.instants)
        return _best(expr, vector, k)
    if expr.op == "quantile":
        _warn_of_quantile(number, expr, context)
    if not vector.size:
        return InstantVector.empty(context.instants)
    names = _grouping(expr, vector.labels, expr.grouping)
    groups = Groups.of(*vector.labels.groups(names))
    labels = vector.labels.keep(names).take(groups.first)
    present = None if vector.present.all() else vector.present
    members = (
        counts(present, groups)
        if present is not None
        else np.broadcast_to(groups.sizes[:, None], _shape(groups, vector))
    )
    values = _folded(expr.op, vector, present, groups, members, number)
    return InstantVector(labels, values, members > 0, _dropped(vector, groups))


def _shape(groups: Groups, vector: InstantVector) -> tuple[int, int]:
    return groups.count, vector.values.shape[1]


def _grouping(expr: ast.Aggregate, labels: LabelFrame, grouping: tuple[str, ...]) -> list[str]:
    """The labels that a result keeps."""
    if expr.without:
        return [name for name in labels.columns if name not in grouping and name != METRIC_NAME]
    return [name for name in grouping if name in labels.columns]


def _dropped(vector: InstantVector, groups: Groups) -> Mask | None:
    """A group drops its name at the end if one of its series does."""
    if vector.drop_name is None:
        return None
    return np.logical_or.reduceat(vector.drop_name[groups.order], groups.starts)


def _folded(
    op: str, vector: InstantVector, present: Mask | None, groups: Groups, members: Index, number: Floats
) -> Floats:
    values = vector.values
    match op:
        case "sum":
            total, lost = compensated_sums(values, present, groups)
            return np.where(np.isfinite(total), total + lost, total)
        case "avg":
            total, lost = compensated_sums(values, present, groups)
            mean = total / members + lost / members
            return _with_overflows(mean, total, values, vector.present, groups)
        case "count":
            return members.astype(np.float64)
        case "group":
            return np.ones(_shape(groups, vector))
        case "min" | "max":
            return extremes(values, present, groups, largest=op == "max")
        case "stdvar":
            return variances(values, present, groups) / members
        case "stddev":
            return np.sqrt(variances(values, present, groups) / members)
        case "quantile":
            return quantiles(values, vector.present, groups, number)
        case _:
            raise EvaluationError(f"no aggregation is called {op}")


def _with_overflows(mean: Floats, total: Floats, values: Floats, present: Mask, groups: Groups) -> Floats:
    """The means, those whose sum leaves the range of a float64 computed anew from ever smaller steps."""
    beyond = ~np.isfinite(total)
    if not beyond.any():
        return mean
    infinite = counts(present & ~np.isfinite(values), groups) > 0
    mean = np.where(beyond & infinite, total, mean)
    for group, column in np.argwhere(beyond & ~infinite).tolist():
        rows = groups.order[groups.starts[group] : groups.starts[group] + groups.sizes[group]]
        mean[group, column] = _incremental_mean(values[rows, column][present[rows, column]].tolist())
    return mean


def _incremental_mean(terms: list[float]) -> float:
    """Prometheus' order of steps: sum until the sum would overflow, then carry the mean on."""
    total, lost, count, carried = 0.0, 0.0, 0.0, False
    for term in terms:
        count += 1
        if not carried:
            following, rest = increment_number(term, total, lost)
            if abs(following) != np.inf:
                total, lost = following, rest
                continue
            carried = True
            total, lost = total / (count - 1), lost / (count - 1)
        share = (count - 1) / count
        total, lost = increment_number(term / count, share * total, share * lost)
    return total + lost if carried else total / count + lost / count


def _warn_of_quantile(q: Floats, expr: ast.Aggregate, context: Context) -> None:
    span = None if expr.param is None else expr.param.span
    # Of many wrong ones the extremes alone, as Prometheus has it.
    extremes = [np.nan] if np.isnan(q).any() else []
    doubt_quantile(np.array([*extremes, q.max(), q.min()]), span, context)


def _whole(k: Floats, expr: ast.Aggregate) -> Index | None:
    """The parameter of ``topk`` as whole numbers; None when none of them asks for anything."""
    span = None if expr.param is None else expr.param.span
    if k.max() < 1:
        return None
    if np.isnan(k).any():
        raise EvaluationError("Parameter value is NaN", span)
    if k.min() <= -_INT64:
        raise EvaluationError(f"Scalar value {shortest(float(k.min()))} underflows int64", span)
    if k.max() >= _INT64:
        raise EvaluationError(f"Scalar value {shortest(float(k.max()))} overflows int64", span)
    return k.astype(np.int64)


def _best(expr: ast.Aggregate, vector: InstantVector, k: Index) -> InstantVector:
    groups = Groups.of(*vector.labels.groups(_grouping(expr, vector.labels, expr.grouping)))
    largest = expr.op == "topk"
    chosen = best(vector.values, vector.present, groups, np.clip(k, 0, vector.size), largest=largest)
    result = InstantVector(vector.labels, vector.values, chosen, vector.drop_name)
    if chosen.shape[1] != 1:
        return result.compact()
    rows = np.flatnonzero(chosen[:, 0])
    ranks = vector.values[rows, 0]
    return result.take(rows[np.lexsort((-ranks if largest else ranks, groups.ids[rows]))])


def _count_values(expr: ast.Aggregate, vector: InstantVector, param: Value | None, context: Context) -> InstantVector:
    label = param.value if isinstance(param, String) else ""
    span = None if expr.param is None else expr.param.span
    if not label or any("\ud800" <= character <= "\udfff" for character in label):
        raise EvaluationError(f"invalid label name {quote(label)}", span)
    instants = vector.values.shape[1]
    row, instant = np.nonzero(vector.present)
    if not len(row):
        return InstantVector.empty(instants)
    # Distinguished by their bits: -0 and 0 are different texts, and all NaN the same one.
    found = vector.values[row, instant]
    bits, code = np.unique(np.where(np.isnan(found), np.nan, found).view(np.int64), return_inverse=True)
    texts = tuple(decimal(value) for value in bits.view(np.float64).tolist())

    kept = expr.grouping if expr.without else (*expr.grouping, label)
    names = _grouping(expr, vector.labels, tuple(name for name in kept if name != label))
    names = [name for name in names if name != label]
    group, first = vector.labels.groups(names)
    shown = not (expr.without and (label in expr.grouping or label == METRIC_NAME))
    pair, first_cell = dense(group[row] * len(bits) + code if shown else group[row])
    context.reserve(len(first_cell), instants, expr.span)
    labels = vector.labels.keep(names).take(first[group[row[first_cell]]])
    if shown:
        labels = labels.with_column(label, Column(code[first_cell].astype(np.int32), texts))
    number = np.bincount(pair * instants + instant, minlength=len(first_cell) * instants).reshape(-1, instants)
    return InstantVector(labels, number.astype(np.float64), number > 0)
