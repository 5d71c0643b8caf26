"""JSON objects that give a key twice, which a parser takes for the last of them without a word (RFC 8259 leaves that to the reader)."""

from __future__ import annotations

import json
from typing import Any


class Repeating(dict[str, Any]):
    """An object that gives some key twice: as a mapping each with its last value, and all of them in ``pairs``, in order."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def repeated(self) -> str:
        """The first key that is given again."""
        keys = [key for key, _ in self.pairs]
        return next(key for place, key in enumerate(keys) if key in keys[:place])


def parse_exactly(value: bytes) -> Any | None:
    """The document of a text that is JSON, objects with a key given twice as :class:`Repeating`; None if there are none.

    Slow: for texts that look as if there were some. Python's parser gives up on texts nested deeply and on numbers of thousands of digits, which no
    document that can be read holds: those have none.
    """
    found = False

    def read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal found
        whole = dict(pairs)
        if len(whole) == len(pairs):
            return whole
        found = True
        return Repeating(pairs)

    try:
        document = json.loads(value, object_pairs_hook=read)
    except (RecursionError, ValueError):
        return None
    return document if found else None
