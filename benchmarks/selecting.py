"""Selecting from a Parquet store, pushed down or filtered in memory: ``python -m benchmarks.selecting --help``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.paired import Figure, print_table, spread
from rules.promql.syntax import ast
from rules.promql.syntax.parser import parse
from rules.promql.values import SeriesSet
from schemas import batch
from schemas.batch import SampleBatch
from schemas.series import labels_text, metric_text
from transforms.io.history.samples import Wanted, stored
from transforms.io.parquet.history import ParquetReader
from transforms.io.parquet.rows import sample_table
from transforms.io.parquet.store import write

HOUR = 3_600_000
STEP = 60_000
START = 1_768_176_000_000
"""2026-01-12T00:00:00Z, the first sample."""

QUERIES = (
    ("a metric", "node_metric_3", 0),
    ("a metric of a host", 'node_metric_3{host="web-00003"}', 0),
    ("a metric of some hosts, one hour", 'node_metric_3{host=~"web-000.*",cpu!="1"}', 1),
    ("a host", '{host="web-00003"}', 0),
    ("everything", '{__name__=~".+"}', 0),
)
"""What is asked for: its description, the selector, and how many of the last hours; 0 for all."""


def fill(directory: Path, hosts: int, metrics: int, hours: int) -> None:
    """Write a file an hour: ``metrics`` series a host, eight to a metric name, a sample a minute."""
    random = np.random.default_rng(1)
    targets = [labels_text([("host", f"web-{i:05}"), ("job", "node"), ("region", f"eu-{i % 4}")]) for i in range(hosts)]
    texts = [metric_text(f"node_metric_{i // 8}", [("cpu", str(i % 8))]) for i in range(metrics)]
    for hour in range(hours):
        times = np.arange(START + hour * HOUR, START + (hour + 1) * HOUR, STEP)
        series = np.repeat(np.arange(hosts * metrics, dtype=np.int32), len(times))
        made = SampleBatch(
            targets=targets,
            metrics=texts,
            target=series // metrics,
            metric=series % metrics,
            ts=np.tile(times, hosts * metrics),
            value=random.random(len(series)),
            seq=np.arange(len(series)),
        )
        write(directory, "raw", sample_table([batch.encode(made)]))


def select(directory: Path, matchers: Sequence[ast.Matcher], start_ms: int, end_ms: int) -> SeriesSet:
    """The store is asked."""
    return ParquetReader(directory).select(matchers, start_ms, end_ms, stale=True)


def filter_all(directory: Path, matchers: Sequence[ast.Matcher], start_ms: int, end_ms: int) -> SeriesSet:
    """All of the store is read, and what is in memory is asked."""
    everything = stored(list(ParquetReader(directory).read(Wanted())))
    return everything.select(matchers, start_ms, end_ms, stale=True)


Way = Callable[[Path, Sequence[ast.Matcher], int, int], SeriesSet]
WAYS: tuple[tuple[str, Way], ...] = (("pushed down", select), ("read all, then filtered", filter_all))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; the exit status is 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selecting", description=__doc__)
    parser.add_argument("--hosts", type=int, default=200, help="hosts (%(default)s)")
    parser.add_argument("--series", type=int, default=40, help="series a host (%(default)s)")
    parser.add_argument("--hours", type=int, default=6, help="hours, a file each, a sample a minute (%(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="in turns (%(default)s)")
    args = parser.parse_args(argv)
    end = START + args.hours * HOUR
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        fill(directory, args.hosts, args.series, args.hours)
        print(f"{args.hosts * args.series * args.hours * HOUR // STEP:,} samples in {args.hours} files")
        figures = []
        for what, text, hours in QUERIES:
            expr = parse(text)
            assert isinstance(expr, ast.VectorSelector)
            start = end - hours * HOUR if hours else START - 1
            taken: dict[str, list[tuple[float, float]]] = {way: [] for way, _ in WAYS}
            found = {}
            for _ in range(args.repeats):
                for way, ask in WAYS:
                    wall, processor = time.perf_counter(), time.process_time()
                    found[way] = ask(directory, expr.matchers, start, end).size
                    taken[way].append((time.perf_counter() - wall, time.process_time() - processor))
            assert len(set(found.values())) == 1, found
            for way, times in taken.items():
                walls, processors = zip(*times, strict=True)
                figures.append(Figure(what, way, spread(walls), spread(processors)))
        print_table("Selecting from a Parquet store", "selector", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
