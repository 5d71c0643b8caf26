"""Rules from Kafka to Kafka, as ``tidemark run alerts`` and ``tidemark topics`` run: events keyed by alert, in order, in a topic of ours."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from kafka import KafkaProducer

from schemas.alert_event import decode
from tidemark.cli import main

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

HOSTS = [f"host-{number}" for number in range(6)]
RULES = """
groups:
- name: hosts
  interval: 15s
  rules:
  - {alert: Overloaded, expr: load > 5, for: 30s}
"""


def test_events_of_a_topic_are_in_a_topic_keyed_by_alert_and_in_order(kafka: str, tmp_path: Path) -> None:
    name = f"alerts-{uuid.uuid4().hex[:8]}"
    raw, reported, dead, late = (f"{name}.{what}" for what in ("raw", "events", "dead", "late"))
    for topic in (raw, reported, dead, late):
        assert main(["topics", "create", topic, "--partitions=3", f"--brokers={kafka}"]) == 0
    # Ten minutes that end now: records may not lie far after the broker's time.
    start = int(time.time()) // 60 * 60 - 600
    producer = KafkaProducer(bootstrap_servers=kafka)
    for second in range(start, start + 600, 15):
        for number, host in enumerate(HOSTS):
            load = 9 if 120 <= second - start < 300 else 1
            document = {"labels": {"host": host}, "timestamp": second * 1_000, "samples": {"load": load}}
            headers = [("content-type", b"application/json")]
            producer.send(raw, json.dumps(document).encode(), partition=number % 3, headers=headers)
    producer.close()
    (tmp_path / "rules.yml").write_text(RULES)

    words = [
        f"--input=kafka://{kafka}/{raw}",
        "--bounded",
        f"--rules={tmp_path}",
        f"--alerts=kafka://{kafka}/{reported}",
    ]
    rests = [f"--dead_letter=kafka://{kafka}/{dead}", f"--late=kafka://{kafka}/{late}"]
    # A process of its own: consumers stay in theirs for the next bundle.
    argv = [sys.executable, "-m", "tidemark.cli", "run", "alerts", *words, *rests]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    consumer = Consumer({"bootstrap.servers": kafka, "group.id": name, "auto.offset.reset": "earliest"})
    partitions = [TopicPartition(reported, number, 0) for number in range(3)]
    wanted = sum(consumer.get_watermark_offsets(each, timeout=10)[1] for each in partitions)
    consumer.assign(partitions)
    records = consumer.consume(wanted, timeout=60)
    consumer.close()
    assert len(records) == wanted
    courses: dict[str, list[tuple[str, int]]] = {}
    places: dict[bytes, set[int]] = {}
    for record in records:
        event = decode(record.value())
        assert record.key() == event.alert.encode()
        assert dict(record.headers()) == {"content-type": b"application/vnd.tidemark.alert-event+json"}
        places.setdefault(record.key(), set()).add(record.partition())
        courses.setdefault(event.labels["host"], []).append((event.state.value, event.evaluated_at // 1_000 - start))
    assert courses == {host: [("pending", 120), ("firing", 150), ("resolved", 300)] for host in HOSTS}
    assert [len(partitions) for partitions in places.values()] == [1] * len(HOSTS)
