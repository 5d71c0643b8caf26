"""The elements of the stages, as bytes. The first byte is the kind.

| kind | to | holds |
|---|---|---|
| ``S`` | shards | samples in wire form, as the sources give them (:func:`schemas.batch.encode`) |
| ``X`` | shards | the newest event time of all shards, so that those without samples keep up; the watermarks of partitions |
| ``R`` | shards, groups | the rule files as they are from a time on |
| ``C`` | groups | what a shard contributes at a run of evaluation times |
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import orjson

from schemas.forms import table as forms
from transforms.alerts.fragments import partials_wire
from transforms.alerts.fragments.partials import Partials
from transforms.machines import watermarks
from transforms.machines.watermarks import PartitionWatermark

SAMPLES = b"S"
EXTENT = b"X"
RULES = b"R"
CONTRIBUTION = b"C"

_EXTENT = struct.Struct(">q")
_NO_TIME = -(1 << 62)
_HEAD = struct.Struct(">Biqqqqi")
_PART = struct.Struct(">qi")

BEGINNING_MS = -(1 << 62)
"""``after_ms`` of a shard's first contribution."""


class RuleFiles(NamedTuple):
    """The rule files as they were found.

    Attributes:
        effective_ms: they apply to evaluation times from here on.
        files: texts by name.
    """

    effective_ms: int
    files: Mapping[str, str]


class Part(NamedTuple):
    """Partials of some evaluation times.

    Attributes:
        effective_ms: the evaluation time from which they count. First reports (``partials.revision`` is 0, or less) count at their own times.
            Changes by late samples at earlier times count in evaluations from this one on.
    """

    effective_ms: int
    partials: Partials


class Contribution(NamedTuple):
    """What a shard contributes. Contributions may arrive in any order: each names the one that it follows.

    Attributes:
        shard: the number of the shard.
        after_ms: the end of the shard's previous contribution; :data:`BEGINNING_MS` if this is the first.
        until_ms: the shard has reported all evaluation times up to this one. Equal to ``after_ms`` in an amendment, which reports no
            new evaluation time.
        amendments: how many the shard has made, including this one.
        newest_ms: the newest event time that the shard knows.
        parts: in the order in which they became known.
    """

    shard: int
    after_ms: int
    until_ms: int
    amendments: int
    newest_ms: int
    parts: Sequence[Part]

    @property
    def is_amendment(self) -> bool:
        """Whether it reports no new evaluation time."""
        return self.after_ms == self.until_ms


def kind(element: bytes) -> bytes:
    """The first byte."""
    return element[:1]


def of_samples(data: bytes) -> bytes:
    """The element of samples in wire form."""
    return SAMPLES + data


def samples(element: bytes) -> bytes:
    """The wire form of its samples."""
    return element[1:]


def of_extent(newest_ms: int | None, marks: Iterable[PartitionWatermark] = ()) -> bytes:
    """The element with the newest event time, None if there is none, and the partition watermarks that follow the samples before it."""
    return EXTENT + _EXTENT.pack(_NO_TIME if newest_ms is None else newest_ms) + watermarks.encode(marks)


def extent(element: bytes) -> int | None:
    """The event time of an extent, ms; None if it has none."""
    newest: int = _EXTENT.unpack_from(element, 1)[0]
    return None if newest == _NO_TIME else newest


def partition_watermarks(element: bytes) -> list[PartitionWatermark]:
    """The partition watermarks of an extent."""
    return watermarks.decode(element[1 + _EXTENT.size :])


def of_rules(found: RuleFiles) -> bytes:
    """The element of rule files."""
    return RULES + orjson.dumps({"effective_ms": found.effective_ms, "files": dict(found.files)})


def rules(element: bytes) -> RuleFiles:
    """Its rule files.

    Raises:
        ValueError: the bytes are none; :class:`schemas.forms.model.VersionError` if another release wrote them.
    """
    plain = orjson.loads(element[1:])
    forms.RULES_ELEMENT.check_key(plain)
    return RuleFiles(plain["effective_ms"], plain["files"])


def of_contribution(contribution: Contribution) -> bytes:
    """The element of what a shard contributes."""
    *head, parts = contribution
    blobs = [CONTRIBUTION, _HEAD.pack(forms.CONTRIBUTION.version, *head, len(parts))]
    for part in parts:
        data = partials_wire.encode(part.partials)
        blobs += (_PART.pack(part.effective_ms, len(data)), data)
    return b"".join(blobs)


def until(element: bytes) -> int:
    """The last evaluation time that a contribution reports, ms, without decoding the rest."""
    until_ms: int = _head(element)[2]
    return until_ms


def contribution(element: bytes) -> Contribution:
    """What a shard contributes.

    Raises:
        ValueError: the bytes are none; :class:`schemas.forms.model.VersionError` if another release wrote them.
    """
    shard, after_ms, until_ms, amendments, newest_ms, count = _head(element)
    place = 1 + _HEAD.size
    parts = []
    for _ in range(count):
        effective_ms, size = _PART.unpack_from(element, place)
        place += _PART.size
        parts.append(Part(effective_ms, partials_wire.decode(element[place : place + size])))
        place += size
    return Contribution(shard, after_ms, until_ms, amendments, newest_ms, parts)


def _head(element: bytes) -> Sequence[int]:
    """The shard, three places of it, its newest event time, and the number of parts."""
    if kind(element) != CONTRIBUTION:
        raise ValueError(f"no contribution, but an element of the kind {kind(element)!r}")
    forms.CONTRIBUTION.check(element[1] if len(element) > 1 else None)
    _, *head = _HEAD.unpack_from(element, 1)
    return head
