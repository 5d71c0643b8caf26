"""Quoted strings as Go reads and writes them (``strconv``), and its strings of bytes as Python text.

A Go string holds bytes. Here it is ``str``; a byte that is no part of a UTF-8 sequence is the surrogate that ``surrogateescape`` gives it.
"""

from __future__ import annotations

import re

_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92}
_ESCAPED = {7: r"\a", 8: r"\b", 12: r"\f", 10: r"\n", 13: r"\r", 9: r"\t", 11: r"\v", 92: r"\\"}
_ESCAPE = re.compile(r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3}))?")


def to_bytes(text: str) -> bytes:
    """The bytes of a Go string."""
    return text.encode("utf-8", "surrogateescape")


def from_bytes(data: bytes) -> str:
    """The Go string of some bytes."""
    return data.decode("utf-8", "surrogateescape")


def unquote(quoted: str) -> str:
    """The value of a string constant, quotes included, as ``strconv.Unquote`` gives it.

    Raises:
        ValueError: it is no string constant of Go.
    """
    mark, body = quoted[0], quoted[1:-1]
    if mark == "`":
        return body.replace("\r", "")
    return from_bytes(b"".join(_unescape(body, mark))) if "\\" in body else body


def unquote_char(quoted: str) -> int:
    """The code point of a character constant, quotes included.

    Raises:
        ValueError: it is no character constant of Go.
    """
    body = quoted[1:-1]
    if not body:
        raise ValueError("invalid syntax")
    found = _ESCAPE.match(body)
    if not found:
        value, end = ord(body[0]), 1
    else:
        escaped, two, four, eight, octal = found.groups()
        if not found.lastindex or escaped == '"':
            raise ValueError("invalid syntax")
        end = found.end()
        if escaped:
            value = _SIMPLE.get(escaped, ord(escaped))
        else:
            value = _byte(two, octal) if two or octal else _rune(four or eight)
    if end < len(body):
        raise ValueError(f"malformed character constant: {quoted}")
    return value


def _unescape(body: str, mark: str) -> list[bytes]:
    parts = []
    pos = 0
    for found in _ESCAPE.finditer(body):
        parts.append(to_bytes(body[pos : found.start()]))
        pos = found.end()
        escaped, two, four, eight, octal = found.groups()
        if escaped and escaped in (mark, *_SIMPLE):
            parts.append(bytes([_SIMPLE.get(escaped, ord(escaped))]))
        elif two or octal:
            parts.append(bytes([_byte(two, octal)]))
        elif four or eight:
            parts.append(chr(_rune(four or eight)).encode())
        else:
            raise ValueError("invalid syntax")
    parts.append(to_bytes(body[pos:]))
    return parts


def _byte(two: str | None, octal: str) -> int:
    value = int(two, 16) if two else int(octal, 8)
    if value > 255:
        raise ValueError("invalid syntax")
    return value


def _rune(digits: str) -> int:
    value = int(digits, 16)
    if value > 0x10FFFF or 0xD800 <= value < 0xE000:
        raise ValueError("invalid syntax")
    return value


def quote(text: str, mark: str = '"', ascii_only: bool = False) -> str:
    """A Go string as a constant of Go: what ``%q`` writes, and with ``ascii_only`` ``%+q``."""
    return mark + "".join(_quoted(char, mark, ascii_only) for char in text) + mark


def _quoted(char: str, mark: str, ascii_only: bool) -> str:
    code = ord(char)
    if char == mark:
        return f"\\{mark}"
    if code in _ESCAPED:
        return _ESCAPED[code]
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if char.isprintable() and (char.isascii() or not ascii_only):
        return char
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def code_point(char: str) -> str:
    """A character as ``%#U`` writes it: ``U+0023 '#'``."""
    return f"U+{ord(char):04X} '{char}'" if char.isprintable() else f"U+{ord(char):04X}"
