"""Classic histograms: histogram_quantile and histogram_fraction.

Semantics: ``BucketQuantile``, ``BucketFraction`` and ``ensureMonotonicAndIgnoreSmallDeltas`` of Prometheus 3's ``promql/quantile.go``.
All histograms and instants are worked on at once, bucket after bucket.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np

from rules.promql import ast
from rules.promql.context import Context, without_name
from rules.promql.errors import Span
from rules.promql.functions.arguments import Function, scalar, vector
from rules.promql.functions.notation import general
from rules.promql.functions.quantiles import doubt_quantile
from rules.promql.labels import METRIC_NAME, LabelFrame
from rules.promql.literals import quote
from rules.promql.values import Floats, Index, InstantVector, Mask, Value

BUCKET = "le"
TOLERANCE = 1e-12
"""Counts of neighbours that differ by no more than this share of their sum are taken as equal: rounding, not observations."""

_SMALLEST_NORMAL = 2.0**-1022
_NUMBER = re.compile(r"[+-]?(?:inf|infinity|nan|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)", re.IGNORECASE | re.ASCII)
_HEX = re.compile(r"[+-]?0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)p[+-]?\d+", re.IGNORECASE | re.ASCII)


def bound(text: str) -> float | None:
    """The number that a bucket's label says, as Go reads it; None if it says none."""
    if _HEX.fullmatch(text):
        try:
            return float.fromhex(text)
        except OverflowError:
            return None
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return None if np.isinf(value) and "n" not in text.lower() else value


@dataclass(frozen=True, slots=True)
class Buckets:
    """Classic histograms, their buckets by ascending bound.

    Attributes:
        labels: ``[G]``, without the bucket label.
        bounds: ``[G, B]`` upper bounds; what is past a histogram's last bucket is never present.
        counts: ``[G, B, T]`` cumulative counts.
        present: ``[G, B, T]``.
        drop_name: ``[G]`` as in :class:`InstantVector`.
    """

    labels: LabelFrame
    bounds: Floats
    counts: Floats
    present: Mask
    drop_name: Mask | None

    def __iter__(self) -> Iterator[tuple[Floats, Floats, Mask]]:
        """Bound ``[G, 1]``, counts ``[G, T]`` and presence of each bucket in turn."""
        for place in range(self.bounds.shape[1]):
            yield self.bounds[:, place, None], self.counts[:, place], self.present[:, place]


def grouped(values: InstantVector, span: Span, context: Context) -> Buckets:
    """The histograms among the series; a series without a bound is left out with a remark."""
    labels = values.labels.column(BUCKET)
    parsed = [bound(text) for text in labels.values]
    good = np.array([value is not None for value in parsed], np.bool_)[labels.codes]
    if not good.all():
        _doubt_bounds(values.take(np.flatnonzero(~good & values.present.any(axis=1))), span, context)
        values = values.take(np.flatnonzero(good))
        labels = values.labels.column(BUCKET)
    limits = np.array([np.nan if value is None else value for value in parsed])[labels.codes]
    rest = values.labels.drop((BUCKET,))
    group, first = rest.groups()
    order = np.lexsort((limits, group))
    group, limits = group[order], limits[order]
    counts, present = values.values[order], values.present[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (group[1:] != group[:-1]) | (limits[1:] != limits[:-1])
    if not new.all():
        # Bounds written in two ways are one bucket.
        starts = np.flatnonzero(new)
        counts = np.add.reduceat(np.where(present, counts, 0.0), starts, axis=0)
        present = np.logical_or.reduceat(present, starts, axis=0)
        group, limits = group[starts], limits[starts]
    return _padded(rest.take(first), group, limits, counts, present, values, first)


def _padded(
    labels: LabelFrame,
    group: Index,
    limits: Floats,
    counts: Floats,
    present: Mask,
    values: InstantVector,
    first: Index,
) -> Buckets:
    sizes = np.bincount(group, minlength=labels.size)
    most, instants = int(sizes.max(initial=0)), counts.shape[1]
    place = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    bounds = np.full((labels.size, most), np.nan)
    bounds[group, place] = limits
    drop = None if values.drop_name is None else values.drop_name[first]
    if len(group) == labels.size * most:
        shape = (labels.size, most, instants)
        return Buckets(labels, bounds, counts.reshape(shape), present.reshape(shape), drop)
    padded, there = np.zeros((labels.size, most, instants)), np.zeros((labels.size, most, instants), np.bool_)
    padded[group, place], there[group, place] = counts, present
    return Buckets(labels, bounds, padded, there, drop)


def _for_metric(name: str) -> str:
    return f" for metric name {quote(name)}" if name else ""


def _doubt_bounds(values: InstantVector, span: Span, context: Context) -> None:
    named = context.options.delayed_name_removal
    for labels in values.labels.rows():
        context.annotations.warn(
            f'PromQL warning: bucket label "le" is missing or has a malformed value of {quote(labels.get(BUCKET, ""))}'
            + (_for_metric(labels.get(METRIC_NAME, "")) if named else ""),
            span,
        )


def _nearly(one: Floats, other: Floats) -> Mask:
    apart, together = np.abs(one - other), np.abs(one) + np.abs(other)
    tiny = (one == 0) | (other == 0) | (together < _SMALLEST_NORMAL)
    near: Mask = np.where(
        tiny,
        apart < TOLERANCE * _SMALLEST_NORMAL,
        apart / np.minimum(together, np.finfo(np.float64).max) < TOLERANCE,
    )
    return near | (np.isnan(one) & np.isnan(other))


@dataclass(slots=True)
class _Mended:
    """Where counts fell from one bucket to the next: ``[G, T]`` and the extent of it."""

    forced: Mask
    lowest: Floats
    highest: Floats
    largest: Floats


def monotonic(buckets: Buckets) -> tuple[Buckets, _Mended]:
    """The histograms with counts that never fall, and what had to be mended."""
    shape = (buckets.labels.size, buckets.counts.shape[2])
    mended = _Mended(np.zeros(shape, np.bool_), np.full(shape, np.inf), np.full(shape, -np.inf), np.zeros(shape))
    counts = buckets.counts.copy()
    before = np.zeros(shape)
    seen = np.zeros(shape, np.bool_)
    for place, (limit, count, present) in enumerate(buckets):
        compared = present & seen
        nearly = compared & _nearly(before, count)
        falls = compared & ~nearly & (count < before)
        counts[:, place] = np.where(nearly | falls, before, count)
        if falls.any():
            mended.forced |= falls
            mended.lowest = np.where(falls, np.minimum(mended.lowest, limit), mended.lowest)
            mended.highest = np.where(falls, np.maximum(mended.highest, limit), mended.highest)
            mended.largest = np.where(falls, np.maximum(mended.largest, before - count), mended.largest)
        before = np.where(present & ~nearly & ~falls, count, before)
        seen |= present
    return Buckets(buckets.labels, buckets.bounds, counts, buckets.present, buckets.drop_name), mended


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


def _finished(buckets: Buckets, results: Floats, context: Context) -> InstantVector:
    present: Mask = np.logical_or.reduce(buckets.present, axis=1)
    found = InstantVector(buckets.labels, results, present, buckets.drop_name)
    return without_name(found.compact(), context)


def _remark(buckets: Buckets, mended: _Mended, q: Floats, span: Span, context: Context) -> None:
    """One remark a metric: what had to be mended, where and when."""
    forced = mended.forced & (q >= 0) & (q <= 1) & (_top(buckets).bound == np.inf)
    if not forced.any():
        return
    names = buckets.labels.column(METRIC_NAME).texts()
    if not context.options.delayed_name_removal:
        names = [""] * len(names)
    for name in dict.fromkeys(name for name, any_forced in zip(names, forced.any(axis=1), strict=True) if any_forced):
        rows = np.array([other == name for other in names])
        where = forced[rows]
        times = context.times[where.any(axis=0)]
        first, last = (
            datetime.fromtimestamp(int(time) // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            for time in (times[0], times[-1])
        )
        context.annotations.info(
            "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see "
            "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
            f"{_for_metric(name)}, from buckets {general(float(mended.lowest[rows][where].min()))} to "
            f"{general(float(mended.highest[rows][where].max()))}, with a max diff of "
            f"{mended.largest[rows][where].max():.2g}, over {int(where.sum())} samples from {first} to {last}",
            span,
        )


def _histogram_quantile(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    q, values = scalar(expr, args, 0), vector(expr, args, 1)
    doubt_quantile(q, expr.args[0].span, context)
    buckets, mended = monotonic(grouped(values, expr.args[1].span, context))
    _remark(buckets, mended, q, expr.args[1].span, context)
    return _finished(buckets, quantile(buckets, q), context)


def _histogram_fraction(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    buckets = grouped(vector(expr, args, 2), expr.args[2].span, context)
    return _finished(buckets, fraction(buckets, scalar(expr, args, 0), scalar(expr, args, 1)), context)


FUNCTIONS: dict[str, Function] = {
    "histogram_quantile": _histogram_quantile,
    "histogram_fraction": _histogram_fraction,
}
