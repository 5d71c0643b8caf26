"""Workers that stand still while samples are written, and a broker that does not answer them afterwards: what is unread is not absent."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from confluent_kafka import KafkaException

from deploy.stack import Stack
from schemas.alert_event import State
from tests.e2e.alert_feeder import Feeder
from tests.e2e.alert_job import AlertGround, check_timeline
from tests.e2e.flink_job import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

WINDOW_MS, LAG_MS = 4_000, 15_000
# A sample counts for four seconds here, and a partition that has had nothing for two is idle: the lag is a multiple of both.
RULES = """
groups:
- name: live
  interval: 1s
  rules:
  - {alert: Absent, expr: 'absent_over_time(load[4s])'}
  - {alert: Hot, expr: 'max_over_time(load[4s]) > 5', for: 2s}
"""


def test_what_is_unread_is_not_absent(stack: Stack, tmp_path: Path) -> None:
    with AlertGround(stack, tmp_path, rules=RULES) as ground, Feeder(ground) as feeder:
        # No step of the job but the readers asks the broker for anything meanwhile.
        job = ground.begin("--discovery_interval=1h", idle="2s", checkpoint_ms=500)
        wait_for(
            lambda: any(event.state is State.FIRING and event.rule == "Hot" for event in ground.reported()),
            60,
            "an alert",
        )
        stack.kill("workers", signal.SIGSTOP)
        try:
            begun = feeder.newest_ms
            wait_for(lambda: feeder.newest_ms >= begun + LAG_MS, 120, "samples that nobody reads")
            feeder.stop()
            stack.kill("kafka", signal.SIGSTOP)
        finally:
            stack.kill("workers", signal.SIGCONT)
        try:
            # The readers have asked, and got no answer. A job that made anything of that could not write it, and would be stuck here.
            job.wait_checkpoint()
        finally:
            stack.kill("kafka", signal.SIGCONT)
        wait_for(lambda: answers(ground), 60, "the broker")

        absent = feeder.newest_ms + WINDOW_MS
        due = ground.due(-(-absent // 1_000) * 1_000 + 1)
        ground.wait_reported(due)
        check_timeline([event for event in ground.reported() if event.evaluated_at <= due[-1].evaluated_at], due)
        assert [(event.rule, event.state.value) for event in due] == [
            ("Hot", "pending"),
            ("Hot", "firing"),
            ("Absent", "firing"),
            ("Hot", "resolved"),
        ]
        assert (job.state, job.restored()) == ("RUNNING", 0)


def answers(ground: AlertGround) -> bool:
    """Whether the broker knows its partitions again: it was away for longer than its own session lasts."""
    try:
        return ground.records(ground.events) > 0
    except KafkaException:
        return False
