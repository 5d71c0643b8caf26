"""Numbers for people: the ``humanize`` functions of Prometheus and the conversions below them."""

from __future__ import annotations

import math

from rules.golang.floats import OutOfRange, format_float, parse_float, shortest
from rules.golang.quoting import quote
from rules.templates.errors import CallError
from rules.templates.gotime import SECOND, in_units, time_text
from rules.templates.values import Duration, Time, Value, is_integer, type_name

_LARGE = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_BINARY = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_SMALL = ("m", "u", "n", "p", "f", "a", "z", "y")


def to_float(value: Value) -> float:
    """A number, or a text that names one, as a float; a duration as its seconds.

    Raises:
        CallError: it is neither.
    """
    if isinstance(value, float):
        return value
    if is_integer(value) and type_name(value) in ("int", "int64"):
        return float(value)
    if isinstance(value, Duration) and not value.pointer:
        return in_units(value.ns, SECOND)
    if type(value) is str:
        try:
            return parse_float(value)
        except ValueError as error:
            reason = "value out of range" if isinstance(error, OutOfRange) else "invalid syntax"
            raise CallError(f"strconv.ParseFloat: parsing {quote(value)}: {reason}") from error
    raise CallError(f"can't convert {type_name(value)} to float")


def _four_digits(value: float) -> str:
    return format_float(value, "g", 4)


def _scaled(value: float, prefixes: tuple[str, ...], base: float) -> tuple[float, str]:
    shown = ""
    for prefix in prefixes:
        if abs(value) < base:
            break
        shown = prefix
        value /= base
    return value, shown


def _scaled_up(value: float) -> tuple[float, str]:
    shown = ""
    for prefix in _SMALL:
        if abs(value) >= 1:
            break
        shown = prefix
        value *= 1000
    return value, shown


def humanize(argument: Value) -> str:
    """Four digits and a metric prefix: ``1.235M``."""
    value = to_float(argument)
    if value == 0 or not math.isfinite(value):
        return _four_digits(value)
    value, prefix = _scaled(value, _LARGE, 1000.0) if abs(value) >= 1 else _scaled_up(value)
    return _four_digits(value) + prefix


def humanize1024(argument: Value) -> str:
    """Four digits and a binary prefix: ``1.177Mi``."""
    value = to_float(argument)
    if abs(value) <= 1 or not math.isfinite(value):
        return _four_digits(value)
    value, prefix = _scaled(value, _BINARY, 1024.0)
    return _four_digits(value) + prefix


def humanize_duration(argument: Value) -> str:
    """Seconds as days, hours, minutes and seconds: ``1d 2h 3m 4s``; under a minute with four digits."""
    value = to_float(argument)
    if not math.isfinite(value):
        return _four_digits(value)
    if value == 0:
        return f"{_four_digits(value)}s"
    if abs(value) < 1:
        value, prefix = _scaled_up(value)
        return f"{_four_digits(value)}{prefix}s"
    sign, value = ("-", -value) if value < 0 else ("", value)
    # Beyond int64 the conversion of amd64 gives the least one, whose parts are negative.
    whole = int(value) if value < 2.0**63 else -(1 << 63)
    parts = [_remainder(whole, 1, 60), _remainder(whole, 60, 60), _remainder(whole, 3600, 24), _quotient(whole, 86400)]
    units = "smhd"
    largest = max((place for place in range(1, 4) if parts[place]), default=0)
    if not largest:
        return f"{sign}{_four_digits(value)}s"
    return sign + " ".join(f"{parts[place]}{units[place]}" for place in range(largest, -1, -1))


def _quotient(value: int, by: int) -> int:
    return abs(value) // by * (1 if value >= 0 else -1)


def _remainder(value: int, by: int, modulus: int) -> int:
    return abs(_quotient(value, by)) % modulus * (1 if value >= 0 else -1)


def humanize_percentage(argument: Value) -> str:
    """A ratio in percent, four digits: ``12.35%``."""
    return f"{_four_digits(to_float(argument) * 100)}%"


def humanize_timestamp(argument: Value) -> str:
    """Seconds since 1970 as a time of UTC."""
    value = to_float(argument)
    return time_text(_to_ns(value)) if math.isfinite(value) else _four_digits(value)


def to_time(argument: Value) -> Time:
    """Seconds since 1970 as a time, cut to milliseconds."""
    value = to_float(argument)
    if not math.isfinite(value):
        raise CallError("value is NaN or Inf")
    return Time(_to_ns(value), pointer=True)


def _to_ns(value: float) -> int:
    scaled = value * 1e9
    if not -(2.0**63) <= scaled <= 2.0**63:
        raise CallError(f"{shortest(value)} cannot be represented as a nanoseconds timestamp since it overflows int64")
    return _quotient(int(scaled), 1_000_000) * 1_000_000
