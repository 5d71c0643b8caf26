"""How far a shard is, as it is written down with every change of its state."""

from __future__ import annotations

import struct
from dataclasses import astuple, dataclass

from schemas.forms import table as forms
from schemas.times import LONG_AGO
from transforms.machines.machine import TOKEN_BYTES

_META = struct.Struct(f">B{TOKEN_BYTES}sqqqqqqq")


@dataclass(slots=True)
class Meta:
    """What is stored of a shard besides samples and rules.

    Attributes:
        token: of this version of the state; empty if there is none yet.
        due: the last evaluation time that is due: it was evaluated, or will be at the end of the bundle.
        begin: the time of the first sample, as far as it is known before the first evaluation.
        armed: the last evaluation time for which a timer is set; there are timers for all before it, or for some of them if they are very many.
        newest: event time, as far as it matters for evaluation times.
        stored: how many samples the chunks hold.
        compacted: the last evaluation time when the chunks were made one.
        amendments: how many contributions reported no new evaluation time.
    """

    token: bytes = b""
    due: int = LONG_AGO
    begin: int = LONG_AGO
    armed: int = LONG_AGO
    newest: int = LONG_AGO
    stored: int = 0
    compacted: int = LONG_AGO
    amendments: int = 0

    @property
    def after(self) -> int:
        """Evaluation times after this time are still ahead."""
        return self.due if self.due != LONG_AGO else self.begin - 1

    def encode(self) -> bytes:
        """For the state."""
        return _META.pack(forms.SHARD_META.version, *astuple(self))

    @classmethod
    def decode(cls, data: bytes) -> Meta:
        """What :meth:`encode` gave.

        Raises:
            schemas.forms.model.VersionError: another release wrote it.
        """
        forms.SHARD_META.check(data[0] if data else None)
        _, *fields = _META.unpack(data)
        return cls(*fields)
