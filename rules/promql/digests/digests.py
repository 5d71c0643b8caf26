"""Digests of windows of samples: numbers that merge with those of a neighbouring window.

A function over a long range need not go through its samples again and again: whole stretches of them are digested once, the digests of
neighbouring stretches are merged, and the function's value is finished from what comes out (:mod:`rules.promql.digests.functions`). What picks or
counts samples comes out the same to the last bit, and so do sums of integers while they are below 2**53. Other sums keep what rounding cuts off
them, so they differ in the last place or two from sums in another order.

Moments merge as in Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.promql.digests.measures import NO_FLAG, NO_FLOAT, NO_INT, NO_VALUE, Arrays, Measure, mean, measured, slim
from rules.promql.summation import increment
from rules.promql.values import Floats, Index, Mask, Times, Windows

_ALWAYS = np.ones((1, 1), np.bool_)
_EXTREMES = {"low": Measure.LOW, "high": Measure.HIGH}
_MOMENTS = Measure.SQUARES | Measure.LINE


def _no_float() -> Floats:
    return NO_FLOAT


def _no_int() -> Index:
    return NO_INT


def _no_flag() -> Mask:
    return NO_FLAG


@dataclass(frozen=True, slots=True)
class Digests:
    """Digests of windows of samples.

    Arrays are ``[n, T]``. Any may be ``[n, 1]``, which stands for all ``T``; and any but ``first`` and ``last`` may be ``[1, T]`` or ``[1, 1]``,
    which stands for all ``n``: series of one clock share their times, and what is zero everywhere takes no room. Measures that are not held
    are zero.

    Attributes:
        measures: what is held.
        count: samples.
        first_at: time of the first sample, ms; like the next three undefined where there is none.
        last_at: that of the last one.
        first: value of the first sample.
        last: that of the last one.
        vast: whether a finite value is ``VAST`` or more in magnitude: then nothing that adds values may be finished from digests.
        total: ``SUMS``: the compensated sum.
        lost: ``SUMS``: what rounding has cut off it.
        low: ``LOW``: the least value; NaN only where there is nothing else.
        high: ``HIGH``: the greatest value, likewise.
        dropped: ``RESETS``: the compensated sum of the values before resets.
        dropped_lost: ``RESETS``: what rounding has cut off it.
        resets: ``RESETS``: how often the value fell.
        changes: ``CHANGES``: how often it became another.
        previous_at: ``PREVIOUS``: time of the last sample but one, ms; like the next undefined where there are fewer than two.
        previous: ``PREVIOUS``: its value.
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
    vast: Mask = field(default_factory=_no_flag)
    total: Floats = field(default_factory=_no_float)
    lost: Floats = field(default_factory=_no_float)
    low: Floats = field(default_factory=_no_float)
    high: Floats = field(default_factory=_no_float)
    dropped: Floats = field(default_factory=_no_float)
    dropped_lost: Floats = field(default_factory=_no_float)
    resets: Index = field(default_factory=_no_int)
    changes: Index = field(default_factory=_no_int)
    previous_at: Times = field(default_factory=_no_int)
    previous: Floats = field(default_factory=_no_float)
    squares: Floats = field(default_factory=_no_float)
    elapsed: Index = field(default_factory=_no_int)
    spread: Floats = field(default_factory=_no_float)
    products: Floats = field(default_factory=_no_float)

    @classmethod
    def empty(cls, n: int, instants: int, measures: Measure = Measure.ALL) -> Digests:
        """Windows without samples."""
        none = np.zeros((1, instants), np.int64)
        nothing = np.zeros((n, 1))
        low, high = (NO_VALUE if measures & each else NO_FLOAT for each in _EXTREMES.values())
        return cls(measures, none, NO_INT, NO_INT, nothing, nothing, low=low, high=high)

    @classmethod
    def of(cls, windows: Windows, measures: Measure = Measure.ALL) -> Digests:
        """The digests of windows of samples; ``SQUARES`` and ``LINE`` bring ``SUMS`` and ``EXTREMES`` along.

        Sums of other values than integers, and moments, take a step for each sample of the longest window, all windows together.
        """
        if measures & _MOMENTS:
            measures |= Measure.SUMS | Measure.EXTREMES
        with np.errstate(all="ignore"):
            return cls(measures, **measured(windows, measures))

    @property
    def size(self) -> int:
        """How many series."""
        return len(self.first)

    @property
    def instants(self) -> int:
        """How many windows of each series; 1 may stand for any number."""
        return int(self.count.shape[1])

    @property
    def nbytes(self) -> int:
        """Memory in bytes."""
        return sum(int(array.nbytes) for array in self.arrays().values())

    @property
    def mean(self) -> Floats:
        """``SUMS``: the mean of each window's values; 0 where there are none."""
        return mean(self.count, self.total, self.lost)

    def arrays(self) -> Arrays:
        """All arrays by their names."""
        return {name: getattr(self, name) for name in _ARRAYS}

    def merged(self, later: Digests) -> Digests:
        """The windows that hold the samples of both, series by series; all of ``later``'s come after all of this one's.

        What is held is what both hold. Either may have one window for all instants.
        """
        with np.errstate(all="ignore"):
            return Digests(self.measures & later.measures, **_merged(self, later))

    def take(self, rows: Index) -> Digests:
        """The given series, in the given order; -1 stands for one without samples."""
        size = self.size
        missing = rows < 0
        if not missing.any():
            return self._each(lambda name, array: array if len(array) < size else array[rows])
        if not size:
            return Digests.empty(len(rows), self.instants, self.measures)
        there = ~missing[:, None]
        extremes = [name for name, measure in _EXTREMES.items() if self.measures & measure]

        def taken(name: str, array: NDArray[Any]) -> NDArray[Any]:
            shared = len(array) < size
            if shared and name not in extremes and not array.any():
                return array
            found = array if shared else array.take(rows, axis=0, mode="clip")
            return np.where(there, found, np.nan if name in extremes else 0).astype(array.dtype, copy=False)

        return self._each(taken)

    @classmethod
    def beside(cls, parts: Sequence[Digests]) -> Digests:
        """The windows of the same series in all parts, instant after instant; there is one part or more, and all hold the same measures."""

        def joined(name: str) -> NDArray[Any]:
            arrays: list[NDArray[Any]] = [getattr(part, name) for part in parts]
            if all(array.size == 1 and not array.any() for array in arrays):
                return arrays[0]
            rows = 1 if all(len(array) == 1 for array in arrays) else parts[0].size
            return np.concatenate(
                [np.broadcast_to(array, (rows, part.instants)) for array, part in zip(arrays, parts, strict=True)],
                axis=1,
            )

        return cls(parts[0].measures, **{name: joined(name) for name in _ARRAYS})

    def _each(self, change: Callable[[str, NDArray[Any]], NDArray[Any]]) -> Digests:
        return Digests(self.measures, **{name: change(name, array) for name, array in self.arrays().items()})


def _merged(before: Digests, later: Digests) -> Arrays:
    some, more = before.count > 0, later.count > 0
    all_some, all_more = bool(some.all()), bool(more.all())
    seam = _ALWAYS if all_some and all_more else some & more

    def earlier(name: str) -> NDArray[Any]:
        one: NDArray[Any] = getattr(before, name)
        return one if all_some else np.where(some, one, getattr(later, name))

    def latest(name: str) -> NDArray[Any]:
        other: NDArray[Any] = getattr(later, name)
        return other if all_more else np.where(more, other, getattr(before, name))

    held = before.measures & later.measures
    found: Arrays = {
        "count": before.count + later.count,
        "first_at": earlier("first_at"),
        "last_at": latest("last_at"),
        "first": earlier("first"),
        "last": latest("last"),
        "vast": slim(before.vast | later.vast),
    }
    if held & Measure.SUMS:
        total, lost = increment(later.total, before.total, before.lost + later.lost)
        found["total"], found["lost"] = total, slim(lost)
    if held & Measure.LOW:
        found["low"] = np.fmin(before.low, later.low)
    if held & Measure.HIGH:
        found["high"] = np.fmax(before.high, later.high)
    if held & Measure.RESETS:
        fell = seam & (later.first < before.last)
        seam_value = np.where(fell, before.last, 0.0)
        dropped, lost = increment(seam_value, before.dropped, before.dropped_lost + later.dropped_lost)
        dropped, lost = increment(later.dropped, dropped, lost)
        found["dropped"], found["dropped_lost"] = slim(dropped), slim(lost)
        found["resets"] = slim(before.resets + fell + later.resets)
    if held & Measure.CHANGES:
        changed = seam & (later.first != before.last) & ~(np.isnan(later.first) & np.isnan(before.last))
        found["changes"] = slim(before.changes + changed + later.changes)
    if held & Measure.PREVIOUS:
        for name, last in (("previous_at", "last_at"), ("previous", "last")):
            one = np.where(later.count == 1, getattr(before, last), getattr(before, name))
            found[name] = np.where(later.count > 1, getattr(later, name), one)
    if held & _MOMENTS:
        # Where either has no samples, this is 0 and the distances are finite.
        weight = before.count / np.maximum(found["count"], 1) * later.count
        apart = later.mean - before.mean
        if held & Measure.SQUARES:
            found["squares"] = slim(before.squares + later.squares + apart * apart * weight)
        if held & Measure.LINE:
            shift = np.where(seam, later.first_at - before.first_at, 0)
            middle, later_middle = (each.elapsed / np.maximum(each.count, 1) for each in (before, later))
            away = (shift + (later_middle - middle)) / 1e3
            found["elapsed"] = before.elapsed + later.elapsed + shift * later.count
            found["spread"] = before.spread + later.spread + away * away * weight
            found["products"] = slim(before.products + later.products + away * apart * weight)
    return found


_ARRAYS = tuple(each.name for each in fields(Digests) if each.name != "measures")
