"""The metrics job at growing numbers of series: ``python -m benchmarks.scale``.

Each load goes through the job on a fresh TaskManager, as in ``python -m benchmarks.metrics``. The table has the size of the state and the
longest checkpoint, as Flink reports them, and what every process used.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.jobs import Load, all_written, counted, fill, start_tidemark
from benchmarks.metering import Figures, Meter, Usage, machine
from deploy.install.recipes import FLINK, KAFKA
from deploy.progress import Plain
from deploy.settings import Settings
from deploy.stack import Stack
from pipelines.runners.flink import Flink
from transforms.accounting import SAMPLES_READ

OUT = Path(__file__).with_name("out") / "scale.json"
SERIES = (10_000, 100_000, 1_000_000, 10_000_000)
METRICS, INTERVAL_S, PARTITIONS = 100, 15, 4
SAMPLES = 20_000_000
# The watermark is 10 s behind: with six scrapes, 75 s, it passes a minute while samples still come.
LEAST_SCRAPES = 6
PARTS = ("kafka", "flink-jobmanager", "flink-taskmanager", "jobserver", "workers")
JOB_PARTS = ("flink-taskmanager", "worker")


@dataclass(frozen=True)
class Process:
    """What one process used: processor seconds a million samples, and resident memory at most."""

    name: str
    cpu_s_per_million: float
    peak_mb: float


@dataclass(frozen=True)
class Checkpoints:
    """What Flink reports of a job's checkpoints.

    Attributes:
        completed, failed: how many.
        state_mb: the largest one.
        longest_s: from its trigger to its end.
    """

    completed: int
    failed: int
    state_mb: float
    longest_s: float

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Checkpoints:
        """From the answer of ``/jobs/ID/checkpoints``; zeros where none has completed."""
        counts = found["counts"]
        if not counts["completed"]:
            return cls(0, counts["failed"], 0.0, 0.0)
        summary = found["summary"]
        return cls(
            counts["completed"],
            counts["failed"],
            round(summary["state_size"]["max"] / 1e6, 1),
            round(summary["end_to_end_duration"]["max"] / 1000, 2),
        )


@dataclass(frozen=True)
class Result:
    """One number of series.

    Attributes:
        series, samples: of the load.
        figures: of the TaskManager and the workers; the memory is the sum of what each had at most.
        tail_s: from the last sample read until all are in a pane: the wait for an idle partition (1 s), and what was still to be rolled up.
        checkpoints: while it ran.
        processes: every one.
    """

    series: int
    samples: int
    figures: Figures
    tail_s: float
    checkpoints: Checkpoints
    processes: list[Process]


def load_of(series: int, samples: int) -> Load:
    """So many series of hosts with 100 metrics, and about so many samples, but six scrapes at least."""
    return Load(series // METRICS, METRICS, INTERVAL_S, max(LEAST_SCRAPES, round(samples / series)), PARTITIONS)


def processes(
    usage: Iterable[Usage], parts: Mapping[int, str], workers: Mapping[int, str], samples: int
) -> list[Process]:
    """What the processes used: of each worker by itself, of the other processes of a part together.

    Args:
        parts: names of the parts by process id.
        workers: ids of the workers by process id.
    """
    cpu: dict[str, float] = {}
    peak: dict[str, int] = {}
    for used in usage:
        name = f"worker {workers[used.pid]}" if used.pid in workers else parts[used.root]
        cpu[name] = cpu.get(name, 0.0) + used.cpu_seconds
        peak[name] = peak.get(name, 0) + used.peak_bytes
    found = [Process(name, round(cpu[name] / samples * 1e6, 3), round(peak[name] / 1e6)) for name in cpu]
    return sorted(found, key=lambda process: -process.peak_mb)


def worker_ids(log: str) -> dict[int, str]:
    """Ids of the workers by process id, from the log of their pool."""
    return {int(pid): name for name, pid in re.findall(r"worker (\S+) started as process (\d+)", log)}


def run(stack: Stack, load: Load) -> Result:
    """Send one load through the job.

    Raises:
        RuntimeError: the job failed, or needs longer than :data:`benchmarks.jobs.DEADLINE_S`.
    """
    topic = f"bench-{load.series}"
    fill(stack, load, topic)
    stack.restart("flink-taskmanager")
    parts = {stack.pid(part): part for part in PARTS}
    flink = Flink(stack.address("flink-jobmanager"))
    with Meter(lambda: list(parts)).running() as meter:
        job = start_tidemark(stack, topic)
        seconds, tail_s = _all_written(flink, job.id, load.samples)
        checkpoints = Checkpoints.of(flink.get(f"/jobs/{job.id}/checkpoints"))
    flink.cancel(job.id)
    workers = worker_ids(stack.log("workers").read_text(errors="replace"))
    used = processes(meter.usage, parts, workers, load.samples)
    of_job = [process for process in used if process.name.startswith(JOB_PARTS)]
    figures = Figures(
        seconds=round(seconds, 2),
        samples_per_s=round(load.samples / seconds),
        cpu_s_per_million=round(sum(process.cpu_s_per_million for process in of_job), 3),
        peak_mb=sum(process.peak_mb for process in of_job),
    )
    return Result(load.series, load.samples, figures, round(tail_s, 2), checkpoints, used)


def _all_written(flink: Flink, job: str, samples: int) -> tuple[float, float]:
    """Seconds from running until every sample has been in a pane, and from the last one read."""
    read_at: float | None = None

    def look() -> None:
        nonlocal read_at
        if read_at is None and counted(flink, job, SAMPLES_READ) >= samples:
            read_at = time.time()

    seconds = all_written(flink, job, samples, look)
    now = time.time()
    return seconds, now - (read_at or now)


def table_of(results: Sequence[Result]) -> Table:
    """A line a number of series."""
    table = Table(title="the metrics job, parallelism 1; processor time and memory of the TaskManager and the workers")
    headings = (
        "series",
        "M samples",
        "samples/s",
        "CPU s per M",
        "peak MB",
        "state MB",
        "longest checkpoint, s",
        "tail, s",
    )
    for heading in headings:
        table.add_column(heading, justify="right")
    for result in results:
        figures, checkpoints = result.figures, result.checkpoints
        table.add_row(
            f"{result.series:,}",
            f"{result.samples / 1e6:g}",
            f"{figures.samples_per_s:,}",
            f"{figures.cpu_s_per_million:.2f}",
            f"{figures.peak_mb:,}",
            f"{checkpoints.state_mb:,.0f}" if checkpoints.completed else "-",
            f"{checkpoints.longest_s:.1f}" if checkpoints.completed else "-",
            f"{result.tail_s:.1f}",
        )
    return table


def process_table(results: Sequence[Result]) -> Table:
    """A line a number of series and process."""
    table = Table("series", "process", title="every process")
    table.add_column("CPU s per M", justify="right")
    table.add_column("peak MB", justify="right")
    for result in results:
        for process in result.processes:
            table.add_row(
                f"{result.series:,}", process.name, f"{process.cpu_s_per_million:.2f}", f"{process.peak_mb:,}"
            )
    return table


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--series",
        type=_numbers,
        default=list(SERIES),
        metavar="N,...",
        help=f"multiples of {METRICS} ({','.join(map(str, SERIES))})",
    )
    parser.add_argument("--samples", type=int, default=SAMPLES, help="of a load, six scrapes at least (%(default)s)")
    parser.add_argument("--json", type=Path, default=OUT, metavar="FILE", help="(%(default)s)")
    return parser


def _numbers(text: str) -> list[int]:
    numbers = [int(word) for word in text.split(",")]
    if wrong := [number for number in numbers if number < METRICS or number % METRICS]:
        raise argparse.ArgumentTypeError(f"a host has {METRICS} metrics: {wrong[0]} series are no number of hosts")
    return numbers


def main(argv: list[str] | None = None) -> int:
    """Run each number of series; print the tables, write the figures as JSON after each."""
    args = parser().parse_args(argv)
    # Ended from outside, it still takes its servers down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="tidemark-bench-") as folder:
        settings = Settings(flink={"state.backend.type": "hashmap", "metrics.fetcher.update-interval": "500"})
        with Stack(Path(folder) / "stack", ports="free", settings=settings) as stack:
            stack.up(["kafka", "flink", "jobserver", "workers"], progress=Plain())
            for series in args.series:
                load = load_of(series, args.samples)
                print(f"running {load.series:,} series, {load.samples:,} samples ...", flush=True)
                results.append(run(stack, load))
                write(args.json, results)
    console = Console(width=120)
    console.print(table_of(results))
    console.print(process_table(results))
    print(f"written to {args.json}")
    return 0


def write(path: Path, results: Sequence[Result]) -> None:
    """Write what there is so far."""
    versions = {"apache-beam": version("apache-beam"), "flink": FLINK.version, "kafka": KAFKA.version}
    content = {"results": [asdict(result) for result in results], "versions": versions, "machine": machine()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
