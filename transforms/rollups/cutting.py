"""Samples as :mod:`transforms.windows.cut` cuts them: into windows of the finest tier, and shards by their target."""

from __future__ import annotations

import numpy as np

from schemas.batch import MIN_WATERMARK, Int32, SampleBatch
from schemas.series import shard_of
from schemas.tiers import Tiers
from transforms.windows.cut import Cutter, Windows


class TargetShards:
    """The shards of samples. Keeps that of each interned target, nothing else."""

    def __init__(self, shards: int) -> None:
        self._shards = shards
        self._targets: object = None
        self._shard = np.empty(0, np.int32)

    def __call__(self, batch: SampleBatch) -> Int32:
        """The shard of each sample."""
        if self._targets is not batch.targets:
            self._targets, self._shard = batch.targets, np.empty(0, np.int32)
        known = len(self._shard)
        if known < len(batch.targets):
            new = [shard_of(target, self._shards) for target in batch.targets[known:]]
            self._shard = np.concatenate([self._shard, np.array(new, np.int32)])
        return self._shard[batch.target]


def cutter_of(tiers: Tiers, shards: int, delay_ms: int | None, since_ms: int = MIN_WATERMARK) -> Cutter[SampleBatch]:
    """A cutter of samples for the finest tier; ``delay_ms`` and ``since_ms`` as in :class:`transforms.windows.cut.Cutter`."""
    windows = Windows(tiers.rollups[0].window_ms, tiers.lateness_ms)
    return Cutter(windows, shards, TargetShards(shards), delay_ms, since_ms)
