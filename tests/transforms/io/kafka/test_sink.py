"""The Kafka sink against librdkafka's own mock cluster: the protocol is real, the brokers are threads of the producer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from schemas.alert_event import decode, encode
from schemas.records import DeadLetter
from tests.transforms.io.sink_cases import alert_event
from transforms.io import sink as outputs
from transforms.io.errors import SinkError
from transforms.io.kafka import sink as kafka_sink
from transforms.io.kafka.sink import KafkaOutput, WriteToKafka
from transforms.io.kafka.topic import KafkaTopic
from transforms.io.kinds import DEAD_LETTERS, LATE_SAMPLES
from transforms.io.records import RecordsOf, alert_event_records, dead_letter_records

TOPIC = "metrics.dead-letter"


@pytest.fixture
def cluster() -> Iterator[str]:
    """Bootstrap servers of a mock cluster that makes topics as they are named."""
    owner = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = owner.list_topics(timeout=10).brokers.values()
    yield f"{broker.host}:{broker.port}"
    owner.flush(0)


def do_fn(cluster: str, records_of: RecordsOf = dead_letter_records, **config: str) -> WriteToKafka:
    made = WriteToKafka(KafkaTopic(cluster, TOPIC, config), "dead_letters", records_of)
    made.setup()
    made.start_bundle()
    return made


def consume(cluster: str, count: int) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": cluster, "group.id": "test", "auto.offset.reset": "earliest"})
    partitions = consumer.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions
    consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in partitions])
    messages = consumer.consume(count, timeout=30)
    consumer.close()
    return messages


def letters(count: int, payload: bytes = b"?") -> list[DeadLetter]:
    return [DeadLetter(f"reason {offset}", "metrics.raw", 1, offset, payload, line=2) for offset in range(count)]


def test_every_letter_is_delivered_once_the_bundle_is_done(cluster: str) -> None:
    sink = do_fn(cluster)
    for letter in letters(50):
        assert list(sink.process(letter.encode())) == []
    sink.finish_bundle()
    messages = consume(cluster, 50)
    assert sorted(DeadLetter.decode(message.value()).offset for message in messages) == list(range(50))
    for message in messages:
        letter = DeadLetter.decode(message.value())
        assert message.key() == f"metrics.raw:1:{letter.offset}:2".encode()
        assert dict(message.headers())["reason"] == letter.reason.encode()
    sink.teardown()


def test_more_letters_than_the_queue_holds_are_delivered_too(cluster: str) -> None:
    sink = do_fn(cluster, **{"queue.buffering.max.messages": "5"})
    for letter in letters(100):
        list(sink.process(letter.encode()))
    sink.finish_bundle()
    assert len(consume(cluster, 100)) == 100
    sink.teardown()


def test_a_letter_that_is_too_large_is_cut_and_the_others_are_whole(
    cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_sink, "SHORTENED_BYTES", 100)
    sink = do_fn(cluster, **{"message.max.bytes": "2000"})
    for letter in (*letters(2), DeadLetter("huge", "metrics.raw", 1, 2, b"x" * 5_000)):
        list(sink.process(letter.encode()))
    sink.finish_bundle()
    found = {letter.offset: letter for letter in (DeadLetter.decode(m.value()) for m in consume(cluster, 3))}
    assert [found[offset].payload for offset in range(3)] == [b"?", b"?", b"x" * 100]
    assert found[2].reason == "huge (payload cut: the first 100 of 5000 bytes)"
    sink.teardown()


def test_an_alert_event_that_is_too_large_goes_without_its_trace(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_sink, "SHORTENED_BYTES", 100)
    sink = do_fn(cluster, alert_event_records, **{"message.max.bytes": "2000"})
    huge = alert_event(annotations={"summary": "x" * 5_000})
    list(sink.process(encode(huge)))
    sink.finish_bundle()
    (message,) = consume(cluster, 1)
    found = decode(message.value())
    assert (message.key(), found.id, found.trace) == (huge.alert.encode(), huge.id, ())
    assert found.annotations == {"summary": f"{'x' * 100} (cut: the first 100 of 5000 bytes)"}
    sink.teardown()


def test_a_record_that_is_too_large_even_when_cut_fails_the_bundle(
    cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_sink, "SHORTENED_BYTES", 3_000)
    sink = do_fn(cluster, **{"message.max.bytes": "2000"})
    list(sink.process(letters(1, b"x" * 5_000)[0].encode()))
    with pytest.raises(SinkError, match=r"bytes is too large for the topic: raise its max.message.bytes"):
        sink.finish_bundle()
    sink.teardown()


def test_records_that_are_not_delivered_fail_the_bundle() -> None:
    sink = do_fn("127.0.0.1:1", **{"delivery.timeout.ms": "100", "linger.ms": "0", "log_level": "0"})
    list(sink.process(letters(1)[0].encode()))
    with pytest.raises(RuntimeError, match=f"topic {TOPIC}: 1 records were not delivered: Local: Message timed out"):
        sink.finish_bundle()
    sink.teardown()


def test_validate_asks_for_the_topic(cluster: str) -> None:
    Producer({"bootstrap.servers": cluster}).list_topics(TOPIC, timeout=10)
    outputs.records(f"kafka://{cluster}/{TOPIC}", DEAD_LETTERS).validate([DEAD_LETTERS])
    with pytest.raises(
        SinkError, match=r"has no topic 'none': create it \(tidemark topics create none --brokers=\S+\), or correct"
    ):
        outputs.records(f"kafka://{cluster}/none", DEAD_LETTERS).validate([DEAD_LETTERS])


def test_validate_names_brokers_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_sink, "CHECK_TIMEOUT_S", 0.2)
    with pytest.raises(SinkError, match=r"dead_letters output: Kafka 127.0.0.1:1 does not answer: .*; start it"):
        outputs.records("kafka://127.0.0.1:1/t", DEAD_LETTERS, {"log_level": "0"}).validate([DEAD_LETTERS])


def test_settings_are_filled_in_where_the_connection_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_PASSWORD", raising=False)
    output = KafkaOutput(KafkaTopic("a:1", "t", {"sasl.password": "${KAFKA_PASSWORD}"}))
    with pytest.raises(SinkError, match="environment variable KAFKA_PASSWORD is not set"):
        output.validate([LATE_SAMPLES])


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(KafkaException, match="No such configuration property"):
        do_fn("127.0.0.1:1", **{"no.such.setting": "1"})
