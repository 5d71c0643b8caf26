"""Ranges of offsets as restrictions of a splittable DoFn: their coder and their tracker."""

from __future__ import annotations

import struct

from apache_beam.coders import Coder
from apache_beam.io.iobase import RestrictionProgress
from apache_beam.io.restriction_trackers import OffsetRange, OffsetRestrictionTracker

from schemas.forms import table as forms


class RangeCoder(Coder):
    """Offset ranges in 16 bytes, the same from release to release: they lie in savepoints."""

    _FORM = struct.Struct(">qq")

    def encode(self, value: OffsetRange) -> bytes:
        return self._FORM.pack(value.start, value.stop)

    def decode(self, encoded: bytes) -> OffsetRange:
        if len(encoded) != self._FORM.size:
            raise forms.OFFSETS.refusal(f"of {len(encoded)} bytes")
        return OffsetRange(*self._FORM.unpack(encoded))

    def is_deterministic(self) -> bool:
        return True


class OffsetTracker(OffsetRestrictionTracker):
    """Offsets of one partition, read by one reader at a time: it stops where it is asked to, and is never cut ahead of itself."""

    def __init__(self, offsets: OffsetRange, bounded: bool) -> None:
        super().__init__(offsets)
        self._bounded = bounded

    def try_split(self, fraction_of_remainder: float) -> tuple[OffsetRange, OffsetRange] | None:
        return super().try_split(0) if fraction_of_remainder == 0 else None

    def is_bounded(self) -> bool:
        return self._bounded

    def current_progress(self) -> RestrictionProgress:
        claimed = self._last_claim_attempt if self._last_claim_attempt is not None else self._range.start - 1
        done = claimed + 1 - self._range.start
        return RestrictionProgress(completed=float(done), remaining=float(max(0, self._range.stop - claimed - 1)))
