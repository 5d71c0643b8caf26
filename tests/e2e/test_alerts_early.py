"""What sources report of their partitions on Flink: instants are evaluated that the runner's own watermark does not get past."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stack import Stack
from tests.e2e.alert_job import ALERTS, DELAY_MS, AlertGround, Scrape, check_timeline

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

STEP_MS = 15_000
RULES = """
groups:
- name: early
  interval: 15s
  rules:
  - {alert: High, expr: load > 5}
"""


def scrapes(time_ms: int, load: float) -> Iterator[Scrape]:
    """One of each partition."""
    for number in range(4):
        yield Scrape(number, {"host": f"h{number}"}, time_ms, {"load": load})


@pytest.mark.parametrize("module", [ALERTS, "pipelines.metrics"])
def test_an_event_does_not_wait_for_the_runner_s_watermark(stack: Stack, tmp_path: Path, module: str) -> None:
    with AlertGround(stack, tmp_path, rules=RULES, stage={"grace": "500ms"}, module=module) as ground:
        first = int(time.time() * 1_000) // STEP_MS * STEP_MS - 60_000
        ground.feed([*scrapes(first - 4_000, 9.0), *scrapes(first + DELAY_MS + 2_000, 1.0)])
        job = ground.begin()
        ground.wait_reported(ground.due())
        # The runner knows watermarks to the full second. All partitions end between the second instant with its grace and the next second.
        ground.feed(scrapes(first + STEP_MS + DELAY_MS + 700, 1.0))
        due = ground.due()
        assert [event.evaluated_at for event in due] == [first] * 4 + [first + STEP_MS] * 4
        check_timeline(ground.wait_reported(due), due)
        assert (job.state, job.restored()) == ("RUNNING", 0)
