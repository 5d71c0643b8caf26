"""Samples that share a place, a series and an event time in ms, and are not one sample sent twice. Pure.

A metric's text and a time in ms hold less than some sources send. Line protocol's ``disk used_percent`` and ``disk_used percent`` are both
``disk_used_percent``, and two times in nanoseconds may be one in milliseconds. A batch holds what was left out (``origins`` and ``fine`` of
:class:`schemas.batch.SampleBatch`), so that those are distinguished from duplicates:

- Of several *measurements* behind one series of a window, one has it, and samples of the others collide with it, whatever their times: else a rollup
  would be of no series at all. It is the first in alphabetical order, which of such names is the shortest. Those that came late give way to those on
  time, so that no correction takes samples away: a store takes the pane that has seen more for the newer one.
- Of several *times*, or *labels* that others took the place of, at one event time, one sample is kept as of duplicates.

A sample without them (Prometheus' formats have whole names and milliseconds) collides with no measurement: it has the series by its full name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.batch import Int32, Int64, SampleBatch
from schemas.series import LABELS_ORIGIN, series_text

Rows = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

_NONE = np.iinfo(np.int32).max
_UNCLAIMED = np.int64(np.iinfo(np.int64).max)


class Collision(NamedTuple):
    """One sample that collided.

    Attributes:
        series: canonical text.
        ts: event time, ms.
        value: of the sample.
        seq: its position, :func:`schemas.batch.sequence`.
        reason: what it is, and what has its place.
    """

    series: str
    ts: int
    value: float
    seq: int
    reason: str


@dataclass(frozen=True)
class Names:
    """The metrics of a batch by their texts alone.

    Attributes:
        text: for each entry of ``metrics`` the first one with its text.
        rank: for each entry the rank of its origin among all, in alphabetical order; ``_NONE`` where it has none.
    """

    text: Int32
    rank: Int32

    @classmethod
    def of(cls, rows: SampleBatch) -> Names | None:
        """None where each text stands once in the batch's dictionary, as nearly always: nothing has two origins then."""
        if not rows.origins:
            return None
        first: dict[str, int] = {}
        text = [first.setdefault(metric, entry) for entry, metric in enumerate(rows.metrics)]
        if len(first) == len(text):
            return None
        ranks = {origin: rank for rank, origin in enumerate(sorted(set(rows.origins) - {""}))}
        rank = [ranks.get(origin, _NONE) for origin in rows.origins]
        return cls(np.array(text, np.int32), np.array(rank, np.int32))


def other_series(rows: SampleBatch, names: Names, came: npt.NDArray[np.int8]) -> tuple[Mask, Collision | None]:
    """Which rows are of another measurement than the one that has their series, and an example of them.

    Args:
        came: of each row a number, lower where it has more of a right to its series: kept, on time, late.
    """
    labels = [origin.startswith(LABELS_ORIGIN) for origin in rows.origins]
    measured = np.where(labels, np.int32(_NONE), names.rank)
    rank = measured[rows.metric]
    series = rows.target.astype(np.int64) * len(rows.metrics) + names.text[rows.metric]
    _, place = np.unique(series, return_inverse=True)
    # The least of both at once, as one number.
    claim = np.where(rank == _NONE, _UNCLAIMED, (came.astype(np.int64) << 32) + rank)
    least = np.full(len(rows), _UNCLAIMED)
    np.minimum.at(least, place, claim)
    best = (least & _NONE).astype(np.int32)
    lost: Mask = (rank != _NONE) & (rank != best[place])
    if not lost.any():
        return lost, None
    row = int(np.argmax(lost))
    winner = rows.origins[int(np.flatnonzero(measured == best[place[row]])[0])]
    name = rows.metrics[rows.metric[row]].partition("{")[0]
    return lost, _collision(rows, row, f"{name} of {rows.origins[rows.metric[row]]}; {winner} has that name")


def at_one_time(rows: SampleBatch, names: Names | None, order: Rows, instants: Rows) -> tuple[int, Collision | None]:
    """How many of the rows that share series and event time with another are none of its copies, and an example of them.

    Args:
        order: rows by series and event time; ``instants``: where in it each pair of those begins.
    """
    if names is None and rows.fine is None:
        return 0, None
    sizes = np.diff(instants, append=len(order))
    rivals = order[np.repeat(sizes > 1, sizes)]
    sizes = sizes[sizes > 1]
    group = np.repeat(np.arange(len(sizes)), sizes)
    rank = np.full(len(rivals), -1, np.int32) if names is None else names.rank[rows.metric[rivals]]
    rank = np.where(rank == _NONE, -1, rank)
    # A sample without an origin counts as one of whatever else is there.
    known = np.maximum.reduceat(rank, np.cumsum(sizes) - sizes)[group]
    rank = np.where(rank < 0, known, rank)
    fine = np.zeros(len(rivals), np.int32) if rows.fine is None else rows.fine[rivals]
    by = np.lexsort((fine, rank, group))
    new = (rank[by][1:] != rank[by][:-1]) | (fine[by][1:] != fine[by][:-1])
    new &= group[by][1:] == group[by][:-1]
    count = int(np.count_nonzero(new))
    if not count:
        return 0, None
    at = int(np.argmax(new)) + 1
    row, other = int(rivals[by[at]]), int(rivals[by[at - 1]])
    return count, _collision(rows, row, _reason(rows, row, other))


def _reason(rows: SampleBatch, row: int, other: int) -> str:
    if rows.fine is not None and rows.fine[row] != rows.fine[other]:
        fine = sorted((rows.fine[row], rows.fine[other]))
        times = " and ".join(f"{rows.ts[row]}{each:06} ns" for each in fine)
        return f"of {times}: one time in milliseconds"
    first, second = (rows.origins[rows.metric[each]] for each in (row, other))
    return f"of {first}, and one of {second}: one series"


def _collision(rows: SampleBatch, row: int, reason: str) -> Collision:
    series = series_text(rows.targets[rows.target[row]], rows.metrics[rows.metric[row]])
    return Collision(series, int(rows.ts[row]), float(rows.value[row]), int(rows.seq[row]), reason)


def series_numbers(rows: SampleBatch, names: Names | None) -> Int64:
    """A number a row, equal where target and metric are, whatever their origins."""
    metric = rows.metric if names is None else names.text[rows.metric]
    number: Int64 = rows.target.astype(np.int64) * len(rows.metrics) + metric
    return number
