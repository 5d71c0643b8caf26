"""Order statistics of groups of rows: quantiles, and the largest or smallest k; over all columns at once.

Groups of similar size are laid side by side as one ``[groups, rows, columns]`` block, so that the sorting is one call.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rules.promql.folding import Groups
from rules.promql.values import Floats, Index, Mask

_BLOCK_CELLS = 1 << 21


def _blocks(groups: Groups, columns: int) -> Iterator[tuple[Index, Index, slice]]:
    """Groups, their rows (``[groups, rows]``, padded with -1) and the columns to look at; a block is of bounded size."""
    widths = 1 << np.ceil(np.log2(np.maximum(groups.sizes, 1))).astype(np.int64)
    for widest in np.unique(widths).tolist():
        members = np.flatnonzero(widths == widest)
        width = int(groups.sizes[members].max())
        tall = max(1, _BLOCK_CELLS // (width * max(columns, 1)))
        wide = max(1, _BLOCK_CELLS // width)
        for low in range(0, len(members), tall):
            part = members[low : low + tall]
            place = np.arange(width)
            inside = place < groups.sizes[part, None]
            rows = np.where(inside, groups.order[np.where(inside, groups.starts[part, None] + place, 0)], -1)
            for left in range(0, columns, wide):
                yield part, rows, slice(left, min(left + wide, columns))


def quantiles(values: Floats, present: Mask, groups: Groups, q: Floats) -> Floats:
    """``[G, T]``: the quantile ``q[t]`` of the present values, interpolated between neighbours; NaN is the smallest value."""
    columns = values.shape[1]
    result = np.empty((groups.count, columns))
    for part, rows, span in _blocks(groups, columns):
        block = values[rows, span]
        there = present[rows, span] & (rows >= 0)[:, :, None]
        block[~there] = np.nan
        members = there.sum(axis=1)
        nans = members - (~np.isnan(block)).sum(axis=1)
        block.sort(axis=1)
        rank = q[span] * (members - 1)
        lower = np.maximum(np.floor(rank), 0.0)
        upper = np.minimum(members - 1, lower + 1)
        weight = rank - np.floor(rank)
        result[part, span] = _ranked(block, lower, nans) * (1 - weight) + _ranked(block, upper, nans) * weight
    result = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, result))
    return np.where(np.isnan(q), np.nan, result)


def _ranked(block: Floats, place: Floats, nans: Index) -> Floats:
    """The value at a place, where the block is sorted with NaN last but counted with NaN first."""
    usable = np.where(np.isfinite(place), place, 0.0).astype(np.int64) - nans
    found = np.take_along_axis(block, np.clip(usable, 0, block.shape[1] - 1)[:, None, :], axis=1)[:, 0, :]
    return np.where(usable < 0, np.nan, found)


def best(values: Floats, present: Mask, groups: Groups, k: Index, *, largest: bool) -> Mask:
    """``[n, T]``: which rows are among the ``k[t]`` largest (or smallest) of their group; NaN comes last, of equals the earlier row stays."""
    columns = values.shape[1]
    chosen = np.zeros((len(groups.order), columns), np.bool_)
    for _, rows, span in _blocks(groups, columns):
        block = -values[rows, span] if largest else values[rows, span]
        inside = rows >= 0
        there = present[rows, span] & inside[:, :, None]
        picked = _best_of_block(block, there, k[span])
        chosen[rows[inside], span] = picked[inside]
    return chosen


def _best_of_block(block: Floats, there: Mask, k: Index) -> Mask:
    real = there & ~np.isnan(block)
    block = np.where(real, block, np.nan)
    room = k - real.sum(axis=1)
    last = np.full((block.shape[0], 1, block.shape[2]), np.nan)
    for size in np.unique(k).tolist():
        at = k == size
        if 0 < size <= block.shape[1]:
            # NaN sorts last: a group of fewer real values than k has no last one, and keeps them all.
            last[:, 0, at] = np.partition(block[:, :, at], size - 1, axis=1)[:, size - 1]
    ahead = block < last
    level = block == last
    picked: Mask = ahead | (level & (np.cumsum(level, axis=1) <= (k - ahead.sum(axis=1))[:, None, :]))
    picked |= real & (room >= 0)[:, None, :]
    nan = there & ~real
    if nan.any():
        picked |= nan & (np.cumsum(nan, axis=1) <= room[:, None, :])
    picked &= k > 0
    return picked
