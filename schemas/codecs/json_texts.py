"""JSON texts one behind the other, as where files without a last newline were joined."""

from __future__ import annotations

import re
from typing import NamedTuple

import orjson

from schemas.codecs.signatures import BYTE_ORDER_MARK

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)


class Piece(NamedTuple):
    """A part of a text, and where it begins there."""

    start: int
    text: bytes


def is_json(text: bytes) -> bool:
    """Whether bytes are one JSON text."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def leading_texts(text: bytes) -> tuple[list[Piece], Piece | None]:
    """The objects and arrays that a text begins with, with nothing but white space between them, and what is left behind them."""
    found: list[Piece] = []
    depth = begin = 0
    for token in _TOKEN.finditer(text):
        if token[0] in (b"{", b"["):
            depth += 1
        elif token[0] in (b"}", b"]"):
            depth -= 1
            if depth <= 0:
                piece = _stripped(text[begin : token.end()], begin)
                if depth < 0 or not is_json(piece.text):
                    break
                found.append(piece)
                begin = token.end()
    rest = text[begin:]
    return found, _stripped(rest, begin) if rest.strip() else None


def _stripped(piece: bytes, start: int) -> Piece:
    """A part without the white space around it, and without a byte order mark."""
    text = piece.lstrip()
    return Piece(start + len(piece) - len(text), text.removeprefix(BYTE_ORDER_MARK).strip())
