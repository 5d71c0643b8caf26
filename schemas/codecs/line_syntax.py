"""The syntax of InfluxDB line protocol: text in, points out, each bad line by itself with the reason.

::

    measurement[,tag=value...] field=value[,field=value...] [timestamp]

Rules as in the reference decoder (influxdata/line-protocol, version 2), whose corpus this parser is tested against: white space is the
space alone, control characters belong into strings only, a backslash escapes what would end the token it is in and stands for itself
otherwise, a quoted string may hold newlines, so that a line is a logical one, numbers are 64-bit, duplicate tag keys are refused.

The parsers on PyPI were measured against that corpus (``python -m benchmarks.decode``; figures in docs/formats.md): each accepts inputs
that must be refused, and the fastest, a C extension, gives a dictionary a line, of which samples would have yet to be made.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from schemas.records import BadLine
from schemas.units import Precision, unit_hint

NANOSECONDS: dict[Precision, int] = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}

_INT64_DIGITS = 20
_INT64_MIN, _INT64_MAX, _UINT64_MAX = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
_CONTROL = r"\x00-\x1f\x7f"
_KEY = rf"[^{_CONTROL} ,=\\]*(?:\\(?:[ ,=]|(?![ ,=]))[^{_CONTROL} ,=\\]*)*"
_MEASUREMENT = re.compile(rf"[^{_CONTROL} ,\\]*(?:\\(?:[ ,]|(?![ ,]))[^{_CONTROL} ,\\]*)*")
_MEASUREMENT_ESCAPE = re.compile(r"\\([ ,])")
_TAG = re.compile(rf",({_KEY})=({_KEY})")
_FIELD = re.compile(rf'({_KEY})=(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^, \r\n]*))', re.DOTALL)
_KEY_ONLY = re.compile(_KEY)
_KEY_ESCAPE = re.compile(r"\\([ ,=])")
_STRING_ESCAPE = re.compile(r'\\(["\\nrt])')
_STRING_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_TAIL = re.compile(r" *([-0-9]*) *\r?(?:\n|\Z)")
_SPACES = re.compile(r" *")
_BLANK = re.compile(r" *\r?(?:\n|\Z)")
_COMMENT = re.compile(rf" *#[^{_CONTROL}]*\r?(?:\n|\Z)")
_FLOAT = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_INT = re.compile(r"-?[0-9]+\Z")
_NOT_UTF8 = re.compile(r"[\ud800-\udfff]")
_BOOLS = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), False),
}
_SHOWN = 60


class Field(NamedTuple):
    """One field: ``type`` is ``float``, ``int``, ``uint``, ``bool`` or ``string``."""

    key: str
    type: str
    value: float | bool | str


class Point(NamedTuple):
    """One line: tags and fields in the order given, ``time`` in nanoseconds since the epoch, None if the line has none; ``line`` from 1."""

    measurement: str
    tags: tuple[tuple[str, str], ...]
    fields: tuple[Field, ...]
    time: int | None
    line: int


class _Refusal(Exception):
    """``resume`` is where the search for the end of the bad line begins."""

    def __init__(self, position: int, reason: str, resume: int | None = None) -> None:
        super().__init__(reason)
        self.position = position
        self.resume = position if resume is None else resume


class _Unclosed(_Refusal):
    """A string that the text does not end; ``field`` is where its field begins."""

    def __init__(self, position: int, reason: str, field: int) -> None:
        super().__init__(position, reason)
        self.field = field


def decode_text(data: bytes) -> str:
    """The text of a record; bytes that are no UTF-8 become lone surrogates, which :func:`parse_line` refuses where they matter."""
    return data.decode("utf-8", "surrogateescape")


def parse(data: bytes, precision: Precision = "ns") -> Iterator[Point | BadLine]:
    """The points of a text in line protocol, in order; for each line that cannot be read a BadLine. Empty lines and comments yield nothing."""
    text = decode_text(data)
    position, number = 0, 1
    while position < len(text):
        result, end = parse_line(text, position, number, precision)
        if result is not None:
            yield result
        number += text.count("\n", position, end)
        position = end


def parse_line(text: str, start: int, number: int, precision: Precision = "ns") -> tuple[Point | BadLine | None, int]:
    """The logical line that begins at ``start``, the ``number``-th of the text: what it holds, None if nothing, and where the next one begins.

    After an error the line ends at the next newline; after a string that is not closed, at the newline that follows its opening quote,
    so that one stray quote does not swallow the lines after it.
    """
    empty = _BLANK.match(text, start) or _COMMENT.match(text, start)
    if empty:
        return None, empty.end()
    try:
        return _point(text, start, number, precision)
    except _Refusal as refusal:
        newline = text.find("\n", refusal.resume)
        end = len(text) if newline < 0 else newline
        reason = f"column {refusal.position - start + 1}: {refusal}"
        bad = BadLine(number, text[start:end].encode("utf-8", "surrogateescape"), reason)
        return bad, min(end + 1, len(text))


def unclosed_field(text: str, *, at_field: bool = False) -> int | None:
    """Where the field begins whose string the end of a text leaves open, so that its line goes on in the text that follows; None if there is none.

    Args:
        text: begins where a line does; with ``at_field`` where a field does, such as one that an earlier call found.
    """
    try:
        _fields(text, 0 if at_field else _tags(text, _measurement(text, 0)[1])[1])
    except _Unclosed as refusal:
        return refusal.field
    except _Refusal:
        pass
    return None


def parse_head(text: str) -> tuple[str, list[tuple[str, str]]] | None:
    """Measurement and tags of what stands before the first space of a line that is not escaped; None if a line that begins so is refused."""
    try:
        measurement, position = _measurement(text + " ", 0)
        tags, _ = _tags(text + " ", position)
    except _Refusal:
        return None
    if len(dict(tags)) < len(tags) or _NOT_UTF8.search(text):
        return None
    return measurement, tags


def _point(text: str, start: int, number: int, precision: Precision) -> tuple[Point, int]:
    measurement, position = _measurement(text, start)
    tags, position = _tags(text, position)
    raw, position = _fields(text, position)
    tail = _TAIL.match(text, position)
    if tail is None:
        raise _Refusal(position, f"a timestamp or the end of the line is wanted, not {_ahead(text, position)}")
    end = tail.end()
    # The end of the line is known from here on: what is wrong inside it does not reach its neighbours.
    resume = max(position, end - 1)
    if not text.isascii() and _NOT_UTF8.search(text, start, end):
        raise _Refusal(start, "not UTF-8", resume)
    if len(dict(tags)) < len(tags):
        keys = [key for key, _ in tags]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Refusal(start, f"tag {_shown(twice)} is given twice", resume)
    try:
        fields = tuple(
            [Field(key, *(_value(value) if string is None else ("string", string))) for key, string, value in raw]
        )
        time = _time(tail[1], precision) if tail[1] else None
    except ValueError as error:
        raise _Refusal(start, str(error), resume) from None
    return Point(measurement, tuple(tags), fields, time, number), end


def _measurement(text: str, start: int) -> tuple[str, int]:
    spaces = _SPACES.match(text, start)
    found = _MEASUREMENT.match(text, spaces.end() if spaces else start)
    assert found is not None, "matches the empty text"
    if not found[0]:
        raise _Refusal(found.end(), f"a measurement is wanted, not {_ahead(text, found.end())}")
    if found[0][0] == "#":
        raise _Refusal(start, "a control character in a comment")
    return _MEASUREMENT_ESCAPE.sub(r"\1", found[0]), found.end()


def _tags(text: str, position: int) -> tuple[list[tuple[str, str]], int]:
    tags = []
    while text.startswith(",", position):
        found = _TAG.match(text, position)
        if found is None or not found[1] or not found[2]:
            key = _KEY_ONLY.match(text, position + 1)
            at = key.end() if key else position + 1
            if key and key[0] and text.startswith("=", at):
                raise _Refusal(at + 1, f"tag {_shown(key[0])} has no value")
            what = f'"=" and a value are wanted after tag {_shown(key[0])}' if key and key[0] else "a tag is wanted"
            raise _Refusal(at, f"{what}, not {_ahead(text, at)}")
        key_text, value = found[1], found[2]
        if "\\" in found[0]:
            key_text, value = _KEY_ESCAPE.sub(r"\1", key_text), _KEY_ESCAPE.sub(r"\1", value)
        tags.append((key_text, value))
        position = found.end()
    if not text.startswith(" ", position):
        raise _Refusal(position, f"a space and fields are wanted, not {_ahead(text, position)}")
    spaces = _SPACES.match(text, position)
    return tags, spaces.end() if spaces else position


def _fields(text: str, position: int) -> tuple[list[tuple[str, str | None, str]], int]:
    """Of each field its key, its string or None, and the raw value if it is no string."""
    fields = []
    while True:
        found = _FIELD.match(text, position)
        if found is None or not found[1]:
            key = _KEY_ONLY.match(text, position)
            at = key.end() if key else position
            what = f'"=" and a value are wanted after field {_shown(key[0])}' if key and key[0] else "a field is wanted"
            raise _Refusal(at, f"{what}, not {_ahead(text, at)}")
        key_text, string, value = found[1], found[2], found[3]
        if "\\" in key_text:
            key_text = _KEY_ESCAPE.sub(r"\1", key_text)
        if string is not None:
            if "\\" in string:
                string = _STRING_ESCAPE.sub(lambda found: _STRING_ESCAPES.get(found[1], found[1]), string)
        elif value[:1] == '"':
            raise _Unclosed(found.start(3), f"the string of field {_shown(key_text)} is not closed", position)
        fields.append((key_text, string, value))
        position = found.end()
        if position == len(text) or text[position] in " \r\n":
            return fields, position
        if text[position] != ",":
            raise _Refusal(position, f"a comma or a space is wanted after a string, not {_ahead(text, position)}")
        position += 1


def _value(raw: str) -> tuple[str, float | bool]:
    last = raw[-1:]
    if last == "i" and _INT.match(raw, 0, len(raw) - 1):
        return "int", _integer(raw[:-1], _INT64_MIN, _INT64_MAX)
    if last == "u" and _INT.match(raw, 0, len(raw) - 1) and raw[0] != "-":
        return "uint", _integer(raw[:-1], 0, _UINT64_MAX)
    if _FLOAT.match(raw):
        value = float(raw)
        if math.isinf(value):
            raise ValueError(f"{_shown(raw)} is out of the range of a 64-bit float")
        return "float", value
    if raw in _BOOLS:
        return "bool", _BOOLS[raw]
    raise ValueError(f"{_shown(raw)} is no value; write 1.5, 12i, 12u, true, or a string in double quotes")


def _time(raw: str, precision: Precision) -> int:
    if not _INT.match(raw):
        raise ValueError(f"{_shown(raw)} is no timestamp")
    factor = NANOSECONDS[precision]
    try:
        return _integer(raw, -(_INT64_MAX // factor), _INT64_MAX // factor) * factor
    except ValueError as error:
        hint = unit_hint(int(raw), precision, "--precision") if len(raw) <= _INT64_DIGITS else ""
        raise ValueError(f"timestamp in {precision}: {error}" + (f"; {hint}" if hint else "")) from None


def _integer(raw: str, low: int, high: int) -> int:
    digits = raw.lstrip("-0")
    # Checked by length first: Python refuses to convert thousands of digits.
    value = int(digits or "0") if len(digits) <= 20 else math.inf
    if raw[0] == "-":
        value = -value
    if not low <= value <= high:
        raise ValueError(f"{_shown(raw)} is out of range: {low} to {high}")
    return int(value)


def _ahead(text: str, position: int) -> str:
    return repr(text[position]) if position < len(text) else "the end"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
