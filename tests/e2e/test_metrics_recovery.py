"""The job goes on after a stop with a savepoint, and after kills of its workers and its TaskManager: nothing lost, nothing doubled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stack import Stack
from tests.e2e import recount
from tests.e2e.flink_job import Ground, Job, Load, last_hours, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

HOSTS, METRICS = 8, 8
FAULTS = ["--lateness=3%:45s:10m", "--duplicates=2%:50%", "--malformed=0.5%", "--format=mixed"]


@pytest.fixture
def ground(stack: Stack, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Ground]:
    failed = request.session.testsfailed
    with Ground(stack, tmp_path, tiers={"lateness": "4h"}) as ground:
        yield ground
        # A test's exception does not come through here.
        if request.session.testsfailed > failed:
            print(ground.logs())


def start(ground: Ground) -> tuple[Load, Job]:
    """A load of a minute or so and a job that has written some of its rows, with all state after a checkpoint."""
    load = ground.generate(*last_hours(2), f"--hosts={HOSTS}", f"--metrics={METRICS}", "--rate=1000", *FAULTS)
    job = ground.start()
    wait_for(lambda: ground.total(ground.fine, "count"), 60, "rows of a minute")
    job.wait_checkpoint()
    assert load.going, "the load was over before the job had begun: it wants a lower rate here"
    return load, job


def check_all_written_once(ground: Ground, load: Load) -> None:
    sent = load.wait()
    wanted = sent["samples"]["distinct"]
    wait_for(lambda: ground.total(ground.coarse, "count") >= wanted, 150, f"{wanted} samples in the rows of an hour")
    ground.jobs[-1].stop()
    samples = recount.truth_samples(load.truth)
    recount.assert_raw_equal(samples, ground.points(ground.raw))
    recount.assert_rows_equal(recount.rollups(samples, 60_000), ground.points(ground.fine))
    recount.assert_rows_equal(recount.rollups(samples, 3_600_000), ground.points(ground.coarse))
    assert ground.messages(ground.late) == []
    # A dead letter may be written twice, which its key reports.
    assert len({message.key for message in ground.messages(ground.dead_letters)}) == sent["malformed"]["total"]


def test_a_stop_with_a_savepoint_and_a_start_from_it(ground: Ground) -> None:
    load, job = start(ground)
    savepoint = job.stop()
    before = ground.records(ground.topic)
    wait_for(lambda: ground.records(ground.topic) > before, 30, "records while no job runs")
    resumed = ground.start(f"--savepoint_path={savepoint}")
    assert resumed.id != job.id
    assert resumed.restored() == 1
    check_all_written_once(ground, load)


@pytest.mark.parametrize("part", ["workers", "flink-taskmanager"])
def test_a_kill_in_mid_run(ground: Ground, stack: Stack, part: str) -> None:
    load, job = start(ground)
    stack.kill(part)
    assert not stack.running(part)
    wait_for(lambda: job.state != "RUNNING", 120, f"Flink to notice that {part} is gone")
    assert stack.up([part]) == [part]
    job.wait_running()
    assert job.restored() >= 1
    check_all_written_once(ground, load)
