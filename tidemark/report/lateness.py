"""Which stored samples came late: found from their places in the source, by the same rule as the job's (:mod:`transforms.windows.cut`)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from schemas.batch import MAX_PARTITIONS, MIN_WATERMARK, Int64


def late(ts: Int64, seq: Int64, window_ms: int, delay_ms: int) -> npt.NDArray[np.bool_]:
    """For each sample whether its window had ended, by its partition's watermark, before its record was read.

    Args:
        ts: event times, ms.
        seq: positions, as :func:`schemas.batch.sequence` makes them.
        window_ms: length of the windows.
        delay_ms: how far the watermark stays behind the newest event time.
    """
    partition, offset = seq % MAX_PARTITIONS, seq // MAX_PARTITIONS
    order = np.lexsort((offset, partition))
    behind = np.zeros(len(ts), np.bool_)
    bounds = np.flatnonzero(np.diff(partition[order])) + 1
    for rows in np.split(order, bounds):
        watermark = _before(ts[rows], offset[rows], delay_ms)
        behind[rows] = ts[rows] - ts[rows] % window_ms + window_ms <= watermark
    return behind


def _before(ts: Int64, offset: Int64, delay_ms: int) -> Int64:
    """The watermark just before each sample's record, of one partition's samples in order."""
    if not len(ts):
        return ts
    newest = np.maximum.accumulate(ts) - delay_ms
    starts = np.flatnonzero(np.concatenate([[True], np.diff(offset) != 0]))
    watermark = np.full(len(starts), MIN_WATERMARK, np.int64)
    watermark[1:] = newest[starts[1:] - 1]
    return np.repeat(watermark, np.diff(np.append(starts, len(ts))))
