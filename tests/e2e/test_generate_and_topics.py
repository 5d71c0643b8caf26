"""The load generator into a real broker, counted there by other means; and topics, lag and dead letters read back."""

from __future__ import annotations

import json
from collections import Counter
from uuid import uuid4

import pyarrow.parquet as pq
import pytest
from confluent_kafka import Consumer, TopicPartition
from kafka import KafkaConsumer, KafkaProducer

from schemas.codecs import BlockDecoder
from schemas.records import DeadLetter, RawRecord
from tidemark.cli import main
from transforms.io.records import dead_letter_records

pytestmark = pytest.mark.e2e

FLEET = ["--hosts=9", "--metrics=20", "--duration=5m", "--start=2026-01-12", "--seed=5"]
FAULTS = ["--lateness=10%:30s", "--duplicates=10%:50%", "--malformed=5%"]


@pytest.fixture
def topic():
    """A name that no other test uses."""
    return f"generated-{uuid4().hex[:8]}"


def read_all(brokers, topic):
    """All records of a topic by partition, with confluent-kafka's low-level consumer."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": topic, "enable.partition.eof": False})
    try:
        numbers = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        found = {}
        for number in sorted(numbers):
            begin, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)
            consumer.assign([TopicPartition(topic, number, begin)])
            found[number] = []
            while len(found[number]) < end - begin:
                message = consumer.poll(10)
                assert message is not None, f"partition {number} ended after {len(found[number])} of {end - begin}"
                assert message.error() is None
                found[number].append(message)
        return found
    finally:
        consumer.close()


def test_what_arrives_is_what_the_summary_and_the_truth_say(kafka, topic, tmp_path):
    summary, truth = tmp_path / "sent.json", tmp_path / "truth.parquet"
    words = [f"--output=kafka://{kafka}/{topic}", "--create-topic=3", "--format=mixed"]
    words += [f"--summary-json={summary}", f"--truth={truth}"]
    assert main(["generate", "metrics", *FLEET, *FAULTS, *words]) == 0
    sent = json.loads(summary.read_text())
    messages = read_all(kafka, topic)
    assert sum(map(len, messages.values())) == sent["records"]
    targets = [{message.key() for message in found} for found in messages.values()]
    assert sum(map(len, targets)) == len(set.union(*targets)) == 9

    delivered, dead = Counter(), 0
    for number, found in messages.items():
        records = [
            RawRecord(m.value(), m.offset(), m.timestamp()[1], dict(m.headers())["content-type"].decode())
            for m in found
        ]
        block = BlockDecoder().decode_block(records, topic, number)
        batch = block.batch
        dead += len(block.dead_letters)
        delivered.update(
            (batch.targets[target], batch.metrics[metric], ts, value)
            for target, metric, ts, value in zip(
                batch.target.tolist(), batch.metric.tolist(), batch.ts.tolist(), batch.value.tolist(), strict=True
            )
        )
    rows = pq.read_table(truth).to_pylist()
    assert delivered == {(row["target"], row["metric"], row["ts"], row["value"]): row["copies"] for row in rows}
    assert dead == sent["malformed"]["total"]
    assert delivered.total() == sent["samples"]["sent"]
    assert set(sent["malformed"]) == {
        "total",
        "broken-json",
        "bad-timestamp",
        "bad-line",
        "truncated-snappy",
        "unknown-content-type",
    }


def test_a_missing_topic_is_reported_with_the_command_that_makes_it(kafka, topic, capsys):
    assert main(["generate", "metrics", *FLEET, f"--output=kafka://{kafka}/{topic}"]) == 2
    reported = capsys.readouterr().err
    assert f"has no topic {topic}" in reported
    command = reported.partition("or: tidemark ")[2].split()
    assert main(command) == 0
    assert main(["generate", "metrics", *FLEET, f"--output=kafka://{kafka}/{topic}"]) == 0


def test_a_broker_that_is_not_there_is_reported(capsys):
    assert main(["generate", "metrics", *FLEET, "--output=kafka://127.0.0.1:1/metrics.raw"]) == 2
    assert "Kafka at 127.0.0.1:1 does not answer" in capsys.readouterr().err
    assert main(["topics", "ls", "--brokers=127.0.0.1:1"]) == 1
    assert "Kafka at 127.0.0.1:1 does not answer" in capsys.readouterr().err


def test_topics_offsets_and_lag(kafka, topic, capsys):
    assert main(["topics", "create", topic, "--partitions=2", f"--brokers={kafka}"]) == 0
    assert main(["topics", "create", topic, "--partitions=2", f"--brokers={kafka}"]) == 0
    assert "is there already" in capsys.readouterr().out
    assert main(["generate", "metrics", *FLEET, f"--output=kafka://{kafka}/{topic}"]) == 0
    capsys.readouterr()
    assert main(["topics", "ls", topic, "--json", f"--brokers={kafka}"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [row["partition"] for row in listed] == [0, 1]
    assert sum(row["records"] for row in listed) == 9 * 30

    group = f"group-{topic}"
    assert main(["topics", "lag", group, f"--brokers={kafka}"]) == 1
    assert "has committed no offsets" in capsys.readouterr().err
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 0, 7)], asynchronous=False)
    consumer.close()
    assert main(["topics", "lag", group, "--json", f"--brokers={kafka}"]) == 0
    lag = {row["partition"]: (row["committed"], row["lag"]) for row in json.loads(capsys.readouterr().out)}
    ends = {row["partition"]: row["end"] for row in listed}
    assert lag == {0: (7, ends[0] - 7), 1: (None, ends[1])}


def test_dead_letters_are_counted_exported_and_sent_again(kafka, topic, capfdbinary):
    dead = f"{topic}-dead"
    for name in (topic, dead):
        assert main(["topics", "create", name, "--partitions=2", f"--brokers={kafka}"]) == 0
    letters = [
        DeadLetter("not JSON: column 7", topic, 0, 1, b"{broken\n\xff", "application/json"),
        DeadLetter("not JSON: column 12", topic, 1, 9, b"[", "application/json; charset=utf-8"),
        DeadLetter("a value is wanted", topic, 0, 5, b"cpu x=", "application/vnd.influx.line-protocol", line=2),
    ]
    producer = KafkaProducer(bootstrap_servers=kafka)
    for letter in [*letters, letters[1]]:
        for record in dead_letter_records(letter.encode()):
            producer.send(dead, key=record.key, value=record.value, headers=list(record.headers))
    producer.send(dead, value=b"no dead letter")
    producer.close()
    words = ["topics", "dead-letters", f"--topic={dead}", f"--brokers={kafka}"]
    capfdbinary.readouterr()

    assert main([*words, "--json"]) == 0
    out, err = capfdbinary.readouterr()
    assert json.loads(out) == {"total": 3, "reasons": {"not JSON: column N": 2, "a value is wanted": 1}}
    assert b"1 records of" in err

    assert main([*words[:2], "export", *words[2:]]) == 0
    exported = [DeadLetter.decode(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert sorted(exported, key=lambda each: each.offset) == sorted(letters, key=lambda each: each.offset)

    assert main([*words[:2], "replay", *words[2:], "--reason=not JSON"]) == 0
    consumer = KafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest", consumer_timeout_ms=30_000)
    again = {}
    for record in consumer:
        again[record.value] = dict(record.headers)
        if len(again) == 2:
            break
    consumer.close()
    assert again == {
        letters[0].payload: {"content-type": b"application/json", "replayed-from": f"{topic}:0:1".encode()},
        letters[1].payload: {
            "content-type": b"application/json; charset=utf-8",
            "replayed-from": f"{topic}:1:9".encode(),
        },
    }
