"""Whether a shard's revision of an evaluation time changes anything: most late samples change few of the values that depend on them."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

import numpy as np

from rules.promql.values import Floats, Index
from transforms.alerts.fragments.partials import Partials


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Partials, and what number each of their texts has in the store that holds them."""

    partials: Partials
    numbers: Index


def changed_fragments(new: Held, old: Held, fragments: Set[int], column: int, when: int) -> Iterator[int]:
    """The fragments whose values, or failures, at an evaluation time have changed.

    Args:
        new: the new partials.
        old: earlier partials of the same evaluation time.
        fragments: the ids of the fragments that both evaluated.
        column: the place of the evaluation time in the new partials.
        when: the evaluation time, ms.
    """
    reported = new.partials.vectors.keys() | new.partials.failures.keys()
    reported |= old.partials.vectors.keys() | old.partials.failures.keys()
    place = int(np.searchsorted(old.partials.times, when))
    for fragment in fragments & reported:
        values = _values(new, fragment, column), _values(old, fragment, place)
        failures = _failure(new, fragment, column), _failure(old, fragment, place)
        if failures[0] != failures[1] or not _same(*values):
            yield fragment


def _failure(held: Held, fragment: int, column: int) -> list[str]:
    return [each.message for each in held.partials.failures.get(fragment, ()) if each.evaluation_time == column]


def _values(held: Held, fragment: int, column: int) -> tuple[list[int], Index, Floats] | None:
    """The label names of the series that are present, the values of their labels, and their own; None if there is none."""
    part = held.partials.vectors.get(fragment)
    rows = np.flatnonzero(part.present[:, column]) if part is not None else ()
    if part is None or not len(rows):
        return None
    codes = held.numbers[part.rows.codes[rows]]
    # Names that only series of other evaluation times have are left out.
    used = np.flatnonzero(codes.any(axis=0)).tolist()
    names = held.numbers[[part.rows.names[place] for place in used]].tolist()
    return names, codes[:, used], part.values[rows, column]


def _same(one: tuple[list[int], Index, Floats] | None, other: tuple[list[int], Index, Floats] | None) -> bool:
    """To the bit, and in the same order, by which rules choose among equal values."""
    if one is None or other is None:
        return one is other
    return (
        one[0] == other[0]
        and np.array_equal(one[1], other[1])
        and np.array_equal(one[2].view(np.uint64), other[2].view(np.uint64))
    )
