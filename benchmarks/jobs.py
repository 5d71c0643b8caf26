"""One topic through the metrics job, and through Flink SQL: filling it, submitting, and waiting for the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pipelines.job
from benchmarks.flink_sql import job as flink_sql
from benchmarks.metering import Figures, Meter
from deploy.stack import Stack
from pipelines import metrics
from pipelines.runners.flink import Flink, Job
from tidemark.generate import cli as generate
from transforms.accounting import NAMESPACE, WRITTEN

TOPIC = "bench"
JOB = "tidemark-bench"
START_MS = 1_767_571_200_000
CHECKPOINT_MS = 10_000
START_S = 180
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
    def series(self) -> int:
        """All series."""
        return self.hosts * self.metrics

    @property
    def samples(self) -> int:
        """All samples."""
        return self.series * self.scrapes


def fill(stack: Stack, load: Load, topic: str = TOPIC, options: Sequence[str] = ()) -> None:
    """Generate the load into a topic, with further options of the generator."""
    generate.main(
        [
            "metrics",
            f"--output=kafka://{stack.address('kafka')}/{topic}",
            f"--create-topic={load.partitions}",
            f"--hosts={load.hosts}",
            f"--metrics={load.metrics}",
            f"--interval={load.interval_s}s",
            f"--duration={load.interval_s * load.scrapes}s",
            f"--start={START_MS}",
            "--quiet",
            *options,
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


def all_written(flink: Flink, job: str, samples: int, look: Callable[[], None] = lambda: None) -> float:
    """Seconds from running until every sample has been in a pane; ``look`` is called each time before the counter is read.

    Raises:
        RuntimeError: the job does not run any more, or needs longer than :data:`DEADLINE_S`.
    """
    deadline = time.monotonic() + DEADLINE_S
    written = 0
    while time.monotonic() < deadline:
        look()
        written = counted(flink, job, WRITTEN)
        now = time.time()
        found = flink.get(f"/jobs/{job}")
        if found["state"] != "RUNNING":
            raise RuntimeError(f"job {job} is {found['state']}: {flink.failure(job)}")
        if written >= samples:
            return float(now - found["timestamps"]["RUNNING"] / 1000)
        time.sleep(0.25)
    raise RuntimeError(f"{written:,} of {samples:,} samples were written within {DEADLINE_S} s")


def start_tidemark(
    stack: Stack,
    topic: str = TOPIC,
    output: str = "blackhole:",
    options: Sequence[str] = (),
    job: pipelines.job.Job = metrics.JOB,
) -> Job:
    """Submit the metrics job, both tiers, as it runs in production: without an end. It runs on return."""
    pipelines.job.run(
        job,
        [
            f"--input=kafka://{stack.address('kafka')}/{topic}",
            "--idle_timeout=1s",
            f"--output={output}",
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
            "--sdk_worker_parallelism=1",
            *options,
        ],
    )
    return Flink(stack.address("flink-jobmanager")).wait_running(JOB, START_S)


def run_tidemark(stack: Stack, load: Load, topic: str = TOPIC) -> float:
    """Send a topic through the metrics job; seconds until all is written."""
    flink = Flink(stack.address("flink-jobmanager"))
    job = start_tidemark(stack, topic)
    seconds = all_written(flink, job.id, load.samples)
    flink.cancel(job.id)
    return seconds


def run_flink_sql(stack: Stack, workdir: Path, topic: str = TOPIC, rows: Path | None = None) -> float:
    """Send a topic through Flink SQL, the 1-minute tier alone; seconds. Rows are discarded unless a directory is named."""
    rest = stack.address("flink-jobmanager")
    return finished(Flink(rest), flink_sql.submit(rest, stack.address("kafka"), topic, workdir, rows))


def measure(
    stack: Stack, parts: list[str], load: Load, run: Callable[[], float], flink: Mapping[str, str] | None = None
) -> Figures:
    """Run a job on a fresh TaskManager, with further configuration of Flink, and meter the given parts of the stack."""
    before = stack.settings
    stack.configure(replace(before, flink={**before.flink, **(flink or {})}))
    try:
        stack.restart("flink-taskmanager")
        with Meter(lambda: [stack.pid(part) for part in parts]).running() as meter:
            seconds = run()
    finally:
        stack.configure(before)
    return Figures.of(load.samples, seconds, meter.cpu_seconds, meter.peak_bytes)


def measure_flink_sql(stack: Stack, load: Load, workdir: Path, topic: str = TOPIC) -> Figures:
    """Flink SQL over a topic, with the optimizing compiler: its work is done in Java, and without it takes longer."""
    run = partial(run_flink_sql, stack, workdir, topic)
    return measure(stack, ["flink-taskmanager"], load, run, {"env.java.opts.taskmanager": ""})
