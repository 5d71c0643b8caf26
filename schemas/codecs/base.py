"""What a codec is: bytes of one record in, runs of samples into a builder, or a named reason why not."""

from __future__ import annotations

from typing import Protocol

from schemas.builder import BatchBuilder
from schemas.records import BadLine
from schemas.times import format_time

MAX_TS = 9_223_372_036_853
"""Latest event time (ms) that any format may carry: 2262-04-11, where 64-bit nanoseconds, which InfluxDB keeps, end."""


class DecodeError(ValueError):
    """The whole record cannot be read; the message is the reason that its dead letter carries."""


class Codec(Protocol):
    """A wire format. One instance serves the builder it was made with, in one thread; it may keep caches made by ``builder.cache()``."""

    content_type: str

    def __init__(self, builder: BatchBuilder) -> None: ...

    def decode(self, value: bytes, default_ts: int = -1, latest_ts: int = MAX_TS) -> list[BadLine]:
        """Add one record's samples to the builder; values that carry no number are counted there by ``builder.skip``.

        Args:
            value: the record.
            default_ts: event time in ms for samples that carry none (the record's own time); negative if there is none, then such samples are bad.
            latest_ts: event times (ms) after this one are refused; at most :data:`MAX_TS`.

        Returns:
            the lines that could not be read, empty if all could.

        Raises:
            DecodeError: the whole record cannot be read; nothing of it was added to the builder.
        """
        ...


def time_refusal(ts: int, latest_ts: int) -> str:
    """The reason why an event time (ms) outside ``0 <= ts <= latest_ts`` is refused."""
    if ts < 0:
        return f"event time {ts} ms lies before 1970"
    if ts > MAX_TS:
        return f"event time {ts} ms lies after the year 2262: check the unit of the timestamp"
    return (
        f"event time {ts} ms ({format_time(ts)}) lies too far in the future: the latest allowed is {latest_ts} ms ({format_time(latest_ts)}), "
        "which is --max-future after the record's own time, or after now if it has none"
    )
