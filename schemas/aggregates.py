"""The aggregates of a rollup row: their names, what kind of values they have, and what they mean.

The wire form, the state, the stores and the docs make their columns of :data:`AGGREGATES`; none of them names an aggregate that it only passes
on. How each is computed is in :mod:`transforms.rollups.aggregates`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ValueKind(Enum):
    """What the values of an aggregate are. Each store chooses its own type for a kind."""

    COUNT = "integer"
    """A number of samples, a 64-bit integer."""
    FLOAT = "float"
    """Made of the samples' values, a 64-bit float; infinite if a sum overflows."""
    TIME = "time"
    """An event time, a 64-bit integer of ms since 1970."""

    @property
    def is_integer(self) -> bool:
        """Whether the values are integers; the others are floats."""
        return self is not ValueKind.FLOAT


@dataclass(frozen=True)
class Aggregate:
    """One value of a rollup row.

    Attributes:
        name: of its column, and of its field in InfluxDB.
        kind: of its values.
        meaning: what it is of the samples of a series in a window, for the docs.
        missing: its value in rows that an older release wrote without it, such as NaN; None if every release writes it.
    """

    name: str
    kind: ValueKind
    meaning: str
    missing: float | None = None


AGGREGATES = (
    Aggregate("count", ValueKind.COUNT, "number of samples, duplicates counted once"),
    Aggregate("sum", ValueKind.FLOAT, "sum of the values"),
    Aggregate("min", ValueKind.FLOAT, "smallest value"),
    Aggregate("max", ValueKind.FLOAT, "largest value"),
    Aggregate("first", ValueKind.FLOAT, "value at the earliest event time"),
    Aggregate("last", ValueKind.FLOAT, "value at the latest event time"),
    Aggregate(
        "increase",
        ValueKind.FLOAT,
        "increase of a counter from `first` to `last`; a step down is a reset to zero and counts as the new value",
    ),
    Aggregate("first_ts", ValueKind.TIME, "earliest event time"),
    Aggregate("last_ts", ValueKind.TIME, "latest event time"),
)
"""All aggregates, in the order of their columns in every form and store."""
