"""The Parquet sink: a bundle's rows as few large files in a local (or mounted) directory.

Counters (namespace ``tidemark``): ``parquet.rows_written``, ``parquet.files_written``. Every row is held, none refused; a full disk fails the bundle.
A bundle that is tried again replaces its files if its rows are the same, else adds a file with rows that readers know to be the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

import apache_beam as beam
import pyarrow as pa
from apache_beam.metrics import Metrics

from schemas.tiers import Tier, Tiers
from schemas.times import format_duration
from transforms.io.file_sink import check_directory
from transforms.io.parquet_layout import RAW
from transforms.io.parquet_rows import rollup_table, sample_table
from transforms.io.parquet_store import write

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
    """Collects the encoded batches of a bundle and writes them as one file a day, at :data:`BUFFER_BYTES` and the end of the bundle."""

    def __init__(self, settings: ParquetSettings, folder: str, table_of: Callable[[Sequence[bytes]], pa.Table]) -> None:
        self._settings = settings
        self._folder = folder
        self._table_of = table_of
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
        table = self._table_of(self._waiting)
        self.start_bundle()
        paths = write(self._settings.directory, self._folder, table, self._settings.sync)
        self._rows_written.inc(table.num_rows)
        self._files_written.inc(len(paths))


class ParquetOutput:
    """Rollups and raw samples into a store; see :class:`transforms.io.outputs.Output`."""

    def __init__(self, settings: ParquetSettings, tiers: Tiers) -> None:
        self._settings = settings
        self._tiers = tiers

    def validate(self, raw: bool = True, rollups: bool = True) -> None:
        """Make the directory if need be, and a file in it.

        Raises:
            transforms.io.sink_errors.SinkError: that cannot be done.
        """
        check_directory("Parquet store", Path(self._settings.directory))

    def rollups(self, tier: Tier) -> beam.PTransform:
        return beam.ParDo(WriteToParquet(self._settings, tier.name, rollup_table)).with_output_types(bytes)

    def raw(self) -> beam.PTransform:
        return beam.ParDo(WriteToParquet(self._settings, RAW, sample_table)).with_output_types(bytes)

    def describe(self, raw: bool = True, rollups: bool = True) -> str:
        kept = [(tier.name, tier.retention_ms) for tier in self._tiers.rollups if rollups]
        kept = [(RAW, self._tiers.raw_retention_ms), *kept] if raw else kept
        tiers = ", ".join(
            f"{name} ({format_duration(retention) if retention else 'for ever'})" for name, retention in kept
        )
        return f"Parquet store {self._settings.directory}: {tiers}"
