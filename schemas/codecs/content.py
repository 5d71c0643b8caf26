"""What format a record without a content type has, by its bytes alone: decided exactly, so that the answer never depends on other records.

A record is the first of these that it can be:

1. JSON, if it begins with ``{`` or ``[``. Measurements may begin so too, but no text is both: JSON then ends with ``}`` or ``]``, and a line never
   does. So a record that does not end like JSON, and all of whose lines can be read, is line protocol, unless it begins as only JSON should: an
   object with a key, or an array with an object. A document that was cut off must not become a sample.
2. Line protocol, if it is text: UTF-8 without control characters other than tabs and ends of lines. A write request with a sample has others.
3. A remote write request, if all of it decompresses as a snappy block and that is a ``WriteRequest``.
4. Line protocol, if one of its lines can be read: strings may hold control characters.

Anything else is none of the three. A byte order mark of UTF-8 and white space do not count.
"""

from __future__ import annotations

import re

from schemas.codecs.line_syntax import Point, parse
from schemas.codecs.remote_write import is_plain_request, is_request
from schemas.codecs.signatures import form_of
from schemas.records import JSON_SCRAPE, LINE_PROTOCOL, REMOTE_WRITE
from schemas.units import Precision

_ASCII_LINES = re.compile(rb"[!-Z\\^-z|~][\t\n\r -~]*\Z")
_BEGIN = re.compile(rb"(?:\xef\xbb\xbf)?\s*(.?)", re.DOTALL)
DOCUMENT = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\{\s*(?:["}]|\Z)|\[\s*(?:[{\["\]]|\Z))')
"""How JSON begins: an object or an array, and how such begin."""

_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def content_type_of_content(value: bytes, precision: Precision = "ns") -> str | None:
    """The content type of a record, None if it is none of those that codecs read."""
    if _ASCII_LINES.match(value):
        return LINE_PROTOCOL
    found = _BEGIN.match(value)
    begin = found[1] if found else b""
    if begin in (b"{", b"["):
        is_json = DOCUMENT.match(value) or value.rstrip()[-1:] in (b"}", b"]")
        return LINE_PROTOCOL if not is_json and _is_lines(value, precision, every=True) else JSON_SCRAPE
    if begin and _is_text(value):
        return LINE_PROTOCOL
    if is_request(value):
        return REMOTE_WRITE
    return LINE_PROTOCOL if _is_lines(value, precision, every=False) else None


def unknown_content(value: bytes) -> str:
    """The reason why a record of no known format is refused."""
    if not value.strip():
        return "the record is empty"
    form = form_of(value) or ("protobuf that is not compressed" if is_plain_request(value) else None)
    if form is None:
        form = "bytes of an unknown form" if _CONTROL.search(value) else "text that is not UTF-8"
    return (
        f"{form}; without a content-type header, JSON, line protocol and remote write (protobuf in snappy's block format) "
        "are told apart"
    )


def _is_text(value: bytes) -> bool:
    if _CONTROL.search(value):
        return False
    try:
        return bool(value.decode())
    except UnicodeDecodeError:
        return False


def _is_lines(value: bytes, precision: Precision, *, every: bool) -> bool:
    """Whether one of its lines, or every one, is line protocol; blank lines and comments are none."""
    is_point = (isinstance(line, Point) for line in parse(value, precision))
    if not every:
        return any(is_point)
    found = list(is_point)
    return bool(found) and all(found)
