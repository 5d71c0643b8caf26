"""Windows walked sample by sample, all of them at once, and compensated sums over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.promql.summation import Increment
from rules.promql.values import Floats, Index, Windows


class Columns:
    """The windows of a chunk as one list, longest first, so that the ``k``-th samples are those of the first ``m`` windows.

    Attributes:
        size: how many windows.
        longest: samples of the longest one.
    """

    def __init__(self, windows: Windows) -> None:
        counts = windows.counts.ravel()
        self._shape = windows.low.shape
        self._low = windows.low.ravel()
        self._counts = counts
        self.size = len(counts)
        self.longest = int(counts.max(initial=0))
        self._order: Index | None = None
        if self.longest and int(counts.min()) == self.longest:
            self._holding = [self.size] * self.longest
            return
        # Few distinct counts: as 16 bits they sort by radix.
        short = self.longest < 1 << 16
        self._order = np.argsort((self.longest - counts).astype(np.uint16 if short else np.int64), kind="stable")
        self._low = self._low[self._order]
        self._counts = counts[self._order]
        self._holding = (self.size - np.cumsum(np.bincount(counts)))[: self.longest].tolist()

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """``k`` and the number of windows that have a ``k``-th sample, ``k`` from 0."""
        return enumerate(self._holding)

    @property
    def counts(self) -> Floats:
        """Samples per window, in the order of the list."""
        return self._counts.astype(np.float64)

    def take(self, column: NDArray[Any], nth: int, holding: int) -> NDArray[Any]:
        """The ``nth`` sample of the first ``holding`` windows, from a flat column."""
        return column[nth:].take(self._low[:holding], mode="clip")

    def arranged(self, grid: NDArray[Any]) -> NDArray[Any]:
        """What is given as ``[n, T]``, or broadcasts to it, in the order of the list."""
        flat = np.broadcast_to(grid, self._shape).ravel()
        return flat if self._order is None else flat[self._order]

    def restored(self, column: NDArray[Any]) -> NDArray[Any]:
        """What is in the order of the list as ``[n, T]``."""
        if self._order is not None:
            back = np.empty_like(column)
            back[self._order] = column
            column = back
        return column.reshape(self._shape)


def totals(
    columns: Columns, terms: Callable[[int, int], Floats], inc: Increment, rows: tuple[int, ...] = ()
) -> tuple[Floats, Floats]:
    """Sums and compensations of ``terms(k, m)``, the numbers ``[*rows, m]`` of each window's ``k``-th sample; ``[*rows, size]``."""
    sums, lost = np.zeros((*rows, columns.size)), np.zeros((*rows, columns.size))
    for nth, holding in columns:
        some = (..., slice(holding))
        sums[some], lost[some] = inc(terms(nth, holding), sums[some], lost[some])
    return sums, lost
