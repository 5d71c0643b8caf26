"""What a window holds, samples or panes of a finer tier: one interface for the state machine of :mod:`transforms.windows.machine`. No Beam."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from schemas.rollup import RollupBatch
from transforms.windows.fates import Fates


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
