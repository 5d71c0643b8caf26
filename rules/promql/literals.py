"""Numbers, durations and strings as expressions write them, in both directions; the rules are those of Go's strconv and Prometheus' model."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Final

MS: Final = 1_000_000
_UNITS: Final = {
    "y": 365 * 86400 * 10**9,
    "w": 7 * 86400 * 10**9,
    "d": 86400 * 10**9,
    "h": 3600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": MS,
}
_ORDER: Final = tuple(_UNITS)
_INTEGER = re.compile(r"(?:0[xX](?:_?[0-9a-fA-F])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)\Z")
_DURATION = re.compile(r"(?:[0-9]+[a-z]+)+\Z")
_PART = re.compile(r"([0-9]+)([a-z]+)")
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))?", re.DOTALL)
_SIMPLE: Final = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
    b"\\": b"\\",
}
_QUOTED: Final = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    '"': r"\"",
    "\\": r"\\",
    # The scanner takes the replacement character itself for broken UTF-8.
    "\ufffd": r"\ufffd",
}


def parse_number(text: str) -> float:
    """The value of a number: as in Go, a leading zero makes a whole one octal, and ``_`` may part digits.

    Raises:
        ValueError: if it is no number or too large for a float.
    """
    # Longer ones are beyond an integer, and quick to read as a float only.
    if len(text) < 48 and _INTEGER.match(text):
        octal = len(text) > 1 and text[0] == "0" and text[1] not in "xX"
        value = int(text.replace("_", ""), 8 if octal else 0)
        if value < 2**63:
            return float(value)
    try:
        # Underscores between digits are Python's rule as well as Go's.
        number = float(text)
    except ValueError as error:
        raise ValueError(f"error parsing number {_shown(text)}") from error
    if math.isinf(number) and text.lower() != "inf":
        raise ValueError(f"number out of range: {_shown(text)}")
    return number


def parse_duration(text: str) -> int:
    """A duration such as ``1h30m`` in nanoseconds.

    Raises:
        ValueError: for unknown units, units not in falling order, or more than 292 years.
    """
    if not _DURATION.match(text):
        raise ValueError(f"not a valid duration: {_shown(text)}")
    total = 0
    last = -1
    for count, unit in _PART.findall(text):
        if unit not in _UNITS:
            raise ValueError(f"unknown unit {unit!r} in duration {_shown(text)}")
        place = _ORDER.index(unit)
        if place <= last:
            raise ValueError(f"units must fall, each at most once, in duration {_shown(text)}")
        last = place
        total += int(count) * _UNITS[unit]
        if total >= 2**63:
            raise ValueError(f"duration out of range: {_shown(text)}")
    return total


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}...")


def seconds(nanoseconds: int) -> float:
    """Nanoseconds as seconds, rounded as Go does it: whole seconds and the rest apart."""
    whole, rest = divmod(nanoseconds, 10**9)
    return whole + rest / 1e9


def nanoseconds(value: float) -> int:
    """Seconds as whole nanoseconds, halves away from zero."""
    return round_half_away(value * 1e9)


def round_half_away(value: float) -> int:
    """The nearest whole number; a half goes away from zero."""
    whole = math.trunc(value)
    return whole + int(math.copysign(1, value)) if abs(value - whole) >= 0.5 else whole


def format_duration(milliseconds: int) -> str:
    """A duration as Prometheus prints it: years and weeks only when nothing remains below them."""
    if milliseconds == 0:
        return "0s"
    rest = abs(milliseconds)
    parts = ["-"] if milliseconds < 0 else []
    for unit, size in _UNITS.items():
        unit_ms = size // MS
        if unit in ("y", "w") and rest % unit_ms:
            continue
        count, rest = divmod(rest, unit_ms)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def format_number(value: float) -> str:
    """The shortest decimal digits that give the number back, never with an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text[:-2] if text.endswith(".0") else text


def format_general(value: float) -> str:
    """The same digits as Go's ``%g`` lays them out: with an exponent from ``1e+06`` on and below ``0.0001``."""
    if not math.isfinite(value) or value == 0 or 1e-4 <= abs(value) < 1e6:
        return format_number(value)
    number = Decimal(repr(value)).normalize()
    first, rest = number.as_tuple().digits[0], "".join(map(str, number.as_tuple().digits[1:]))
    return f"{'-' if value < 0 else ''}{first}{'.' if rest else ''}{rest}e{number.adjusted():+03d}"


def unquote(text: str) -> str:
    """The value of a string in any of the three quotes; bytes that are no UTF-8 become lone surrogates (``surrogateescape``).

    Raises:
        ValueError: for an unknown or incomplete escape.
    """
    body = text[1:-1]
    if text[0] == "`" or "\\" not in body:
        return body
    quote = text[0].encode()

    def replace(found: re.Match[bytes]) -> bytes:
        hexadecimal, short, long, octal, simple = found.groups()
        if hexadecimal:
            return bytes((int(hexadecimal, 16),))
        if short or long:
            point = int(short or long, 16)
            if point > 0x10FFFF or 0xD800 <= point < 0xE000:
                raise ValueError("escape sequence is an invalid Unicode code point")
            return chr(point).encode()
        if octal:
            if int(octal, 8) > 255:
                raise ValueError("octal escape sequence beyond 255")
            return bytes((int(octal, 8),))
        if simple == quote:
            return quote
        if simple not in _SIMPLE:
            raise ValueError(f"unknown escape sequence {found[0].decode(errors='replace')!r}")
        return _SIMPLE[simple]

    return _ESCAPE.sub(replace, body.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def quote(value: str) -> str:
    """A string in double quotes, escaped as Go's strconv.Quote does it."""
    if value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return f'"{value}"'
    return f'"{"".join(map(_quoted, value))}"'


def _quoted(character: str) -> str:
    if character in _QUOTED:
        return _QUOTED[character]
    if character.isprintable():
        return character
    point = ord(character)
    if 0xDC80 <= point <= 0xDCFF:
        return f"\\x{point - 0xDC00:02x}"
    if point < 0x20 or point == 0x7F:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
