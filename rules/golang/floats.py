"""Floats as Go writes and reads them (``strconv.FormatFloat``, ``strconv.ParseFloat``)."""

from __future__ import annotations

import math
import re

_DIGITS = "[0-9](?:_?[0-9])*"
_HEX_DIGITS = "[0-9a-fA-F](?:_?[0-9a-fA-F])*"
_DECIMAL = re.compile(rf"[+-]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?")
_HEX_FLOAT = re.compile(rf"[+-]?0[xX](?:_?{_HEX_DIGITS}\.?(?:{_HEX_DIGITS})?|\.{_HEX_DIGITS})[pP][+-]?{_DIGITS}")
_NAMED = {"inf": math.inf, "infinity": math.inf, "nan": math.nan}


def format_float(value: float, verb: str, precision: int = -1, sharp: bool = False) -> str:
    """A float in the notation of a verb.

    Args:
        value: the number.
        verb: ``e``, ``f``, ``g``, ``x``, ``b``, or the capital of one.
        precision: digits after the point, for ``g`` significant digits; -1 (of ``g``, ``x`` and ``b`` only) is as few as name the number.
        sharp: always write a point, and keep trailing zeros.
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    if verb in "xX":
        text = _hexadecimal(value, precision)
        return text.upper() if verb == "X" else text
    if verb == "b":
        return _binary(value)
    flag = "#" if sharp else ""
    if precision >= 0:
        return f"%{flag}.{precision}{verb}" % value
    text = _padded(shortest(value)) if sharp else shortest(value)
    return text if verb == "g" else text.upper()


def shortest(value: float) -> str:
    """The fewest digits that name a float; with an exponent from 1e+06 on and below 1e-04, as ``%v`` writes it."""
    if not math.isfinite(value):
        return format_float(value, "g")
    sign, digits, exponent = _parts(value)
    if -4 <= exponent < 6:
        return sign + _pointed(digits, exponent)
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def decimal(value: float) -> str:
    """The fewest digits that name a float, never with an exponent."""
    if not math.isfinite(value):
        return format_float(value, "g")
    sign, digits, exponent = _parts(value)
    return sign + _pointed(digits, exponent)


def _pointed(digits: str, exponent: int) -> str:
    if exponent < 0:
        return f"0.{'0' * (-exponent - 1)}{digits}"
    whole, fraction = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
    return f"{whole}.{fraction}" if fraction else whole


def _parts(value: float) -> tuple[str, str, int]:
    """Sign, significant digits, and the exponent of the first of them."""
    mantissa, _, tail = repr(value).partition("e")
    exponent = int(tail or 0)
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    exponent += len(whole) - 1 if whole != "0" else -1 - (len(fraction) - len(fraction.lstrip("0")))
    return (sign, digits.rstrip("0"), exponent) if digits else (sign, "0", 0)


def _padded(text: str) -> str:
    """A notation with a point, and zeros up to six significant digits."""
    mantissa, mark, exponent = text.partition("e")
    mantissa += "" if "." in mantissa else "."
    digits = mantissa.lstrip("-0.").replace(".", "") if mantissa.strip("-0.") else mantissa.replace(".", "").lstrip("-")
    return mantissa + "0" * (6 - len(digits)) + mark + exponent


def _hexadecimal(value: float, precision: int) -> str:
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    mantissa, exponent = math.frexp(abs(value))
    bits, exponent = int(mantissa * (1 << 53)), exponent - 1 if value else 0
    if 0 <= precision < 13:
        unit = 1 << (52 - 4 * precision)
        quotient, rest = divmod(bits, unit)
        quotient += rest > unit // 2 or (rest == unit // 2 and quotient % 2 == 1)
        bits = quotient * unit
        if bits >> 53:
            bits, exponent = bits >> 1, exponent + 1
    digits = f"{bits % (1 << 52):013x}"
    digits = digits.rstrip("0") if precision < 0 else digits[:precision].ljust(precision, "0")
    point = f".{digits}" if digits else ""
    return f"{sign}0x{bits >> 52}{point}p{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _binary(value: float) -> str:
    if not value:
        return f"{'-' if math.copysign(1.0, value) < 0 else ''}0p-1074"
    mantissa, exponent = math.frexp(value)
    scaled = int(mantissa * (1 << 53))
    exponent = max(exponent - 53, -1074)
    scaled = int(math.ldexp(value, -exponent)) if exponent == -1074 else scaled
    return f"{scaled}p{exponent:+d}"


class OutOfRange(ValueError):
    """A number too large for a float64."""


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
