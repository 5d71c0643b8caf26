"""Quoted strings of PromQL: Go's escapes in double or single quotes, none in backquotes."""

from __future__ import annotations

import re

_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, '"': 34, "'": 39}
_ESCAPE = re.compile(
    rb"\\(?:x([0-9A-Fa-f]{2})|([0-3][0-7]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([abfnrtv\\\"'])|([\s\S]?))"
)


def unquote(text: str) -> str:
    """The string that a quoted literal stands for; bytes that are not UTF-8 become U+FFFD.

    Raises:
        ValueError: the quotes do not match, or an escape is unknown; the message says which.
    """
    quote = text[:1]
    if len(text) < 2 or quote not in "\"'`" or text[-1] != quote:
        raise ValueError("string literal is not closed")
    inner = text[1:-1]
    if quote == "`":
        return inner.replace("\r", "")
    if "\\" not in inner:
        return inner

    def replace(found: re.Match[bytes]) -> bytes:
        hexadecimal, octal, short, long, simple, _ = found.groups()
        if hexadecimal or octal:
            return bytes([int(hexadecimal, 16) if hexadecimal else int(octal, 8)])
        if short or long:
            rune = int(short or long, 16)
            if rune > 0x10FFFF or 0xD800 <= rune < 0xE000:
                raise ValueError(f"escape is an invalid Unicode code point: {found.group().decode()}")
            return chr(rune).encode()
        if simple and not (simple in b"\"'" and simple != quote.encode()):
            return bytes([_SIMPLE[simple.decode()]])
        raise ValueError(f"unknown escape sequence {found.group().decode(errors='replace')!r}")

    return _ESCAPE.sub(replace, inner.encode()).decode(errors="replace")
