"""Ledgers: what came in equals what became of it, as identities between counters. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

Counts = Mapping[str, int]
"""Counters by name; one that is missing is 0."""

Side = Mapping[str, int]
"""One side of an identity: how often each counter counts, by name. ``NAME.*`` stands for all counters whose names begin with ``NAME.``."""


class Identity(NamedTuple):
    """Two sums of counters that are equal if nothing is lost and nothing is counted twice.

    Attributes:
        name: what it is about.
        left: what came in.
        right: what became of it.
    """

    name: str
    left: Side
    right: Side

    def difference(self, counts: Counts) -> int:
        """What came in less what is accounted for; 0 when all is well."""
        return total(self.left, counts) - total(self.right, counts)


class Ledger:
    """The identities that a job keeps."""

    def __init__(self, identities: Iterable[Identity]) -> None:
        self.identities = tuple(identities)

    def differences(self, counts: Counts) -> dict[str, int]:
        """The difference of each identity, by what it is about; all are 0 when all is well."""
        return {each.name: each.difference(counts) for each in self.identities}

    def difference_lines(self, counts: Counts) -> dict[str, str]:
        """A line of text for each difference, by what it is about."""
        found = self.differences(counts)
        return {
            name: f"  {name}: difference {missing:,}" + ("" if not missing else "  <-- does not add up")
            for name, missing in found.items()
        }


def each_once(*names: str) -> Side:
    """A side on which each of these counters counts once."""
    return dict.fromkeys(names, 1)


def total(side: Side, counts: Counts) -> int:
    """The sum of a side."""
    return sum(factor * _count(name, counts) for name, factor in side.items())


def _count(name: str, counts: Counts) -> int:
    if not name.endswith(".*"):
        return counts.get(name, 0)
    return sum(count for each, count in counts.items() if each.startswith(name[:-1]))


def count_lines(counts: Counts, meanings: Mapping[str, str]) -> list[str]:
    """Counters as text, a line each: name, number, meaning."""
    width = max(len(f"{counts.get(name, 0):,}") for name in meanings)
    longest = max(map(len, meanings))
    return [f"  {name:<{longest}} {counts.get(name, 0):>{width},}  {meaning}" for name, meaning in meanings.items()]
