"""What windows of rollups hold: samples in the finest tier, panes of the finer tier in the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol

import numpy as np

from schemas import batch as batches
from schemas import rollup as rollups
from schemas.batch import Int32
from schemas.rollup import RollupBatch
from schemas.series import stable_hash
from schemas.tiers import Tier, Tiers
from transforms.losses.examples import EXAMPLES, FewExamples, collided
from transforms.rollups import panes, samples
from transforms.windows.content import Content, Key, Merge, Numbers, Pane
from transforms.windows.machine import WindowSettings


class _HasSeries(Protocol):
    @property
    def targets(self) -> Sequence[str]: ...
    @property
    def metrics(self) -> Sequence[str]: ...
    @property
    def target(self) -> Int32: ...
    def __len__(self) -> int: ...


_hash = lru_cache(maxsize=1 << 18)(stable_hash)


class _OfSeries:
    """Rows of series lie in buckets by a stable hash of their target, so that a late scrape reads one."""

    def attributes(self, data: bytes) -> tuple[int, bool]:
        return batches.read_attributes(data)

    def buckets(self, rows: _HasSeries, number: int) -> Numbers:
        bucket = np.array([(_hash(text) >> 32) % number for text in rows.targets], np.int64)
        spread: Numbers = bucket[rows.target]
        return spread

    def room(self, rows: _HasSeries) -> int:
        return _room(rows, len(rows))


def _room(rows: _HasSeries, number: int) -> int:
    """In samples of some 5 bytes each: an Arrow stream has headers of nearly 2 kB, and a text takes some 15 bytes compressed."""
    return number + 3 * (len(rows.targets) + len(rows.metrics)) + 350


def _pane(rows: RollupBatch | None, number: int, watermark: int) -> Pane | None:
    if rows is None:
        return None
    return Pane(rollups.encode(replace(rows, pane=number, watermark=watermark)), len(rows))


@dataclass(frozen=True)
class SampleContent(_OfSeries):
    """The finest tier: windows hold samples."""

    tier: Tier
    examples: FewExamples = field(default_factory=FewExamples, compare=False)

    def arrival(self, data: bytes) -> batches.SampleBatch:
        return batches.decode(data)

    def load(self, data: bytes) -> batches.SampleBatch:
        return batches.decode(data)

    def dump(self, rows: batches.SampleBatch) -> bytes:
        return batches.encode(samples.strip(rows))

    def merge(self, kept: batches.SampleBatch | None, arrivals: Sequence[batches.SampleBatch]) -> Merge:
        merged = samples.merge(kept, arrivals)
        found = [example for example in map(collided, merged.fates.collisions) if self.examples.takes(example)]
        noted = {EXAMPLES: [example.encode() for example in found]} if found else {}
        return Merge(merged, merged.fates.counted(), noted)

    def rows(self, merged: samples.Merged) -> batches.SampleBatch:
        return merged.in_order()

    def pane(self, merged: samples.Merged, key: Key, number: int, watermark: int) -> Pane | None:
        rows = samples.select_series(merged, merged.changed) if number else merged.samples
        return _pane(samples.rollup(rows, tier=self.tier, window=key.window, shard=key.shard), number, watermark)

    def room_kept(self, merged: samples.Merged, watermark: int) -> int:
        return _room(merged.arrived, len(merged.survivors))

    def prune(self, merged: samples.Merged, watermark: int) -> batches.SampleBatch:
        return merged.in_order_of_arrival()


@dataclass(frozen=True)
class PaneContent(_OfSeries):
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

    def merge(self, kept: panes.Panes | None, arrivals: Sequence[panes.Panes]) -> Merge:
        return Merge(panes.merge(kept, arrivals))

    def rows(self, merged: panes.MergedPanes) -> panes.Panes:
        return merged.panes

    def pane(self, merged: panes.MergedPanes, key: Key, number: int, watermark: int) -> Pane | None:
        rows, starts = panes.select_series(merged, merged.changed) if number else (merged.panes, merged.starts)
        if not len(rows):
            return None
        found = panes.rollup(rows, starts, tier=self.tier, window=key.window, shard=key.shard)
        return _pane(found, number, watermark)

    def room_kept(self, merged: panes.MergedPanes, watermark: int) -> int:
        return _room(merged.panes, panes.after_folding(merged, self._final_before(watermark)))

    def prune(self, merged: panes.MergedPanes, watermark: int) -> panes.Panes:
        return panes.fold_final(merged, self._final_before(watermark))

    def _final_before(self, watermark: int) -> int:
        # Strictly before: at an equal watermark the finer tier may still be handing over its last pane.
        return watermark - self.lateness_ms - self.fine_ms


def content_of(tiers: Tiers, level: int) -> Content:
    """What windows of a tier hold; ``level`` is its index in ``tiers.rollups``."""
    tier = tiers.rollups[level]
    return PaneContent(tier, tiers.rollups[level - 1].window_ms, tiers.lateness_ms) if level else SampleContent(tier)


def windows_of(tiers: Tiers, level: int) -> WindowSettings:
    """The windows of a tier; ``level`` is its index in ``tiers.rollups``."""
    tier = tiers.rollups[level]
    return WindowSettings(
        tier.name,
        content_of(tiers, level),
        tier.window_ms,
        tiers.lateness_ms,
        tiers.late_pane_delay_ms,
        # A millisecond behind the finer tier, whose panes it reads: windows of both end at the same time.
        after_ms=level,
        fold_ms=max(8 * tiers.rollups[level - 1].window_ms, tier.window_ms // 6) if level else 0,
    )
