"""One topic through the metrics job, and through Flink SQL: filling it, submitting, and waiting for the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from benchmarks.flink_sql import job as flink_sql
from benchmarks.metering import Figures, Meter
from deploy.stack import Stack
from pipelines import metrics
from pipelines.runners.flink import Flink
from tidemark.generate import cli as generate
from transforms.accounting import NAMESPACE, WRITTEN

TOPIC = "bench"
JOB = "tidemark-bench"
CHECKPOINT_MS = 10_000
DEADLINE_S = 1_800


@dataclass(frozen=True)
class Load:
    """What is sent through both jobs: hosts x metrics series, a scrape every ``interval_s`` for ``scrapes`` times."""

    hosts: int
    metrics: int
    interval_s: int
    scrapes: int
    partitions: int

    @property
    def samples(self) -> int:
        """All samples."""
        return self.hosts * self.metrics * self.scrapes


def fill(stack: Stack, load: Load) -> None:
    """Generate the load into the topic."""
    generate.main(
        [
            "metrics",
            f"--output=kafka://{stack.address('kafka')}/{TOPIC}",
            f"--create-topic={load.partitions}",
            f"--hosts={load.hosts}",
            f"--metrics={load.metrics}",
            f"--interval={load.interval_s}s",
            f"--duration={load.interval_s * load.scrapes}s",
            "--start=2026-01-05T00:00:00Z",
            "--quiet",
        ]
    )


def finished(flink: Flink, job: str) -> float:
    """Seconds from running to finished.

    Raises:
        RuntimeError: the job ended otherwise, restarted on the way, or lasted longer than :data:`DEADLINE_S`.
    """
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        found = flink.get(f"/jobs/{job}")
        times = found["timestamps"]
        if times.get("RESTARTING", 0) or found["state"] in ("FAILED", "CANCELED"):
            raise RuntimeError(f"job {job} is {found['state']}, after: {flink.failure(job)}")
        if found["state"] == "FINISHED":
            return (times["FINISHED"] - times["RUNNING"]) / 1000
        time.sleep(0.25)
    raise RuntimeError(f"job {job} has not finished within {DEADLINE_S} s")


def counted(flink: Flink, job: str, counter: str) -> int:
    """A counter of Beam's as Flink reports it, over all steps; Flink writes dots as underscores."""
    total = 0
    for vertex in flink.get(f"/jobs/{job}")["vertices"]:
        path = f"/jobs/{job}/vertices/{vertex['id']}/metrics"
        names = [
            entry["id"] for entry in flink.get(path) if entry["id"].endswith(f"{NAMESPACE}_{counter.replace('.', '_')}")
        ]
        for name in names:
            total += sum(int(float(entry["value"])) for entry in flink.get(f"{path}?get={quote(name)}"))
    return total


def all_written(flink: Flink, job: str, samples: int) -> float:
    """Seconds from running until every sample has been in a pane.

    Raises:
        RuntimeError: the job does not run any more, or needs longer than :data:`DEADLINE_S`.
    """
    deadline = time.monotonic() + DEADLINE_S
    written = 0
    while time.monotonic() < deadline:
        written = counted(flink, job, WRITTEN)
        now = time.time()
        found = flink.get(f"/jobs/{job}")
        if found["state"] != "RUNNING":
            raise RuntimeError(f"job {job} is {found['state']}: {flink.failure(job)}")
        if written >= samples:
            return float(now - found["timestamps"]["RUNNING"] / 1000)
        time.sleep(0.25)
    raise RuntimeError(f"{written:,} of {samples:,} samples were written within {DEADLINE_S} s")


def run_tidemark(stack: Stack, load: Load) -> float:
    """Send the topic through the metrics job, both tiers, as it runs in production: without an end; seconds until all is written."""
    flink = Flink(stack.address("flink-jobmanager"))
    metrics.run(
        [
            f"--input=kafka://{stack.address('kafka')}/{TOPIC}",
            "--idle_timeout=1s",
            "--output=blackhole:",
            "--no-raw",
            "--dead_letter=blackhole:",
            "--late=blackhole:",
            "--detach",
            f"--job_name={JOB}",
            "--runner=PortableRunner",
            f"--job_endpoint={stack.address('jobserver')}",
            f"--artifact_endpoint={stack.address('jobserver-artifact')}",
            "--environment_type=EXTERNAL",
            f"--environment_config={stack.address('workers')}",
            f"--checkpointing_interval={CHECKPOINT_MS}",
            "--parallelism=1",
            "--sdk_worker_parallelism=2",
        ]
    )
    job = flink.wait_running(JOB, 60)
    seconds = all_written(flink, job.id, load.samples)
    flink.cancel(job.id)
    return seconds


def run_flink_sql(stack: Stack, workdir: Path) -> float:
    """Send the topic through Flink SQL, the 1-minute tier alone; seconds."""
    flink = Flink(stack.address("flink-jobmanager"))
    return finished(flink, flink_sql.submit(stack.address("flink-jobmanager"), stack.address("kafka"), TOPIC, workdir))


def measure(stack: Stack, parts: list[str], load: Load, run: Callable[[], float]) -> Figures:
    """Run a job on a fresh TaskManager and meter the given parts of the stack."""
    stack.restart("flink-taskmanager")
    with Meter(lambda: [stack.pid(part) for part in parts]).running() as meter:
        seconds = run()
    return Figures.of(load.samples, seconds, meter.cpu_seconds, meter.peak_bytes)
