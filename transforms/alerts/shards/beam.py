"""The input of rule shards: the samples of each, the newest event time, and partition watermarks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import apache_beam as beam
from apache_beam.utils.windowed_value import WindowedValue

from schemas.batch import read_newest
from transforms.alerts import messages
from transforms.alerts.shards.machine import key_of
from transforms.machines import watermarks
from transforms.machines.beam import in_global_window
from transforms.machines.watermarks import PartitionWatermark
from transforms.windows.content import Key


class KeyByRuleShard(beam.DoFn):
    """The intake's samples as elements for shards. At the end of a bundle each shard gets the newest event time in it, and its marks."""

    def __init__(self, shards: int) -> None:
        self._shards = shards

    def start_bundle(self) -> None:
        self._newest: int | None = None
        self._marks: dict[tuple[int, int], PartitionWatermark] = {}

    def process(self, element: tuple[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
        key, data = element
        if watermarks.is_mark(element):
            self._marks |= {(marks.source, marks.partition): marks for marks in watermarks.decode(data)}
            return
        newest = read_newest(data)
        self._newest = newest if self._newest is None else max(self._newest, newest)
        yield key_of(Key.decode(key).shard % self._shards), messages.of_samples(data)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        marks = self._marks.values()
        if self._newest is not None or marks:
            time_ms = max(0, *(each.watermark_ms for each in marks)) if self._newest is None else self._newest
            for key, extent in extents_of(self._newest, self._shards, marks):
                yield in_global_window((key, extent), time_ms)


def extents_of(
    newest_ms: int | None, shards: int, marks: Iterable[PartitionWatermark] = ()
) -> list[tuple[bytes, bytes]]:
    """An extent (:func:`transforms.alerts.messages.of_extent`) for each shard."""
    extent = messages.of_extent(newest_ms, marks)
    return [(key_of(number), extent) for number in range(shards)]
