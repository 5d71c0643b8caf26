"""Producers stop, with nothing unread: ``absent`` fires when it should, five minutes of lookback and a step after the last sample."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from deploy.stack import Stack
from tests.e2e.alert_job import AlertGround, Scrape, check_timeline
from tests.e2e.flink_job import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

LOOKBACK_MS, STEP_MS, FOR_MS = 300_000, 5_000, 10_000
RULES = """
groups:
- name: silence
  interval: 5s
  rules:
  - {alert: Silent, expr: absent(load), for: 10s}
  - {alert: High, expr: load > 5, for: 5s}
"""


def test_absent_fires_when_producers_stop(stack: Stack, tmp_path: Path) -> None:
    with AlertGround(stack, tmp_path, rules=RULES) as ground:
        # The lookback of the last samples ends in twenty seconds.
        last = int(time.time()) * 1_000 // STEP_MS * STEP_MS - LOOKBACK_MS + 20_000
        ground.feed(
            Scrape(number, {"host": f"h{number}"}, time_ms, {"load": 9.0})
            for time_ms in range(last - 60_000, last + 1, STEP_MS)
            for number in range(4)
        )
        fires = last + LOOKBACK_MS + FOR_MS
        job = ground.begin(idle="2s")
        reported = wait_for(
            lambda: [e for e in ground.reported() if e.rule == "Silent" and e.state.value == "firing"], 120, "the alert"
        )
        assert int(time.time() * 1_000) >= fires, "sent before its time"
        assert [event.evaluated_at for event in reported] == [fires]
        job.stop()
        # Groups are evaluated a millisecond behind the shards.
        check_timeline(ground.reported(), ground.due(fires + 1))
