"""Where in many ascending columns many times fall: all looked up at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
Index = NDArray[np.int64]

_FEW = 4
_MANY_BOUNDS = 16


def renumbered(numbers: Index) -> tuple[Index, Index]:
    """Numbers from 0 without gaps, equal where the given ones are, and a row that has each; the identity when all differ."""
    size = len(numbers)
    if size == 1:
        return np.zeros(1, np.int64), np.zeros(1, np.int64)
    bound = int(numbers.max(initial=-1)) + 1
    if bound > 8 * size:
        distinct, leaders, dense = np.unique(numbers, return_index=True, return_inverse=True)
        used = len(distinct)
    else:
        # The numbers are small: a table is linear in time, a sort is not.
        rows = np.full(bound, -1, np.int64)
        rows[numbers] = np.arange(size)
        taken = rows >= 0
        leaders = rows[taken]
        used = len(leaders)
        dense = numbers if used == bound else (np.cumsum(taken) - 1)[numbers]
    if used == size:
        every = np.arange(size, dtype=np.int64)
        return every, every
    return dense.astype(np.int64, copy=False), leaders


def places(begin: Index, sizes: Index) -> Index:
    """The indices ``begin[i] .. begin[i] + sizes[i] - 1`` of every stretch, one after the other."""
    size = int(sizes[0]) if len(sizes) else 0
    if (sizes == size).all():
        return (begin[:, None] + np.arange(size)).ravel()
    starts = np.cumsum(sizes) - sizes
    found: Index = np.arange(int(sizes.sum())) + np.repeat(begin - starts, sizes)
    return found


def bisect_right(timestamps: Times, begin: Index, end: Index, bounds: Times) -> Index:
    """The index after the last sample at or before each bound, in every ``[begin, end)`` stretch of a flat column; ``[n, B]``.

    Args:
        timestamps: ascending within a stretch.
        bounds: in any order.
    """
    if len(begin) <= _FEW:
        rows = [
            np.searchsorted(timestamps[low:high], bounds, side="right") + low
            for low, high in zip(begin.tolist(), end.tolist(), strict=True)
        ]
        return np.array(rows, np.int64).reshape(len(begin), len(bounds))
    if len(bounds) >= _MANY_BOUNDS and len(bounds) * len(begin) * 4 >= int((end - begin).sum()):
        steps = np.diff(bounds)
        if steps[0] > 0 and (steps == steps[0]).all():
            return _counted(timestamps, begin, end, int(bounds[0]), int(steps[0]), len(bounds))
    return _bisected(timestamps, begin, end, bounds)


def _counted(timestamps: Times, begin: Index, end: Index, first: int, step: int, count: int) -> Index:
    """For evenly spaced bounds each sample is put to the first bound that is not before it, and counted from there on."""
    sizes = end - begin
    rows = np.repeat(np.arange(len(begin)) * (count + 1), sizes)
    slots = -((first - timestamps[places(begin, sizes)]) // step)
    np.clip(slots, 0, count, out=slots)
    slots += rows
    samples = np.bincount(slots, minlength=len(begin) * (count + 1)).reshape(len(begin), count + 1)[:, :count]
    found: Index = np.cumsum(samples, axis=1)
    found += begin[:, None]
    return found


def _bisected(timestamps: Times, begin: Index, end: Index, bounds: Times) -> Index:
    """Binary search, but only where a guess from a series' mean interval is not right at once."""
    shape = (len(begin), len(bounds))
    if not len(timestamps):
        return np.broadcast_to(begin[:, None], shape).copy()
    last = len(timestamps) - 1
    sizes = end - begin
    first_at = timestamps[np.minimum(begin, last)]
    density = (sizes - 1) / np.maximum(timestamps[np.maximum(end - 1, 0)] - first_at, 1)
    guess: Index = ((bounds - first_at[:, None]) * density[:, None]).astype(np.int64) + 1
    guess = np.clip(guess, 0, sizes[:, None]) + begin[:, None]
    wrong = np.ones(shape, np.bool_)
    for _ in range(2):
        late = (guess > begin[:, None]) & (timestamps[np.maximum(guess - 1, 0)] > bounds)
        early = (guess < end[:, None]) & (timestamps[np.minimum(guess, last)] <= bounds)
        wrong = late | early
        if not wrong.any():
            return guess
        guess = guess + early - late
    row, column = np.nonzero(wrong)
    low, high, bound = begin[row], end[row], bounds[column]
    for _ in range(int(sizes.max()).bit_length()):
        middle = (low + high) >> 1
        right = (timestamps[np.minimum(middle, last)] <= bound) & (low < high)
        low = np.where(right, middle + 1, low)
        high = np.where(right, high, middle)
    guess[row, column] = low
    return guess
