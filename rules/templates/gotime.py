"""Go's ``time``: how times and durations print, and the methods of theirs that templates may call."""

from __future__ import annotations

import calendar
import datetime
import re
from collections.abc import Callable
from typing import NamedTuple

from rules.golang.quoting import quote
from rules.templates.errors import CallError
from rules.templates.numbers import MAX_INT, MIN_INT
from rules.templates.values import Duration, NamedInt, SizedInt, Time, Value, integer

SECOND = 1_000_000_000
_MONTHS = calendar.month_name
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_EPOCH = datetime.date(1970, 1, 1).toordinal()
# A layout shows the reference time, Mon Jan 2 15:04:05 MST 2006 in the zone -0700.
_LAYOUT = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|__2|_2006|_2|002|01|02|03|04|05|06|15|PM|pm|-070000|-07:00:00|-0700|-07:00|-07"
    r"|Z070000|Z07:00:00|Z0700|Z07:00|Z07|[.,]0+(?![0-9])|[.,]9+(?![0-9])|1|2|3|4|5"
)


def duration_text(ns: int) -> str:
    """A duration as ``time.Duration.String`` writes it: ``1h2m3.5s``."""
    sign, size = ("-", -ns) if ns < 0 else ("", ns)
    if size == 0:
        return "0s"
    if size < SECOND:
        unit, scale = next((u, s) for u, s in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)) if size < s * 1_000)
        return sign + _fraction(size, scale) + unit
    minutes, rest = divmod(size, 60 * SECOND)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{head}{_fraction(rest, SECOND)}s"


def _fraction(size: int, scale: int) -> str:
    whole, rest = divmod(size, scale)
    digits = f"{rest:0{len(str(scale)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)


def time_text(ns: int) -> str:
    """A time as ``time.Time.String`` writes it."""
    return format_time(ns, "2006-01-02 15:04:05.999999999 -0700 MST")


class _Clock(NamedTuple):
    date: datetime.date
    year: int
    hour: int
    minute: int
    second: int
    ns: int


def _clock(ns: int) -> _Clock:
    seconds, rest = divmod(ns, SECOND)
    days, second = divmod(seconds, 86400)
    # Python's calendar ends with the year 9999, Go's does not; the Gregorian one repeats every 400 years.
    cycles = (days + _EPOCH - 1) // 146097
    shift = 0 if 1 <= days + _EPOCH <= datetime.date.max.toordinal() else cycles
    date = datetime.date.fromordinal(days + _EPOCH - shift * 146097)
    return _Clock(date, date.year + 400 * shift, second // 3600, second // 60 % 60, second % 60, rest)


def format_time(ns: int, layout: str) -> str:
    """A time, UTC, in a layout of Go."""
    clock = _clock(ns)
    date, hour12 = clock.date, clock.hour % 12 or 12
    shown: dict[str, str] = {
        "January": _MONTHS[date.month], "Jan": _MONTHS[date.month][:3], "1": str(date.month), "01": f"{date.month:02d}",
        "Monday": _weekday(date), "Mon": _weekday(date)[:3],
        "2": str(date.day), "_2": f"{date.day:2d}", "02": f"{date.day:02d}",
        "__2": f"{date.timetuple().tm_yday:3d}", "002": f"{date.timetuple().tm_yday:03d}",
        "2006": f"{clock.year:04d}", "_2006": f"_{clock.year:04d}", "06": f"{clock.year % 100:02d}",
        "15": f"{clock.hour:02d}", "3": str(hour12), "03": f"{hour12:02d}",
        "4": str(clock.minute), "04": f"{clock.minute:02d}", "5": str(clock.second), "05": f"{clock.second:02d}",
        "PM": "PM" if clock.hour >= 12 else "AM", "pm": "pm" if clock.hour >= 12 else "am", "MST": "UTC",
    }  # fmt: skip

    def show(found: re.Match[str]) -> str:
        part = found.group()
        if part in shown:
            return shown[part]
        if part[0] == "Z":
            return "Z"
        if part[0] == "-":
            return part.translate({ord("-"): "+", ord("7"): "0"})
        digits = f"{clock.ns:09d}"[: len(part) - 1]
        if part[1] == "9":
            digits = digits.rstrip("0")
        return part[0] + digits if digits else ""

    return _LAYOUT.sub(show, layout)


def _weekday(date: datetime.date) -> str:
    return _WEEKDAYS[date.isoweekday() % 7]


_TERM = re.compile(r"([0-9]+)([^0-9]+)")
_UNITS_MS = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}


def parse_duration(text: str) -> float:
    """The seconds of a duration of Prometheus, such as ``1h30m``; it may be negative.

    Raises:
        CallError: it is none, or longer than 292 years.
    """
    body = text.removeprefix("-")
    if not body:
        raise CallError("empty duration string")
    if body == "0":
        return 0.0
    total, last, pos = 0, 1 << 63, 0
    while pos < len(body):
        if not (term := _TERM.match(body, pos)):
            raise CallError(f"not a valid duration string: {quote(body)}")
        pos = term.end()
        count, unit = term.groups()
        size = _UNITS_MS.get(unit)
        if size is None:
            raise CallError(f"unknown unit {quote(unit)} in duration {quote(body)}")
        if size >= last or len(count) > 19:
            raise CallError(f"not a valid duration string: {quote(body)}")
        total, last = total + int(count) * size, size
        if total * 1_000_000 >= 1 << 63:
            raise CallError("duration out of range")
    return (-total if text.startswith("-") else total) / 1_000


def to_ns(seconds: float) -> int:
    """Whole nanoseconds of some seconds, as Go's conversion to ``time.Duration`` on amd64."""
    scaled = seconds * 1e9
    return int(scaled) if -(2.0**63) <= scaled < 2.0**63 else -(1 << 63)


def in_units(ns: int, unit: int) -> float:
    """A duration as a count of units, rounded as ``time.Duration.Hours`` rounds it: the whole ones apart from the rest."""
    whole = _truncated(ns, unit)
    return whole // unit + (ns - whole) / unit


def _clamped(ns: int) -> Duration:
    return Duration(max(MIN_INT, min(MAX_INT, ns)))


class Method(NamedTuple):
    """A method: the types of its arguments, and what it does with the receiver and them."""

    params: tuple[str, ...]
    call: Callable[..., Value]


def _int64(value: int) -> SizedInt:
    return SizedInt(value, "int64")


def _rounded(ns: int, unit: int) -> int:
    """Halves away from zero."""
    if unit <= 0:
        return ns
    half = abs(ns) % unit * 2 >= unit
    size = abs(ns) // unit * unit + (unit if half else 0)
    return size if ns >= 0 else -size


def _truncated(ns: int, unit: int) -> int:
    return ns if unit <= 0 else (abs(ns) // unit * unit) * (1 if ns >= 0 else -1)


_YEAR_ONE = 62135596800 * SECOND
"""From the zero time, year 1, to 1970: what ``Round`` and ``Truncate`` count from."""


def _time_rounded(ns: int, unit: int) -> int:
    rest = (ns + _YEAR_ONE) % unit if unit > 0 else 0
    return ns - rest + (unit if unit > 0 and rest * 2 >= unit else 0)


def _time_truncated(ns: int, unit: int) -> int:
    return ns - (ns + _YEAR_ONE) % unit if unit > 0 else ns


def _add_date(time: Time, years: int, months: int, days: int) -> Time:
    """Calendar arithmetic: a day that its month lacks runs over into the next one."""
    date = _clock(time.ns).date
    shifted, month = divmod(date.month - 1 + months, 12)
    try:
        first = datetime.date(date.year + years + shifted, month + 1, 1)
        moved = first + datetime.timedelta(days=date.day - 1 + days)
    except (OverflowError, ValueError) as error:
        raise CallError("the date is outside of the years 1 to 9999") from error
    return Time(time.ns + (moved - date).days * 86400 * SECOND)


def _month(time: Time) -> NamedInt:
    month = _clock(time.ns).date.month
    return NamedInt.of(month, "time.Month", _MONTHS[month])


def _day_of_week(time: Time) -> NamedInt:
    date = _clock(time.ns).date
    return NamedInt.of(date.isoweekday() % 7, "time.Weekday", _weekday(date))


TIME_METHODS: dict[str, Method] = {
    "Add": Method(("time.Duration",), lambda t, d: Time(integer(t.ns + d.ns))),
    "AddDate": Method(("int", "int", "int"), _add_date),
    "After": Method(("time.Time",), lambda t, u: t.ns > u.ns),
    "Before": Method(("time.Time",), lambda t, u: t.ns < u.ns),
    "Compare": Method(("time.Time",), lambda t, u: (t.ns > u.ns) - (t.ns < u.ns)),
    "Day": Method((), lambda t: _clock(t.ns).date.day),
    "Equal": Method(("time.Time",), lambda t, u: t.ns == u.ns),
    "Format": Method(("string",), lambda t, layout: format_time(t.ns, layout)),
    "Hour": Method((), lambda t: _clock(t.ns).hour),
    "IsZero": Method((), lambda t: t.ns == -_YEAR_ONE),
    "Minute": Method((), lambda t: _clock(t.ns).minute),
    "Month": Method((), _month),
    "Nanosecond": Method((), lambda t: _clock(t.ns).ns),
    "Round": Method(("time.Duration",), lambda t, unit: Time(_time_rounded(t.ns, unit.ns))),
    "Second": Method((), lambda t: _clock(t.ns).second),
    "String": Method((), lambda t: time_text(t.ns)),
    "Sub": Method(("time.Time",), lambda t, u: Duration(integer(t.ns - u.ns))),
    "Truncate": Method(("time.Duration",), lambda t, unit: Time(_time_truncated(t.ns, unit.ns))),
    "UTC": Method((), lambda t: Time(t.ns)),
    "Unix": Method((), lambda t: _int64(t.ns // SECOND)),
    "UnixMicro": Method((), lambda t: _int64(t.ns // 1_000)),
    "UnixMilli": Method((), lambda t: _int64(t.ns // 1_000_000)),
    "UnixNano": Method((), lambda t: _int64(t.ns)),
    "Weekday": Method((), _day_of_week),
    "Year": Method((), lambda t: _clock(t.ns).year),
    "YearDay": Method((), lambda t: _clock(t.ns).date.timetuple().tm_yday),
}
DURATION_METHODS: dict[str, Method] = {
    "Abs": Method((), lambda d: _clamped(abs(d.ns))),
    "Hours": Method((), lambda d: in_units(d.ns, 3600 * SECOND)),
    "Microseconds": Method((), lambda d: _int64(_truncated(d.ns, 1_000) // 1_000)),
    "Milliseconds": Method((), lambda d: _int64(_truncated(d.ns, 1_000_000) // 1_000_000)),
    "Minutes": Method((), lambda d: in_units(d.ns, 60 * SECOND)),
    "Nanoseconds": Method((), lambda d: _int64(d.ns)),
    "Round": Method(("time.Duration",), lambda d, unit: _clamped(_rounded(d.ns, unit.ns))),
    "Seconds": Method((), lambda d: in_units(d.ns, SECOND)),
    "String": Method((), lambda d: duration_text(d.ns)),
    "Truncate": Method(("time.Duration",), lambda d, unit: Duration(_truncated(d.ns, unit.ns))),
}
UNSUPPORTED_METHODS = frozenset(
    (
        "AppendBinary", "AppendFormat", "AppendText", "Clock", "Date", "GobEncode", "GoString", "ISOWeek", "In", "IsDST", "Local",
        "Location", "MarshalBinary", "MarshalJSON", "MarshalText", "Zone", "ZoneBounds",
    )
)  # fmt: skip
"""What Go's times have besides: of no use in text, or different from one machine's time zone to the next."""
