"""Dead letters, late samples and alert events as newline-delimited JSON files, for jobs that run with no broker."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import apache_beam as beam
from apache_beam.metrics import Metrics

from transforms.io.errors import SinkError
from transforms.io.files.atomic import write_atomically
from transforms.io.kinds import RecordKind
from transforms.io.records import RecordsOf
from transforms.io.sink import Output


class WriteLines(beam.DoFn):
    """Writes the records of a bundle as one file, ``DIR/NAME-HASH.ndjson``; a bundle tried again with the same records replaces it."""

    def __init__(self, directory: str, name: str, records_of: RecordsOf) -> None:
        self._directory = directory
        self._name = name
        self._records_of = records_of
        self._written = Metrics.counter("tidemark", f"{name}.written")

    def start_bundle(self) -> None:
        self._lines: list[bytes] = []

    def process(self, element: bytes) -> Iterator[None]:
        self._lines.extend(record.value for record in self._records_of(element))
        return iter(())

    def finish_bundle(self) -> None:
        if not self._lines:
            return
        content = b"".join(line + b"\n" for line in self._lines)
        identity = hashlib.blake2b(content, digest_size=8).hexdigest()
        write_atomically(Path(self._directory) / f"{self._name}-{identity}.ndjson", content)
        self._written.inc(len(self._lines))


class FileOutput(Output[RecordKind]):
    """Records into a directory; see :class:`transforms.io.sink.Output`."""

    def __init__(self, directory: str) -> None:
        self._directory = os.path.abspath(directory)

    @classmethod
    def parse(cls, uri: str, kafka_config: Mapping[str, str] | None = None) -> FileOutput:
        """The output of ``file:DIR``."""
        return cls(uri.removeprefix("file:"))

    def validate(self, kinds: Sequence[RecordKind]) -> None:
        """Check that the directory can be made if need be, and a file in it.

        Raises:
            transforms.io.errors.SinkError: that cannot be done.
        """
        for kind in kinds:
            check_directory(f"{kind.name} output", Path(self._directory))

    def write(self, kind: RecordKind) -> beam.PTransform:
        return beam.ParDo(WriteLines(self._directory, kind.name, kind.records_of))

    def describe(self, kinds: Sequence[RecordKind]) -> str:
        return ", ".join(f"files {self._directory}/{kind.name}-*.ndjson" for kind in kinds)


def check_directory(what: str, directory: Path, keep: bool = False) -> None:
    """Check that a directory is there, or can be made, and a file in it; what is made for that is taken away again, but with ``keep`` the directory.

    Raises:
        SinkError: that cannot be done; the message begins with ``what``.
    """
    probe = directory / f".{uuid4().hex}.tmp"
    made = [each for each in (directory, *directory.parents) if not each.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = "a file of this name is there" if isinstance(error, FileExistsError) else error
        raise SinkError(
            f"{what}: {directory} cannot be written: {reason}; name another directory, or give write permission"
        ) from None
    with suppress(OSError):
        # Someone else may have put something there by now.
        for each in made if not keep else ():
            each.rmdir()
