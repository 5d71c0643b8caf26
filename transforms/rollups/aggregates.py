"""How each aggregate is made: of the samples of a window, and of the panes of the finer windows in it. No Beam, no clock.

Each is made for all series of a batch at once, by column: rows of one series lie together, in order of event time. What every release must give
to the bit is a strict left fold in that order, so that it does not depend on when a prefix was folded; what is exact in any order may be
reduced in any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from schemas.aggregates import AGGREGATES
from schemas.batch import Column, Float64, Int64
from transforms.rollups.collisions import Rows


@dataclass(frozen=True)
class SampleRuns:
    """Finite samples, at least one, sorted by (series, event time).

    Attributes:
        value, ts: of the samples; ``ts`` in ms.
        starts, ends: the first and the last row of each series.
    """

    value: Float64
    ts: Int64
    starts: Rows
    ends: Rows


@dataclass(frozen=True)
class PaneRuns:
    """Rows of finer windows, sorted by (series, window).

    Attributes:
        columns: the aggregates of the rows, by name.
        starts, ends: the first and the last row of each series.
    """

    columns: Mapping[str, Column]
    starts: Rows
    ends: Rows

    @cached_property
    def steps(self) -> list[tuple[Rows, Rows]]:
        """For the second, the third, ... row of a series: which series have one, by number, and those rows."""
        lengths = self.ends - self.starts + 1
        found = []
        for place in range(1, int(lengths.max(initial=0))):
            going = np.flatnonzero(lengths > place)
            found.append((going, self.starts[going] + place))
        return found


@dataclass(frozen=True)
class Reduction:
    """How an aggregate is made; both functions return a column with a value for each series.

    Attributes:
        of_samples: in the finest tier.
        of_panes: in the tiers above, of the aggregates of finer windows.
    """

    of_samples: Callable[[SampleRuns], Column]
    of_panes: Callable[[PaneRuns], Column]


def counter_step(before: Float64, after: Float64) -> Float64:
    """Increase of a counter from one sample to the next; a step down is a reset to zero (Prometheus, ``increase``)."""
    return np.where(after < before, after, after - before)


def _left_sum(panes: PaneRuns, name: str) -> Column:
    """The sum of an aggregate, to the bit the same whenever a prefix of the rows was folded."""
    column = panes.columns[name]
    total: Column = column[panes.starts]
    for series, row in panes.steps:
        total[series] += column[row]
    return total


def _increase_of_samples(samples: SampleRuns) -> Column:
    steps = np.zeros(len(samples.value))
    steps[1:] = counter_step(samples.value[:-1], samples.value[1:])
    steps[samples.starts] = 0.0
    return np.add.reduceat(steps, samples.starts)


def _increase_of_panes(panes: PaneRuns) -> Column:
    column, first, last = (panes.columns[name] for name in ("increase", "first", "last"))
    # Before a row of the same series; before the first row of a series it is of no use.
    joints = np.zeros(len(column))
    joints[1:] = counter_step(last[:-1], first[1:])
    total: Column = column[panes.starts]
    for series, row in panes.steps:
        total[series] = total[series] + joints[row] + column[row]
    return total


REDUCTIONS: Mapping[str, Reduction] = {
    "count": Reduction(
        lambda samples: samples.ends - samples.starts + 1,
        lambda panes: np.add.reduceat(panes.columns["count"], panes.starts),
    ),
    "sum": Reduction(
        lambda samples: np.add.reduceat(samples.value, samples.starts),
        lambda panes: _left_sum(panes, "sum"),
    ),
    "min": Reduction(
        lambda samples: np.minimum.reduceat(samples.value, samples.starts),
        lambda panes: np.minimum.reduceat(panes.columns["min"], panes.starts),
    ),
    "max": Reduction(
        lambda samples: np.maximum.reduceat(samples.value, samples.starts),
        lambda panes: np.maximum.reduceat(panes.columns["max"], panes.starts),
    ),
    "first": Reduction(
        lambda samples: samples.value[samples.starts],
        lambda panes: panes.columns["first"][panes.starts],
    ),
    "last": Reduction(
        lambda samples: samples.value[samples.ends],
        lambda panes: panes.columns["last"][panes.ends],
    ),
    "increase": Reduction(_increase_of_samples, _increase_of_panes),
    "first_ts": Reduction(
        lambda samples: samples.ts[samples.starts],
        lambda panes: panes.columns["first_ts"][panes.starts],
    ),
    "last_ts": Reduction(
        lambda samples: samples.ts[samples.ends],
        lambda panes: panes.columns["last_ts"][panes.ends],
    ),
}
"""How each of :data:`schemas.aggregates.AGGREGATES` is made."""

_IN_ORDER = tuple((each.name, REDUCTIONS[each.name]) for each in AGGREGATES)


def of_samples(value: Float64, ts: Int64, starts: Rows) -> dict[str, Column]:
    """All aggregates of samples: a row for each series.

    Args:
        value, ts: of finite samples (at least one), sorted by (series, event time).
        starts: the row at which each series begins.
    """
    runs = SampleRuns(value, ts, starts, np.append(starts, len(value))[1:] - 1)
    with np.errstate(over="ignore"):
        return {name: reduction.of_samples(runs) for name, reduction in _IN_ORDER}


def of_panes(columns: Mapping[str, Column], starts: Rows) -> dict[str, Column]:
    """All aggregates of rows of finer windows, folded: a row for each series.

    Args:
        columns: the aggregates of the rows, which are sorted by (series, window).
        starts: the row at which each series begins.
    """
    runs = PaneRuns(columns, starts, np.append(starts, len(columns["count"]))[1:] - 1)
    with np.errstate(over="ignore"):
        return {name: reduction.of_panes(runs) for name, reduction in _IN_ORDER}
