"""What a window knows of itself, and its bytes in state. No Beam."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from schemas.forms import table as forms

_HEAD = struct.Struct("<Bii")
_VERSION_1 = struct.Struct("<ii")
_DIGEST_BYTES = 8


def digest(element: bytes) -> bytes:
    """What stands for an element: 8 bytes."""
    # The fastest of hashlib on current processors, some 1 GB/s: 1 % of what merging the element costs.
    return sha256(element).digest()[:_DIGEST_BYTES]


@dataclass(frozen=True)
class Meta:
    """The state of one window besides its rows.

    Attributes:
        panes: fired so far.
        buckets: in use; 0 before anything lies in them.
        counted: digests of the elements that the on-time pane was made of and that are still pending, since they were left as they came; empty
            where nothing was left.
    """

    panes: int = 0
    buckets: int = 0
    counted: tuple[bytes, ...] = ()

    @property
    def raw(self) -> bool:
        """Whether the elements of the on-time pane are still pending."""
        return bool(self.counted)

    def left(self, pending: Iterable[bytes]) -> Meta:
        """The window after its on-time pane, with these elements left as they came."""
        return Meta(1, self.buckets, tuple(map(digest, pending)))

    def split(self, pending: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[bytes]]:
        """Elements that the on-time pane was made of, and those that came after it.

        Args:
            pending: all elements of the bag, in any order: Beam promises none for a bag. Of equal elements any may be the one that was counted.
        """
        # Elements are only ever added to what is left, so the same number is the same elements. That is the usual case, and nothing is hashed for it.
        if len(pending) == len(self.counted):
            return pending, ()
        wanted = Counter(self.counted)
        old: list[bytes] = []
        new: list[bytes] = []
        for element in pending:
            name = digest(element)
            (old if wanted[name] > 0 else new).append(element)
            wanted[name] -= 1
        return old, new

    def encode(self) -> bytes:
        """The state's bytes: version, panes, buckets, digests."""
        return _HEAD.pack(forms.WINDOW_META.version, self.panes, self.buckets) + b"".join(self.counted)

    @classmethod
    def decode(cls, stored: bytes | None) -> Meta:
        """What :meth:`encode` gave; of a new window if nothing is stored.

        Raises:
            schemas.forms.model.VersionError: another release wrote it.
        """
        if stored is None:
            return cls()
        if len(stored) == _VERSION_1.size:
            # Version 1 has no byte for it, and no other version has its length.
            return cls(*_VERSION_1.unpack(stored))
        forms.WINDOW_META.check(stored[0] if stored else None)
        digests = len(stored) - _HEAD.size
        if digests < 0 or digests % _DIGEST_BYTES:
            raise forms.WINDOW_META.refusal(f"of {len(stored)} bytes")
        _, panes, buckets = _HEAD.unpack_from(stored)
        at = range(_HEAD.size, len(stored), _DIGEST_BYTES)
        return cls(panes, buckets, tuple(stored[begin : begin + _DIGEST_BYTES] for begin in at))
