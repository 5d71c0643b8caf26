"""Dead letters and late samples as records of a topic or lines of a file. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from schemas import batch
from schemas.codecs.json_scrape import encode_scrape
from schemas.records import CONTENT_TYPE_HEADER, JSON_SCRAPE, DeadLetter

REASON_HEADER = "reason"

DEAD_LETTER_JSON = "application/vnd.tidemark.dead-letter+json"
"""Content type of :meth:`schemas.records.DeadLetter.encode`."""


class OutRecord(NamedTuple):
    """A record to be written; ``value`` is one line of JSON without a line feed."""

    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


RecordsOf = Callable[[bytes], Iterator[OutRecord]]


def dead_letter_records(element: bytes) -> Iterator[OutRecord]:
    """The record of an encoded dead letter: its key is ``topic:partition:offset[:line]``, by which a repeated delivery is recognised.

    Raises:
        ValueError, KeyError, TypeError: the element is no dead letter.
    """
    yield _dead_letter_record(DeadLetter.decode(element))


def late_records(element: bytes) -> Iterator[OutRecord]:
    """The JSON scrape documents of an encoded :class:`schemas.batch.SampleBatch`, as the job itself reads them.

    Raises:
        pyarrow.ArrowInvalid: the element is no batch.
    """
    headers = ((CONTENT_TYPE_HEADER, JSON_SCRAPE.encode()),)
    for document in encode_scrape(batch.decode(element)):
        yield OutRecord(None, document, headers)


def shortened(record: OutRecord, payload_bytes: int) -> OutRecord | None:
    """A dead letter whose payload is cut to its first bytes, which its reason tells; None for what is no dead letter or is short enough."""
    if dict(record.headers).get(CONTENT_TYPE_HEADER) != DEAD_LETTER_JSON.encode():
        return None
    letter = DeadLetter.decode(record.value)
    if len(letter.payload) <= payload_bytes:
        return None
    reason = f"{letter.reason} (payload cut: the first {payload_bytes} of {len(letter.payload)} bytes)"
    return _dead_letter_record(replace(letter, reason=reason, payload=letter.payload[:payload_bytes]))


def _dead_letter_record(letter: DeadLetter) -> OutRecord:
    line = "" if letter.line is None else f":{letter.line}"
    headers = ((REASON_HEADER, letter.reason.encode()), (CONTENT_TYPE_HEADER, DEAD_LETTER_JSON.encode()))
    return OutRecord(f"{letter.topic}:{letter.partition}:{letter.offset}{line}".encode(), letter.encode(), headers)
