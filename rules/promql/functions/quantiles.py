"""Quantiles of the samples of each window, and the remark on a parameter that is none."""

from __future__ import annotations

import numpy as np

from rules.golang.floats import shortest
from rules.promql.context import Context
from rules.promql.syntax.errors import Span
from rules.promql.values import Floats, Index, Windows

_BLOCK = 1 << 20


def doubt_quantile(q: Floats, span: Span | None, context: Context) -> None:
    """Remark on each value that is not in ``[0, 1]``."""
    for value in q[~((q >= 0) & (q <= 1))].tolist():
        context.annotations.warn(f"quantile value should be between 0 and 1, got {shortest(value)}", span)


def of_sorted(windows: Windows, q: Floats) -> Floats:
    """The ``q``-quantile, ``q[T]``, of the samples of each window, interpolated between neighbours; ``[n, T]``.

    A NaN counts as the smallest value. A ``q`` below 0 gives ``-Inf``, above 1 ``+Inf``, NaN gives NaN.
    """
    shape = windows.low.shape
    low, counts = windows.low.ravel(), windows.counts.ravel()
    longest = int(counts.max(initial=0))
    wanted = np.broadcast_to(q, shape).ravel()
    result = np.empty(len(low))
    rows = max(1, _BLOCK // max(longest, 1))
    places = np.arange(longest)
    for first in range(0, len(low), rows):
        part = slice(first, first + rows)
        samples = windows.values.take(low[part, None] + places, mode="clip")
        samples[places >= counts[part, None]] = np.nan
        samples.sort(axis=1)
        result[part] = _interpolated(samples, counts[part], wanted[part])
    result = np.where(wanted < 0, -np.inf, np.where(wanted > 1, np.inf, np.where(np.isnan(wanted), np.nan, result)))
    return result.reshape(shape)


def _interpolated(samples: Floats, counts: Index, q: Floats) -> Floats:
    size, width = samples.shape
    if not width:
        return np.full(size, np.nan)
    missing = counts - (width - np.isnan(samples).sum(axis=1))
    rank = np.nan_to_num(np.clip(q, 0.0, 1.0)) * (counts - 1)
    floor = np.floor(rank)
    lower = np.maximum(floor, 0.0).astype(np.int64)
    upper = np.minimum(lower + 1, counts - 1)
    weight = rank - floor

    def at(place: Index) -> Floats:
        # numpy sorts NaN to the end, PromQL to the start.
        found = samples[np.arange(size), np.clip(place - missing, 0, width - 1)]
        chosen: Floats = np.where(place < missing, np.nan, found)
        return chosen

    return at(lower) * (1 - weight) + at(upper) * weight
