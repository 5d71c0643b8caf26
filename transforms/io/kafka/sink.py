"""Dead letters, late samples and alert events into Kafka topics: delivered before the bundle is done, or the bundle fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

import apache_beam as beam
from apache_beam.metrics import Metrics
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from transforms.io.errors import SinkError, Unavailable
from transforms.io.kafka.topic import DISCARDED, KafkaTopic
from transforms.io.kinds import RecordKind
from transforms.io.records import OutRecord, RecordsOf, shortened
from transforms.io.sink import Output

DELIVERY_TIMEOUT_MS = 120_000
"""How long librdkafka tries again to deliver a record before the bundle fails."""

CHECK_TIMEOUT_S = 10.0

SHORTENED_BYTES = 256_000
"""What is left of the payload of a dead letter, or of an alert event's annotations, that the broker finds too large.

The ``max.message.bytes`` of the topic of dead letters should be above that of the input's.
"""

_PRODUCER = {
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 20,
    "compression.type": "lz4",
    # The broker is the judge of a record's size.
    "message.max.bytes": 64_000_000,
    "delivery.timeout.ms": DELIVERY_TIMEOUT_MS,
}

_log = logging.getLogger(__name__)


class WriteToKafka(beam.DoFn):
    """Produces the records of a bundle and waits for all of them at its end."""

    def __init__(self, topic: KafkaTopic, name: str, records_of: RecordsOf) -> None:
        self._topic = topic
        self._records_of = records_of
        self._written = Metrics.counter("tidemark", f"{name}.written")
        self._cut = Metrics.counter("tidemark", f"{name}.cut")

    def setup(self) -> None:
        self._producer = Producer({**_PRODUCER, **self._topic.librdkafka()})

    def start_bundle(self) -> None:
        self._delivered = 0
        self._failed: list[str] = []
        self._too_large: list[OutRecord] = []

    def process(self, element: bytes) -> Iterator[None]:
        for record in self._records_of(element):
            self._produce(record)
        self._producer.poll(0)
        self._raise_failures()
        return iter(())

    def finish_bundle(self) -> None:
        self._flush()
        for record in self._cut_too_large():
            self._produce(record)
        self._flush()
        for record in self._too_large:
            raise self._refused(record)
        self._written.inc(self._delivered)

    def teardown(self) -> None:
        if hasattr(self, "_producer"):
            self._producer.purge()
            self._producer.flush(0)

    def _produce(self, record: OutRecord) -> None:
        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is None:
                self._delivered += 1
            elif error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                self._too_large.append(record)
            else:
                self._failed.append(error.str())

        while True:
            try:
                self._producer.produce(
                    self._topic.topic, record.value, record.key, headers=list(record.headers), on_delivery=delivered
                )
                return
            except BufferError:
                # The queue is full: deliver some of it first.
                self._producer.poll(1)
                self._raise_failures()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                    raise
                self._too_large.append(record)
                return

    def _flush(self) -> None:
        # Every record is delivered or has failed by then: librdkafka gives each its delivery timeout and no more.
        undelivered = self._producer.flush(2 * DELIVERY_TIMEOUT_MS / 1_000)
        if undelivered:
            self._failed.append(f"{undelivered} records neither delivered nor refused")
        self._raise_failures()

    def _cut_too_large(self) -> list[OutRecord]:
        cut = []
        for record in self._too_large:
            short = shortened(record, SHORTENED_BYTES)
            if short is None:
                raise self._refused(record)
            cut.append(short)
        if cut:
            _log.warning(
                "%s: %d records were too large and were cut: raise its max.message.bytes", self._where(), len(cut)
            )
            self._cut.inc(len(cut))
            self._too_large = []
        return cut

    def _refused(self, record: OutRecord) -> SinkError:
        return SinkError(
            f"{self._where()}: a record of {len(record.value)} bytes is too large for the topic: raise its max.message.bytes"
        )

    def _raise_failures(self) -> None:
        if self._failed:
            reasons = ", ".join(sorted(set(self._failed)))
            raise Unavailable(f"{self._where()}: {len(self._failed)} records were not delivered: {reasons}")

    def _where(self) -> str:
        return f"Kafka {self._topic.bootstrap}, topic {self._topic.topic}"


class KafkaOutput(Output[RecordKind]):
    """Records into a topic; see :class:`transforms.io.sink.Output`."""

    def __init__(self, topic: KafkaTopic) -> None:
        self._topic = topic

    @classmethod
    def parse(cls, uri: str, kafka_config: Mapping[str, str] | None = None) -> KafkaOutput:
        """The output of a URL of :meth:`KafkaTopic.from_url`.

        Raises:
            ValueError: a part of it is wrong.
        """
        return cls(KafkaTopic.from_url(uri, kafka_config))

    def validate(self, kinds: Sequence[RecordKind]) -> None:
        """Ask a broker for the topic.

        Raises:
            transforms.io.errors.SinkError: none answers, or there is no such topic.
        """
        where = f"{', '.join(kind.name for kind in kinds)} output: Kafka {self._topic.bootstrap}"
        try:
            topics = Producer(self._topic.librdkafka(), logger=DISCARDED).list_topics(timeout=CHECK_TIMEOUT_S).topics
        except KafkaException as error:
            raise SinkError(f"{where} does not answer: {error.args[0].str()}; start it, or correct the URL") from None
        except ValueError as error:
            raise SinkError(f"{where}: {error}") from None
        if self._topic.topic not in topics:
            make = f"tidemark topics create {self._topic.topic} --brokers={self._topic.bootstrap}"
            raise SinkError(f"{where} has no topic {self._topic.topic!r}: create it ({make}), or correct the URL")

    def write(self, kind: RecordKind) -> beam.PTransform:
        return beam.ParDo(WriteToKafka(self._topic, kind.name, kind.records_of))

    def describe(self, kinds: Sequence[RecordKind]) -> str:
        return f"Kafka {self._topic.bootstrap}, topic {self._topic.topic}"
