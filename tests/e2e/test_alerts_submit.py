"""Rules for a job that runs already: it goes on from its savepoint with them, its events are in the stack's topic, and it goes on without."""

from __future__ import annotations

import json
import re
import time
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from deploy.stack import Stack
from schemas.alert_event import AlertEvent, decode
from tests.e2e.flink_job import Flink, wait_for
from tests.e2e.test_metrics_submit import Shell

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]

NAME = "with-rules"
OPTIONS = ("metrics", f"--job_name={NAME}", "--start=latest", "--idle_timeout=2s", "--no-raw")
RULES = """
groups:
- name: hosts
  interval: 1s
  rules:
  - {alert: Overloaded, expr: load > 5}
"""


class Session:
    """The job, a host that it watches, and what it reports that."""

    def __init__(self, stack: Stack) -> None:
        self.shell, self.flink = Shell(stack), Flink(stack.address("flink"))
        self.kafka = stack.address("kafka")
        self.host = f"host-{uuid.uuid4().hex[:8]}"

    def submit(self, *words: str) -> None:
        self.shell.submit(*OPTIONS, *words)

    def stop(self) -> str:
        """The savepoint's path."""
        found = re.search(r"--savepoint_path=(\S+)", self.shell.submit("--stop", f"--name={NAME}"))
        assert found is not None
        return found[1]

    def restored(self) -> str:
        """The savepoint that the running job came from."""
        [job] = self.flink.jobs(NAME)
        path: str = self.flink.get(f"/jobs/{job.id}/checkpoints")["latest"]["restored"]["external_path"]
        return path

    def load(self, value: float) -> None:
        producer = Producer({"bootstrap.servers": self.kafka})
        document = {"labels": {"host": self.host}, "timestamp": int(time.time() * 1_000), "samples": {"load": value}}
        producer.produce("metrics.raw", json.dumps(document), headers={"content-type": "application/json"})
        assert producer.flush(30) == 0

    def events(self) -> list[AlertEvent]:
        """All events of the host so far."""
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": self.host})
        numbers = consumer.list_topics("alerts.events", timeout=10).topics["alerts.events"].partitions
        partitions = [TopicPartition("alerts.events", number, 0) for number in numbers]
        wanted = sum(consumer.get_watermark_offsets(each, timeout=10)[1] for each in partitions)
        consumer.assign(partitions)
        found = [decode(record.value()) for record in consumer.consume(wanted, timeout=30)] if wanted else []
        consumer.close()
        return [event for event in found if event.labels.get("host") == self.host]


def test_a_running_job_is_given_rules_and_loses_them_again(stack: Stack, tmp_path: Path) -> None:
    session = Session(stack)
    (tmp_path / "rules.yml").write_text(RULES)
    session.submit()
    try:
        before = session.stop()
        session.submit(f"--rules={tmp_path}", f"--savepoint_path={before}")
        assert session.restored().endswith(before)
        session.load(9)
        wait_for(session.events, 90, "an event")
        assert [event.state.value for event in session.events()] == ["firing"]
        between = session.stop()
        session.submit(f"--rules={tmp_path}", f"--savepoint_path={between}")
        session.load(1)
        wait_for(lambda: len(session.events()) > 1, 90, "the alert's end")
        first, last = session.events()
        assert (last.state.value, last.alert, last.starts_at) == ("resolved", first.alert, first.starts_at)
        after = session.stop()
        session.submit(f"--savepoint_path={after}", "--allow_non_restored_state")
        assert session.restored().endswith(after)
    finally:
        for job in session.flink.jobs(NAME):
            session.flink.cancel(job.id)
            wait_for(lambda job=job: session.flink.state(job.id) == "CANCELED", 60, "the job's end")
