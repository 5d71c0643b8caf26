"""The file source: newline-delimited records of the same formats, plain or gzip, so that every job runs with no broker.

A file is a partition and a line a record, its offset the line's number from 0; the watermark goes by the same rule as in Kafka.
"""

from __future__ import annotations

import glob
import gzip
import os
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam

from schemas.batch import MAX_PARTITIONS, MIN_WATERMARK
from schemas.records import RawRecord
from transforms.intake import Intake, IntakeSettings, take_in
from transforms.io.content_types import content_type_of

BLOCK_BYTES = 8 << 20


def matching(pattern: str) -> list[str]:
    """The files of a path or glob pattern, sorted.

    Raises:
        FileNotFoundError: there are none.
    """
    paths = sorted(path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path))
    if not paths:
        raise FileNotFoundError(f"no file matches {pattern!r}")
    return [os.path.abspath(path) for path in paths]


def _blocks(path: str) -> Iterator[list[RawRecord]]:
    """The file's lines as records; blank lines are no records but keep their number."""
    content_type = content_type_of(path)
    number = 0
    opener: Any = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as file:
        while lines := file.readlines(BLOCK_BYTES):
            yield [
                RawRecord(line.rstrip(b"\r\n"), number + index, -1, content_type)
                for index, line in enumerate(lines)
                if line.strip()
            ]
            number += len(lines)


class _ReadFile(beam.DoFn):
    def __init__(self, settings: IntakeSettings) -> None:
        self._settings = settings

    def setup(self) -> None:
        self._intake = Intake(self._settings)

    def process(self, element: tuple[int, str]) -> Iterator[object]:
        partition, path = element
        watermark = MIN_WATERMARK
        for records in _blocks(path):
            taken = self._intake.take(records, path, partition, watermark)
            watermark = taken.watermark
            yield from taken.outputs()


class ReadSamples(beam.PTransform):
    """The samples of files, as :class:`transforms.io.kafka.ReadSamples` gives those of a topic.

    Raises:
        ValueError: more files than :data:`schemas.batch.MAX_PARTITIONS`.
    """

    def __init__(self, paths: Sequence[str], settings: IntakeSettings, first: int = 0) -> None:
        """``first`` is the partition number of the first file: with several reads, each file needs its own."""
        super().__init__()
        if first + len(paths) > MAX_PARTITIONS:
            raise ValueError(f"{first + len(paths)} files are too many for one run; at most {MAX_PARTITIONS}")
        self._paths, self._settings, self._first = list(paths), settings, first

    def expand(self, begin: beam.pvalue.PBegin) -> dict[str, beam.PCollection]:
        """A file a call."""
        files = begin | "Files" >> beam.Create(list(enumerate(self._paths, self._first)))
        return take_in(files, _ReadFile(self._settings))
