"""The metrics job beside Flink SQL: one topic, one cluster configuration, one run.

``python -m benchmarks.metrics`` (``make bench``) starts a private stack, fills a topic with JSON scrapes, and sends it through both jobs, each on
a fresh TaskManager with parallelism 1, the hashmap state backend and checkpoints every 10 s. Rows go nowhere, so that no store is measured.

The clock of both starts when Flink says that the job runs, start-up of workers included. For Flink SQL, whose read is bounded, it stops when the
job has finished; for Tidemark, which reads without an end as it does in production, when its counters say that every sample has been in a
pane. Processor time and memory are those of the TaskManager and, for Tidemark, its Python workers; the broker's and the JobManager's are left
out for both.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.flink_sql import job as flink_sql
from deploy.progress import Plain
from deploy.settings import Settings
from deploy.stack import Stack
from pipelines import metrics
from pipelines.runners.flink import Flink
from tidemark.generate import cli as generate
from transforms.accounting import NAMESPACE, WRITTEN

TOPIC = "bench"
JOB = "tidemark-bench"
OUT = Path(__file__).with_name("out") / "metrics.json"
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


@dataclass(frozen=True)
class Figures:
    """What one job came to.

    Attributes:
        seconds: running, as Flink counts.
        samples_per_s: over all of that.
        cpu_s_per_million: processor seconds a million samples, of the TaskManager and the workers.
        peak_mb: their resident memory, the most at any moment.
    """

    seconds: float
    samples_per_s: float
    cpu_s_per_million: float
    peak_mb: float


class Meter:
    """Processor time and memory of some processes and all their descendants, looked at four times a second."""

    def __init__(self, pids: Callable[[], list[int]]) -> None:
        self._pids = pids
        self._cpu: dict[tuple[int, float], float] = {}
        self._base: dict[tuple[int, float], float] = {}
        self.peak_bytes = 0
        self._stop = threading.Event()

    @property
    def cpu_seconds(self) -> float:
        """Spent since the meter began; a process that began later counts whole."""
        return sum(spent - self._base.get(process, 0.0) for process, spent in self._cpu.items())

    def look(self) -> None:
        """Read the counters once."""
        resident = 0
        for process in self._family():
            try:
                times, memory = process.cpu_times(), process.memory_info()
                self._cpu[process.pid, process.create_time()] = times.user + times.system
                resident += memory.rss
            except psutil.Error:
                continue
        self.peak_bytes = max(self.peak_bytes, resident)

    def _family(self) -> Iterator[psutil.Process]:
        for pid in self._pids():
            try:
                process = psutil.Process(pid)
                yield process
                yield from process.children(recursive=True)
            except psutil.Error:
                continue

    @contextmanager
    def running(self) -> Iterator[Meter]:
        """Look until the block ends."""
        self.look()
        self._base = dict(self._cpu)

        def keep_looking() -> None:
            while not self._stop.wait(0.25):
                self.look()

        thread = threading.Thread(target=keep_looking, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()


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
    return Figures(
        seconds=round(seconds, 2),
        samples_per_s=round(load.samples / seconds),
        cpu_s_per_million=round(meter.cpu_seconds / load.samples * 1e6, 3),
        peak_mb=round(meter.peak_bytes / 1e6),
    )


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


def main(argv: list[str] | None = None) -> int:
    """Run the comparison; print a table, write :data:`OUT`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.metrics", description=__doc__.partition("\n")[0])
    parser.add_argument("--hosts", type=int, default=5000)
    parser.add_argument(
        "--metrics", type=int, default=100, help="metrics a host: series = hosts x metrics (%(default)s)"
    )
    parser.add_argument("--interval", type=int, default=15, help="seconds between two scrapes (%(default)s)")
    parser.add_argument("--scrapes", type=int, default=60, help="scrapes a host (%(default)s)")
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--only", choices=("tidemark", "flink_sql"), help="run one of the two")
    args = parser.parse_args(argv)
    load = Load(args.hosts, args.metrics, args.interval, args.scrapes, args.partitions)
    results: dict[str, Figures] = {}
    # Ended from outside, it still takes its servers down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="tidemark-bench-") as folder:
        settings = Settings(flink={"state.backend.type": "hashmap", "metrics.fetcher.update-interval": "500"})
        with Stack(Path(folder) / "stack", ports="free", settings=settings) as stack:
            stack.up(["kafka", "flink", "jobserver", "workers"], progress=Plain())
            fill(stack, load)
            if args.only != "flink_sql":
                print("running the metrics job ...", flush=True)
                parts = ["flink-taskmanager", "workers"]
                results["tidemark"] = measure(stack, parts, load, lambda: run_tidemark(stack, load))
            if args.only != "tidemark":
                print("running Flink SQL ...", flush=True)
                workdir = Path(folder) / "sql"
                results["flink_sql"] = measure(
                    stack, ["flink-taskmanager"], load, lambda: run_flink_sql(stack, workdir)
                )
    report(load, results)
    return 0


def report(load: Load, results: dict[str, Figures]) -> None:
    """Print the table and write the JSON."""
    table = Table(title=f"{load.samples / 1e6:g} M samples, {load.hosts * load.metrics:,} series, parallelism 1")
    for heading in ("", "samples/s", "seconds", "CPU s per M samples", "peak MB"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, figures in results.items():
        table.add_row(
            name,
            f"{figures.samples_per_s:,}",
            f"{figures.seconds:g}",
            f"{figures.cpu_s_per_million:g}",
            f"{figures.peak_mb:,}",
        )
    Console().print(table)
    content: dict[str, Any] = {name: asdict(figures) for name, figures in results.items()}
    if len(results) == 2:
        content["ratio"] = round(results["tidemark"].samples_per_s / results["flink_sql"].samples_per_s, 2)
        print(f"ratio: {content['ratio']} times Flink SQL's samples/s")
    content["load"] = {**asdict(load), "samples": load.samples}
    content["machine"] = {
        "processors": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "apache-beam": version("apache-beam"),
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(content, indent=1) + "\n")
    print(f"written to {OUT}")


if __name__ == "__main__":
    sys.exit(main())
