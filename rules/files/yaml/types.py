"""What a plain YAML scalar is: text, number, boolean, null or date, as Go's yaml.v3 derives it from its characters."""

from __future__ import annotations

import re

from rules.files.yaml.tree import Node

_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLS = {"true", "True", "TRUE", "false", "False", "FALSE"}
_FLOAT_NAMES = {f"{sign}.{name}" for sign in ("", "+", "-") for name in ("inf", "Inf", "INF")} | {
    ".nan",
    ".NaN",
    ".NAN",
}
_INT = re.compile(r"([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}")
RESOLVED = {"!!str", "!!bool", "!!int", "!!float", "!!null", "!!timestamp"}


def tag_of(node: Node) -> str:
    """The type of a scalar from its text; ``!!str`` for a quoted one.

    Semantics: the core schema with the extras of Go's yaml.v3 (``0o17``, ``1_000``, dates).
    """
    if node.tag == "!!str" or (node.style and not node.tag):
        return "!!str"
    if node.tag and node.tag not in RESOLVED:
        return node.tag
    text = node.value
    if text in _NULLS:
        return "!!null"
    if text in _BOOLS:
        return "!!bool"
    if text in _FLOAT_NAMES:
        return "!!float"
    if text[0] not in "+-.0123456789":
        return "!!str"
    if _DATE.match(text):
        return "!!timestamp"
    plain = text.replace("_", "") if text[0] != "." else text
    if _INT.match(plain):
        return "!!int" if -(2**63) <= _int(plain) < 2**64 else "!!float"
    return "!!float" if _FLOAT.match(plain) else "!!str"


def number_of(node: Node) -> float | None:
    """The number a scalar is; None for one of another type."""
    if tag_of(node) not in ("!!int", "!!float") or node.value.lower().endswith((".nan", ".inf")):
        return None
    plain = node.value.replace("_", "")
    return _int(plain) if _INT.match(plain) else float(plain)


def _int(text: str) -> int:
    sign, digits = _INT.match(text).groups()  # type: ignore[union-attr]
    if len(digits) > 80:
        return 2**64
    if digits[:2].lower() in ("0x", "0b", "0o"):
        number = int(digits, 0)
    else:
        number = int(digits, 8 if digits.startswith("0") and len(digits) > 1 else 10)
    return -number if sign == "-" else number
