"""The Kafka sink against a real broker: delivery through a restart, and what the broker finds too large."""

from __future__ import annotations

import random
import uuid

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.stack import Stack
from schemas.records import DeadLetter
from transforms.io import sink as outputs
from transforms.io.kafka.sink import SHORTENED_BYTES, WriteToKafka
from transforms.io.kafka.topic import KafkaTopic
from transforms.io.kinds import DEAD_LETTERS
from transforms.io.records import dead_letter_records

pytestmark = pytest.mark.e2e


@pytest.fixture
def topic(kafka: str) -> str:
    name = f"dead-letter-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(name, 2, 1)])[name].result(30)
    # A broker receives of a topic a little after the controller has made it.
    while name not in admin.list_topics(timeout=30).topics:
        pass
    return name


def consume(kafka: str, topic: str, count: int) -> list[Message]:
    consumer = Consumer(
        {"bootstrap.servers": kafka, "group.id": uuid.uuid4().hex, "fetch.message.max.bytes": 10_000_000}
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(2)])
    messages = []
    while len(messages) < count:
        found = consumer.consume(count - len(messages), timeout=60)
        assert found, f"only {len(messages)} of {count} records arrived"
        messages += found
    consumer.close()
    return messages


def test_dead_letters_of_a_pipeline_arrive(kafka: str, topic: str) -> None:
    sent = [DeadLetter(f"reason {i}", "metrics.raw", i % 4, i, bytes([i % 256])) for i in range(1_000)]
    output = outputs.records(f"kafka://{kafka}/{topic}", DEAD_LETTERS)
    output.validate([DEAD_LETTERS])
    pipeline = beam.Pipeline(runner=FnApiRunner())
    _ = pipeline | beam.Create([letter.encode() for letter in sent]) | output.write(DEAD_LETTERS)
    pipeline.run().wait_until_finish()
    found = sorted(
        (DeadLetter.decode(message.value()) for message in consume(kafka, topic, 1_000)),
        key=lambda letter: letter.offset,
    )
    assert found == sent


def test_a_letter_that_the_broker_finds_too_large_is_cut(kafka: str, topic: str) -> None:
    sink = WriteToKafka(KafkaTopic(kafka, topic), "dead_letters", dead_letter_records)
    sink.setup()
    sink.start_bundle()
    # Noise, which compression does not make small enough.
    payload = random.Random(1).randbytes(3_000_000)
    for offset, content in enumerate((b"small", payload, b"small too")):
        list(sink.process(DeadLetter("bad", "metrics.raw", 0, offset, content).encode()))
    sink.finish_bundle()
    sink.teardown()
    found = {letter.offset: letter for letter in (DeadLetter.decode(m.value()) for m in consume(kafka, topic, 3))}
    assert [found[0].payload, found[2].payload] == [b"small", b"small too"]
    assert found[1].payload == payload[:SHORTENED_BYTES]
    assert found[1].reason == f"bad (payload cut: the first {SHORTENED_BYTES} of 3000000 bytes)"


def test_a_broker_that_restarts_is_waited_for(idle_stack: Stack, kafka: str, topic: str) -> None:
    sink = WriteToKafka(KafkaTopic(kafka, topic), "dead_letters", dead_letter_records)
    sink.setup()
    sink.start_bundle()
    list(sink.process(DeadLetter("before", "metrics.raw", 0, 0, b"").encode()))
    idle_stack.kill("kafka")
    for offset in range(1, 100):
        list(sink.process(DeadLetter("while it is gone", "metrics.raw", 0, offset, b"").encode()))
    idle_stack.up(["kafka"])
    sink.finish_bundle()
    sink.teardown()
    offsets = [DeadLetter.decode(message.value()).offset for message in consume(kafka, topic, 100)]
    assert sorted(set(offsets)) == list(range(100))
