"""Durations and times as people write them."""

from __future__ import annotations

import re
from datetime import datetime, timezone

UNITS = {
    "y": 31_536_000_000,
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
"""Milliseconds of each unit of duration, from the largest to the smallest; a year is 365 days."""

MAX_DURATION_MS = (2**63 - 1) // 1_000_000
"""The longest duration: Prometheus counts nanoseconds in a signed 64-bit integer."""

LONG_AGO = -(1 << 62)
"""A time (ms) before all others, from which durations may be taken without leaving 64 bits."""

_ORDER = list(UNITS)
_PART = re.compile(r"([0-9]+)([^0-9]+)")
_SHOWN = 60
_RECENT_SECONDS = range(946_684_800, 4_102_444_800)
"""From the year 2000 to the year 2100; as milliseconds, days of January and February 1970."""
_MAX_DIGITS = 18

MAX_TIME_MS = 253_402_300_799_999
"""The end of the year 9999, where the notation of ISO 8601 ends."""


def parse_duration(text: str) -> int:
    """Milliseconds of a duration as Prometheus writes them: ``15s``, ``1h30m``, ``0``.

    Semantics: ``ParseDuration`` of Prometheus' common library. Units fall from years to milliseconds, each at most once.

    Raises:
        ValueError: the text is not one; the message says why.
    """
    if text == "0":
        return 0
    fault = f"not a duration: {text if len(text) <= _SHOWN else text[:_SHOWN] + '...'!r}"
    total, place, last = 0, 0, -1
    while place < len(text) or not text:
        part = _PART.match(text, place)
        if part is None:
            raise ValueError(f"{fault}; write it like 15s, 5m, 1h30m or 30d")
        number, unit = part.groups()
        if unit not in UNITS:
            raise ValueError(f"{fault}: there is no unit {unit[:_SHOWN]!r}, only {', '.join(UNITS)}")
        if _ORDER.index(unit) <= last:
            raise ValueError(f"{fault}: units fall from the largest to the smallest, each once")
        # Twenty digits of any unit are out of range already; Python refuses to read thousands.
        total += (int(number) if len(number) <= 20 else MAX_DURATION_MS + 1) * UNITS[unit]
        if total > MAX_DURATION_MS:
            raise ValueError(f"{fault}: 292 years are the most, and 100y is as good as for ever")
        last, place = _ORDER.index(unit), part.end()
    return total


def format_duration(milliseconds: int) -> str:
    """The exact text of a duration, in days at most: 60000 -> ``1m``, 5400000 -> ``1h30m``, a year -> ``365d``."""
    parts, rest = [], milliseconds
    for unit in ("d", "h", "m", "s", "ms"):
        number, rest = divmod(rest, UNITS[unit])
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


def parse_time(text: str) -> int:
    """Milliseconds since 1970 of a time as ISO 8601 has it (UTC unless it says otherwise), or of a number of milliseconds.

    Raises:
        ValueError: the text is neither, or a number that is a time of these days in seconds.
    """
    if text.isascii() and text.isdigit():
        number = int(text) if len(text) <= _MAX_DIGITS else MAX_TIME_MS + 1
        if number > MAX_TIME_MS:
            raise ValueError(f"{text[:_SHOWN]} is after the year 9999: milliseconds since 1970 are wanted")
        if number in _RECENT_SECONDS:
            raise ValueError(
                f"{text} is {format_time(number)} in milliseconds; it looks like seconds, {format_time(1_000 * number)}: "
                f"write it so, or as {number}000"
            )
        return number
    try:
        when = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no time; write it like 2026-01-12T00:00:00Z, or as milliseconds since 1970"
        ) from None
    return round((when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp() * 1000)


def format_time(milliseconds: int) -> str:
    """A time since 1970 as ISO 8601 has it, in UTC: ``2023-11-14T22:13:20Z``, with milliseconds where there are any; the number beyond year 9999."""
    seconds, rest = divmod(milliseconds, 1000)
    try:
        text = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{milliseconds} ms"
    return f"{text}.{rest:03}Z" if rest else f"{text}Z"
