"""Merging and reducing the samples of one window: the pure core of the finest tier. No Beam, no clock.

Sums are taken in order of event time, so equal samples give equal bits in any order of arrival and on any runner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from schemas.batch import Int64, SampleBatch, concat
from schemas.rollup import RollupBatch
from schemas.tiers import Tier
from transforms.rollups import aggregates, collisions
from transforms.rollups.collisions import Mask, Names, Rows
from transforms.rollups.fates import Fates

_KEPT, _ON_TIME, _LATE = 0, 1, 2


@dataclass(frozen=True)
class Merged:
    """Samples sorted by (series, event time), one of each.

    Attributes:
        samples: the survivors; rows of one series have one entry of ``metrics``, whatever the origin.
        starts: row at which each series begins.
        changed: for each series, whether this merge changed what it holds.
        fates: of the arrivals.
        arrived: all rows that were merged, as they came; ``survivors``: those of them that ``samples`` holds.
    """

    samples: SampleBatch
    starts: Rows
    changed: Mask
    fates: Fates
    arrived: SampleBatch
    survivors: Rows

    def in_order(self) -> SampleBatch:
        """The survivors in order, as they came: :attr:`samples` with the metrics' origins."""
        return self.arrived.take(self.survivors)

    def in_order_of_arrival(self) -> SampleBatch:
        """The survivors as they came: scrape by scrape, which is how the wire form is small."""
        return self.arrived.take(np.sort(self.survivors))


def merge(kept: SampleBatch | None, arrivals: Sequence[SampleBatch]) -> Merged:
    """Merge arrivals into the samples already kept of a window.

    Among samples of one series and event time the highest ``seq`` survives (a later write wins, as in InfluxDB), in any order of
    arrival; the others are duplicates, or collided (:mod:`transforms.rollups.collisions`). Within one record (equal ``seq``) the later one
    survives. What is not finite (NaN, staleness
    markers, infinities) is unwritable and takes no part: no store could take it in place of a number that is there.
    """
    parts = [kept, *arrivals] if kept is not None else list(arrivals)
    rows = concat(parts)
    origin = np.repeat(
        np.array([_KEPT if part is kept else _LATE if part.late else _ON_TIME for part in parts], np.int8),
        [len(part) for part in parts],
    )
    finite = np.isfinite(rows.value)
    unwritable = len(rows) - int(np.count_nonzero(finite))
    if unwritable:
        rows, origin = rows.take(np.flatnonzero(finite)), origin[finite]
    names = Names.of(rows)
    fates = Fates(unwritable=unwritable)
    if names is not None:
        other, collision = collisions.other_series(rows, names, origin)
        if collision is not None:
            fates += Fates(collided=int(np.count_nonzero(other)), collisions=(collision,))
            rows, origin = rows.take(np.flatnonzero(~other)), origin[~other]
    series = collisions.series_numbers(rows, names)
    order = sorted_order(series, rows.ts)
    series, ts = series[order], rows.ts[order]
    new_series = np.empty(len(order), np.bool_)
    new_series[:1] = True
    np.not_equal(series[1:], series[:-1], out=new_series[1:])
    first_of_instant = new_series.copy()
    first_of_instant[1:] |= ts[1:] != ts[:-1]
    instants = np.flatnonzero(first_of_instant)
    winners = order[instants]
    origins = origin[winners]
    credited = origins
    changed = origins != _KEPT
    duplicates = len(order) - len(instants)
    if duplicates:
        winners, credited, changed = _resolve(rows, origin, order, instants)
        collided, collision = collisions.at_one_time(rows, names, order, instants)
        examples = (collision,) if collision is not None else ()
        fates += Fates(duplicate=duplicates - collided, collided=collided, collisions=examples)
    samples = rows.take(winners)
    if names is not None:
        samples = replace(samples, metric=names.text[samples.metric], origins=())
    starts = np.flatnonzero(new_series[instants])
    fates += Fates(
        written=int(np.count_nonzero(credited == _ON_TIME)), merged_late=int(np.count_nonzero(credited == _LATE))
    )
    return Merged(samples, starts, np.logical_or.reduceat(changed, starts), fates, rows, winners)


def sorted_order(series: Int64, ts: Int64) -> Rows:
    """Row order by (series, ts), ties in row order; ``ts`` may be any order within a series.

    Series, ``ts`` and row are packed into one integer where they fit, since numpy sorts plain integers several times faster than it
    argsorts; a window of up to 4 M rows, 65 s and 1 M series fits.
    """
    rows = len(ts)
    if not rows:
        return np.empty(0, np.intp)
    offset = ts - ts.min()
    row_bits, ts_bits = (rows - 1).bit_length(), int(offset.max()).bit_length()
    if int(series.max()).bit_length() + ts_bits + row_bits > 63:
        return np.lexsort((ts, series))
    packed = ((series << ts_bits) | offset) << row_bits
    packed |= np.arange(rows)
    packed.sort()
    order: Rows = packed & ((1 << row_bits) - 1)
    return order


def _resolve(
    rows: SampleBatch, origin: npt.NDArray[np.int8], order: Rows, instants: Rows
) -> tuple[Rows, npt.NDArray[np.int8], Mask]:
    """Winners, whom each instant is credited to, and whether it changed, where some instants have several samples."""
    sizes = np.diff(instants, append=len(order))
    winners = order[instants]
    credited = np.minimum.reduceat(origin[order], instants)
    changed = origin[winners] != _KEPT
    several = np.flatnonzero(sizes > 1)
    rivals = order[np.repeat(sizes > 1, sizes)]
    group = np.repeat(several, sizes[several])
    by_seq = np.lexsort((rows.seq[rivals], group))
    last = np.cumsum(sizes[several]) - 1
    winners[several] = rivals[by_seq][last]
    # A rival with the value that is already kept changes nothing, and must not cause a corrected pane.
    was_kept = credited[several] == _KEPT
    kept_value = np.full(len(winners), np.nan)
    kept_rows = origin[rivals] == _KEPT
    kept_value[group[kept_rows]] = rows.value[rivals[kept_rows]]
    same = kept_value[several].view(np.int64) == rows.value[winners[several]].view(np.int64)
    changed[several] = ~(was_kept & same)
    return winners, credited, changed


def select_series(merged: Merged, wanted: Mask) -> SampleBatch:
    """The samples of the wanted series, in order."""
    lengths = np.diff(merged.starts, append=len(merged.samples))
    return merged.samples.take(np.flatnonzero(np.repeat(wanted, lengths)))


def rollup(samples: SampleBatch, *, tier: Tier, window: int, shard: int) -> RollupBatch | None:
    """Reduce merged samples, which are finite and sorted by (series, event time), to a row per series; None if there are none."""
    if not len(samples):
        return None
    target, metric = samples.target, samples.metric
    first = np.empty(len(samples), np.bool_)
    first[0] = True
    np.not_equal(target[1:], target[:-1], out=first[1:])
    first[1:] |= metric[1:] != metric[:-1]
    starts = np.flatnonzero(first)
    return RollupBatch(
        targets=samples.targets,
        metrics=samples.metrics,
        target=target[starts],
        metric=metric[starts],
        columns=aggregates.of_samples(samples.value, samples.ts, starts),
        tier=tier.name,
        window=window,
        window_ms=tier.window_ms,
        shard=shard,
    ).compact()


def strip(samples: SampleBatch) -> SampleBatch:
    """The batch as state keeps it: dictionaries reduced, attributes that only travel reset."""
    return replace(samples.compact(), late=False)
