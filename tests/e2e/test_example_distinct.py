"""A stateful step of one's own on Flink: late samples correct its counts, and a restart from a savepoint changes none."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from kafka.admin import KafkaAdminClient, NewTopic

from deploy.stack import Stack
from tests.e2e.flink_job import Ground, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MINUTE = 60_000
PARTITIONS = 2

Reading = tuple[int, str, float]
"""Event time in ms, host and value."""


@pytest.fixture
def ground(stack: Stack, tmp_path: Path) -> Iterator[Ground]:
    with Ground(stack, tmp_path, partitions=PARTITIONS, tiers={"lateness": "4h"}, module="examples.distinct") as ground:
        yield ground


def feed(ground: Ground, readings: Iterable[Reading]) -> None:
    producer = Producer({"bootstrap.servers": ground.kafka})
    for time_ms, host, value in readings:
        document = {"labels": {"host": host}, "timestamp": time_ms, "samples": {"load": value}}
        producer.produce(ground.topic, json.dumps(document), partition=ord(host) % PARTITIONS)
    assert producer.flush(60) == 0


def newest(ground: Ground, topic: str) -> dict[tuple[int, str], int]:
    """The counts that count; a line may be there twice after a failure."""
    lines = sorted((json.loads(message.value) for message in ground.messages(topic)), key=lambda line: line["as_of"])
    return {(line["window"], line["series"]): line["distinct"] for line in lines}


def counted(readings: Iterable[Reading]) -> dict[tuple[int, str], int]:
    values: defaultdict[tuple[int, str], set[float]] = defaultdict(set)
    for time_ms, host, value in readings:
        values[time_ms - time_ms % MINUTE, f'{{__name__="load",host="{host}"}}'].add(value)
    return {place: len(found) for place, found in values.items()}


def test_counts_on_flink_with_late_samples_and_a_restart(ground: Ground) -> None:
    topic = f"{ground.name}.distinct"
    with KafkaAdminClient(bootstrap_servers=ground.kafka) as admin:
        admin.create_topics([NewTopic(topic, 1, 1)])
    own = f"--distinct=kafka://{ground.kafka}/{topic}"
    begin = int(time.time() - 3_600) // 3_600 * 3_600_000
    readings = [
        (begin + second * 1000, host, float(second * (at + 2) // 40 % 7))
        for second in range(0, 600, 10)
        for at, host in enumerate("abc")
    ]
    late = [(begin + 125_000, "a", 100.0), (begin + 126_000, "a", 100.0), (begin + 245_000, "d", 1.0)]

    feed(ground, readings[:90])
    job = ground.start(own)
    wait_for(lambda: newest(ground, topic) == counted(readings[:90]), 90, "the counts of the first five minutes")
    feed(ground, late[:1])
    wait_for(lambda: newest(ground, topic) == counted(readings[:90] + late[:1]), 60, "the late value in its minute")

    savepoint = job.stop()
    feed(ground, readings[90:] + late[1:])
    resumed = ground.start(own, f"--savepoint_path={savepoint}")
    assert resumed.restored() == 1
    wait_for(lambda: newest(ground, topic) == counted(readings + late), 90, "the counts of all minutes")
    resumed.stop()
    assert newest(ground, topic) == counted(readings + late)
    assert ground.messages(ground.late) == ground.messages(ground.dead_letters) == []
