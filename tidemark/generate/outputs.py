"""Where generated records go: files, standard output, or a topic of Kafka."""

from __future__ import annotations

import gzip
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

from confluent_kafka import KafkaError, Message, Producer

from schemas.errors import FAILURE, UserError
from schemas.records import CONTENT_TYPE_HEADER
from tidemark.generate.load import Record
from transforms.io.kafka.topic import KafkaTopic


class Output(Protocol):
    """Takes records; leaving it as a context waits until all are delivered.

    Attributes:
        records: sent so far; in files every line is one.
        bytes: of their values.
    """

    records: int
    bytes: int

    def send(self, record: Record) -> None: ...

    def __enter__(self) -> Output: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class FileOutput:
    """Newline-delimited records in a file, compressed if its name ends in ``.gz``; ``-`` is standard output.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: str) -> None:
        self.records = self.bytes = 0
        self._open = ExitStack()
        self._file: BinaryIO | gzip.GzipFile
        if path == "-":
            self._file = sys.stdout.buffer
        else:
            self._file = self._open.enter_context(Path(path).open("wb", buffering=1 << 20))  # noqa: SIM115 - the stack closes it
        if path.lower().endswith(".gz"):
            # No name and no time in the header: equal runs give equal files.
            self._file = self._open.enter_context(gzip.GzipFile("", "wb", 5, self._file, mtime=0))

    def send(self, record: Record) -> None:
        """Write a record and a newline."""
        self._file.write(record.value)
        self._file.write(b"\n")
        self.records += 1 + record.value.count(b"\n")
        self.bytes += len(record.value)

    def __enter__(self) -> FileOutput:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.flush()
        self._open.close()


class DeliveryFailed(UserError):
    """Records that the broker did not take; the message says how many, and why the first of them."""

    status = FAILURE


class KafkaOutput:
    """Records of a topic, keyed by target, with their content type as a header.

    Args:
        topic: an existing one.

    Raises:
        ValueError: a setting is wrong.
    """

    def __init__(self, topic: KafkaTopic) -> None:
        self.records = self.bytes = 0
        self._topic = topic.topic
        self._failed = 0
        self._reason: KafkaError | None = None
        self._headers: dict[str, list[tuple[str, str | bytes | None]]] = {}
        self._producer = Producer(
            {
                # The partitioner of Java's clients, so that other writers of a host meet in its partition.
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
                "linger.ms": 50,
                "batch.size": 1_000_000,
                "queue.buffering.max.kbytes": 262_144,
                "queue.buffering.max.messages": 100_000,
                "delivery.report.only.error": True,
                "on_delivery": self._delivered,
                "enable.idempotence": True,
                # Errors only: a broker that has just started is retried, which is no news.
                "log_level": 3,
                **topic.librdkafka(),
            }
        )

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failed += 1
            self._reason = self._reason or error

    def send(self, record: Record) -> None:
        """Hand a record to the producer; waits while its queue is full.

        Raises:
            DeliveryFailed: the broker refused an earlier record.
        """
        headers = self._headers.get(record.content_type)
        if headers is None:
            headers = self._headers[record.content_type] = [(CONTENT_TYPE_HEADER, record.content_type.encode())]
        while True:
            try:
                self._producer.produce(self._topic, record.value, record.target, headers=headers)
                break
            except BufferError:
                self._producer.poll(0.1)
        self.records += 1
        self.bytes += len(record.value)
        if self.records % 1024 == 0:
            self._producer.poll(0)
            self._raise_failures(0)

    def _raise_failures(self, undelivered: int) -> None:
        if self._failed or undelivered:
            reason = self._reason.str() if self._reason else "the broker did not answer within a minute"
            raise DeliveryFailed(f"{self._failed + undelivered} records were not delivered to {self._topic}: {reason}")

    def __enter__(self) -> KafkaOutput:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        undelivered = self._producer.flush(60)
        if kind is None:
            self._raise_failures(undelivered)
