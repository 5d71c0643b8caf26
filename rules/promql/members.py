"""What the members of a shape yield (:mod:`rules.promql.shapes`), one below the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from rules.promql.labels import Column, LabelFrame
from rules.promql.search import places
from rules.promql.shapes import MEMBER
from rules.promql.values import Floats, Index, InstantVector, Mask

_FOLDED_TOGETHER = 1 << 15
"""Most series of an aggregation at once. Beyond some 33,000, sums of long groups would be cut in other places (:mod:`rules.promql.folding`)."""


class Members(NamedTuple):
    """What the members of a shape yield, one below the other.

    Attributes:
        vector: its label :data:`MEMBER` ascends.
        bounds: ``[members + 1]``, where the series of each member begin.
        failed: ``[members]``, which have to be evaluated by themselves.
    """

    vector: InstantVector
    bounds: Index
    failed: Mask

    def split(self) -> Iterator[tuple[int, InstantVector]]:
        """The vectors of the members that yield anything."""
        columns = [
            (name, each.codes, each.values) for name, each in self.vector.labels.columns.items() if name != MEMBER
        ]
        bounds = self.bounds.tolist()
        values, present = self.vector.values, self.vector.present
        for member in np.flatnonzero(np.diff(self.bounds)).tolist():
            begin, end = bounds[member], bounds[member + 1]
            labels = {name: Column(codes[begin:end], texts) for name, codes, texts in columns}
            yield member, InstantVector(LabelFrame(end - begin, labels), values[begin:end], present[begin:end])

    def of(self, members: Index, owners: Index, size: int) -> InstantVector:
        """The series of some members, each under the number of its owner, of so many."""
        begin = self.bounds[members]
        sizes = self.bounds[members + 1] - begin
        vector = self.vector
        if len(members) == len(self.failed) and np.array_equal(members, owners):
            if size != len(self.failed) and vector.size:
                return owned(vector, vector.labels.columns[MEMBER].codes.astype(np.int64), size)
            return vector
        return owned(vector.take(places(begin, sizes)), np.repeat(owners, sizes), size)


def joined(pieces: Sequence[InstantVector], failed: Mask, instants: int) -> Members:
    """The value of a shape from those of some of its members."""
    if not pieces:
        return Members(InstantVector.empty(instants), np.zeros(len(failed) + 1, np.int64), failed)
    vector = pieces[0]
    if len(pieces) > 1:
        vector = InstantVector(
            LabelFrame.concat([each.labels for each in pieces]),
            np.concatenate([each.values for each in pieces]),
            np.concatenate([each.present for each in pieces]),
        )
    column = vector.labels.columns[MEMBER]
    owners, texts = column.codes, numerals(len(failed))
    if column.values is not texts:
        vector = owned(vector, np.array(list(map(int, column.values)), np.int64)[owners], len(failed))
        owners = vector.labels.columns[MEMBER].codes
    if (owners[1:] < owners[:-1]).any():
        order = np.argsort(owners, kind="stable")
        owners, vector = owners[order], vector.take(order)
    return Members(vector, np.searchsorted(owners, np.arange(len(failed) + 1)), failed)


def owned(vector: InstantVector, owners: Index, size: int) -> InstantVector:
    """The vector with the number of a member, of so many, on each series."""
    column = Column(owners.astype(np.int32), numerals(size))
    return InstantVector(vector.labels.with_column(MEMBER, column), vector.values, vector.present)


def numerals(size: int) -> tuple[str, ...]:
    return _numerals(1 << max(4, (size - 1).bit_length()))


@lru_cache(maxsize=32)
def _numerals(size: int) -> tuple[str, ...]:
    """The numbers below a size as texts, always the same object: columns with the same texts are compared by codes."""
    return tuple(map(str, range(size)))


def stretches_of(members: Index, sizes: Index) -> list[Index]:
    """Members whose series are few enough to be folded together; or one that has more."""
    ends = np.cumsum(sizes)
    if not len(members) or int(ends[-1]) <= _FOLDED_TOGETHER:
        return [members]
    found, begin = [], 0
    while begin < len(members):
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + _FOLDED_TOGETHER, side="right")))
        found.append(members[begin:end])
        begin = end
    return found


def may_hold(op: str, part: Members, refs: Index, numbers: Floats) -> Mask:
    """``[members]``: which members' vectors may have a value that compares so with their numbers."""
    filled = np.diff(part.bounds) > 0
    if op == "!=" or not filled.any():
        return filled[refs]
    vector = part.vector
    values = np.where(vector.present, vector.values, np.nan)
    starts = part.bounds[:-1][filled]
    least, most = np.full(len(filled), np.nan), np.full(len(filled), np.nan)
    least[filled] = np.fmin.reduceat(np.fmin.reduce(values, axis=1), starts)
    most[filled] = np.fmax.reduceat(np.fmax.reduce(values, axis=1), starts)
    low, high = least[refs], most[refs]
    match op:
        case ">":
            return high > numbers
        case ">=":
            return high >= numbers
        case "<":
            return low < numbers
        case "<=":
            return low <= numbers
        case _:
            return (low <= numbers) & (numbers <= high)
