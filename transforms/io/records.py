"""Dead letters, late samples and alert events as records of a topic or lines of a file. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from schemas import alert_event, batch
from schemas.alert_event import AlertEvent
from schemas.codecs.json_scrape import encode_scrape
from schemas.records import CONTENT_TYPE_HEADER, JSON_SCRAPE, DeadLetter

REASON_HEADER = "reason"

DEAD_LETTER_JSON = "application/vnd.tidemark.dead-letter+json"
"""Content type of :meth:`schemas.records.DeadLetter.encode`."""


ALERT_EVENT_JSON = "application/vnd.tidemark.alert-event+json"
"""Content type of :func:`schemas.alert_event.encode`."""


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


def alert_event_records(element: bytes) -> Iterator[OutRecord]:
    """The record of an encoded alert event: its key is the alert's id, which keeps the events of an alert in order.

    Raises:
        schemas.strict_json.DocumentError: the element is no alert event.
    """
    yield _alert_event_record(alert_event.decode(element))


def line_records(element: bytes) -> Iterator[OutRecord]:
    """The record of a JSON document of a pipeline's own, without a key."""
    yield OutRecord(None, element, ())


def shortened(record: OutRecord, payload_bytes: int) -> OutRecord | None:
    """A record that takes up less; None for one that is short enough, or is none of these.

    A dead letter's payload is cut to its first ``payload_bytes``; its reason says so. An alert event goes without its trace, and its
    annotations are cut to that many bytes together; those that are cut say so.
    """
    content_type = dict(record.headers).get(CONTENT_TYPE_HEADER)
    if content_type == DEAD_LETTER_JSON.encode():
        return _shortened_letter(DeadLetter.decode(record.value), payload_bytes)
    if content_type == ALERT_EVENT_JSON.encode():
        return _shortened_event(alert_event.decode(record.value), payload_bytes)
    return None


def _shortened_letter(letter: DeadLetter, payload_bytes: int) -> OutRecord | None:
    if len(letter.payload) <= payload_bytes:
        return None
    reason = f"{letter.reason} (payload cut: the first {payload_bytes} of {len(letter.payload)} bytes)"
    return _dead_letter_record(replace(letter, reason=reason, payload=letter.payload[:payload_bytes]))


def _shortened_event(event: AlertEvent, payload_bytes: int) -> OutRecord | None:
    share = payload_bytes // max(1, len(event.annotations))
    annotations = {name: _shortened_text(text, share) for name, text in event.annotations.items()}
    short = replace(event, trace=(), annotations=annotations)
    return _alert_event_record(short) if short != event else None


def _shortened_text(text: str, most: int) -> str:
    data = text.encode()
    if len(data) <= most:
        return text
    return f"{data[:most].decode(errors='ignore')} (cut: the first {most} of {len(data)} bytes)"


def _alert_event_record(event: AlertEvent) -> OutRecord:
    headers = ((CONTENT_TYPE_HEADER, ALERT_EVENT_JSON.encode()),)
    return OutRecord(event.alert.encode(), alert_event.encode(event), headers)


def _dead_letter_record(letter: DeadLetter) -> OutRecord:
    line = "" if letter.line is None else f":{letter.line}"
    headers = ((REASON_HEADER, letter.reason.encode()), (CONTENT_TYPE_HEADER, DEAD_LETTER_JSON.encode()))
    return OutRecord(f"{letter.topic}:{letter.partition}:{letter.offset}{line}".encode(), letter.encode(), headers)
