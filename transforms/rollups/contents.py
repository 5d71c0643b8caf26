"""What windows of rollups hold: samples in the finest tier, panes of the finer tier in the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas import batch as batches
from schemas import rollup as rollups
from schemas.rollup import RollupBatch
from schemas.tiers import Tier, Tiers
from transforms.rollups import panes, samples
from transforms.windows.content import Content, Key
from transforms.windows.fates import Fates


@dataclass(frozen=True)
class SampleContent:
    """The finest tier: windows hold samples."""

    tier: Tier

    def arrival(self, data: bytes) -> batches.SampleBatch:
        return batches.decode(data)

    def load(self, data: bytes) -> batches.SampleBatch:
        return batches.decode(data)

    def dump(self, rows: batches.SampleBatch) -> bytes:
        return batches.encode(samples.strip(rows))

    def merge(
        self, kept: batches.SampleBatch | None, arrivals: Sequence[batches.SampleBatch]
    ) -> tuple[samples.Merged, Fates]:
        merged = samples.merge(kept, arrivals)
        return merged, merged.fates

    def rows(self, merged: samples.Merged) -> batches.SampleBatch:
        return merged.in_order()

    def reduce(self, merged: samples.Merged, key: Key, everything: bool) -> RollupBatch | None:
        changed = merged.samples if everything else samples.select_series(merged, merged.changed)
        return samples.rollup(changed, tier=self.tier, window=key.window, shard=key.shard)

    def prune(self, merged: samples.Merged, watermark: int) -> batches.SampleBatch:
        return merged.in_order_of_arrival()


@dataclass(frozen=True)
class PaneContent:
    """A coarser tier: windows hold the newest panes of the finer windows in them, ``fine_ms`` long."""

    tier: Tier
    fine_ms: int
    lateness_ms: int

    def arrival(self, data: bytes) -> panes.Panes:
        return panes.from_rollup(rollups.decode(data))

    def load(self, data: bytes) -> panes.Panes:
        return panes.decode(data)

    def dump(self, rows: panes.Panes) -> bytes:
        return panes.encode(rows.compact())

    def merge(self, kept: panes.Panes | None, arrivals: Sequence[panes.Panes]) -> tuple[panes.MergedPanes, Fates]:
        return panes.merge(kept, arrivals), Fates()

    def rows(self, merged: panes.MergedPanes) -> panes.Panes:
        return merged.panes

    def reduce(self, merged: panes.MergedPanes, key: Key, everything: bool) -> RollupBatch | None:
        rows, starts = merged.panes, merged.starts
        if not everything:
            rows, starts = panes.select_series(merged, merged.changed)
        if not len(rows):
            return None
        return panes.rollup(rows, starts, tier=self.tier, window=key.window, shard=key.shard)

    def prune(self, merged: panes.MergedPanes, watermark: int) -> panes.Panes:
        # Strictly before: at an equal watermark the finer tier may still be handing over its last pane.
        return panes.fold_final(merged, watermark - self.lateness_ms - self.fine_ms)


def content_of(tiers: Tiers, level: int) -> Content:
    """What windows of a tier hold; ``level`` is its index in ``tiers.rollups``."""
    tier = tiers.rollups[level]
    return PaneContent(tier, tiers.rollups[level - 1].window_ms, tiers.lateness_ms) if level else SampleContent(tier)
