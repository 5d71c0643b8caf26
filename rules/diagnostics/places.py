"""Where each character of a YAML scalar's value stands in the file: what points at the third word of a folded expression.

A parser of YAML gives a scalar's value and where it starts and ends; escapes, folding and indentation lie between the two. The scalar is read
a second time here, remembering where each character came from, and only for values that something is to be said about.
Semantics: YAML 1.1, chapters 9.1 to 9.2, as libyaml reads it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from rules.diagnostics.model import TextSpan

_HEX = {"x": 2, "u": 4, "U": 8}
_BREAK = re.compile(r"\r\n|\r|\n")
_HEADER = re.compile(r"[|>][-+0-9]*[ \t]*(?:#[^\r\n]*)?(?:\r\n|\r|\n|\Z)")


class Lines:
    """The lines of a text: from an offset in characters to a place."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0, *(found.end() for found in _BREAK.finditer(text))]

    def span(self, start: int, end: int) -> TextSpan:
        """The place of the characters ``[start, end)``; at least one character wide, so that something can be underlined."""
        line = bisect_right(self._starts, start) - 1
        last = bisect_right(self._starts, max(end - 1, start)) - 1
        column = start - self._starts[line] + 1
        end_column = end - self._starts[last] + 1
        return TextSpan(line + 1, column, last + 1, max(end_column, column + 1) if last == line else end_column)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar as written: its value, its style (``"``, ``'``, ``|``, ``>`` or empty), and the characters ``[start, end)`` it takes."""

    lines: Lines = field(repr=False)
    value: str
    style: str
    start: int
    end: int

    def within(self, start: int, end: int) -> TextSpan:
        """The place of the value's characters ``[start, end)``; that of the whole scalar where they cannot be located."""
        places = self._places()
        if places is None or not places:
            return self.lines.span(self.start, self.end)
        first = min(max(start, 0), len(places) - 1)
        last = min(max(end - 1, first), len(places) - 1)
        # Past the end (an expression that stops too early) is just after the last character that shows.
        if start >= len(self.value.rstrip()):
            after = places[max(len(self.value.rstrip()) - 1, 0)] + 1
            return self.lines.span(after, after + 1)
        return self.lines.span(places[first], max(places[last] + 1, places[first] + 1))

    def _places(self) -> list[int] | None:
        if self.style in ("|", ">"):
            candidates = _block(self.lines.text, self.start, self.end, folded=self.style == ">")
        else:
            candidates = iter([_flow(self.lines.text, self.start, self.end, self.style)])
        for characters in candidates:
            text = "".join(character for character, _ in characters)
            if text[: len(self.value)] == self.value:
                return [place for _, place in characters[: len(self.value)]]
        return None


_Characters = list[tuple[str, int]]


def _flow(text: str, start: int, end: int, style: str) -> _Characters:
    """Plain and quoted scalars: lines are folded, quoted ones unescaped."""
    found: _Characters = []
    place = start + 1 if style else start
    stop = end - 1 if style else end
    while place < stop:
        character = text[place]
        if style == "'" and text.startswith("''", place):
            found.append(("'", place))
            place += 2
        elif style == '"' and character == "\\":
            place = _escape(text, place, stop, found)
        elif character in "\r\n":
            while found and found[-1][0] in " \t" and text[found[-1][1]] in " \t":
                found.pop()
            place = _fold(text, place, stop, found)
        else:
            found.append((character, place))
            place += 1
    return found


def _fold(text: str, place: int, stop: int, found: _Characters) -> int:
    """One break is a space, more are one less; the white space around them is none of the value."""
    began, breaks = place, 0
    while place < stop and text[place] in " \t\r\n":
        if text[place] in "\r\n":
            breaks += 1
            place += 1 if text.startswith("\r\n", place) else 0
        place += 1
    found.extend([(" ", began)] if breaks == 1 else [("\n", began)] * (breaks - 1))
    return place


def _escape(text: str, place: int, stop: int, found: _Characters) -> int:
    kind = text[place + 1 : place + 2]
    if kind in _HEX:
        digits = text[place + 2 : place + 2 + _HEX[kind]]
        # What is no number was refused by the parser; a wrong guess here only makes the comparison with the value fail.
        found.append((chr(int(digits, 16)) if re.fullmatch(r"(?:0{2})?[0-9A-Fa-f]{2,6}", digits) else "?", place))
        return place + 2 + len(digits)
    if kind and kind in "\r\n":
        place += 3 if text.startswith("\r\n", place + 1) else 2
        while place < stop and text[place] in " \t":
            place += 1
        return place
    plain = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "a": "\a", "b": "\b", "v": "\v", "f": "\f", "e": "\x1b"}
    odd = {"N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029"}
    found.append((plain.get(kind) or odd.get(kind) or kind, place))
    return place + 2


def _block(text: str, start: int, end: int, *, folded: bool) -> Iterator[_Characters]:
    """Literal and folded scalars, read with each indentation that they may have: a stated one counts from a parent not known here."""
    header = _HEADER.match(text, start)
    if header is None:
        return
    lines = []
    place = header.end()
    while place < end:
        found = _BREAK.search(text, place)
        stop = found.start() if found else len(text)
        lines.append((place, text[place:stop], stop))
        place = found.end() if found else len(text)
    shown = [line for _, line, _ in lines if line.strip(" ")]
    deepest = len(shown[0]) - len(shown[0].lstrip(" ")) if shown else 0
    for indent in range(max(deepest, 1), 0, -1):
        yield _indented(lines, indent, folded=folded)


def _indented(lines: list[tuple[int, str, int]], indent: int, *, folded: bool) -> _Characters:
    found: _Characters = []
    last_break: _Characters = []
    blanks: _Characters = []
    after_blank = False
    for place, line, stop in lines:
        content = line[indent:]
        if not content and not line.strip(" "):
            blanks.append(("\n", stop))
            continue
        blank = content[:1] in (" ", "\t")
        if folded and last_break and not after_blank and not blank:
            found.extend([] if blanks else [(" ", last_break[0][1])])
        else:
            found.extend(last_break)
        found.extend(blanks)
        found.extend((character, place + indent + i) for i, character in enumerate(content))
        last_break, blanks, after_blank = [("\n", stop)], [], blank
    return found + last_break + blanks
