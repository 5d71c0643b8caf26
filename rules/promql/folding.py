"""Sums, means, variances and extremes of groups of rows, over all columns at once.

Rows are walked in step: the first rows of all groups together, then the second ones, ... so that each pass is one array operation
and a group is folded in the order of its rows, as Prometheus does. A long group is first cut into lanes which are folded side by
side and then folded themselves; that keeps the number of passes small and changes results by no more than rounding. Where lanes are cut depends
on the groups alone, so a column comes out the same to the last bit whatever columns are beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rules.promql.summation import quick_increment
from rules.promql.values import Floats, Index, Mask

_MOST_LANES = 512
"""Of one group: at the 64 columns of a job that catches up, a pass over so many stays in the processor's caches."""

_SHORTEST_LANE = 64


@dataclass(frozen=True, slots=True)
class Groups:
    """Which rows form a group.

    Attributes:
        ids: ``[n]``, the group of each row, dense from 0.
        first: ``[G]``, the first row of each group.
        order: ``[n]``, rows by group, in their own order within one.
        starts: ``[G]``, where each group begins in ``order``.
        sizes: ``[G]``, rows of each group.
    """

    ids: Index
    first: Index
    order: Index
    starts: Index
    sizes: Index

    @classmethod
    def of(cls, ids: Index, first: Index) -> Groups:
        """Groups by their numbers, as :meth:`LabelFrame.groups` gives them."""
        sizes = np.bincount(ids, minlength=len(first))
        # Small numbers sort by radix, several times faster.
        narrow = ids.astype(np.uint16) if len(first) <= 1 << 16 else ids
        order = np.argsort(narrow, kind="stable")
        return cls(ids, first, order, np.cumsum(sizes) - sizes, sizes)

    @property
    def count(self) -> int:
        return len(self.first)


@dataclass(frozen=True, slots=True)
class _Lanes:
    """Stretches of groups, the longest first: lane ``i`` is ``order[start[i] : start[i] + length[i]]``."""

    order: Index
    start: Index
    length: Index
    owner: Index

    @property
    def count(self) -> int:
        return len(self.start)

    def passes(self) -> Iterator[tuple[int, Index]]:
        """How many lanes still have a row, and that row of each."""
        longest = int(self.length[0]) if self.count else 0
        active = np.searchsorted(-self.length, -np.arange(longest), side="left").tolist()
        for step, lanes in enumerate(active):
            yield lanes, self.order[self.start[:lanes] + step]

    def regrouped(self, groups: int) -> Groups:
        """The lanes as rows, grouped by the groups they were cut from and in order there."""
        by_place = np.lexsort((self.start, self.owner))
        sizes = np.bincount(self.owner, minlength=groups)
        starts = np.cumsum(sizes) - sizes
        return Groups(self.owner, by_place[starts], by_place, starts, sizes)


def _lanes(groups: Groups) -> _Lanes:
    longest = int(groups.sizes.max(initial=0))
    depth = max(_SHORTEST_LANE, len(groups.order) // _MOST_LANES)
    if longest <= depth:
        start, length, owner = groups.starts, groups.sizes, np.arange(groups.count)
    else:
        pieces = -(-groups.sizes // depth)
        owner = np.repeat(np.arange(groups.count), pieces)
        offset = (np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) * depth
        start, length = groups.starts[owner] + offset, np.minimum(groups.sizes[owner] - offset, depth)
    if len(length) > 1:
        longest_first = np.argsort(-length, kind="stable")
        start, length, owner = start[longest_first], length[longest_first], owner[longest_first]
    return _Lanes(groups.order, start, length, owner)


def counts(present: Mask, groups: Groups) -> Index:
    """``[G, T]``: how many rows of each group are present."""
    lanes = _lanes(groups)
    total = np.zeros((lanes.count, present.shape[1]), np.int64)
    for active, rows in lanes.passes():
        total[:active] += present[rows]
    if lanes.count == groups.count:
        return total[np.argsort(lanes.owner)]
    ends = lanes.regrouped(groups.count)
    return np.add.reduceat(total[ends.order], ends.starts, axis=0)


def compensated_sums(values: Floats, present: Mask | None, groups: Groups) -> tuple[Floats, Floats]:
    """``[G, T]``: sums of the present rows, and what rounding has cut off them (Neumaier's variant of Kahan's summation)."""
    return _compensated(values, present, None, groups)


def _compensated(values: Floats, present: Mask | None, lost: Floats | None, groups: Groups) -> tuple[Floats, Floats]:
    columns = values.shape[1]
    lanes = _lanes(groups)
    total = np.zeros((lanes.count, columns))
    error = np.zeros((lanes.count, columns))
    for active, rows in lanes.passes():
        term = values[rows]
        if present is not None:
            term = np.where(present[rows], term, 0.0)
        # Sums that leave the range of a float64 are seen to by the caller.
        total[:active], error[:active] = quick_increment(term, total[:active], error[:active])
        if lost is not None:
            error[:active] += lost[rows]
    if lanes.count == groups.count:
        in_order = np.argsort(lanes.owner)
        return total[in_order], error[in_order]
    return _compensated(total, None, error, lanes.regrouped(groups.count))


def variances(values: Floats, present: Mask | None, groups: Groups) -> Floats:
    """``[G, T]``: sums of squared distances from the mean of the present rows (Welford's algorithm)."""
    columns = values.shape[1]
    lanes = _lanes(groups)
    seen, mean, squares = (np.zeros((lanes.count, columns)) for _ in range(3))
    for active, rows in lanes.passes():
        term = values[rows]
        if present is None:
            seen[:active] += 1.0
        else:
            there = present[rows]
            seen[:active] += there
            term = np.where(there, term, mean[:active])
        delta = term - mean[:active]
        mean[:active] += delta / np.maximum(seen[:active], 1.0)
        squares[:active] += delta * (term - mean[:active])
    if lanes.count == groups.count:
        return squares[np.argsort(lanes.owner)]
    ends = lanes.regrouped(groups.count)
    return _merged_variances(seen, mean, squares, ends)


def _merged_variances(seen: Floats, mean: Floats, squares: Floats, groups: Groups) -> Floats:
    # Parts of a sample join as in Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances".
    columns = seen.shape[1]
    all_seen, all_mean, all_squares = (np.zeros((groups.count, columns)) for _ in range(3))
    longest_first = np.argsort(-groups.sizes, kind="stable")
    lanes = _Lanes(groups.order, groups.starts[longest_first], groups.sizes[longest_first], longest_first)
    for active, rows in lanes.passes():
        owner = lanes.owner[:active]
        before, added = all_seen[owner], seen[rows]
        together = np.maximum(before + added, 1.0)
        delta = np.where(added > 0, mean[rows] - all_mean[owner], 0.0)
        all_squares[owner] += np.where(added > 0, squares[rows], 0.0) + delta * delta * before * added / together
        all_mean[owner] += delta * added / together
        all_seen[owner] = before + added
    return all_squares


def extremes(values: Floats, present: Mask | None, groups: Groups, *, largest: bool) -> Floats:
    """``[G, T]``: the largest or smallest present value; NaN only where there is nothing else."""
    columns = values.shape[1]
    pick = np.fmax if largest else np.fmin
    lanes = _lanes(groups)
    best = np.full((lanes.count, columns), np.nan)
    for active, rows in lanes.passes():
        term = values[rows]
        if present is not None:
            term = np.where(present[rows], term, np.nan)
        pick(best[:active], term, out=best[:active])
    if lanes.count == groups.count:
        return best[np.argsort(lanes.owner)]
    ends = lanes.regrouped(groups.count)
    return pick.reduceat(best[ends.order], ends.starts, axis=0)
