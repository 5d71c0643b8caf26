"""How fast the sinks turn rollup rows into line protocol and Parquet, and into a running InfluxDB: ``python -m benchmarks.sinks --help``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

import cramjam
import numpy as np

from schemas import rollup
from schemas.aggregates import AGGREGATES, ValueKind
from schemas.batch import Column
from schemas.rollup import RollupBatch
from schemas.series import labels_text, metric_text
from transforms.io.influxdb.lines import rollup_lines
from transforms.io.influxdb.settings import InfluxSettings
from transforms.io.influxdb.writer import InfluxWriter
from transforms.io.parquet.rows import rollup_table
from transforms.io.parquet.store import read_rollups, write

MINUTE = 60_000
START = 1_768_176_000_000
"""2026-01-12T00:00:00Z, the first window."""


def fleet(hosts: int, metrics: int, window: int) -> RollupBatch:
    """Rows of one window: a row for each of ``hosts * metrics`` series, random values of full precision, seeded by the window."""
    rows = hosts * metrics
    random = np.random.default_rng(window)
    host, metric = np.divmod(np.arange(rows, dtype=np.int32), metrics)
    values: dict[ValueKind, Callable[[], Column]] = {
        ValueKind.COUNT: lambda: random.integers(1, 60, rows),
        ValueKind.FLOAT: lambda: random.random(rows) * 100,
        ValueKind.TIME: lambda: np.full(rows, window + 50_000),
    }
    return RollupBatch(
        targets=[labels_text([("host", f"web-{i:05}"), ("job", "node"), ("region", "eu-1")]) for i in range(hosts)],
        metrics=[metric_text(f"node_metric_{i}", [("cpu", str(i % 16))]) for i in range(metrics)],
        target=host.astype(np.int32),
        metric=metric.astype(np.int32),
        columns={each.name: values[each.kind]() for each in AGGREGATES},
        tier="1m",
        window=window,
        window_ms=MINUTE,
        shard=0,
    )


def rate(name: str, rows: int, work: Callable[[], object]) -> None:
    """Run once and print rows a second, by the clock and by processor time."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    print(f"{name:<44} {rows / clock:>12,.0f} rows/s {rows / max(processor, 1e-9):>12,.0f} rows/s of processor")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; the exit status is 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sinks", description=__doc__)
    parser.add_argument("--hosts", type=int, default=100, help="hosts of a batch (%(default)s)")
    parser.add_argument("--metrics", type=int, default=100, help="metrics a host (%(default)s)")
    parser.add_argument("--windows", type=int, default=60, help="one-minute windows (%(default)s)")
    parser.add_argument(
        "--influxdb",
        metavar="URI",
        help="write to this server too: influxdb://HOST:PORT?org=NAME, token in INFLUX_TOKEN",
    )
    parser.add_argument("--bucket", default="rollup_1m", help="its bucket (%(default)s)")
    args = parser.parse_args(argv)
    # Recent windows, for a bucket with a retention.
    start = int(time.time() * 1_000) // MINUTE * MINUTE - args.windows * MINUTE if args.influxdb else START
    batches = [fleet(args.hosts, args.metrics, start + i * MINUTE) for i in range(args.windows)]
    rows = sum(map(len, batches))
    elements = [rollup.encode(batch) for batch in batches]
    rollup_lines(batches[0])
    print(f"{rows:,} rows in {args.windows} windows")
    rate("line protocol", rows, lambda: [rollup_lines(batch) for batch in batches])
    chunks = [chunk for batch in batches for chunk in rollup_lines(batch).chunks]
    rate("gzip of it", rows, lambda: [cramjam.gzip.compress(chunk.data, 1) for chunk in chunks])
    with tempfile.TemporaryDirectory() as directory:
        rate("Parquet: decode, sort, write, fsync", rows, lambda: write(directory, "1m", rollup_table(elements)))
        rate("Parquet: read, newest pane", rows, lambda: read_rollups(directory, "1m"))
    if args.influxdb:
        settings = InfluxSettings.parse(args.influxdb)
        writer = InfluxWriter(settings, settings.token(os.environ))
        rate(
            f"InfluxDB, gzip {'on' if settings.gzip else 'off'}",
            rows,
            lambda: [writer.write(args.bucket, c) for c in chunks],
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
