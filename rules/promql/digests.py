"""What windows of samples come to, as numbers that merge with those of a neighbouring window.

A function over a long range need not see its samples again and again: whole stretches of them are digested once, the digests of neighbouring
stretches are merged, and the function's value is finished from what comes out (:mod:`rules.promql.digest_functions`). Counts, times, and
whatever picks or counts samples come out the same to the last bit; so do sums of integers while they are below 2**53. Other sums carry what rounding
cuts off them, and differ in the last place or two from sums in another order.

Moments merge as in Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import Flag, auto
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.promql.values import Floats, Index, Mask, Times, Windows

VAST = 1e140
"""Finite values from here on might lead the sum of their squares out of float64, where it matters in which order they are added."""


class Measure(Flag):
    """What digests hold beside the number of samples, the first and the last of them."""

    NONE = 0
    SUMS = auto()
    EXTREMES = auto()
    STEPS = auto()
    PREVIOUS = auto()
    SQUARES = auto()
    LINE = auto()
    ALL = SUMS | EXTREMES | STEPS | PREVIOUS | SQUARES | LINE


_MOMENTS = Measure.SQUARES | Measure.LINE
_FOR_MOMENTS = Measure.SUMS | Measure.EXTREMES


def _constant(value: Any) -> NDArray[Any]:
    array = np.array([[value]])
    array.setflags(write=False)
    return array


_NO_FLOAT, _NO_INT, _NO_FLAG = _constant(0.0), _constant(0), _constant(False)


@dataclass(frozen=True, slots=True)
class Digests:
    """What windows of samples come to.

    Arrays are ``[n, T]``. Any of them may be ``[n, 1]``, which stands for all ``T``; and any but ``first`` and ``last`` may be ``[1, T]`` or
    ``[1, 1]``, which stands for all ``n``: series of one clock share their times, and what is zero everywhere takes no room. Measures that are
    not held are zero.

    Attributes:
        measures: what is held.
        count: samples.
        first_at, last_at: times of the first and the last sample, ms; undefined where there is none, as are the values.
        first, last: their values.
        vast: whether a finite value is ``VAST`` or more in magnitude: then nothing that adds may be finished from digests.
        total, lost: ``SUMS``: the compensated sum, and what rounding has cut off it.
        low, high: ``EXTREMES``; NaN only where there is nothing else.
        dropped: ``STEPS``: the sum of the values before resets, in their order.
        resets, changes: ``STEPS``: how often the value fell, and how often it became another.
        previous_at, previous: ``PREVIOUS``: the last sample but one; undefined where there are fewer than two.
        squares: ``SQUARES``: the sum of squared distances from the mean.
        elapsed: ``LINE``: the sum of the times since ``first_at``, ms.
        spread: ``LINE``: the sum of squared distances of the times from their mean, s^2.
        products: ``LINE``: the sum of products of the distances of times (s) and values from their means.
    """

    measures: Measure
    count: Index
    first_at: Times
    last_at: Times
    first: Floats
    last: Floats
    vast: Mask = _NO_FLAG
    total: Floats = _NO_FLOAT
    lost: Floats = _NO_FLOAT
    low: Floats = _NO_FLOAT
    high: Floats = _NO_FLOAT
    dropped: Floats = _NO_FLOAT
    resets: Index = _NO_INT
    changes: Index = _NO_INT
    previous_at: Times = _NO_INT
    previous: Floats = _NO_FLOAT
    squares: Floats = _NO_FLOAT
    elapsed: Index = _NO_INT
    spread: Floats = _NO_FLOAT
    products: Floats = _NO_FLOAT

    @classmethod
    def empty(cls, n: int, instants: int, measures: Measure = Measure.ALL) -> Digests:
        """Windows without samples."""
        shape = (n, instants)
        times = np.zeros(shape, np.int64)
        nothing = np.full(shape, np.nan)
        extremes = nothing if measures & Measure.EXTREMES else _NO_FLOAT
        return cls(measures, times, times, times, nothing, nothing, low=extremes, high=extremes)

    @classmethod
    def of(cls, windows: Windows, measures: Measure = Measure.ALL) -> Digests:
        """The digests of windows of samples. ``SQUARES`` and ``LINE`` bring ``SUMS`` and ``EXTREMES`` along.

        It goes through the windows sample by sample, all at once, for sums of other values than integers, and for moments.
        """
        raise NotImplementedError

    @property
    def size(self) -> int:
        """How many series."""
        return len(self.first)

    @property
    def instants(self) -> int:
        """How many windows of each series, 1 if one stands for all."""
        return self.count.shape[1]

    @property
    def nbytes(self) -> int:
        """Memory in bytes."""
        return sum(getattr(self, name).nbytes for name in _ARRAYS)

    def merged(self, later: Digests) -> Digests:
        """Of two windows of each series the one that holds the samples of both; all of ``later``'s lie after this one's.

        What is held is what both hold.
        """
        raise NotImplementedError

    def take(self, rows: Index) -> Digests:
        """The given series, in the given order; -1 stands for a series without samples."""
        raise NotImplementedError

    @classmethod
    def beside(cls, parts: Sequence[Digests]) -> Digests:
        """The windows of the same series at the instants of all parts, one after the other; there is at least one part."""
        raise NotImplementedError


_ARRAYS = tuple(field.name for field in fields(Digests) if field.name != "measures")
