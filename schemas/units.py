"""Which unit a timestamp is in: its magnitude says so.

Each whole number is a time from :data:`EARLIEST_MS` (April 1970) to the end of 64-bit nanoseconds (2262) in one unit at most::

    seconds        9,223,373 to         9,223,372,036          1700000000
    milliseconds   9,223,372,037 to     9,223,372,036,853      1700000000000
    microseconds   9,223,372,037,000 to ...                    1700000000000000
    nanoseconds    9,223,372,037,000,000 to ...                1700000000000000000

So a time of the first weeks of 1970 is a coarser unit taken for a finer one, or a clock that was never set. It is refused with a hint, and not
converted: what was meant is the sender's to say, once, by an option, and a clock that was not set means nothing at all.
"""

from __future__ import annotations

from typing import Literal

from schemas.times import format_time

Precision = Literal["ns", "us", "ms", "s"]
"""A unit of timestamps, as InfluxDB names it."""

MAX_TS = 9_223_372_036_853
"""Latest event time (ms) that any format may carry: 2262-04-11, where 64-bit nanoseconds, which InfluxDB keeps, end."""
EARLIEST_MS = MAX_TS // 1_000 + 1
"""1970-04-17T18:02:52.037Z: an event time (ms) before it would be one in another unit."""

_UNITS = (
    ("s", "seconds", 1_000, 1),
    ("ms", "milliseconds", 1, 1),
    ("us", "microseconds", 1, 1_000),
    ("ns", "nanoseconds", 1, 1_000_000),
)


def in_milliseconds(raw: int, precision: str) -> int:
    """A timestamp of a unit (``s``, ``ms``, ``us`` or ``ns``), cut downwards."""
    for unit, _, times, per in _UNITS:
        if unit == precision:
            return raw * times // per
    raise ValueError(f"no unit {precision!r}")


def unit_of(raw: int) -> str | None:
    """The unit in which a number is a time from :data:`EARLIEST_MS` to :data:`MAX_TS`; None if there is none."""
    for unit, _, times, per in _UNITS:
        if EARLIEST_MS <= raw * times // per <= MAX_TS:
            return unit
    return None


def unit_hint(raw: int, precision: str, option: str | None) -> str:
    """What a timestamp looks like that was read in the wrong unit; empty if it looks like nothing else.

    Args:
        raw: the number.
        precision: the unit in which it was read.
        option: that sets the unit, ``--precision``; None where the format knows one unit.
    """
    found = unit_of(raw)
    if found is None or found == precision:
        return ""
    names = {unit: name for unit, name, _, _ in _UNITS}
    advice = f"{option}={found} reads it so" if option else f"{names[precision]} are wanted here"
    return f"it looks like {names[found]}, {format_time(in_milliseconds(raw, found))}: {advice}"
