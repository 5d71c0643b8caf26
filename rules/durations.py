"""Durations as rule files and expressions write them: ``1h30m``, ``0``, ``5m``.

Semantics: ``ParseDuration`` of Prometheus' common library. Units fall from years to milliseconds, each at most once; a year is 365 days.
"""

from __future__ import annotations

import re

from rules.quoting import shown

_UNITS = {
    "y": 31_536_000_000,
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
_ORDER = list(_UNITS)
_PART = re.compile(r"([0-9]+)([^0-9]+)")
MAX_MS = (2**63 - 1) // 1_000_000
"""The longest duration: Prometheus counts nanoseconds in a signed 64-bit integer."""


def parse_duration(text: str) -> int:
    """Milliseconds of a duration.

    Raises:
        ValueError: the text is not one; the message says why.
    """
    if text == "0":
        return 0
    if not text:
        raise ValueError("empty duration")
    total, place, last = 0, 0, -1
    while place < len(text):
        part = _PART.match(text, place)
        if part is None:
            raise ValueError(f"not a duration: {shown(text)}")
        number, unit = part.groups()
        if unit not in _UNITS:
            raise ValueError(f"unknown unit {unit!r} in duration {shown(text)}")
        if _ORDER.index(unit) <= last:
            raise ValueError(f"units of duration {shown(text)} do not fall from the largest to the smallest, each once")
        # Twenty digits of any unit are out of range already; Python refuses to read thousands.
        total += (int(number) if len(number) <= 20 else MAX_MS + 1) * _UNITS[unit]
        if total > MAX_MS:
            raise ValueError(f"duration {shown(text)} is out of range: 292 years at most")
        last, place = _ORDER.index(unit), part.end()
    return total


def format_duration(milliseconds: int) -> str:
    """The text Prometheus gives a duration: years and weeks only where they are whole, so 90 days are ``90d``; a minus leads a negative one."""
    parts, rest = ["-"] if milliseconds < 0 else [], abs(milliseconds)
    for unit, size in _UNITS.items():
        if unit in "yw" and rest % size:
            continue
        number, rest = divmod(rest, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


def seconds(milliseconds: int) -> float:
    """A duration in seconds, rounded as Go does it (``Duration.Seconds``): whole seconds and the rest apart."""
    whole, rest = divmod(milliseconds, 1_000)
    return whole + rest / 1_000
