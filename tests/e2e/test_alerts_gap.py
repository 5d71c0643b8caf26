"""One sample of decades ago before all others: its alert fires and is resolved then, and those of today fire today, in a job that goes on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from deploy.stack import Stack
from tests.e2e.alert_job import AlertGround, Scrape, check_timeline

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

MINUTE = 60_000
LONG_AGO_MS = 600 * 86_400_000
RULES = """
groups:
- name: gap
  interval: 5s
  rules:
  - {alert: High, expr: load > 5, for: 5s}
"""


def test_a_sample_of_decades_ago_does_not_stop_the_rules(stack: Stack, tmp_path: Path) -> None:
    with AlertGround(stack, tmp_path, rules=RULES) as ground:
        now = int(time.time() * 1_000) // 5_000 * 5_000 - 3 * MINUTE
        ground.feed([Scrape(0, {"host": "h0"}, LONG_AGO_MS, {"load": 9.0})])
        ground.feed(
            Scrape(number, {"host": f"h{number}"}, time_ms, {"load": 9.0})
            for time_ms in range(now - MINUTE, now + 1, 5_000)
            for number in range(4)
        )
        job = ground.begin()
        due = ground.due()
        assert next(event.evaluated_at for event in due if event.state.value == "firing") == LONG_AGO_MS + 5_000
        reported = ground.wait_reported(due)
        check_timeline(reported, due)
        job.stop()
