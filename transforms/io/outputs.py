"""Outputs of a job by URI, and what every one of them can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import apache_beam as beam
from apache_beam.metrics import Metrics

from schemas.batch import read_ipc
from schemas.tiers import Tier, Tiers

FORMS = (
    "influxdb://HOST:PORT?org=NAME",
    "influxdbs://HOST:PORT?org=NAME",
    "parquet:DIR",
    "blackhole:",
)


class Output(Protocol):
    """Where the rows of a job go.

    The transforms take a PCollection of encoded batches (any windowing), and give the dead letters, encoded, of rows that the output
    cannot take: every row is written, counted as unwritable, or dead-lettered.
    """

    def validate(self, raw: bool = True) -> None:
        """Check, before anything starts, that the output can be written; ``raw``: raw samples too.

        Raises:
            transforms.io.sink_errors.SinkError: it cannot; the message says what to do.
        """

    def rollups(self, tier: Tier) -> beam.PTransform:
        """Writes one tier: elements are :func:`schemas.rollup.encode`'s bytes."""

    def raw(self) -> beam.PTransform:
        """Writes raw samples: elements are :func:`schemas.batch.encode`'s bytes."""

    def describe(self, raw: bool = True) -> str:
        """One line for a plan."""


def parse(uri: str, tiers: Tiers) -> Output:
    """The output of a URI; one of :data:`FORMS`. Nothing is opened yet.

    Raises:
        ValueError: the URI is none of them, or has an option that is unknown or has no such value.
    """
    scheme = uri.partition(":")[0]
    if scheme in ("influxdb", "influxdbs"):
        from transforms.io.influxdb import InfluxOutput
        from transforms.io.influxdb_settings import InfluxSettings

        return InfluxOutput(InfluxSettings.parse(uri), tiers)
    if scheme == "parquet":
        from transforms.io.parquet import ParquetOutput, ParquetSettings

        return ParquetOutput(ParquetSettings.parse(uri), tiers)
    if uri == "blackhole:":
        return Blackhole()
    raise ValueError(f"no output {uri!r}; write one of: {', '.join(FORMS)}")


class Blackhole:
    """Counts rows (``blackhole.rows``) and forgets them: for benchmarks."""

    def validate(self, raw: bool = True) -> None:
        """Nothing can be wrong."""

    def rollups(self, tier: Tier) -> beam.PTransform:
        return beam.ParDo(CountRows()).with_output_types(bytes)

    def raw(self) -> beam.PTransform:
        return beam.ParDo(CountRows()).with_output_types(bytes)

    def describe(self, raw: bool = True) -> str:
        return "nowhere: rows are counted and forgotten"


class CountRows(beam.DoFn):
    """Counts the rows of encoded batches of either kind; yields nothing."""

    def __init__(self) -> None:
        self._rows = Metrics.counter("tidemark", "blackhole.rows")

    def process(self, element: bytes) -> Iterator[bytes]:
        self._rows.inc(read_ipc(element).num_rows)
        return iter(())
