"""What a job has written: the records of a Kafka topic, the points of an InfluxDB bucket."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import NamedTuple

import pyarrow as pa
import urllib3
from confluent_kafka import Consumer, KafkaError, TopicPartition

from deploy.stack import Stack
from schemas.series import METRIC_NAME, labels_text

_NO_LABELS = frozenset({"", "result", "table", "_time", "_value", "_field"})


class Message(NamedTuple):
    """A record of a topic; headers decoded."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: dict[str, str]


class ReadBack:
    """Reads the servers of a stack."""

    stack: Stack

    @property
    def kafka(self) -> str:
        """``host:port`` of the broker."""
        return self.stack.address("kafka")

    def records(self, topic: str) -> int:
        """How many offsets a topic has, over all partitions."""
        with self._bounds(topic) as (_, bounds):
            return sum(high - low for _, low, high in bounds)

    def messages(self, topic: str) -> list[Message]:
        """All records of a topic, as far as it goes now."""
        found: list[Message] = []
        with self._bounds(topic) as (consumer, bounds):
            for partition, low, high in bounds:
                consumer.assign([TopicPartition(topic, partition, low)])
                position = low
                while position < high:
                    for message in consumer.consume(min(10_000, high - position), 10):
                        error = message.error()
                        if error is not None:
                            # A broker that was stopped may not know its partitions at once; they are asked for again.
                            assert error.retriable() or error.code() == KafkaError._UNKNOWN_PARTITION, error
                            continue
                        position = message.offset() + 1
                        headers = {name: value.decode() for name, value in message.headers() or ()}
                        found.append(Message(partition, message.offset(), message.key(), message.value(), headers))
        return found

    @contextmanager
    def _bounds(self, topic: str) -> Iterator[tuple[Consumer, list[tuple[int, int, int]]]]:
        """A consumer, and of each partition its number, its first offset and the one after its last."""
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": "tests", "enable.auto.commit": False})
        try:
            numbers = consumer.list_topics(topic, 10).topics[topic].partitions
            yield consumer, [(it, *consumer.get_watermark_offsets(TopicPartition(topic, it), 10)) for it in numbers]
        finally:
            consumer.close()

    def flux(self, query: str) -> Iterator[tuple[list[str], list[str]]]:
        """The rows of a Flux query's answer as text, each with the header of its table."""
        response = urllib3.request(
            "POST",
            f"http://{self.stack.address('influxdb')}/api/v2/query?org=tidemark",
            body=query,
            timeout=120,
            retries=False,
            headers={
                "Authorization": f"Token {self.stack.influx_token}",
                "Content-Type": "application/vnd.flux",
                "Accept": "application/csv",
            },
        )
        assert response.status == 200, response.data
        header: list[str] = []
        for cells in csv.reader(StringIO(response.data.decode(), newline="")):
            if not any(cells):
                header = []
            elif not header:
                header = cells
            else:
                yield header, cells

    def total(self, bucket: str, column: str) -> float:
        """The sum of a field over all points of a bucket."""
        query = f'from(bucket: "{bucket}") |> range(start: 0) |> filter(fn: (r) => r._field == "{column}") |> group() |> sum()'
        return sum(float(cells[header.index("_value")]) for header, cells in self.flux(query))

    def points(self, bucket: str) -> pa.Table:
        """All points of a bucket: ``series`` (canonical text), ``time`` (as the server writes it), ``field``, ``value`` (the same)."""
        texts: dict[tuple[str, ...], str] = {}
        columns: tuple[list[str], ...] = ([], [], [], [])
        header: list[str] = []
        query = f'from(bucket: "{bucket}") |> range(start: 0) |> drop(columns: ["_start", "_stop"])'
        for names, cells in self.flux(query):
            if names is not header:
                header = names
                time_at, field_at, value_at = (header.index(name) for name in ("_time", "_field", "_value"))
                label_at = [at for at, name in enumerate(header) if name not in _NO_LABELS]
            labels = (*(header[at] for at in label_at), *(cells[at] for at in label_at))
            text = texts.get(labels)
            if text is None:
                named = ((header[at].replace("_measurement", METRIC_NAME), cells[at]) for at in label_at)
                text = texts[labels] = labels_text(named)
            for column, cell in zip(columns, (text, cells[time_at], cells[field_at], cells[value_at]), strict=True):
                column.append(cell)
        return pa.table(list(columns), names=["series", "time", "field", "value"])
