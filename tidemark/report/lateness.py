"""Which stored samples came late: by the watermark of their partition as the job itself has it, from their places in the source."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from schemas.batch import MAX_PARTITIONS, Int64
from transforms.windows.cut import watermark_before


def late(ts: Int64, seq: Int64, window_ms: int, delay_ms: int) -> npt.NDArray[np.bool_]:
    """For each sample whether its window had ended, by its partition's watermark, before its record was read.

    A store does not keep the records' own times, so an event time that was ahead of its record counts here as it is.

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
    for rows in np.split(order, bounds) if len(order) else ():
        watermark = watermark_before(ts[rows], offset[rows], delay_ms)
        behind[rows] = ts[rows] - ts[rows] % window_ms + window_ms <= watermark
    return behind
