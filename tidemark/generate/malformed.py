"""Records that no codec can read, of several kinds. Each is one record that yields no sample and exactly one dead letter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum

from schemas.records import JSON_SCRAPE, LINE_PROTOCOL, REMOTE_WRITE
from tidemark.generate.render import Renderer


class Malformed(Enum):
    """What is wrong with a malformed record."""

    BROKEN_JSON = "broken-json"
    BAD_TIMESTAMP = "bad-timestamp"
    BAD_LINE = "bad-line"
    TRUNCATED_SNAPPY = "truncated-snappy"
    UNKNOWN_CONTENT_TYPE = "unknown-content-type"


UNKNOWN_CONTENT_TYPE = "text/csv"


def kinds_for(content_types: Sequence[str], headers: bool) -> tuple[Malformed, ...]:
    """The kinds that can be sent: those of the given formats, and where records carry headers an unknown content type."""
    kinds: dict[Malformed, None] = {}
    if JSON_SCRAPE in content_types:
        kinds |= {Malformed.BROKEN_JSON: None, Malformed.BAD_TIMESTAMP: None}
    if LINE_PROTOCOL in content_types:
        kinds |= {Malformed.BAD_LINE: None}
    if REMOTE_WRITE in content_types:
        kinds |= {Malformed.TRUNCATED_SNAPPY: None}
    if headers:
        kinds |= {Malformed.UNKNOWN_CONTENT_TYPE: None}
    return tuple(kinds)


def spoil(
    kind: Malformed, renderers: dict[str, Renderer], host: int, ts: int, values: Sequence[float]
) -> tuple[bytes, str]:
    """A malformed record in place of a host's scrape at an event time (ms): its bytes and content type.

    Raises:
        KeyError: ``renderers`` (by content type) lacks the format that the kind is of.
    """
    content_type, broken = _SPOILERS[kind]
    whole = next(iter(renderers)) if kind is Malformed.UNKNOWN_CONTENT_TYPE else content_type
    return broken(renderers[whole].render(host, ts, values)), content_type


def _cut(record: bytes) -> bytes:
    return record[: len(record) * 2 // 3]


def _bad_timestamp(record: bytes) -> bytes:
    head, name, tail = record.partition(b'"timestamp":')
    return head + name + b'"yesterday"' + tail[tail.index(b",") :]


def _bad_line(record: bytes) -> bytes:
    # A field without a value, in the middle of a line that is otherwise good.
    series, fields, time = record.partition(b"\n")[0].split(b" ")
    return series + b" " + fields.partition(b"=")[0] + b"= " + time


_SPOILERS: dict[Malformed, tuple[str, Callable[[bytes], bytes]]] = {
    Malformed.BROKEN_JSON: (JSON_SCRAPE, _cut),
    Malformed.BAD_TIMESTAMP: (JSON_SCRAPE, _bad_timestamp),
    Malformed.BAD_LINE: (LINE_PROTOCOL, _bad_line),
    Malformed.TRUNCATED_SNAPPY: (REMOTE_WRITE, _cut),
    Malformed.UNKNOWN_CONTENT_TYPE: (UNKNOWN_CONTENT_TYPE, bytes),
}
