"""Records of a collection of one's own as elements, as sources give those of topics and files."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import orjson
from apache_beam.coders import BytesCoder
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec
from apache_beam.transforms.window import GlobalWindows

from schemas.batch import MAX_OFFSET, MAX_PARTITIONS, MIN_WATERMARK
from schemas.forms import table as forms
from schemas.records import JSON_SCRAPE, RawRecord
from transforms.intake.beam import IntakeSettings, take_in

Record = bytes | Mapping[str, Any]
"""A record in one of the formats, or a JSON scrape as a dict: ``{"labels": {...}, "timestamp": ms, "samples": {name: value}}``."""

NAME = "collection"
"""Where dead letters of these records say that they come from, as others name a topic."""

_AT_ONCE = 1_000
_KEY_FORM = struct.Struct(">i")
_POSITION_FORM = struct.Struct(">qq")
_POSITION = ReadModifyWriteStateSpec("position", BytesCoder())


class Position(NamedTuple):
    """How far a partition has been cut, the state of :class:`CutRecords`.

    Attributes:
        watermark: of the partition, ms.
        offset: of its next record.
    """

    watermark: int = MIN_WATERMARK
    offset: int = 0

    def encode(self) -> bytes:
        """The state's bytes."""
        return _POSITION_FORM.pack(*self)

    @classmethod
    def decode(cls, stored: bytes) -> Position:
        """What :meth:`encode` gave.

        Raises:
            schemas.forms.model.VersionError: another release wrote it.
        """
        if len(stored) != _POSITION_FORM.size:
            raise forms.RECORDS_POSITION.refusal(f"of {len(stored)} bytes")
        return cls(*_POSITION_FORM.unpack(stored))


def partition_key(partition: int) -> bytes:
    """The key of a partition's state."""
    return _KEY_FORM.pack(partition)


def _record(record: Record, offset: int) -> RawRecord:
    if isinstance(record, bytes):
        return RawRecord(record, offset)
    try:
        value = orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:
        # It cannot be decoded, so it becomes a dead letter with this text.
        value = repr(record).encode()
    return RawRecord(value, offset, content_type=JSON_SCRAPE)


class _CutBounded(beam.DoFn):
    """Lists of records. Nothing is late, in whatever order they are."""

    def __init__(self, settings: IntakeSettings) -> None:
        self._settings = settings

    def setup(self) -> None:
        self._intake = self._settings.intake(follows_events=False)

    def process(self, element: Sequence[Record]) -> Iterator[object]:
        records = [_record(record, 0) for record in element]
        yield from self._intake.take(records, NAME, 0, now_ms=int(time.time() * 1000)).outputs()


class _CutPartition(beam.DoFn):
    """Records by partition, whose watermark and next offset are state."""

    def __init__(self, settings: IntakeSettings) -> None:
        self._settings = settings

    def setup(self) -> None:
        self._intake = self._settings.intake(logs=True)

    def process(
        self, element: tuple[bytes, Sequence[Record]], position: Any = beam.DoFn.StateParam(_POSITION)
    ) -> Iterator[object]:
        key, records = element
        (partition,) = _KEY_FORM.unpack(key)
        stored = position.read()
        watermark, offset = Position.decode(stored) if stored is not None else Position()
        taken = self._intake.take(
            [_record(record, min(offset + place, MAX_OFFSET - 1)) for place, record in enumerate(records)],
            NAME,
            partition,
            watermark,
            now_ms=int(time.time() * 1000),
        )
        position.write(Position(taken.watermark, min(offset + len(records), MAX_OFFSET - 1)).encode())
        yield from taken.outputs()


class CutRecords(beam.PTransform):
    """Records of a collection of one's own: decoded, and cut into pieces by window and shard.

    Input: a :data:`Record` each, or a list of records of one partition, which are cut at once and so much faster.
    Output: see :func:`transforms.intake.beam.take_in`.

    A collection that ends is cut as a file is: nothing in it is late. Of two samples of one series and time, either may count.

    A collection without an end needs partitions. Each has a watermark of its own, ``settings.delay_ms`` behind its newest event time, and decides by
    it what is late: records of a partition count in the order in which they arrive. One partition is cut on one core.

    Args:
        settings: formats, windows, lateness and shards.
        partition_of: the partition of a record, of a list that of its first one, from 0 to :data:`schemas.batch.MAX_PARTITIONS` - 1.

    Raises:
        ValueError: (on expanding) the collection has no end, and there are no partitions.
    """

    def __init__(self, settings: IntakeSettings, partition_of: Callable[[Record], int] | None = None) -> None:
        super().__init__()
        self._settings, self._partition_of = settings, partition_of

    def expand(self, records: beam.PCollection) -> dict[str, beam.PCollection]:
        """The records of a partition in order, or all of them in lists."""
        records = records | "In the global window" >> beam.WindowInto(GlobalWindows())
        if self._partition_of is None:
            if not records.is_bounded:
                raise ValueError(
                    "this collection has no end, so what is late in it depends on its partitions: give CutRecords a partition_of"
                )
            single = records | "One by one" >> beam.FlatMap(_records_of)
            lists = single | "In lists" >> beam.BatchElements(1, _AT_ONCE)
            return take_in(lists, _CutBounded(self._settings), self._settings)
        keyed = records | "By partition" >> beam.FlatMap(_by_partition, self._partition_of)
        return take_in(keyed, _CutPartition(self._settings), self._settings)


def _records_of(element: Record | list[Record]) -> list[Record]:
    return element if isinstance(element, list) else [element]


def _by_partition(
    element: Record | list[Record], partition_of: Callable[[Record], int]
) -> Iterator[tuple[bytes, list[Record]]]:
    records = _records_of(element)
    if not records:
        return
    partition = partition_of(records[0])
    if not 0 <= partition < MAX_PARTITIONS:
        raise ValueError(f"partition {partition} of a record is not from 0 to {MAX_PARTITIONS - 1}")
    yield partition_key(partition), records
