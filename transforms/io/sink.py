"""Outputs of a job by URI, and what every one of them can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sized
from typing import Protocol

import apache_beam as beam
from apache_beam.metrics import Metrics

from schemas import batch, rollup
from schemas.tiers import Tier, Tiers
from transforms.io.records import RecordsOf, alert_event_records, dead_letter_records, late_records

FORMS = (
    "influxdb://HOST:PORT?org=NAME",
    "influxdbs://HOST:PORT?org=NAME",
    "parquet:DIR",
    "blackhole:",
)
"""Outputs of rollups and raw samples."""

RECORD_FORMS = ("kafka://HOST:PORT/TOPIC", "file:DIR", "blackhole:")
"""Outputs of dead letters, late samples and alert events."""


class Output(Protocol):
    """Where the rows of a job go.

    The transforms take a PCollection of encoded batches (any windowing), and give the dead letters, encoded, of rows that the output
    cannot take: every row is written, counted as unwritable, or dead-lettered.
    """

    def validate(self, raw: bool = True, rollups: bool = True) -> None:
        """Check, before anything starts, that the output can be written: with ``raw``, raw samples; with ``rollups``, every tier.

        Raises:
            transforms.io.errors.SinkError: it cannot; the message says what to do.
        """

    def rollups(self, tier: Tier) -> beam.PTransform:
        """Writes one tier: elements are :func:`schemas.rollup.encode`'s bytes."""

    def raw(self) -> beam.PTransform:
        """Writes raw samples: elements are :func:`schemas.batch.encode`'s bytes."""

    def describe(self, raw: bool = True, rollups: bool = True) -> str:
        """One line for a plan: where ``raw`` samples, and every tier with ``rollups``, go."""


def parse(uri: str, tiers: Tiers) -> Output:
    """The output of a URI; one of :data:`FORMS`. Nothing is opened yet.

    Raises:
        ValueError: the URI is none of them, or has an option that is unknown or has no such value.
    """
    scheme = uri.partition(":")[0]
    if scheme in ("influxdb", "influxdbs"):
        from transforms.io.influxdb.settings import InfluxSettings
        from transforms.io.influxdb.sink import InfluxOutput

        return InfluxOutput(InfluxSettings.parse(uri), tiers)
    if scheme == "parquet":
        from transforms.io.parquet.sink import ParquetOutput, ParquetSettings

        return ParquetOutput(ParquetSettings.parse(uri), tiers)
    if uri == "blackhole:":
        return Blackhole()
    raise ValueError(f"no output {uri!r}; write one of: {', '.join(FORMS)}")


def kind_of(uri: str) -> str:
    """The kind of an output of :func:`parse`, a key of :data:`transforms.accounting.STORES`."""
    return uri.partition(":")[0].replace("influxdbs", "influxdb")


class RecordOutput(Protocol):
    """Where dead letters, late samples or alert events go."""

    def validate(self) -> None:
        """Check, before anything starts, that the output can be written.

        Raises:
            transforms.io.errors.SinkError: it cannot; the message says what to do.
        """

    def write(self) -> beam.PTransform:
        """Writes a PCollection of bytes; each bundle's records are delivered before the bundle is done."""

    def describe(self) -> str:
        """One line for a plan."""


def dead_letters(uri: str, kafka_config: Mapping[str, str] | None = None) -> RecordOutput:
    """The output of a URI, one of :data:`RECORD_FORMS`, for dead letters: elements are :meth:`schemas.records.DeadLetter.encode`'s bytes.

    Args:
        kafka_config: settings of librdkafka, as :class:`transforms.io.kafka.topic.KafkaTopic` takes them.

    Raises:
        ValueError: the URI is none of the forms.
    """
    return record_output(uri, "dead_letters", dead_letter_records, kafka_config)


def late_samples(uri: str, kafka_config: Mapping[str, str] | None = None) -> RecordOutput:
    """The output of a URI, one of :data:`RECORD_FORMS`, for samples too late: elements are :func:`schemas.batch.encode`'s bytes.

    They are written as JSON scrape documents, which any input of a job reads.

    Args:
        kafka_config: settings of librdkafka, as :class:`transforms.io.kafka.topic.KafkaTopic` takes them.

    Raises:
        ValueError: the URI is none of the forms.
    """
    return record_output(uri, "late", late_records, kafka_config)


def alert_events(uri: str, kafka_config: Mapping[str, str] | None = None) -> RecordOutput:
    """The output of a URI, one of :data:`RECORD_FORMS`, for alert events: elements are :func:`schemas.alert_event.encode`'s bytes.

    Args:
        kafka_config: settings of librdkafka, as :class:`transforms.io.kafka.topic.KafkaTopic` takes them.

    Raises:
        ValueError: the URI is none of the forms.
    """
    return record_output(uri, "alerts", alert_event_records, kafka_config)


def record_output(
    uri: str, name: str, records_of: RecordsOf, kafka_config: Mapping[str, str] | None = None
) -> RecordOutput:
    """The output of a URI, one of :data:`RECORD_FORMS`, for records of any kind.

    Args:
        name: what they are, for names of files and counters.
        records_of: makes the records of an element.
        kafka_config: settings of librdkafka, as :class:`transforms.io.kafka.topic.KafkaTopic` takes them.

    Raises:
        ValueError: the URI is none of the forms.
    """
    if uri.startswith("kafka://"):
        from transforms.io.kafka.sink import KafkaRecords
        from transforms.io.kafka.topic import KafkaTopic

        return KafkaRecords(KafkaTopic.from_url(uri, kafka_config), name, records_of)
    directory = uri.removeprefix("file:")
    if directory and directory != uri:
        from transforms.io.files.sink import FileRecords

        return FileRecords(directory, name, records_of)
    if uri == "blackhole:":
        return BlackholeRecords(name)
    raise ValueError(f"no output for {name.replace('_', ' ')} {uri!r}; write one of: {', '.join(RECORD_FORMS)}")


class Blackhole:
    """Counts rows (``blackhole.rows``) and forgets them: for benchmarks."""

    def validate(self, raw: bool = True, rollups: bool = True) -> None:
        """Nothing can be wrong."""

    def rollups(self, tier: Tier) -> beam.PTransform:
        return beam.ParDo(CountRows(rollup.decode)).with_output_types(bytes)

    def raw(self) -> beam.PTransform:
        return beam.ParDo(CountRows(batch.decode)).with_output_types(bytes)

    def describe(self, raw: bool = True, rollups: bool = True) -> str:
        return "nowhere: rows are counted and forgotten"


class CountRows(beam.DoFn):
    """Counts the rows of encoded batches, given their decoder; yields nothing."""

    def __init__(self, decode: Callable[[bytes], Sized]) -> None:
        self._decode = decode
        self._rows = Metrics.counter("tidemark", "blackhole.rows")

    def process(self, element: bytes) -> Iterator[bytes]:
        self._rows.inc(len(self._decode(element)))
        return iter(())


class BlackholeRecords:
    """Counts elements (``NAME.forgotten``) and forgets them."""

    def __init__(self, name: str) -> None:
        self._name = name

    def validate(self) -> None:
        """Nothing can be wrong."""

    def write(self) -> beam.PTransform:
        return beam.ParDo(CountElements(self._name))

    def describe(self) -> str:
        return "nowhere: elements are counted and forgotten"


class CountElements(beam.DoFn):
    """Counts elements; yields nothing."""

    def __init__(self, name: str) -> None:
        self._elements = Metrics.counter("tidemark", f"{name}.forgotten")

    def process(self, element: bytes) -> Iterator[None]:
        self._elements.inc()
        return iter(())
