"""Sums and steps over samples, which functions over windows and digests share."""

from __future__ import annotations

import numpy as np

from rules.promql.compensated import Columns, totals
from rules.promql.summation import increment, incrementer
from rules.promql.values import Floats, Index, Mask, Windows


def add_resets(windows: Windows, growth: Floats, lost: Floats | None = None) -> None:
    """Add, in order, the value before each reset inside a window; most windows have none and are not touched.

    Args:
        windows: of the samples.
        growth: ``[n, T]``, what is added to.
        lost: ``[n, T]``, what rounding cuts off, if that is kept.
    """
    values = windows.values
    fell = np.zeros(len(values) + 1, np.bool_)
    fell[1:-1] = fallen_steps(values)
    fell[windows.low[:, 0]] = False
    resets = np.flatnonzero(fell)
    if not len(resets):
        return
    before = np.searchsorted(resets, windows.low[:, 0], side="right")
    rows = np.flatnonzero(np.searchsorted(resets, windows.high[:, -1]) > before)
    if not len(rows):
        return
    next_reset = np.searchsorted(resets, windows.low[rows], side="right")
    counts = np.searchsorted(resets, windows.high[rows]) - next_reset
    corrected = growth[rows]
    cut = None if lost is None else lost[rows]
    for nth in range(int(counts.max())):
        more = counts > nth
        value = values[resets[next_reset[more] + nth] - 1]
        if cut is None:
            corrected[more] += value
        else:
            corrected[more], cut[more] = increment(value, corrected[more], cut[more])
    growth[rows] = corrected
    if lost is not None:
        lost[rows] = cut


def fallen_steps(values: Floats) -> Mask:
    """From which samples to the next one the value falls."""
    fallen: Mask = values[1:] < values[:-1]
    return fallen


def changed_steps(values: Floats) -> Mask:
    """From which samples to the next one the value becomes another; all NaNs are one value."""
    before, after = values[:-1], values[1:]
    changed: Mask = (before != after) & ~(np.isnan(before) & np.isnan(after))
    return changed


def count_steps(windows: Windows, steps: Mask) -> Index:
    """How many of the flagged steps are inside each window; ``steps[j]`` is the one from sample ``j`` to ``j + 1``."""
    until = np.zeros(len(windows.values) + 1, np.int64)
    np.cumsum(steps, out=until[1:-1])
    inside: Index = until.take(windows.high - 1, mode="clip") - until.take(windows.low, mode="clip")
    return inside


_EXACT = float(1 << 53)


def _filled(windows: Windows) -> Mask:
    mask: Mask = windows.spread(windows.of_clocks().counts > 0)
    return mask


def extreme(windows: Windows, pick: np.ufunc) -> tuple[Floats, Mask]:
    """The value of each window that ``pick`` prefers to all others, to which some may be passed twice; and where there is one."""
    # Two spans of a power of two that cover a window may overlap: picking twice changes nothing.
    counts = windows.counts
    result = np.empty(counts.shape)
    level = windows.values
    width, longest = 1, int(counts.max(initial=0))
    while width <= longest:
        if int(counts.min()) >= width and longest < 2 * width:
            return pick(level.take(windows.low), level.take(windows.high - width)), np.ones((1, 1), np.bool_)
        here = (counts >= width) & (counts < 2 * width)
        result[here] = pick(level.take(windows.low[here]), level.take(windows.high[here] - width))
        level = pick(level[:-width], level[width:])
        width *= 2
    return result, _filled(windows)


def exact_sum(windows: Windows) -> Floats | None:
    """Sums as differences of running totals, when the values are integers small enough for these to be exact."""
    values = windows.values
    if not len(values) or values[0] != np.rint(values[0]):
        return None
    if not (float(np.abs(values).sum()) < _EXACT and (values == np.rint(values)).all()):
        return None
    until = np.zeros(len(values) + 1)
    np.cumsum(values, out=until[1:])
    sums: Floats = until.take(windows.high) - until.take(windows.low)
    return sums


def compensated_sum(windows: Windows) -> tuple[Floats, Floats]:
    """Sums in the order of the samples, and what rounding has cut off them; ``[n, T]``."""
    columns = Columns(windows)
    values = windows.values
    sums, lost = totals(
        columns, lambda nth, holding: columns.take(values, nth, holding), incrementer(values, columns.longest)
    )
    return columns.restored(sums), columns.restored(lost)
