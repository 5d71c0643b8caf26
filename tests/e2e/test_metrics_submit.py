"""``tidemark submit``: the job on the local stack with nothing said, its rows while it runs, its stop, and its way on from there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.stack import Stack
from tests.e2e.flink_job import ROOT, Flink, ReadBack, last_hours, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


class Shell(ReadBack):
    """The command line beside a stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def tidemark(self, *words: str, status: int = 0) -> str:
        argv = [sys.executable, "-m", "tidemark.cli", *words]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def submit(self, *words: str, status: int = 0) -> str:
        return self.tidemark("submit", *words, f"--dir={self.stack.directory}", status=status)


def test_submit_stop_and_go_on(stack: Stack) -> None:
    shell, flink = Shell(stack), Flink(stack.address("flink"))
    # The log is whole before the job reads it: the watermark of a partition that is empty still follows the clock,
    # and samples of the last hour that come to it later are too late.
    before = shell.total("rollup_1m", "count")
    output = f"--output=kafka://{stack.address('kafka')}/metrics.raw"
    shell.tidemark("generate", "metrics", output, "--hosts=3", "--metrics=5", "--quiet", *last_hours(1))
    said = shell.submit("metrics", "--idle_timeout=2s")
    [job] = flink.jobs("metrics")
    assert f"job metrics runs: {flink.url}/jobs/{job.id}" in said
    assert stack.influx_token not in said
    try:
        wait_for(lambda: shell.total("rollup_1m", "count") > before, 60, "rows while the job runs")
        assert "job metrics runs already" in shell.submit("metrics", status=1)
        reported = shell.submit("--stop")
        savepoint = re.search(r"--savepoint_path=(\S+)", reported)[1]
        assert Path(savepoint, "_metadata").is_file()
        assert flink.jobs("metrics") == []
        assert "no job metrics runs" in shell.submit("--stop", status=1)
        shell.submit("metrics", f"--savepoint_path={savepoint}")
        [resumed] = flink.jobs("metrics")
        assert flink.get(f"/jobs/{resumed.id}/checkpoints")["latest"]["restored"]["external_path"].endswith(savepoint)
    finally:
        for job in flink.jobs("metrics"):
            flink.cancel(job.id)
            wait_for(lambda job=job: flink.state(job.id) == "CANCELED", 60, "the job's end")
