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
import signal
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.jobs import Load, fill, measure, measure_flink_sql, run_tidemark
from benchmarks.metering import Figures, machine
from deploy.progress import Plain
from deploy.settings import Settings
from deploy.stack import Stack

OUT = Path(__file__).with_name("out") / "metrics.json"


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
                results["flink_sql"] = measure_flink_sql(stack, load, workdir)
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
    content["machine"] = {**machine(), "apache-beam": version("apache-beam")}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(content, indent=1) + "\n")
    print(f"written to {OUT}")


if __name__ == "__main__":
    sys.exit(main())
