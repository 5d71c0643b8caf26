"""Classic histograms as arrays: buckets found among series, put in order, made monotonic.

Semantics: ``resetHistograms``, ``coalesceBuckets`` and ``ensureMonotonicAndIgnoreSmallDeltas`` of Prometheus 3's ``promql`` package.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rules.golang.floats import parse_float
from rules.golang.quoting import quote
from rules.promql.context import Context
from rules.promql.labels import METRIC_NAME, LabelFrame
from rules.promql.syntax.errors import Span
from rules.promql.values import Floats, Index, InstantVector, Mask

BUCKET = "le"
BLOCK_CELLS = 1 << 18
"""Buckets times instants to work on at a time: what the caches hold."""

TOLERANCE = 1e-12
"""Counts of neighbours that differ by no more than this share of their sum are taken as equal: rounding, not observations."""

_PADDED = 4
_SMALLEST_NORMAL = 2.0**-1022


def bound(text: str) -> float | None:
    """The number that a bucket's label says; None if it says none."""
    try:
        return parse_float(text)
    except ValueError:
        return None


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


def blocks(values: InstantVector, span: Span, context: Context) -> Iterator[Buckets]:
    """The histograms among the series, some at a time; a series without a bound is left out with a remark."""
    column = values.labels.column(BUCKET)
    parsed = [bound(text) for text in column.values]
    good = np.array([value is not None for value in parsed], np.bool_)[column.codes]
    if not good.all():
        _doubt_bounds(values.take(np.flatnonzero(~good & values.present.any(axis=1))), span, context)
        values = values.take(np.flatnonzero(good))
    if not values.size:
        return
    table = np.array([np.nan if value is None else value for value in parsed])
    limits = table[values.labels.column(BUCKET).codes]
    rest = values.labels.drop((BUCKET,))
    group, first = rest.groups()
    order = np.lexsort((limits, group))
    starts = np.searchsorted(group[order], np.arange(len(first) + 1))
    for begin, end in _stretches(np.diff(starts), context.instants):
        rows = order[starts[begin] : starts[end]]
        labels = rest.take(first[begin:end])
        drop = None if values.drop_name is None else values.drop_name[first[begin:end]]
        yield _buckets(labels, drop, group[rows] - begin, limits[rows], values.values[rows], values.present[rows])


def _stretches(sizes: Index, instants: int) -> Iterator[tuple[int, int]]:
    """Histograms to work on at a time, by how many buckets each has."""
    per_block = max(1, BLOCK_CELLS * len(sizes) // (int(sizes.sum()) * max(instants, 1)))
    ends = [len(sizes)]
    if int(sizes.max()) * len(sizes) > _PADDED * int(sizes.sum()):
        # One of very many buckets would have all others padded to as many.
        scale = np.frexp(sizes)[1]
        ends = [*(np.flatnonzero(scale[1:] != scale[:-1]) + 1).tolist(), *ends]
    for first, last in pairwise([0, *ends]):
        for begin in range(first, last, per_block):
            yield begin, min(begin + per_block, last)


def _buckets(
    labels: LabelFrame, drop: Mask | None, group: Index, limits: Floats, counts: Floats, present: Mask
) -> Buckets:
    new = np.ones(len(group), np.bool_)
    new[1:] = (group[1:] != group[:-1]) | (limits[1:] != limits[:-1])
    if not new.all():
        # Bounds written in two ways are one bucket.
        starts = np.flatnonzero(new)
        counts = np.add.reduceat(np.where(present, counts, 0.0), starts, axis=0)
        present = np.logical_or.reduceat(present, starts, axis=0)
        group, limits = group[starts], limits[starts]
    sizes = np.bincount(group, minlength=labels.size)
    most, instants = int(sizes.max()), counts.shape[1]
    place = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    bounds = np.full((labels.size, most), np.nan)
    bounds[group, place] = limits
    shape = (labels.size, most, instants)
    if len(group) == labels.size * most:
        return Buckets(labels, bounds, counts.reshape(shape), present.reshape(shape), drop)
    padded, there = np.zeros(shape), np.zeros(shape, np.bool_)
    padded[group, place], there[group, place] = counts, present
    return Buckets(labels, bounds, padded, there, drop)


def for_metric(name: str) -> str:
    """The end of a remark that names a metric, if there is one."""
    return f" for metric name {quote(name)}" if name else ""


def _doubt_bounds(values: InstantVector, span: Span, context: Context) -> None:
    named = context.options.delayed_name_removal
    for labels in values.labels.rows():
        context.annotations.warn(
            f'bucket label "le" is missing or has a malformed value of {quote(labels.get(BUCKET, ""))}'
            + (for_metric(labels.get(METRIC_NAME, "")) if named else ""),
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
class Mended:
    """Where counts fell from one bucket to the next: ``[G, T]`` and the extent of it."""

    forced: Mask
    lowest: Floats
    highest: Floats
    largest: Floats


def monotonic(buckets: Buckets) -> tuple[Buckets, Mended]:
    """The histograms with counts that never fall, and what had to be mended."""
    shape = (buckets.labels.size, buckets.counts.shape[2])
    mended = Mended(np.zeros(shape, np.bool_), np.full(shape, np.inf), np.full(shape, -np.inf), np.zeros(shape))
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
