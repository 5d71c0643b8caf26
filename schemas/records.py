"""Records from a source, and dead letters for those that cannot be read."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

import orjson

from schemas.alert_event import TOPIC_ALERT_EVENTS

CONTENT_TYPE_HEADER = "content-type"
LINE_PROTOCOL = "application/vnd.influx.line-protocol"
REMOTE_WRITE = "application/x-protobuf"
JSON_SCRAPE = "application/json"

TOPIC_RAW = "metrics.raw"
TOPIC_DEAD_LETTER = "metrics.dead-letter"
TOPIC_LATE = "metrics.late"

TOPIC_CONFIGS: Mapping[str, Mapping[str, str]] = {
    TOPIC_ALERT_EVENTS: {"cleanup.policy": "delete", "retention.ms": str(30 * 86_400_000)},
}
"""What topics do not take from the broker's defaults: the events of an alert have one key, and none may give way to a later one."""


_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_NUMBERS = re.compile(r"\d(?:[\d:.T-]*\dZ?)?")


class RawRecord(NamedTuple):
    """One record of a source, undecoded.

    ``offset`` is the position in its partition (in a file: the line number from 0); ``timestamp_ms`` the broker's or producer's time, -1 if none;
    ``content_type`` the value of the header of that name, None where the record has none.
    """

    value: bytes
    offset: int
    timestamp_ms: int = -1
    content_type: str | None = None


class BadLine(NamedTuple):
    """A part of a record that cannot be read, its neighbours can: ``line`` counts from 1, ``text`` is the line as it came."""

    line: int
    text: bytes
    reason: str


@dataclass(frozen=True)
class DeadLetter:
    """What could not be read, whole, and where it stood.

    ``line`` is None when the whole record is bad; else the number (from 1) of the bad line, and ``payload`` is that line alone.
    ``(topic, partition, offset, line)`` identifies a dead letter: a repeated delivery is recognisable by it.
    """

    reason: str
    topic: str
    partition: int
    offset: int
    payload: bytes
    content_type: str | None = None
    line: int | None = None

    @property
    def part(self) -> str:
        """What ``line`` counts: a ``line`` of line protocol, a ``document`` of an array of JSON, a ``series`` of a write request."""
        if self.content_type is not None and self.content_type.lower().startswith(REMOTE_WRITE):
            return "series"
        # A document that is no object is quoted as it is; no line begins like one.
        return "document" if self.line is not None and self.payload.lstrip()[:1] in (b"{", b"[") else "line"

    def encode(self) -> bytes:
        """JSON; the payload in base64, since it may be anything."""
        return orjson.dumps({**asdict(self), "payload": base64.b64encode(self.payload).decode()})

    @classmethod
    def decode(cls, data: bytes) -> DeadLetter:
        """The dead letter of its JSON form.

        Raises:
            ValueError, KeyError, TypeError: the bytes are no dead letter.
        """
        fields = orjson.loads(data)
        return cls(**{**fields, "payload": base64.b64decode(fields["payload"])})


def reason_kind(reason: str) -> str:
    """A reason without what differs from record to record: numbers, times and quoted texts."""
    return _NUMBERS.sub("N", _QUOTED.sub("'...'", reason))
