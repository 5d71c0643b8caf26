"""The fates of the samples of a window."""

from __future__ import annotations

from dataclasses import dataclass, field

from transforms.accounting import COLLIDED, DUPLICATE, MERGED_LATE, UNWRITABLE, WRITTEN
from transforms.rollups.collisions import Collision

_SHOWN = 4


@dataclass(frozen=True)
class Fates:
    """The fates of the samples of one merge; every arrival is in exactly one of the counts.

    ``collided`` are samples of other series, or other times, than those that have their place: see :mod:`transforms.rollups.collisions`.
    """

    written: int = 0
    merged_late: int = 0
    duplicate: int = 0
    unwritable: int = 0
    collided: int = 0
    collisions: tuple[Collision, ...] = field(default=(), compare=False)
    """A few of those that collided."""

    def __add__(self, other: Fates) -> Fates:
        return Fates(
            self.written + other.written,
            self.merged_late + other.merged_late,
            self.duplicate + other.duplicate,
            self.unwritable + other.unwritable,
            self.collided + other.collided,
            (self.collisions + other.collisions)[:_SHOWN],
        )

    def counted(self) -> dict[str, int]:
        """How many had which fate, by the names of counters."""
        return {
            WRITTEN: self.written,
            MERGED_LATE: self.merged_late,
            DUPLICATE: self.duplicate,
            UNWRITABLE: self.unwritable,
            COLLIDED: self.collided,
        }
