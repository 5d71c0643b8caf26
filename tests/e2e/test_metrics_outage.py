"""InfluxDB goes away under load and comes back: every row arrives."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.stack import Stack
from tests.e2e import recount
from tests.e2e.flink_job import Ground, last_hours, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_a_database_that_was_away_has_every_row_in_the_end(stack: Stack, tmp_path: Path) -> None:
    with Ground(stack, tmp_path, tiers={"lateness": "4h"}) as ground:
        load = ground.generate(*last_hours(1), "--hosts=10", "--metrics=10", "--rate=1200", "--format=mixed")
        job = ground.start()
        wait_for(lambda: ground.total(ground.fine, "count"), 60, "rows of a minute")
        log = stack.log("workers")
        said = log.stat().st_size
        stack.down(["influxdb"])
        try:
            wait_for(lambda: b"trying again" in _since(log, said), 60, "a write that is tried again")
            before = ground.records(ground.topic)
            wait_for(lambda: ground.records(ground.topic) > before, 30, "records while the database is away")
            assert load.going
        finally:
            stack.up(["influxdb"])
        wanted = load.wait()["samples"]["distinct"]
        wait_for(
            lambda: ground.total(ground.coarse, "count") >= wanted, 120, f"{wanted} samples in the rows of an hour"
        )
        job.stop()
        assert job.restored() == 0
        samples = recount.truth_samples(load.truth)
        recount.assert_raw_equal(samples, ground.points(ground.raw))
        recount.assert_rows_equal(recount.rollups(samples, 60_000), ground.points(ground.fine))
        recount.assert_rows_equal(recount.rollups(samples, 3_600_000), ground.points(ground.coarse))
        assert ground.messages(ground.dead_letters) == []


def _since(log: Path, position: int) -> bytes:
    with log.open("rb") as file:
        file.seek(position)
        return file.read()
