"""Quoted strings as Go reads and writes them (``strconv``), and its strings of bytes as Python text.

A Go string holds bytes. Here it is ``str``; a byte that is no part of a UTF-8 sequence is the surrogate that ``surrogateescape`` gives it.
"""

from __future__ import annotations

import re

_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92}
_ESCAPED = {7: r"\a", 8: r"\b", 12: r"\f", 10: r"\n", 13: r"\r", 9: r"\t", 11: r"\v", 92: r"\\"}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))?", re.DOTALL)


def to_bytes(text: str) -> bytes:
    """The bytes of a Go string."""
    return text.encode("utf-8", "surrogateescape")


def from_bytes(data: bytes) -> str:
    """The Go string of some bytes."""
    return data.decode("utf-8", "surrogateescape")


def is_text(string: str) -> bool:
    """Whether a Go string is text, so that it can be encoded in UTF-8."""
    try:
        string.encode()
    except UnicodeEncodeError:
        return False
    return True


def unquote(quoted: str) -> str:
    """The value of a string constant, quotes included; what stands in backquotes is taken as it is.

    Raises:
        ValueError: for an unknown or incomplete escape.
    """
    mark, body = quoted[0], quoted[1:-1]
    if mark == "`" or "\\" not in body:
        return body
    parts, place = [], 0
    for found in _ESCAPE.finditer(body):
        parts += [to_bytes(body[place : found.start()]), _unescaped(found, mark)]
        place = found.end()
    return from_bytes(b"".join(parts) + to_bytes(body[place:]))


def unquote_char(body: str, mark: str) -> tuple[int, str]:
    """The code point of the first character of what stands between two quotes, and what follows it (``strconv.UnquoteChar``).

    Raises:
        ValueError: for nothing at all, or an unknown or incomplete escape.
    """
    if not body:
        raise ValueError("no character between the quotes")
    found = _ESCAPE.match(body)
    return (_code(found, mark)[0], body[found.end() :]) if found else (ord(body[0]), body[1:])


def _unescaped(found: re.Match[str], mark: str) -> bytes:
    code, is_byte = _code(found, mark)
    return bytes((code,)) if is_byte else chr(code).encode()


def _code(found: re.Match[str], mark: str) -> tuple[int, bool]:
    """What an escape stands for, and whether that is a byte rather than a character."""
    two, four, eight, octal, simple = found.groups()
    if two:
        return int(two, 16), True
    if octal:
        if (code := int(octal, 8)) > 0xFF:
            raise ValueError("octal escape sequence beyond 255")
        return code, True
    if four or eight:
        code = int(four or eight, 16)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise ValueError("escape sequence is an invalid Unicode code point")
        return code, False
    if simple == mark:
        return ord(mark), True
    if simple not in _SIMPLE:
        raise ValueError(f"unknown escape sequence {found[0]!r}")
    return _SIMPLE[simple], True


def quote(text: str, mark: str = '"', ascii_only: bool = False) -> str:
    """A Go string as a constant of Go: what ``%q`` writes, and with ``ascii_only`` ``%+q``."""
    if text.isascii() and text.isprintable() and mark not in text and "\\" not in text:
        return f"{mark}{text}{mark}"
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


def shown(text: str) -> str:
    """A text in quotes for a message, no more of it than a line takes."""
    return repr(text if len(text) <= 60 else f"{text[:60]}...")
