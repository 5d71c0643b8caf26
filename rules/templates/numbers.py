"""The numbers and characters that a template writes down, as Go reads them."""

from __future__ import annotations

import re

from rules.golang.floats import parse_float
from rules.golang.quoting import quote, unquote_char
from rules.templates.nodes import Number

MAX_INT = (1 << 63) - 1
MIN_INT = -(1 << 63)
_MAX_UINT = (1 << 64) - 1
_OCTAL = re.compile(r"[+-]?0[0-7_]*[0-7]")


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
        code = _character(text)
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


def _character(text: str) -> int:
    try:
        code, rest = unquote_char(text[1:-1], "'")
    except ValueError:
        raise ValueError("invalid syntax") from None
    if rest:
        raise ValueError(f"malformed character constant: {text}")
    return code


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
