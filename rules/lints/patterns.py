"""Whether texts exist that several label matchers all match: decided for certain, or said to be undecided.

A matcher is a regular language. Those of one label are intersected by derivatives (Brzozowski, "Derivatives of Regular Expressions", 1964),
which take complements, so `!=` and `!~`, in their stride. Patterns are RE2, anchored, a dot matching newlines too; what is rarer than groups,
classes, repetitions and escapes is not read, and leaves the question undecided.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from rules.promql.matchers import predicate
from rules.promql.syntax.ast import Matcher, MatchOp

MAX_STATES = 500
MAX_PATTERN = 400
MAX_REPEAT = 20
MAX_PARTS = 2_000

_LAST = 0x10FFFF
_ALL = ((0, _LAST),)
_DIGITS = ((48, 57),)
_WORD = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE = ((9, 10), (12, 13), (32, 32))
_CLASSES = {"d": _DIGITS, "w": _WORD, "s": _SPACE}
_CONTROLS = {"n": 10, "t": 9, "r": 13, "f": 12, "v": 11, "a": 7}
_REPEAT = re.compile(r"\{(\d+)(,(\d*))?\}")
_GROUP = re.compile(r"\?(?::|P?<\w+>)")

# A language is a tuple: its kind, and its parts.
Language = tuple[Any, ...]
NOTHING: Language = ("nothing",)
EMPTY: Language = ("empty",)


class Undecided(Exception):
    """No proof either way within the limits."""


@lru_cache(maxsize=4096)
def example(matchers: tuple[Matcher, ...]) -> str | None:
    """A text that all of the matchers match; None if there is none for certain.

    Raises:
        Undecided: it is not known.
    """
    equal = {each.value for each in matchers if each.op is MatchOp.EQUAL}
    if len(equal) > 1:
        return None
    if equal:
        (value,) = equal
        return value if all(predicate(each)(value) for each in matchers) else None
    try:
        found = _shortest(_both(map(_language, matchers)))
    except RecursionError:
        raise Undecided from None
    # The engine's own matchers have the last word.
    if found is not None and not all(predicate(each)(found) for each in matchers):
        raise Undecided
    return found


def _language(matcher: Matcher) -> Language:
    if len(matcher.value) > MAX_PATTERN:
        raise Undecided
    if matcher.op in (MatchOp.EQUAL, MatchOp.NOT_EQUAL):
        found = _sequence(_characters((ord(char), ord(char))) for char in matcher.value)
    else:
        found = _parsed(matcher.value)
    return _not(found) if matcher.op in (MatchOp.NOT_EQUAL, MatchOp.NOT_REGEX) else found


@lru_cache(maxsize=1024)
def _parsed(pattern: str) -> Language:
    return _Parser(pattern).parse()


# Languages, in forms simple enough for the search to meet the same one again.


def _characters(*ranges: tuple[int, int]) -> Language:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], high)
        else:
            merged.append((low, high))
    return ("characters", tuple(merged)) if merged else NOTHING


def _then(first: Language, second: Language) -> Language:
    if NOTHING in (first, second):
        return NOTHING
    if first == EMPTY:
        return second
    return first if second == EMPTY else ("then", first, second)


def _sequence(parts: Iterable[Language]) -> Language:
    found = EMPTY
    for part in reversed(list(parts)):
        found = _then(part, found)
    return found


def _many(language: Language) -> Language:
    return EMPTY if language in (NOTHING, EMPTY) else language if language[0] == "many" else ("many", language)


ANYTHING = _many(_characters(*_ALL))


def _either(languages: Iterable[Language]) -> Language:
    found = _flat("either", languages) - {NOTHING}
    if ANYTHING in found:
        return ANYTHING
    return NOTHING if not found else next(iter(found)) if len(found) == 1 else ("either", frozenset(found))


def _both(languages: Iterable[Language]) -> Language:
    found = _flat("both", languages) - {ANYTHING}
    if NOTHING in found:
        return NOTHING
    return ANYTHING if not found else next(iter(found)) if len(found) == 1 else ("both", frozenset(found))


def _flat(kind: str, languages: Iterable[Language]) -> set[Language]:
    found: set[Language] = set()
    for each in languages:
        found |= each[1] if each[0] == kind else {each}
    return found


def _not(language: Language) -> Language:
    if language[0] == "not":
        inner: Language = language[1]
        return inner
    return ANYTHING if language == NOTHING else NOTHING if language == ANYTHING else ("not", language)


def _has_empty(language: Language) -> bool:
    match language[0]:
        case "empty" | "many":
            return True
        case "then":
            return _has_empty(language[1]) and _has_empty(language[2])
        case "either":
            return any(map(_has_empty, language[1]))
        case "both":
            return all(map(_has_empty, language[1]))
        case "not":
            return not _has_empty(language[1])
    return False


def _after(language: Language, char: int) -> Language:
    """The derivative: what may follow the character."""
    match language[0]:
        case "characters":
            return EMPTY if any(low <= char <= high for low, high in language[1]) else NOTHING
        case "then":
            first = _then(_after(language[1], char), language[2])
            return _either((first, _after(language[2], char))) if _has_empty(language[1]) else first
        case "many":
            return _then(_after(language[1], char), language)
        case "either":
            return _either(_after(each, char) for each in language[1])
        case "both":
            return _both(_after(each, char) for each in language[1])
        case "not":
            return _not(_after(language[1], char))
    return NOTHING


def _shortest(language: Language) -> str | None:
    alphabet = _alphabet(language)
    seen = {language}
    queue = deque([(language, "")])
    while queue:
        here, text = queue.popleft()
        if _has_empty(here):
            return text
        for char in alphabet:
            after = _after(here, char)
            if after != NOTHING and after not in seen:
                _limit(after)
                seen.add(after)
                if len(seen) > MAX_STATES:
                    raise Undecided
                queue.append((after, text + chr(char)))
    return None


def _limit(language: Language, times: int = 1) -> None:
    """Refuse what would be too large to compare: what is repeated within what is repeated multiplies."""
    parts = 0
    stack = [language]
    while stack:
        here = stack.pop()
        parts += 1
        if parts * times > MAX_PARTS:
            raise Undecided
        if here[0] != "characters":
            for part in here[1:]:
                stack.extend(part if isinstance(part, frozenset) else (part,))


def _alphabet(language: Language) -> list[int]:
    """One character for each kind that the language distinguishes."""
    starts = {0}
    stack = [language]
    while stack:
        here = stack.pop()
        for part in here[1:]:
            if here[0] == "characters":
                starts.update(each for low, high in part for each in (low, high + 1))
            else:
                stack.extend(part if isinstance(part, frozenset) else (part,))
    ends = sorted(each for each in starts if each <= _LAST)
    # Something that can be printed, if there is any.
    return [
        next((char for char in (*range(97, 123), *range(48, 58)) if low <= char < high), low)
        for low, high in zip(ends, [*ends[1:], _LAST + 1], strict=True)
        if not 0xD800 <= low <= 0xDFFF
    ]


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._place = 0

    def parse(self) -> Language:
        found = self._alternatives(top=True)
        if self._place < len(self._text):
            raise Undecided
        return found

    def _alternatives(self, *, top: bool = False) -> Language:
        found = [self._branch(top=top)]
        while self._take("|"):
            found.append(self._branch(top=top))
        return _either(found)

    def _branch(self, *, top: bool) -> Language:
        # Both ends are anchored anyhow.
        while top and self._take("^"):
            pass
        parts = []
        while (char := self._text[self._place : self._place + 1]) and char not in "|)":
            if char == "$" and top and self._text[self._place + 1 : self._place + 2] in ("", "|"):
                self._place += 1
                break
            parts.append(self._repeated(self._atom()))
        return _sequence(parts)

    def _repeated(self, atom: Language) -> Language:
        while True:
            if self._take("*"):
                atom = _many(atom)
            elif self._take("+"):
                _limit(atom, 2)
                atom = _then(atom, _many(atom))
            elif self._take("?"):
                atom = _either((EMPTY, atom))
            elif (found := _REPEAT.match(self._text, self._place)) is not None:
                self._place = found.end()
                fewest, most = int(found[1]), int(found[3] or found[1])
                if max(fewest, most) > MAX_REPEAT:
                    raise Undecided
                _limit(atom, max(fewest, most, 1) + 1)
                optional = [_either((EMPTY, atom))] * (most - fewest)
                rest = [_many(atom)] if found[2] and not found[3] else optional
                atom = _sequence([atom] * fewest + rest)
            else:
                return atom

    def _atom(self) -> Language:
        char = self._text[self._place]
        self._place += 1
        if char == "(":
            if self._text[self._place : self._place + 1] == "?":
                kind = _GROUP.match(self._text, self._place)
                if kind is None:
                    raise Undecided
                self._place = kind.end()
            inner = self._alternatives()
            if not self._take(")"):
                raise Undecided
            return inner
        if char == "[":
            return _characters(*self._class())
        if char == ".":
            return _characters(*_ALL)
        if char == "\\":
            return _characters(*self._escape())
        if char in "^$*+?{":
            raise Undecided
        return _characters((ord(char), ord(char)))

    def _escape(self) -> tuple[tuple[int, int], ...]:
        char = self._text[self._place : self._place + 1]
        self._place += 1
        if char.lower() in _CLASSES:
            ranges = _CLASSES[char.lower()]
            return ranges if char.islower() else _others(ranges)
        if char in _CONTROLS:
            return ((_CONTROLS[char], _CONTROLS[char]),)
        if not char or char.isalnum() or not char.isascii():
            raise Undecided
        return ((ord(char), ord(char)),)

    def _class(self) -> tuple[tuple[int, int], ...]:
        inverted = self._take("^")
        found: list[tuple[int, int]] = []
        first = True
        while first or not self._take("]"):
            first = False
            if self._place >= len(self._text) or self._text.startswith("[:", self._place):
                raise Undecided
            ranges = self._member()
            if (
                self._text[self._place : self._place + 1] == "-"
                and self._text[self._place + 1 : self._place + 2] != "]"
            ):
                self._place += 1
                last = self._member() if self._place < len(self._text) else ()
                if len(ranges) != 1 or len(last) != 1 or ranges[0][0] != ranges[0][1] or last[0][0] != last[0][1]:
                    raise Undecided
                ranges = ((ranges[0][0], last[0][0]),)
            found += ranges
        return _others(tuple(found)) if inverted else tuple(found)

    def _member(self) -> tuple[tuple[int, int], ...]:
        char = self._text[self._place]
        self._place += 1
        return self._escape() if char == "\\" else ((ord(char), ord(char)),)

    def _take(self, char: str) -> bool:
        if self._text.startswith(char, self._place):
            self._place += 1
            return True
        return False


def _others(ranges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    found, place = [], 0
    for low, high in sorted(ranges):
        if low > place:
            found.append((place, low - 1))
        place = max(place, high + 1)
    return (*found, (place, _LAST)) if place <= _LAST else tuple(found)
