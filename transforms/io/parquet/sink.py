"""The Parquet sink: a bundle's rows as few large files in a local (or mounted) directory.

The rows of a run count before those of all runs that began before it (:mod:`transforms.io.parquet.runs`).

Counters (namespace ``tidemark``): ``parquet.rows_written``, ``parquet.files_written``. Every row is held, none refused; a full disk fails the bundle.
A bundle that is tried again, by the same run, replaces its files if its rows are the same, else adds a file with rows that readers know to be
the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import parse_qsl

import apache_beam as beam
import pyarrow as pa
from apache_beam.metrics import Metrics

from schemas.forms.model import VersionError
from transforms.io.errors import SinkError
from transforms.io.files.sink import check_directory
from transforms.io.kinds import RowKind, with_retention
from transforms.io.parquet.rows import rollup_table, sample_table
from transforms.io.parquet.runs import check_format, start
from transforms.io.parquet.store import write
from transforms.io.sink import Output

TableOf = Callable[[Sequence[bytes], int], pa.Table]
"""Makes a table of encoded batches and the number of their run."""

BUFFER_BYTES = 64_000_000
"""Encoded bytes that a bundle collects before it writes: some two million rows, and about 1 GB while they are sorted."""


@dataclass(frozen=True)
class ParquetSettings:
    """Where the store is, an absolute path; ``sync``: rows survive a power failure once their bundle is done."""

    directory: str
    sync: bool = True

    @classmethod
    def parse(cls, uri: str) -> ParquetSettings:
        """Settings of ``parquet:DIR[?sync=on|off]``; a relative directory is taken from where the job is submitted.

        Raises:
            ValueError: no directory, or an option that is unknown or has no such value.
        """
        directory, _, query = uri.removeprefix("parquet:").partition("?")
        if not uri.startswith("parquet:") or not directory:
            raise ValueError(f"not a Parquet output: {uri!r}; write parquet:DIR")
        options = dict(parse_qsl(query, keep_blank_values=True))
        sync = options.pop("sync", "on")
        if options:
            raise ValueError(f"parquet: no option {next(iter(options))!r}; there is sync")
        if sync not in ("on", "off"):
            raise ValueError(f"parquet: sync: on or off is wanted, not {sync!r}")
        return cls(os.path.abspath(directory), sync == "on")


class WriteToParquet(beam.DoFn):
    """Collects the encoded batches of a bundle and writes them as one file a day, at :data:`BUFFER_BYTES` and the end of the bundle.

    ``run`` is the number of the run, which is the same wherever and however often a bundle is tried.
    """

    def __init__(self, settings: ParquetSettings, folder: str, table_of: TableOf, run: int) -> None:
        self._settings = settings
        self._folder = folder
        self._table_of = table_of
        self._run = run
        self._rows_written = Metrics.counter("tidemark", "parquet.rows_written")
        self._files_written = Metrics.counter("tidemark", "parquet.files_written")

    def start_bundle(self) -> None:
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    def process(self, element: bytes) -> Iterator[bytes]:
        self._waiting.append(element)
        self._waiting_bytes += len(element)
        if self._waiting_bytes >= BUFFER_BYTES:
            self._flush()
        return iter(())

    def finish_bundle(self) -> None:
        self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = self._table_of(self._waiting, self._run)
        self.start_bundle()
        paths = write(self._settings.directory, self._folder, table, self._settings.sync)
        self._rows_written.inc(table.num_rows)
        self._files_written.inc(len(paths))


class ParquetOutput(Output[RowKind]):
    """Rows into a store; see :class:`transforms.io.sink.Output`.

    Its run begins with the first of its transforms; all of them are of that run. ``clock`` gives seconds since 1970.
    """

    def __init__(self, settings: ParquetSettings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock

    @classmethod
    def parse(cls, uri: str, kafka_config: Mapping[str, str] | None = None) -> ParquetOutput:
        """The output of a URI of :meth:`ParquetSettings.parse`.

        Raises:
            ValueError: a part of it is wrong.
        """
        return cls(ParquetSettings.parse(uri))

    @cached_property
    def run(self) -> int:
        """The number of the run, claimed when it is first asked for.

        Raises:
            transforms.io.errors.SinkError: the store cannot be written, or only by a newer release.
        """
        try:
            return start(self._settings.directory, int(self._clock() * 1_000))
        except (OSError, VersionError) as error:
            raise SinkError(f"Parquet store: no run can begin in {self._settings.directory}: {error}") from None

    def validate(self, kinds: Sequence[RowKind]) -> None:
        """Make the directory if need be, and a file in it.

        Raises:
            transforms.io.errors.SinkError: that cannot be done, or only a newer release may write there.
        """
        check_directory("Parquet store", Path(self._settings.directory), keep=True)
        try:
            check_format(self._settings.directory)
        except VersionError as error:
            raise SinkError(str(error)) from None

    def write(self, kind: RowKind) -> beam.PTransform:
        table_of = sample_table if kind.raw else rollup_table
        return beam.ParDo(WriteToParquet(self._settings, kind.name, table_of, self.run)).with_output_types(bytes)

    def describe(self, kinds: Sequence[RowKind]) -> str:
        tiers = with_retention((kind.name, kind.retention_ms) for kind in kinds)
        return f"Parquet store {self._settings.directory}: {tiers}"
