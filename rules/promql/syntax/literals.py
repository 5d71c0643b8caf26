"""Numbers and strings as expressions write them."""

from __future__ import annotations

import math
import re
from typing import Final

from rules.golang import quoting
from rules.golang.quoting import shown

MS: Final = 1_000_000
_INTEGER = re.compile(r"(?:0[xX](?:_?[0-9a-fA-F])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)\Z")


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
        raise ValueError(f"error parsing number {shown(text)}") from error
    if math.isinf(number) and text.lower() != "inf":
        raise ValueError(f"number out of range: {shown(text)}")
    return number


def nanoseconds(value: float) -> int:
    """Seconds as whole nanoseconds, halves away from zero."""
    return round_half_away(value * 1e9)


def round_half_away(value: float) -> int:
    """The nearest whole number; a half goes away from zero."""
    whole = math.trunc(value)
    return whole + int(math.copysign(1, value)) if abs(value - whole) >= 0.5 else whole


def quote(value: str) -> str:
    """A string as an expression can say it."""
    # The scanner takes the replacement character itself for broken UTF-8.
    return quoting.quote(value).replace("\ufffd", r"\ufffd")
