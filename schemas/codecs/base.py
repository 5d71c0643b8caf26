"""What a codec is: bytes of one record in, runs of samples into a builder, or a named reason why not."""

from __future__ import annotations

from typing import Protocol

from schemas.builder import BatchBuilder
from schemas.records import BadLine
from schemas.times import format_time
from schemas.units import EARLIEST_MS, MAX_TS, unit_hint

__all__ = ["MAX_TS", "Codec", "DecodeError", "time_refusal"]


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


def time_refusal(
    ts: int, latest_ts: int, raw: int | None = None, precision: str = "ms", option: str | None = None
) -> str:
    """The reason why an event time (ms) is refused.

    Args:
        ts: the event time.
        latest_ts: the latest that is allowed.
        raw, precision: the number that the record holds, and its unit; the event time itself if None.
        option: that sets the unit; None where the format knows one.
    """
    if ts < 0:
        return f"event time {ts} ms lies before 1970"
    hint = unit_hint(ts if raw is None else raw, precision, option)
    if ts > MAX_TS:
        return f"event time {ts} ms lies after the year 2262: {hint or 'check the unit of the timestamp'}"
    if ts < EARLIEST_MS and ts <= latest_ts:
        what = (
            f"timestamp {raw} in {precision} is {format_time(ts)}"
            if raw is not None
            else f"event time {ts} ms is {format_time(ts)}"
        )
        unset = (
            f"no clock shows a time before {format_time(EARLIEST_MS)} unless it was not set; "
            "--since=1970-01-01T00:00:00Z takes it (rules backtest: --start)"
        )
        return f"{what}: {hint or unset}"
    return (
        f"event time {ts} ms ({format_time(ts)}) lies too far in the future: the latest allowed is {latest_ts} ms ({format_time(latest_ts)}), "
        "which is --max-future after the record's own time, or after now if it has none"
    )
