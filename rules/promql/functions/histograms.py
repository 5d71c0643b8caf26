"""Classic histograms: histogram_quantile and histogram_fraction.

Semantics: ``BucketQuantile`` and ``BucketFraction`` of Prometheus 3's ``promql/quantile.go``. All histograms and instants of a block are
worked on at once, bucket after bucket.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rules.golang.floats import shortest
from rules.promql.context import Context, without_name
from rules.promql.functions.arguments import Function, scalar, vector
from rules.promql.functions.buckets import Buckets, Mended, blocks, for_metric, monotonic
from rules.promql.functions.quantiles import doubt_quantile
from rules.promql.labels import METRIC_NAME, LabelFrame
from rules.promql.syntax import ast
from rules.promql.syntax.errors import Span
from rules.promql.values import Floats, Index, InstantVector, Mask, Value


@dataclass(slots=True)
class _Top:
    """The last buckets of each histogram, ``[G, T]``."""

    count: Floats
    bound: Floats
    bound_before: Floats
    size: Index


def _top(buckets: Buckets) -> _Top:
    shape = (buckets.labels.size, buckets.counts.shape[2])
    top = _Top(np.zeros(shape), np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, np.int64))
    for limit, count, present in buckets:
        top.bound_before = np.where(present, top.bound, top.bound_before)
        top.bound = np.where(present, limit, top.bound)
        top.count = np.where(present, count, top.count)
        top.size += present
    return top


def quantile(buckets: Buckets, q: Floats) -> Floats:
    """The ``q``-quantile, ``q[T]``, of histograms whose counts do not fall; ``[G, T]``."""
    top = _top(buckets)
    rank = q * top.count
    result = top.bound_before.copy()
    lower, below = np.zeros(rank.shape), np.zeros(rank.shape)
    found = np.zeros(rank.shape, np.bool_)
    ordinal = np.zeros(rank.shape, np.int64)
    for limit, count, present in buckets:
        ordinal += present
        here = present & ~found & (ordinal < top.size) & (count >= rank)
        inside = lower + (limit - lower) * ((rank - below) / (count - below))
        result = np.where(here, np.where((ordinal == 1) & (limit <= 0), limit, inside), result)
        found |= here
        lower, below = np.where(present, limit, lower), np.where(present, count, below)
    undefined = (top.bound != np.inf) | (top.size < 2) | (top.count == 0)
    result = np.where(undefined, np.nan, result)
    return np.where(q < 0, -np.inf, np.where(q > 1, np.inf, np.where(np.isnan(q), np.nan, result)))


def fraction(buckets: Buckets, lower: Floats, upper: Floats) -> Floats:
    """The share of observations between two values, each ``[T]``; ``[G, T]``."""
    top = _top(buckets)
    ranks = [_rank(buckets, value) for value in (lower, upper)]
    low, high = (np.where(np.isnan(rank) | (rank > top.count), top.count, rank) for rank in ranks)
    result = np.where(lower >= upper, 0.0, (high - low) / top.count)
    undefined = (top.bound != np.inf) | (top.count == 0) | np.isnan(lower) | np.isnan(upper)
    return np.where(undefined, np.nan, result)


def _rank(buckets: Buckets, value: Floats) -> Floats:
    """How many observations are at or below a value, interpolated; NaN where it is above all buckets."""
    shape = (buckets.labels.size, buckets.counts.shape[2])
    result = np.full(shape, np.nan)
    settled, started = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    below, edge = np.zeros(shape), np.zeros(shape)
    for limit, count, present in buckets:
        # Of positive buckets only, the first starts at zero.
        edge = np.where(present & ~started & (limit <= 0), -np.inf, edge)
        started |= present
        at_edge = present & ~settled & (edge >= value)
        inside = present & ~settled & ~at_edge & (limit > value)
        between = np.where(np.isneginf(edge), count, below + (count - below) * (value - edge) / (limit - edge))
        result = np.where(at_edge, below, np.where(inside, between, result))
        settled |= at_edge | inside
        below, edge = np.where(present, count, below), np.where(present, limit, edge)
    return result


@dataclass(slots=True)
class _Remarks:
    """What had to be mended, by metric: lowest and highest bound, largest fall, samples, first and last time."""

    by_metric: dict[str, tuple[float, float, float, int, int, int]] = field(default_factory=dict)

    def add(self, buckets: Buckets, mended: Mended, q: Floats, context: Context) -> None:
        forced = mended.forced & (q >= 0) & (q <= 1) & (_top(buckets).bound == np.inf)
        rows = np.flatnonzero(forced.any(axis=1)).tolist()
        names = buckets.labels.column(METRIC_NAME)
        for row in rows:
            here = forced[row]
            times = context.times[here]
            found = (
                float(mended.lowest[row, here].min()),
                float(mended.highest[row, here].max()),
                float(mended.largest[row, here].max()),
                len(times),
                int(times[0]),
                int(times[-1]),
            )
            name = names.values[names.codes[row]] if context.options.delayed_name_removal else ""
            one = self.by_metric.get(name, found)
            joined = (min(one[0], found[0]), max(one[1], found[1]), max(one[2], found[2]))
            samples = found[3] if one is found else one[3] + found[3]
            self.by_metric[name] = (*joined, samples, min(one[4], found[4]), max(one[5], found[5]))

    def leave(self, span: Span, context: Context) -> None:
        """One remark a metric."""
        for name, (lowest, highest, largest, samples, first, last) in self.by_metric.items():
            context.annotations.info(
                "input to histogram_quantile needed to be fixed for monotonicity (see "
                "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
                f"{for_metric(name)}, from buckets {shortest(lowest)} to {shortest(highest)}, with a max diff of "
                f"{largest:.2g}, over {samples} samples from {_date(first)} to {_date(last)}",
                span,
            )


def _date(time_ms: int) -> str:
    return f"{np.datetime64(time_ms // 1000, 's')}Z"


def _joined(found: Sequence[InstantVector], context: Context) -> InstantVector:
    if not found:
        return InstantVector.empty(context.instants)
    drop = None
    if found[0].drop_name is not None:
        drop = np.concatenate([part.drop_name for part in found if part.drop_name is not None])
    whole = InstantVector(
        LabelFrame.concat([part.labels for part in found]),
        np.concatenate([part.values for part in found]),
        np.concatenate([part.present for part in found]),
        drop,
    )
    return without_name(whole.compact(), context)


def _vector(buckets: Buckets, results: Floats) -> InstantVector:
    present: Mask = np.logical_or.reduce(buckets.present, axis=1)
    return InstantVector(buckets.labels, results, present, buckets.drop_name)


def _histogram_quantile(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    q, values = scalar(expr, args, 0), vector(expr, args, 1)
    doubt_quantile(q, expr.args[0].span, context)
    span, remarks, found = expr.args[1].span, _Remarks(), []
    for block in blocks(values, span, context):
        buckets, mended = monotonic(block)
        remarks.add(buckets, mended, q, context)
        found.append(_vector(buckets, quantile(buckets, q)))
    remarks.leave(span, context)
    return _joined(found, context)


def _histogram_fraction(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    lower, upper = scalar(expr, args, 0), scalar(expr, args, 1)
    return _joined(
        [
            _vector(buckets, fraction(buckets, lower, upper))
            for buckets in blocks(vector(expr, args, 2), expr.args[2].span, context)
        ],
        context,
    )


FUNCTIONS: dict[str, Function] = {
    "histogram_quantile": _histogram_quantile,
    "histogram_fraction": _histogram_fraction,
}
