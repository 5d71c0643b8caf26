"""The records of a text that holds many, such as a file. Not every end of a line is the end of a record: the format says where one ends.

Line protocol: a logical line is a record. A quoted string may hold ends of lines; the format's own parser decides whether a quote opens a string.

JSON: a document, or an array of documents, is a record, over any number of lines. A record ends between two lines exactly where the first ends with
``}`` or ``]`` and the second begins with none of ``,`` ``}`` ``]``: inside a document no value follows another, and no string spans lines.
If lines make no document, they are cut where a record begins at the left margin: a damaged document does not take its neighbours along.

A text without a format has that of its first line that is neither blank nor a comment. Its records carry no content type: decoders detect it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Protocol

from schemas.codecs.content import DOCUMENT
from schemas.codecs.json_texts import is_json, leading_texts
from schemas.codecs.line_syntax import Point, decode_text, parse_line, unclosed_field
from schemas.codecs.signatures import BYTE_ORDER_MARK
from schemas.records import JSON_SCRAPE, RawRecord

MAX_RECORD_BYTES = 256 << 20
"""A string of line protocol that is not closed within this many bytes counts as not closed; a JSON document may not be longer over several lines."""

_BEGINS = (b"{", b"[")
_ENDS = (b"}", b"]")
_GO_ON = (b",", b"}", b"]")
# A line of line protocol that surely ends with its line: its head holds no quotes, spaces or escapes, and each quote either begins a value, right
# behind a key without quotes, or ends that string.
_FIELD = rb'(?:[^"\\ ]*,)?[^"\\ ,=]+="[^"\\]*"'
_PLAIN = re.compile(rb'[^"\\ ]+ %b(?:,%b)*(?:,[^"\\ ]*)?(?: [^"\\ ]*)?\Z' % (_FIELD, _FIELD))
_CLOSES = re.compile(rb'(?:[^"\\]|\\.)*"', re.DOTALL)
# What may begin a line inside a document that is laid out over several.
_INSIDE = b' \t\r"{}[],:-0123456789'


class TooLong(ValueError):
    """A record longer than :data:`MAX_RECORD_BYTES`: ``line`` is the number, from 0, of its first line, ``records`` are those before it."""

    def __init__(self, line: int, records: list[RawRecord]) -> None:
        super().__init__(
            f"the JSON document that begins here is longer than {MAX_RECORD_BYTES >> 20} MiB: write a document a line"
        )
        self.line, self.records = line, records


class Splitter(Protocol):
    """Takes the lines of a text in order, in any number of calls, and gives its records, their offset the number of their first line from 0.

    Attributes:
        line: the number of the next line that belongs to no record yet.
    """

    line: int

    def push(self, text: bytes) -> list[RawRecord]:
        """The records that are complete with these lines; the last one comes without its newline.

        Raises:
            TooLong: see there; nothing can be pushed after it.
        """
        ...

    def finish(self) -> list[RawRecord]:
        """The records that the end of the text completes."""
        ...

    def break_off(self) -> tuple[list[RawRecord], bytes]:
        """When the text breaks off: the records that are whole at any rate, and the beginning of the one that is not."""
        ...


def splitter(content_type: str | None, text: bytes) -> Splitter:
    """What splits a text of this format; without one, of the format that its first lines have."""
    if content_type is None:
        return JsonDocuments(None) if _begins_json(text) else LogicalLines(None)
    return JsonDocuments(content_type) if content_type == JSON_SCRAPE else LogicalLines(content_type)


def _begins_json(text: bytes) -> bool:
    for line in text.split(b"\n"):
        stripped = line.removeprefix(BYTE_ORDER_MARK).lstrip()
        if stripped and not stripped.startswith(b"#"):
            if DOCUMENT.match(stripped):
                return True
            # A measurement may begin so too.
            return stripped[:1] in _BEGINS and not isinstance(parse_line(decode_text(stripped), 0, 1)[0], Point)
    return False


class LogicalLines:
    """See :class:`Splitter`: line protocol."""

    def __init__(self, content_type: str | None) -> None:
        self.line = 0
        self._content_type = content_type
        # A line whose string is open: its physical lines; the text from the field of that string on; how many lines are before that field's.
        self._held: list[bytes] = []
        self._tail: list[str] = []
        self._before = 0
        self._size = 0

    def push(self, text: bytes) -> list[RawRecord]:
        """See :class:`Splitter`."""
        records: list[RawRecord] = []
        lines = text.split(b"\n")
        if not self._held and b'"' not in text and b"\r" not in text:
            first, self.line = self.line, self.line + len(lines)
            content_type = self._content_type
            return [
                RawRecord(line, number, -1, content_type) for number, line in enumerate(lines, first) if line.strip()
            ]
        rest = self._push(lines, records)
        while rest:
            rest = self._push(rest, records)
        return records

    def finish(self) -> list[RawRecord]:
        """See :class:`Splitter`."""
        records: list[RawRecord] = []
        while self._held:
            rest = self._give_up(records)
            while rest:
                rest = self._push(rest, records)
        return records

    def break_off(self) -> tuple[list[RawRecord], bytes]:
        """See :class:`Splitter`."""
        return [], b"\n".join(self._held)

    def _push(self, lines: Sequence[bytes], records: list[RawRecord]) -> list[bytes]:
        """Add the records of lines; gives back lines that are to be looked at again."""
        for index, line in enumerate(lines):
            if self._held:
                self._go_on(line, records)
                if self._held and self._size > MAX_RECORD_BYTES:
                    return [*self._give_up(records), *lines[index + 1 :]]
            elif b'"' not in line or _PLAIN.match(line):
                if line.strip():
                    records.append(RawRecord(_unreturned(line), self.line, -1, self._content_type))
                self.line += 1
            else:
                text = decode_text(line + b"\n")
                field = unclosed_field(text)
                if field is None:
                    self._add(line, 1, records)
                else:
                    self._held, self._tail, self._before, self._size = [line], [text[field:]], 0, len(line)
        return []

    def _go_on(self, line: bytes, records: list[RawRecord]) -> None:
        ended = line + b"\n"
        self._held.append(line)
        self._size += len(ended)
        self._tail.append(decode_text(ended))
        if not _CLOSES.match(ended):
            return
        text = "".join(self._tail)
        field = unclosed_field(text, at_field=True)
        if field is None:
            held, self._held, self._tail = self._held, [], []
            self._add(b"\n".join(held), len(held), records)
        else:
            self._before += text.count("\n", 0, field)
            self._tail = [text[field:]]

    def _give_up(self, records: list[RawRecord]) -> list[bytes]:
        """The open string is not closed: its line ends where the line of its opening quote does."""
        length = self._before + 1
        held, self._held, self._tail = self._held, [], []
        self._add(b"\n".join(held[:length]), length, records)
        return held[length:]

    def _add(self, value: bytes, lines: int, records: list[RawRecord]) -> None:
        if value.strip():
            records.append(RawRecord(_unreturned(value), self.line, -1, self._content_type))
        self.line += lines


def _unreturned(line: bytes) -> bytes:
    """A line without the carriage return that is a part of its end: of two, one is."""
    return line[:-1] if line.endswith(b"\r") and not line.endswith(b"\r\r") else line


class JsonDocuments:
    """See :class:`Splitter`: JSON."""

    def __init__(self, content_type: str | None) -> None:
        self.line = 0
        self._content_type = content_type
        self._held: list[bytes] = []
        self._ends = False
        self._size = 0

    def push(self, text: bytes) -> list[RawRecord]:
        """See :class:`Splitter`."""
        records: list[RawRecord] = []
        for line in text.split(b"\n"):
            if line.startswith(b"{") and line.endswith(b"}"):
                # As nearly all lines of files that hold a document a line.
                if self._ends:
                    self._take(records)
                self._held.append(line)
                self._ends = True
            else:
                self._push(line, records)
            if self._held:
                self._size += len(line) + (len(self._held) > 1)
                if self._size > MAX_RECORD_BYTES and len(self._held) > 1:
                    raise TooLong(self.line, records)
        return records

    def _push(self, line: bytes, records: list[RawRecord]) -> None:
        stripped = line.strip()
        if not stripped:
            if self._held:
                self._held.append(line)
            else:
                self.line += 1
            return
        if self._ends and stripped[:1] not in _GO_ON:
            self._take(records)
        self._held.append(line)
        self._ends = stripped[-1:] in _ENDS
        if len(self._held) == 1 and stripped.removeprefix(BYTE_ORDER_MARK)[:1] not in _BEGINS:
            self._take(records)

    def finish(self) -> list[RawRecord]:
        """See :class:`Splitter`."""
        records: list[RawRecord] = []
        self._take(records)
        return records

    def break_off(self) -> tuple[list[RawRecord], bytes]:
        """See :class:`Splitter`."""
        whole = b"\n".join(self._held)
        return (self.finish(), b"") if is_json(whole) else ([], whole)

    def _take(self, records: list[RawRecord]) -> None:
        """Add the records of the lines that are held."""
        held, self._held, self._ends, self._size = self._held, [], False, 0
        first, self.line = self.line, self.line + len(held)
        if len(held) == 1:
            records.append(RawRecord(held[0].rstrip(b"\r"), first, -1, self._content_type))
            return
        while held and not held[-1].strip():
            held.pop()
        whole = b"\n".join(held)
        if len(held) == 1 or is_json(whole):
            records.append(self._record(whole, first))
        else:
            records += self._salvaged(held, first)

    def _salvaged(self, lines: Sequence[bytes], first: int) -> Iterator[RawRecord]:
        """What lines of which no document can be made hold: the documents that begin at the left margin, and whatever else there is."""
        starts = [index for index, line in enumerate(lines) if index == 0 or _begins_record(line)]
        for start, end in pairwise([*starts, len(lines)]):
            text = b"\n".join(lines[start:end])
            documents, rest = leading_texts(text)
            line, position = first + start, 0
            for piece in [*documents, *([rest] if rest else [])]:
                line, position = line + text.count(b"\n", position, piece.start), piece.start
                yield self._record(piece.text, line)

    def _record(self, value: bytes, line: int) -> RawRecord:
        return RawRecord(value.rstrip(b"\r\n"), line, -1, self._content_type)


def _begins_record(line: bytes) -> bool:
    """Whether a line begins a record where the lines before it are no whole document."""
    return line[:1] in _BEGINS or (bool(line.strip()) and line[0] not in _INSIDE)
