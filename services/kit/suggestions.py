"""What a person may have meant by a word that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

CUTOFF = 0.6
"""How alike two words are at least, from 0 to 1 as :mod:`difflib` measures it, if one is suggested for the other."""

PREFERENCE = 0.1
"""By how much less alike a word of an earlier group may be, and still be suggested."""


def nearest(word: str, *groups: Iterable[str], cutoff: float = CUTOFF) -> str | None:
    """The known word most like this one, or None.

    Case does not count, nor do dashes before the word, nor whether its parts are joined by ``-`` or by ``_``.

    Args:
        word: as a person wrote it.
        groups: the words that are known, those to be preferred first.
        cutoff: how alike the two are at least, as of :data:`CUTOFF`.
    """
    best: tuple[float, str] | None = None
    wanted = _plain(word)
    for rank, group in enumerate(groups):
        for known in group:
            alike = difflib.SequenceMatcher(None, _plain(known), wanted).ratio()
            score = alike - PREFERENCE * rank
            if alike >= cutoff and (best is None or score > best[0]):
                best = score, known
    return None if best is None else best[1]


def did_you_mean(word: str, *groups: Iterable[str]) -> str:
    """``; did you mean WORD?``, or nothing where no known word is like this one; the arguments are those of :func:`nearest`."""
    found = nearest(word, *groups)
    return "" if found is None else f"; did you mean {found}?"


def _plain(word: str) -> str:
    return word.casefold().replace("_", "-").lstrip("-")
