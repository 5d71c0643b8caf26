"""Numbers as Go's ``strconv`` reads them."""

from __future__ import annotations

import math
import re

from rules.templates.nodes import Number
from rules.templates.quoting import quote, unquote_char

MAX_INT = (1 << 63) - 1
MIN_INT = -(1 << 63)
_MAX_UINT = (1 << 64) - 1
_DIGITS = "[0-9](?:_?[0-9])*"
_HEX_DIGITS = "[0-9a-fA-F](?:_?[0-9a-fA-F])*"
_DECIMAL = re.compile(rf"[+-]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?")
_HEX_FLOAT = re.compile(rf"[+-]?0[xX](?:_?{_HEX_DIGITS}\.?(?:{_HEX_DIGITS})?|\.{_HEX_DIGITS})[pP][+-]?{_DIGITS}")
_NAMED = {"inf": math.inf, "infinity": math.inf, "nan": math.nan}
_OCTAL = re.compile(r"[+-]?0[0-7_]*[0-7]")


class OutOfRange(ValueError):
    """A number too large for its type."""


def parse_float(text: str) -> float:
    """The float64 that a text names.

    Raises:
        OutOfRange: it is too large for one.
        ValueError: it is no number.
    """
    if _DECIMAL.fullmatch(text):
        value = float(text)
    elif _HEX_FLOAT.fullmatch(text):
        try:
            value = float.fromhex(text.replace("_", ""))
        except OverflowError:
            value = math.inf
    else:
        return _named_float(text)
    if math.isinf(value):
        raise OutOfRange("value out of range")
    return value


def _named_float(text: str) -> float:
    sign, name = (text[0], text[1:]) if text[:1] in ("+", "-") else ("", text)
    value = _NAMED.get(name.lower())
    if value is None or (sign and math.isnan(value)):
        raise ValueError("invalid syntax")
    return -value if sign == "-" else value


def _parse_int(text: str) -> int | None:
    try:
        if _OCTAL.fullmatch(text) and "__" not in text:
            return int(text.replace("_", ""), 8)
        return int(text, 0)
    except ValueError:
        return None


def number(pos: int, text: str) -> Number:
    """The node of a number or character constant.

    Raises:
        ValueError: it is none, or too large; the message is Go's.
    """
    if text.startswith("'"):
        code = unquote_char(text)
        return Number(pos, text, code, float(code))
    if text.endswith("i"):
        return _complex(pos, text)
    whole = _parse_int(text)
    if whole is not None and MIN_INT <= whole <= _MAX_UINT:
        return Number(pos, text, whole, float(whole))
    try:
        value = parse_float(text)
    except ValueError as error:
        raise ValueError(f"illegal number syntax: {quote(text)}") from error
    if not any(mark in text for mark in ".eEpP"):
        raise ValueError(f"integer overflow: {quote(text)}")
    return Number(pos, text, int(value) if value.is_integer() and MIN_INT <= value <= MAX_INT else None, value)


def _complex(pos: int, text: str) -> Number:
    signs = [at for at, char in enumerate(text) if char in "+-" and at and text[at - 1] not in "eEpP"]
    split = signs[-1] if signs else 0
    try:
        value = complex(parse_float(text[:split]) if split else 0.0, parse_float(text[split:-1]))
    except ValueError as error:
        raise ValueError(f"illegal number syntax: {quote(text)}") from error
    if value.imag:
        return Number(pos, text, as_complex=value)
    return Number(pos, text, int(value.real) if value.real.is_integer() else None, value.real, value)
