"""Examples of what a run lost: a count says how many, an example says why. Pure; :mod:`transforms.losses.beam` carries them out of the workers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from schemas.batch import MAX_PARTITIONS, PLACES
from schemas.builder import Shared
from schemas.records import reason_kind
from schemas.times import format_time
from transforms.rollups.collisions import Collision

EXAMPLES = "examples"
"""The metric of examples, a set of texts."""
MOST = 3
"""Examples of one kind, each of another reason, that one instance of a step records."""
SHOWN = 200
"""Characters of a record that an example shows."""

_PLACE = re.compile(r"partition (\d+), offset (\d+)")

DEAD_LETTER = "dead letter"
TOO_LATE = "too late"
REFUSED = "refused"
UNREAD = "unread"
UNREADABLE = "unreadable"
EMPTY = "empty"
COLLIDED = "collided"
SHARED_NAME = "shared name"


class Example(NamedTuple):
    """One thing lost.

    Attributes:
        kind: :data:`DEAD_LETTER`, :data:`TOO_LATE`, :data:`REFUSED`, :data:`UNREAD`, :data:`UNREADABLE`, :data:`EMPTY`,
            :data:`COLLIDED` or :data:`SHARED_NAME`.
        where: its position: file and line, topic, partition and offset, or bucket.
        reason: why.
        record: what it was, the beginning of it.
        time_ms: its time, None where it has none that can be read.
    """

    kind: str
    where: str
    reason: str
    record: str = ""
    time_ms: int | None = None

    def encode(self) -> str:
        """As a text of the metric."""
        return orjson.dumps(tuple(self)).decode()

    @classmethod
    def decode(cls, text: str) -> Example:
        """The example of :meth:`encode`'s text."""
        return cls(*orjson.loads(text))

    def lines(self) -> list[str]:
        """The example as text: position and reason, then what it was, its time as a date."""
        time = "" if self.time_ms is None else f"  ({format_time(self.time_ms)})"
        shown = [f"  {self.record}{time}"] if self.record else []
        return [f"{self.where}: {self.reason}", *shown]


class FewExamples:
    """Chooses examples to record, few of each kind. For one instance of a step."""

    def __init__(self) -> None:
        self._known: dict[str, set[str]] = {}

    def wants(self, kind: str) -> bool:
        """Whether another of this kind would be taken, if its reason is a new one."""
        return len(self._known.get(kind, ())) < MOST

    def takes(self, example: Example) -> bool:
        """Whether to record an example: there are not enough of its kind, nor one for the same reason."""
        known = self._known.setdefault(example.kind, set())
        reason = reason_kind(example.reason)
        taken = len(known) < MOST and reason not in known
        if taken:
            known.add(reason)
        return taken


def place_of(seq: int) -> tuple[int, int]:
    """Partition and offset of a place in the order of records, whether partitions come side by side (topics) or one after the other (files)."""
    offset, partition = divmod(seq, MAX_PARTITIONS)
    return partition, offset % PLACES if offset // PLACES == partition else offset


def collided(collision: Collision) -> Example:
    """A sample that collided with another; of several topics or files its position does not say which one."""
    partition, offset = place_of(collision.seq)
    record = shown(f"{collision.series} {collision.value:g}".encode())
    return Example(COLLIDED, f"partition {partition}, offset {offset}", collision.reason, record, collision.ts)


def in_files(example: Example, files: Sequence[str]) -> Example:
    """An example of a run over files alone, which are its partitions in order: a position of :func:`collided` as file and line."""
    place = _PLACE.fullmatch(example.where)
    if place is None or int(place[1]) >= len(files):
        return example
    return example._replace(where=position(files[int(place[1])], 0, int(place[2])))


def shared_name(shared: Shared) -> Example:
    """A name that is made of several measurements."""
    return Example(SHARED_NAME, shared.text, f"of {shared.origin}, and of {shared.other}")


def position(topic: str, partition: int, offset: int, line: int | None = None, part: str = "line") -> str:
    """Where a record stands; a topic with a slash in its name, which no topic of Kafka has, is a file, and its offsets are lines from 0.

    Args:
        line: the number of a part of the record, from 1.
        part: what its parts are, ``line``, ``document`` or ``series``: only lines of a record are lines of the file too.
    """
    within = "" if line is None else f", {part} {line}"
    if "/" in topic:
        return f"{topic}, line {offset + (line or 1)}" if part == "line" else f"{topic}, line {offset + 1}{within}"
    return f"topic {topic}, partition {partition}, offset {offset}{within}"


def shown(record: bytes) -> str:
    """The beginning of a record as one line of text."""
    # No character takes more than four bytes; one byte more shows whether there are more characters.
    text = record[: 4 * SHOWN + 1].decode("utf-8", "backslashreplace")
    text = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
