"""What a codec is: bytes of one record in, runs of samples into a builder, or a named reason why not."""

from __future__ import annotations

from typing import Protocol

from schemas.builder import BatchBuilder
from schemas.records import BadLine


class DecodeError(ValueError):
    """The whole record cannot be read; the message is the reason that its dead letter carries."""


class Codec(Protocol):
    """A wire format. One instance serves one builder, in one thread; it may keep caches made by ``builder.cache()``."""

    content_type: str

    def decode(self, value: bytes, builder: BatchBuilder, default_ts: int) -> list[BadLine]:
        """Add one record's samples to the builder.

        Args:
            value: the record.
            builder: takes the samples; nothing is added when the record as a whole is bad.
            default_ts: event time in ms for samples that carry none (the record's own time); -1 if there is none, then such samples are bad.

        Returns:
            the lines that could not be read, empty if all could.

        Raises:
            DecodeError: the whole record cannot be read.
        """
        ...
