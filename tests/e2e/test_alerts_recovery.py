"""Alerts through kills, a savepoint, and ten minutes in which nothing is read: the timeline is that of a run without trouble.

Each of them comes while an alert is pending. Event times are of the past, so time goes on with what the test feeds, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stack import Stack
from schemas.alert_event import AlertEvent, State
from tests.e2e import alert_scenario as scenario
from tests.e2e.alert_job import AlertGround, check_timeline, line
from tests.e2e.flink_job import Job, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]

NEVER_MS = 3_600_000


@pytest.fixture
def ground(stack: Stack, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[AlertGround]:
    failed = request.session.testsfailed
    with AlertGround(stack, tmp_path, rules=scenario.RULES) as ground:
        yield ground
        # A test's exception does not come through here.
        if request.session.testsfailed > failed:
            print(ground.logs())


def states(events: list[AlertEvent], rule: str, host: str) -> list[str]:
    return [event.state.value for event in events if event.rule == rule and event.labels.get("host") == host]


def kill(job: Job, stack: Stack, part: str) -> None:
    before = job.restored()
    stack.kill(part)
    wait_for(lambda: job.state != "RUNNING", 120, f"Flink to notice that {part} is gone")
    stack.up([part])
    job.wait_running()
    assert job.restored() > before


def test_the_timeline_of_alerts_is_the_same_through_all_failures(ground: AlertGround, stack: Stack) -> None:
    begin = scenario.begin_ms()
    ground.feed(scenario.scrapes(begin, 0, 10))
    # Only checkpoints that the test takes: what is reported after one is lost with a kill, and sent again.
    job = ground.begin(checkpoint_ms=NEVER_MS)
    ground.wait_reported(ground.due())
    job.take_checkpoint()

    ground.feed(scenario.scrapes(begin, 10, 16))
    reported = ground.wait_reported(ground.due())
    assert states(reported, "Overloaded", "h1") == ["pending"]
    assert states(reported, "Briefly", "h1") == ["pending", "firing"]
    kill(job, stack, "workers")
    ground.feed(scenario.scrapes(begin, 16, 20))
    again = ground.wait_reported(ground.due())
    assert len(again) > len({event.id for event in again}), "nothing was sent twice: the kill had nothing to undo"

    job.take_checkpoint()
    ground.feed(scenario.scrapes(begin, 20, 27))
    reported = ground.wait_reported(ground.due())
    assert states(reported, "Overloaded", "h6") == ["pending"]
    kill(job, stack, "flink-taskmanager")

    # A partition of which nothing comes holds back the others: its samples may be unread.
    rest = scenario.scrapes(begin, 27, 43)
    ground.feed(scrape for scrape in rest if scrape.partition != 3)
    job.take_checkpoint()
    assert {line(event) for event in ground.reported()} == {line(event) for event in ground.due()}
    ground.feed(scrape for scrape in rest if scrape.partition == 3)
    reported = ground.wait_reported(ground.due())
    assert states(reported, "Overloaded", "h5") == ["pending"]

    savepoint = job.stop()
    ground.feed(scenario.scrapes(begin, 43))
    # From here on, what is idle follows the clock, which is an hour ahead of what is still unread.
    resumed = ground.begin(f"--savepoint_path={savepoint}", parallelism=3, idle="2s")
    assert resumed.restored() == 1
    due = ground.due(begin + 3_600_000)
    reported = ground.wait_reported(due)
    resumed.stop()
    check_timeline(ground.reported(), due)

    assert states(reported, "Briefly", "h4").count("resolved") == 1, "an alert that fires was resolved by a failure"
    gone = [event for event in due if event.rule in ("Gone", "AllGone") and event.state is State.FIRING]
    last_h3, last = (begin + tick * scenario.TICK_MS for tick in (scenario.SILENT["h3"] - 1, scenario.TICKS - 1))
    # The sample of a host is a little after the tick: five minutes of lookback, a step, and the rule's `for`.
    assert [event.evaluated_at for event in gone] == [
        last_h3 + 300_000 + 15_000 + 30_000,
        last + 300_000 + 15_000 + 30_000,
    ]
