"""The InfluxDB sink: rollups and raw samples as line protocol, each row written, counted as unwritable, or dead-lettered.

Counters (namespace ``tidemark``): ``influxdb.rows_written + influxdb.unwritable + influxdb.refused`` is the number of rows that came in;
``influxdb.values_unwritable`` counts values left out of rows written.
``influxdb.requests`` and ``influxdb.retries`` count requests. A bundle that fails is written again by the runner; since a row carries all
its fields under (series, time), that changes nothing in the database, but its rows are counted again.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import apache_beam as beam
import orjson
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindow, GlobalWindows
from apache_beam.utils.timestamp import MIN_TIMESTAMP, Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from schemas import batch as sample_batch
from schemas import rollup
from schemas.codecs.json_scrape import special_text
from schemas.records import LINE_PROTOCOL, DeadLetter
from schemas.series import stable_hash
from transforms.io.influxdb.lines import MAX_BYTES, MAX_LINES, Chunk, Lines, Unholdable, rollup_lines, sample_lines
from transforms.io.influxdb.settings import InfluxSettings
from transforms.io.influxdb.writer import InfluxWriter, Refused
from transforms.io.kinds import RowKind, with_retention
from transforms.io.sink import Output
from transforms.losses.beam import Recorder
from transforms.losses.examples import REFUSED, Example, shown

ROW_JSON = "application/vnd.tidemark.row+json"
"""Content type of a dead-lettered row: ``{"series", "time" (ms), "fields"}``."""

_DEAD_LETTER_HASH_BITS = 63

LinesOf = Callable[[bytes], Lines]


def rollup_element(element: bytes) -> Lines:
    """The lines of an encoded :class:`schemas.rollup.RollupBatch`."""
    return rollup_lines(rollup.decode(element))


def sample_element(element: bytes) -> Lines:
    """The lines of an encoded :class:`schemas.batch.SampleBatch`."""
    return sample_lines(sample_batch.decode(element))


def refused_letter(bucket: str, refused: Refused) -> DeadLetter:
    """The dead letter of a line that the server refused; times in the payload are in ms."""
    return _letter(bucket, refused.line, LINE_PROTOCOL, refused.reason)


def unholdable_letter(bucket: str, row: Unholdable) -> DeadLetter:
    """The dead letter of a row whose series InfluxDB cannot hold: line protocol has no way to write it, so its payload is JSON."""
    fields = {name: value if math.isfinite(value) else special_text(value) for name, value in row.fields.items()}
    payload = orjson.dumps({"series": row.series, "time": row.time, "fields": fields})
    return _letter(bucket, payload, ROW_JSON, f"InfluxDB cannot hold this series: {row.reason}")


def _letter(bucket: str, payload: bytes, content_type: str, reason: str) -> DeadLetter:
    # A row has no source position any more; the hash of its content makes a repeated delivery recognisable all the same.
    offset = stable_hash(payload.decode(errors="surrogateescape")) >> (64 - _DEAD_LETTER_HASH_BITS)
    return DeadLetter(reason, f"influxdb/{bucket}", -1, offset, payload, content_type)


class WriteToInflux(beam.DoFn):
    """Collects the lines of a bundle and writes them, at :data:`MAX_LINES`, :data:`MAX_BYTES` and the end of the bundle.

    Yields encoded dead letters. ``writer`` makes the connection, on the worker; tests replace it.
    """

    def __init__(
        self,
        settings: InfluxSettings,
        bucket: str,
        lines_of: LinesOf,
        writer: Callable[[InfluxSettings], InfluxWriter] | None = None,
    ) -> None:
        self._settings = settings
        self._bucket = bucket
        self._lines_of = lines_of
        self._make_writer = writer or _connect
        self._rows_written = Metrics.counter("tidemark", "influxdb.rows_written")
        self._unwritable = Metrics.counter("tidemark", "influxdb.unwritable")
        self._values_unwritable = Metrics.counter("tidemark", "influxdb.values_unwritable")
        self._refused = Metrics.counter("tidemark", "influxdb.refused")
        self._requests = Metrics.counter("tidemark", "influxdb.requests")
        self._retries = Metrics.counter("tidemark", "influxdb.retries")

    def setup(self) -> None:
        self._recorder = Recorder()
        self._writer = self._make_writer(self._settings)

    def teardown(self) -> None:
        if hasattr(self, "_writer"):
            self._writer.close()

    def start_bundle(self) -> None:
        self._waiting: list[Chunk] = []
        self._waiting_lines = self._waiting_bytes = 0
        self._timestamp = MIN_TIMESTAMP

    def process(self, element: bytes, timestamp: Timestamp = beam.DoFn.TimestampParam) -> Iterator[bytes]:
        self._timestamp = timestamp
        lines = self._lines_of(element)
        self._unwritable.inc(lines.unwritable)
        self._values_unwritable.inc(lines.values_unwritable)
        if lines.unholdable:
            self._refused.inc(len(lines.unholdable))
            for row in lines.unholdable:
                letter = unholdable_letter(self._bucket, row)
                self._record(letter, row.time)
                yield letter.encode()
        for chunk in lines.chunks:
            if self._waiting_lines + chunk.lines > MAX_LINES or self._waiting_bytes + len(chunk.data) > MAX_BYTES:
                yield from self._flush()
            self._waiting.append(chunk)
            self._waiting_lines += chunk.lines
            self._waiting_bytes += len(chunk.data)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for letter in self._flush():
            yield WindowedValue(letter, self._timestamp, (GlobalWindow(),))

    def _flush(self) -> Iterable[bytes]:
        if not self._waiting:
            return []
        chunk = Chunk(b"".join(chunk.data for chunk in self._waiting), self._waiting_lines)
        self._waiting, self._waiting_lines, self._waiting_bytes = [], 0, 0
        retries = self._writer.retries
        try:
            refused = self._writer.write(self._bucket, chunk)
        finally:
            self._retries.inc(self._writer.retries - retries)
            self._requests.inc()
        self._rows_written.inc(chunk.lines - len(refused))
        self._refused.inc(len(refused))
        letters = [refused_letter(self._bucket, line) for line in refused]
        for letter in letters:
            self._record(letter, int(letter.payload.rpartition(b" ")[2]))
        return [letter.encode() for letter in letters]

    def _record(self, letter: DeadLetter, time_ms: int) -> None:
        if self._recorder.wants(REFUSED):
            where = f"InfluxDB, bucket {self._bucket}"
            self._recorder.add(Example(REFUSED, where, letter.reason, shown(letter.payload), time_ms))


def _connect(settings: InfluxSettings) -> InfluxWriter:
    return InfluxWriter(settings, settings.token(os.environ))


class _Write(beam.PTransform):
    def __init__(self, settings: InfluxSettings, bucket: str, lines_of: LinesOf) -> None:
        super().__init__()
        self._settings, self._bucket, self._lines_of = settings, bucket, lines_of

    def expand(self, pcoll: beam.PCollection[bytes]) -> beam.PCollection[bytes]:
        return (
            pcoll
            # What a bundle leaves to its end belongs to no window of the elements.
            | "AnyWindow" >> beam.WindowInto(GlobalWindows())
            | f"Write({self._bucket})"
            >> beam.ParDo(WriteToInflux(self._settings, self._bucket, self._lines_of)).with_output_types(bytes)
        )


class InfluxOutput(Output[RowKind]):
    """Rows into the buckets that the tiers name; see :class:`transforms.io.sink.Output`."""

    def __init__(self, settings: InfluxSettings) -> None:
        self._settings = settings

    @classmethod
    def parse(cls, uri: str, kafka_config: Mapping[str, str] | None = None) -> InfluxOutput:
        """The output of a URI of :meth:`InfluxSettings.parse`.

        Raises:
            ValueError: a part of it is wrong.
        """
        return cls(InfluxSettings.parse(uri))

    def validate(self, kinds: Sequence[RowKind]) -> None:
        """Ask the server, for each bucket, whether the token may write there.

        Raises:
            transforms.io.errors.SinkError: no answer, no token, a wrong one, or a bucket that is missing.
        """
        writer = _connect(self._settings)
        try:
            for kind in kinds:
                writer.check(kind.bucket)
        finally:
            writer.close()

    def write(self, kind: RowKind) -> beam.PTransform:
        return _Write(self._settings, kind.bucket, sample_element if kind.raw else rollup_element)

    def describe(self, kinds: Sequence[RowKind]) -> str:
        buckets = with_retention((kind.bucket, kind.retention_ms) for kind in kinds)
        return f"InfluxDB {self._settings.url}, organization {self._settings.org}: {buckets}"
