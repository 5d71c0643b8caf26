"""The file source: records of the same formats, plain or gzip, so that every job runs with no broker.

A file is a partition, and a record's offset the number of its first line from 0. If a file cannot be read to its end, the rest of it is one dead
letter, its name and the reason are reported, and the other files are read.

What is there as a whole can be read in any order: a file's watermark stands until its end, so that nothing in it is late, unless it is to follow
event times as that of a partition does (:data:`transforms.intake.beam.FileWatermark`). No more is held for that: windows fire once all files have
been read, either way.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import apache_beam as beam

from schemas.batch import MAX_PARTITIONS, MIN_WATERMARK
from schemas.records import DeadLetter
from transforms.intake.beam import take_in
from transforms.intake.blocks import BlockSettings
from transforms.io.files.paths import name_of
from transforms.io.files.records import InputFault, read_blocks


class _ReadFile(beam.DoFn):
    def __init__(self, settings: BlockSettings) -> None:
        self._settings = settings

    def setup(self) -> None:
        follows = self._settings.file_watermark == "events"
        self._intake = self._settings.intake(follows, one_by_one=True)

    def process(self, element: tuple[int, str, str]) -> Iterator[object]:
        partition, path, name = element
        watermark = MIN_WATERMARK
        number = 0
        try:
            for records in read_blocks(path, self._settings.default_content_type):
                number += len(records)
                taken = self._intake.take(records, name, partition, watermark, now_ms=int(time.time() * 1000))
                watermark = taken.watermark
                yield from taken.outputs()
            if not number:
                self._intake.note_empty(name)
        except InputFault as fault:
            letter = DeadLetter(str(fault), name, partition, fault.line, fault.rest)
            yield from self._intake.refuse(letter)


class ReadFiles(beam.PTransform):
    """The records of files as elements, as :class:`transforms.io.kafka.source.ReadKafka` gives those of a topic.

    Raises:
        ValueError: more files than :data:`schemas.batch.MAX_PARTITIONS`.
    """

    def __init__(
        self, paths: Sequence[str], settings: BlockSettings, first: int = 0, copies: Mapping[str, str] | None = None
    ) -> None:
        """Read these files.

        Args:
            paths: of :func:`transforms.io.files.paths.matching`.
            settings: how their records become elements.
            first: the partition number of the first file: with several reads, each file needs its own.
            copies: where to read a path that can be read only once, see :func:`transforms.io.files.paths.kept`.
        """
        super().__init__()
        if first + len(paths) > MAX_PARTITIONS:
            raise ValueError(f"{first + len(paths)} files are too many for one run; at most {MAX_PARTITIONS}")
        self._paths, self._settings, self._first, self._copies = list(paths), settings, first, copies or {}

    def expand(self, begin: beam.pvalue.PBegin) -> dict[str, beam.PCollection]:
        """A file a call."""
        files = begin | "Files" >> beam.Create(
            [
                (number, self._copies.get(path, path), name_of(path))
                for number, path in enumerate(self._paths, self._first)
            ]
        )
        return take_in(files, _ReadFile(self._settings), self._settings)
