"""The instants at which groups are evaluated: multiples of their intervals. What can be said of them is said without listing them.

One sample whose clock is wrong spreads event time over decades, which are millions of instants; so what needs their number, or the last of them, must
not cost as much.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from math import lcm

import numpy as np

from rules.promql.values import Times

_MOST_INTERVALS = 12


def aligned(interval_ms: int, after_ms: int, until_ms: int) -> Times:
    """The instants of a group: the multiples of its interval in ``(after_ms, until_ms]``."""
    first = (after_ms // interval_ms + 1) * interval_ms
    return np.arange(first, until_ms + 1, interval_ms, dtype=np.int64)


def distinct(intervals_ms: Iterable[int]) -> tuple[int, ...]:
    """The intervals without those that are multiples of others, ascending: the instants of all are theirs."""
    found: list[int] = []
    for interval in sorted(set(intervals_ms)):
        if all(interval % each for each in found):
            found.append(interval)
    return tuple(found)


def count(intervals_ms: Sequence[int], after_ms: int, until_ms: int) -> int:
    """How many instants are in ``(after_ms, until_ms]``, each once, of groups with distinct intervals (:func:`distinct`).

    Of more than a dozen intervals none of which is a multiple of another it is a bound from above.
    """
    if until_ms <= after_ms:
        return 0
    total = 0
    # What several intervals have in common was counted too often.
    for size in range(1, len(intervals_ms) + 1 if len(intervals_ms) <= _MOST_INTERVALS else 2):
        for some in combinations(intervals_ms, size):
            step = lcm(*some)
            total += (until_ms // step - after_ms // step) * (1 if size % 2 else -1)
    return total
