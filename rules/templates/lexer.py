"""The tokens of a Go template, as ``text/template/parse`` of Go 1.26 cuts them.

Positions are characters of the text. Faults come as a last token of kind ``ERROR``, so that the parser reports what is wrong before it first.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from enum import Enum, auto
from typing import NamedTuple

from rules.golang.quoting import code_point, quote

SPACES = " \t\r\n"


class Kind(Enum):
    """What a token is."""

    ERROR = auto()
    BOOL = auto()
    CHAR = auto()
    CHAR_CONSTANT = auto()
    COMPLEX = auto()
    ASSIGN = auto()
    DECLARE = auto()
    EOF = auto()
    FIELD = auto()
    IDENTIFIER = auto()
    LEFT_DELIM = auto()
    LEFT_PAREN = auto()
    NUMBER = auto()
    PIPE = auto()
    RAW_STRING = auto()
    RIGHT_DELIM = auto()
    RIGHT_PAREN = auto()
    SPACE = auto()
    STRING = auto()
    TEXT = auto()
    VARIABLE = auto()
    DOT = auto()
    KEYWORD = auto()
    NIL = auto()


KEYWORDS = frozenset(("block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"))


class Token(NamedTuple):
    """One token: its kind, where it starts, and its text."""

    kind: Kind
    pos: int
    text: str

    def describe(self) -> str:
        """As Go names it in an error."""
        if self.kind is Kind.EOF:
            return "EOF"
        if self.kind is Kind.ERROR:
            return self.text
        if self.kind in (Kind.KEYWORD, Kind.DOT, Kind.NIL):
            return f"<{self.text}>"
        if len(self.text.encode("utf-8", "surrogatepass")) > 10:
            return f"{quote(self.text[:10])}..."
        return quote(self.text)


_SPACE = re.compile(r"[ \t\r\n]+")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*(?:\.[0-7_]*)?|0[bB][01_]*(?:\.[01_]*)?"
    r"|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?"
)
_QUOTED = {
    '"': (Kind.STRING, re.compile(r'"(?:[^"\\\n]|\\[^\n])*"'), "unterminated quoted string"),
    "'": (Kind.CHAR_CONSTANT, re.compile(r"'(?:[^'\\\n]|\\[^\n])*'"), "unterminated character constant"),
    "`": (Kind.RAW_STRING, re.compile(r"`[^`]*`"), "unterminated raw quoted string"),
}
_SINGLE = {"=": Kind.ASSIGN, "|": Kind.PIPE}


def _alphanumeric(char: str) -> bool:
    return char == "_" or char.isalpha() or char.isdecimal()


class _Fault(Exception):
    def __init__(self, pos: int, message: str) -> None:
        super().__init__(message)
        self.token = Token(Kind.ERROR, pos, message)


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a template, ended by ``EOF`` or ``ERROR``."""
    try:
        yield from _text(text)
    except _Fault as fault:
        yield fault.token


def _text(text: str) -> Iterator[Token]:
    pos = 0
    while True:
        start = text.find("{{", pos)
        if start < 0:
            if pos < len(text):
                yield Token(Kind.TEXT, pos, text[pos:])
            yield Token(Kind.EOF, len(text), "")
            return
        trim = _trims_left(text, start + 2)
        literal = text[pos:start].rstrip(SPACES) if trim else text[pos:start]
        if literal:
            yield Token(Kind.TEXT, pos, literal)
        inside = start + (4 if trim else 2)
        if text.startswith("/*", inside):
            pos = _comment(text, inside)
            continue
        yield Token(Kind.LEFT_DELIM, start, "{{")
        pos = yield from _action(text, inside)


def _trims_left(text: str, pos: int) -> bool:
    return text.startswith("-", pos) and text[pos + 1 : pos + 2] in tuple(SPACES)


def _right_delim(text: str, pos: int) -> int:
    """Length of a closing delimiter at this place, its trim marker included; 0 if there is none."""
    if text.startswith("}}", pos):
        return 2
    return 4 if text[pos : pos + 1] in tuple(SPACES) and text.startswith("-}}", pos + 1) else 0


def _after(text: str, pos: int, delim: int) -> int:
    """Where text goes on after a closing delimiter, past the space that it trims."""
    pos += delim
    if delim == 4 and (space := _SPACE.match(text, pos)):
        pos = space.end()
    return pos


def _comment(text: str, start: int) -> int:
    end = text.find("*/", start + 2)
    if end < 0:
        raise _Fault(start, "unclosed comment")
    delim = _right_delim(text, end + 2)
    if not delim:
        raise _Fault(start, "comment ends before closing delimiter")
    return _after(text, end + 2, delim)


def _action(text: str, pos: int) -> Generator[Token, None, int]:
    """The tokens of an action; returns where the text goes on."""
    depth = 0
    while True:
        if delim := _right_delim(text, pos):
            if depth:
                raise _Fault(pos, "unclosed left paren")
            yield Token(Kind.RIGHT_DELIM, pos + delim - 2, "}}")
            return _after(text, pos, delim)
        if pos >= len(text):
            raise _Fault(pos, "unclosed action")
        token = _token(text, pos)
        if token.kind is Kind.LEFT_PAREN:
            depth += 1
        elif token.kind is Kind.RIGHT_PAREN:
            depth -= 1
            if depth < 0:
                raise _Fault(pos, "unexpected right paren")
        yield token
        pos += len(token.text)


def _token(text: str, pos: int) -> Token:
    char = text[pos]
    if space := _SPACE.match(text, pos):
        end = space.end()
        # The last space before "-}}" belongs to the delimiter.
        return Token(Kind.SPACE, pos, text[pos : end - 1 if text.startswith("-}}", end) else end])
    if char in _SINGLE:
        return Token(_SINGLE[char], pos, char)
    if char == ":":
        if not text.startswith(":=", pos):
            raise _Fault(pos, "expected :=")
        return Token(Kind.DECLARE, pos, ":=")
    if char in _QUOTED:
        kind, pattern, fault = _QUOTED[char]
        if not (found := pattern.match(text, pos)):
            raise _Fault(pos, fault)
        return Token(kind, pos, found.group())
    if char == "$" or (char == "." and not text[pos + 1 : pos + 2].isascii()) or _starts_field(text, pos):
        word = _word(text, pos, pos + 1)
        if char == "$":
            return Token(Kind.VARIABLE, pos, word)
        return Token(Kind.DOT if word == "." else Kind.FIELD, pos, word)
    if char in ".+-" or ("0" <= char <= "9"):
        return _number(text, pos)
    if _alphanumeric(char):
        word = _word(text, pos, pos)
        if word in KEYWORDS:
            return Token(Kind.KEYWORD, pos, word)
        if word in ("true", "false"):
            return Token(Kind.BOOL, pos, word)
        return Token(Kind.NIL if word == "nil" else Kind.IDENTIFIER, pos, word)
    if char in "()":
        return Token(Kind.LEFT_PAREN if char == "(" else Kind.RIGHT_PAREN, pos, char)
    if char.isascii() and char.isprintable():
        return Token(Kind.CHAR, pos, char)
    raise _Fault(pos, f"unrecognized character in action: {code_point(char)}")


def _starts_field(text: str, pos: int) -> bool:
    """A full stop that a digit does not follow; the last one of a text starts a number, as in Go."""
    return text[pos] == "." and pos + 1 < len(text) and not "0" <= text[pos + 1] <= "9"


def _word(text: str, start: int, pos: int) -> str:
    while pos < len(text) and _alphanumeric(text[pos]):
        pos += 1
    if pos < len(text) and text[pos] not in " \t\r\n.,|:)(" and not text.startswith("}}", pos):
        raise _Fault(start, f"bad character {code_point(text[pos])}")
    return text[start:pos]


def _number(text: str, pos: int) -> Token:
    end = _scan_number(text, pos, pos)
    if text[end : end + 1] in ("+", "-"):
        end = _scan_number(text, pos, end)
        if text[end - 1] != "i":
            raise _Fault(pos, f"bad number syntax: {quote(text[pos:end])}")
        return Token(Kind.COMPLEX, pos, text[pos:end])
    return Token(Kind.NUMBER, pos, text[pos:end])


def _scan_number(text: str, start: int, pos: int) -> int:
    found = _NUMBER.match(text, pos)
    end = found.end() if found else pos
    if end < len(text) and _alphanumeric(text[end]):
        raise _Fault(start, f"bad number syntax: {quote(text[start : end + 1])}")
    return end
