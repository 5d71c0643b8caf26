"""What a window holds, samples or panes of a finer tier: one interface for the state machine of :mod:`transforms.windows.machine`. No Beam."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from schemas import batch as batches
from schemas import rollup as rollups
from schemas.rollup import RollupBatch
from schemas.tiers import Tier
from transforms.rollups import panes, samples
from transforms.rollups.samples import Fates


@dataclass(frozen=True)
class Key:
    """One window of one shard, and the key under which its elements meet: 12 bytes, shard then window start (ms), big-endian."""

    shard: int
    window: int

    _FORM: ClassVar[struct.Struct] = struct.Struct(">Iq")

    def encode(self) -> bytes:
        """The key's bytes."""
        return self._FORM.pack(self.shard, self.window)

    @classmethod
    def decode(cls, data: bytes) -> Key:
        """The key of its bytes."""
        return cls(*cls._FORM.unpack(data))


class Content(Protocol):
    """What a window holds, samples or finer panes: decoding, merging and reducing it."""

    def arrival(self, data: bytes) -> Any:
        """The rows of one element of the tier's input."""
        ...

    def load(self, data: bytes) -> Any:
        """The rows of a bucket."""
        ...

    def dump(self, rows: Any) -> bytes:
        """A bucket's bytes."""
        ...

    def merge(self, kept: Any | None, arrivals: Sequence[Any]) -> tuple[Any, Fates]:
        """Rows sorted by series (with ``starts`` and ``changed``), and the fates of the arrivals."""
        ...

    def rows(self, merged: Any) -> Any:
        """All rows of a merge."""
        ...

    def reduce(self, merged: Any, key: Key, everything: bool) -> RollupBatch | None:
        """Rollup rows of ``everything``, or of the series that changed; None if there are none."""
        ...

    def prune(self, merged: Any, watermark: int) -> Any:
        """The rows to keep: what can no longer change is folded."""
        ...


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
