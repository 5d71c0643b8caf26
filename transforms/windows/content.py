"""What a window holds, as :mod:`transforms.windows.machine` sees it: any rows that have a time and a shard. No Beam."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Index = npt.NDArray[np.intp]


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


class Merge(NamedTuple):
    """A merge of what a window keeps with its arrivals.

    Attributes:
        rows: in the content's own form.
        counted: how many arrivals had which fate, by the names of counters.
        noted: examples of them, by the name of their set.
    """

    rows: Any
    counted: Mapping[str, int] = {}
    noted: Mapping[str, Sequence[str]] = {}


class Pane(NamedTuple):
    """What a window hands on: rows in wire form, and their number."""

    data: bytes
    rows: int


class Rows(Protocol):
    """Rows that can be kept."""

    def __len__(self) -> int: ...
    def take(self, index: Index) -> Any:
        """Some of the rows."""


class Content(Protocol):
    """What windows hold: decoding, merging and reducing it."""

    def attributes(self, data: bytes) -> tuple[int, bool]:
        """The watermark of an element's partition, ms, and whether its rows were behind it when they were read; without decoding the rows."""
        ...

    def arrival(self, data: bytes) -> Any:
        """The rows of an element."""
        ...

    def load(self, data: bytes) -> Any:
        """The rows of a bucket."""
        ...

    def dump(self, rows: Any) -> bytes:
        """A bucket's bytes."""
        ...

    def buckets(self, rows: Any, number: int) -> Numbers:
        """The bucket of each row, from 0 to ``number`` - 1. It must stay the same from release to release: buckets are part of savepoints."""
        ...

    def merge(self, kept: Any | None, arrivals: Sequence[Any]) -> Merge:
        """What is kept together with arrivals."""
        ...

    def rows(self, merged: Any) -> Any:
        """All rows of a merge, as :meth:`load` gives them."""
        ...

    def pane(self, merged: Any, key: Key, number: int, watermark: int) -> Pane | None:
        """The pane of a merge. Number 0 holds all of it, a later one what changed. None if there is nothing to hand on.

        Args:
            merged: the rows of a merge.
            key: the window.
            number: how many panes the window has handed on before.
            watermark: the time of the timer, ms.
        """
        ...

    def room(self, rows: Any) -> int:
        """About how much room rows take as bytes, to compare with others."""
        ...

    def room_kept(self, merged: Any, watermark: int) -> int:
        """The :meth:`room` of what :meth:`prune` keeps, without making it."""
        ...

    def prune(self, merged: Any, watermark: int) -> Rows:
        """The rows to keep: what can no longer change is folded."""
        ...
