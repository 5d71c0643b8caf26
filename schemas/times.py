"""Durations and times as people write them."""

from __future__ import annotations

import re
from datetime import datetime, timezone

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = re.compile(r"(?:\d+(?:ms|[smhdw]))+\Z")
_DURATION_PART = re.compile(r"(\d+)(ms|[smhdw])")


def parse_duration(text: str) -> int:
    """Milliseconds of a duration as Prometheus writes them: ``15s``, ``1h30m``, ``0s``.

    Raises:
        ValueError: the text is not one.
    """
    if not _DURATION.match(text):
        raise ValueError(f"not a duration: {text!r}; write it like 15s, 5m, 1h30m or 30d")
    return sum(int(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(text))


def format_duration(milliseconds: int) -> str:
    """The shortest exact text of a duration: 60000 -> ``1m``, 5400000 -> ``1h30m``."""
    parts, rest = [], milliseconds
    for unit in ("d", "h", "m", "s", "ms"):
        number, rest = divmod(rest, _UNITS[unit])
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


def parse_time(text: str) -> int:
    """Milliseconds since 1970 of a time as ISO 8601 has it (UTC unless it says otherwise), or of a number of milliseconds.

    Raises:
        ValueError: the text is neither.
    """
    if text.isdigit():
        return int(text)
    try:
        when = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no time; write it like 2026-01-12T00:00:00Z, or as milliseconds since 1970"
        ) from None
    return round((when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp() * 1000)
