"""How long after the last partition's watermark the panes of a window leave, under full load: ``python -m benchmarks.pane_delay``.

The metrics job reads a topic that is full already, as fast as it can. Two steps that only look are added to it. One is behind reading: when the
watermark of each partition first passes the end of a minute. The other is behind the 1-minute tier: when the on-time pane of each shard leaves.
The delay of a window is the time from the last of the first to the last of the second. Both are written with the clock of this computer.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam

from benchmarks.jobs import Load, all_written, fill, start_tidemark
from deploy.progress import Plain
from deploy.settings import Settings
from deploy.stack import Stack
from pipelines import metrics
from pipelines.job import Job
from pipelines.options.job import JobOptions
from pipelines.runners.flink import Flink
from schemas import batch as batches
from schemas import rollup as rollups
from schemas.batch import MAX_PARTITIONS

MINUTE = 60_000


class _Log(beam.DoFn):
    """Appends lines to a file of each process."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def write(self, line: str) -> None:
        with open(os.path.join(self._directory, str(os.getpid())), "a", encoding="ascii") as file:
            file.write(f"{time.time()} {line}\n")


class _LogWatermarks(_Log):
    def __init__(self, directory: str, partitions: int) -> None:
        super().__init__(directory)
        self._passed = dict.fromkeys(range(partitions), -1)

    def process(self, element: tuple[bytes, bytes]) -> Iterator[object]:
        watermark = batches.read_attributes(element[1])[0]
        minute = watermark // MINUTE
        # The partition stands in the rows, and decoding them is not free: only where this watermark may be news.
        if min(self._passed.values()) < minute:
            partition = int(batches.decode(element[1]).seq[0]) % MAX_PARTITIONS
            if self._passed[partition] < minute:
                self._passed[partition] = minute
                self.write(f"watermark {partition} {minute}")
        yield from ()


class _LogPanes(_Log):
    def process(self, data: bytes) -> Iterator[object]:
        rows = rollups.decode(data)
        if not rows.pane:
            self.write(f"pane {rows.shard} {rows.window // MINUTE}")
        yield from ()


def job_in(directory: str, partitions: int) -> Job:
    """The metrics job with the two steps."""

    def build(pipeline: beam.Pipeline, options: JobOptions) -> Any:
        built = metrics.build(pipeline, options)
        built.samples | "Log watermarks" >> beam.ParDo(_LogWatermarks(directory, partitions))
        built.rollups["1m"] | "Log panes" >> beam.ParDo(_LogPanes(directory))
        return built

    return Job(metrics.JOB.name, metrics.JOB.parse, build)


def delays(lines: list[str], partitions: int) -> list[float]:
    """The delay of each window that all partitions passed while the job ran, seconds, in order of windows."""
    passed: dict[int, dict[int, float]] = defaultdict(dict)
    panes: dict[int, float] = {}
    for line in lines:
        at, kind, number, minute = line.split()
        if kind == "pane":
            panes[int(minute)] = max(panes.get(int(minute), 0.0), float(at))
        else:
            passed[int(number)][int(minute)] = min(passed[int(number)].get(int(minute), 1e18), float(at))
    found = []
    for minute in sorted(panes):
        # The watermark may skip a minute: then it passed it with the next one.
        ends = [
            min((at for reached, at in times.items() if reached > minute), default=None) for times in passed.values()
        ]
        known = [at for at in ends if at is not None]
        if len(known) == partitions:
            found.append(panes[minute] - max(known))
    return found


def main(argv: list[str] | None = None) -> int:
    """Run the job; print the delays."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pane_delay", description=__doc__.partition("\n")[0])
    parser.add_argument("--hosts", type=int, default=5000)
    parser.add_argument("--metrics", type=int, default=100, help="metrics a host (%(default)s)")
    parser.add_argument("--scrapes", type=int, default=60, help="scrapes a host, 15 s apart (%(default)s)")
    parser.add_argument("--partitions", type=int, default=4)
    args = parser.parse_args(argv)
    load = Load(args.hosts, args.metrics, 15, args.scrapes, args.partitions)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="tidemark-bench-") as folder:
        logs = Path(folder) / "logs"
        logs.mkdir()
        settings = Settings(flink={"metrics.fetcher.update-interval": "500"})
        with Stack(Path(folder) / "stack", ports="free", settings=settings) as stack:
            stack.up(["kafka", "flink", "jobserver", "workers"], progress=Plain())
            fill(stack, load)
            print("running the metrics job ...", flush=True)
            job = start_tidemark(stack, job=job_in(str(logs), load.partitions))
            flink = Flink(stack.address("flink-jobmanager"))
            seconds = all_written(flink, job.id, load.samples)
            flink.cancel(job.id)
        lines = [line for path in logs.iterdir() for line in path.read_text().splitlines()]
    found = delays(lines, load.partitions)
    print(f"{load.samples / seconds:,.0f} samples/s; {len(found)} windows of {load.hosts * load.metrics:,} series")
    print(
        f"panes left {statistics.median(found):.2f} s after the last partition's watermark at the median, {max(found):.2f} s at most"
    )
    print("in order:", *(f"{delay:.2f}" for delay in found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
