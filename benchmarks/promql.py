"""``sum by (pool) (rate(x[5m]))`` over 100,000 series, here and in a real Prometheus that holds the same samples: ``python -m benchmarks.promql``.

Targets are scraped every 15 s, each at an offset of its own; every series of a target is a counter with its target's timestamps, and one in a
hundred is reset once. Prometheus gets the samples by remote write and answers from its head block (memory), as it does for alert rules. Its time
is that of the HTTP request, the reading of 100 series from JSON included; ours that of the call, parsing included. The two alternate, after one
warm-up each, and their answers have to be equal to 1e-9.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from benchmarks.paired import Figure, print_table, spread
from rules.promql.engine import Result, instant, query_range
from rules.promql.labels import METRIC_NAME, Column, LabelFrame
from rules.promql.storage import MemoryStorage
from tests.oracle.agree import answer_rows, equal_values
from tests.oracle.prometheus import Answer, Client, Row, Series, prometheus

OUT = Path(__file__).with_name("out")
EXPRESSION = "sum by (pool) (rate(x[5m]))"
BASE_MS = 1_767_571_200_000
STEP_MS = 15_000
WINDOW_MS = 300_000
RESET_SHARE = 0.01
# A sample may be an hour older than the newest one: what lies between is sent in parts, oldest first.
PART_SAMPLES = 100


@dataclass(frozen=True)
class Load:
    """The size of what is evaluated."""

    targets: int
    metrics: int
    pools: int
    minutes: int

    @property
    def scrapes(self) -> int:
        return self.minutes * 60_000 // STEP_MS

    @property
    def end_ms(self) -> int:
        return BASE_MS + self.minutes * 60_000


def store(load: Load, seed: int) -> MemoryStorage:
    """All samples, seeded."""
    rng = np.random.default_rng(seed)
    count = load.targets * load.metrics
    target = np.repeat(np.arange(load.targets, dtype=np.int32), load.metrics)
    offsets = np.sort(rng.integers(0, STEP_MS, load.targets))
    rng.shuffle(offsets)
    clock = BASE_MS + 1 + offsets[:, None] + np.arange(load.scrapes, dtype=np.int64) * STEP_MS
    values = np.cumsum(rng.poisson(rng.gamma(1.0, 20.0, (count, 1)), (count, load.scrapes)), axis=1).astype(np.float64)
    for row in np.flatnonzero(rng.random(count) < RESET_SHARE).tolist():
        at = int(rng.integers(1, load.scrapes))
        values[row, at:] -= values[row, at]
    labels = LabelFrame(
        count,
        {
            METRIC_NAME: Column.constant("x", count),
            "instance": Column(target, tuple(f"host-{n:05d}" for n in range(load.targets))),
            "pool": Column(target % load.pools, tuple(f"pool-{n:03d}" for n in range(load.pools))),
            "metric": Column(np.tile(np.arange(load.metrics, dtype=np.int32), load.targets), _numbers(load.metrics)),
        },
    )
    bounds = np.arange(count + 1, dtype=np.int64) * load.scrapes
    return MemoryStorage(labels, np.repeat(clock, load.metrics, axis=0).ravel(), values.ravel(), bounds)


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(f"{n:03d}" for n in range(count))


def parts(samples: MemoryStorage, load: Load) -> Iterator[Series]:
    """The samples of all series, a stretch of time after the other."""
    labels = samples.labels.rows()
    times, values = samples.timestamps.reshape(-1, load.scrapes), samples.values.reshape(-1, load.scrapes)
    for first in range(0, load.scrapes, PART_SAMPLES):
        part = slice(first, first + PART_SAMPLES)
        for row, names in enumerate(labels):
            yield names, times[row, part], values[row, part]


def queries(load: Load) -> dict[str, tuple[int, int]]:
    """First and last instant by name; equal for an instant query."""
    return {"instant": (load.end_ms, load.end_ms), "range": (BASE_MS + WINDOW_MS, load.end_ms)}


def measure(samples: MemoryStorage, client: Client, load: Load, repeats: int) -> list[Figure]:
    """Both engines on all queries.

    Raises:
        RuntimeError: they do not agree.
    """
    server = psutil.Process(client.pid)
    here = psutil.Process()
    figures = []
    for name, (start, end) in queries(load).items():

        def ours(start: int = start, end: int = end) -> Result:
            if start == end:
                return instant(EXPRESSION, samples, end)
            return query_range(EXPRESSION, samples, start, end, STEP_MS)

        def theirs(start: int = start, end: int = end) -> Answer:
            if start == end:
                return client.query(EXPRESSION, end)
            return client.query_range(EXPRESSION, start, end, STEP_MS)

        _require_equal(name, answer_rows(ours(), ranged=start != end)[1], theirs())
        rounds = [(_timed(ours, here), _timed(theirs, server)) for _ in range(repeats)]
        for engine, found in zip(("Tidemark", "Prometheus"), zip(*rounds, strict=True), strict=True):
            wall, processor = (spread([one[column] for one in found]) for column in (0, 1))
            figures.append(Figure(name, engine, wall, processor))
    return figures


def _timed(work: Callable[[], object], process: psutil.Process) -> tuple[float, float]:
    before, start = process.cpu_times(), time.perf_counter()
    work()
    wall, after = time.perf_counter() - start, process.cpu_times()
    return wall, after.user + after.system - before.user - before.system


def _require_equal(name: str, ours: list[Row], theirs: Answer) -> None:
    if theirs.error:
        raise RuntimeError(f"Prometheus fails the {name} query: {theirs.error}")
    left, right = (sorted(rows, key=lambda row: row.labels["pool"]) for rows in (ours, theirs.rows))
    same = len(left) == len(right) and all(
        one.labels == other.labels and np.array_equal(one.times, other.times) and equal_values(one.values, other.values)
        for one, other in zip(left, right, strict=True)
    )
    if not same:
        raise RuntimeError(f"the answers to the {name} query differ ({len(left)} and {len(right)} series)")


def main(argv: list[str] | None = None) -> int:
    """Print the table, and keep the figures in ``benchmarks/out/promql.json``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.promql", description=(__doc__ or "").partition("\n\n")[0]
    )
    parser.add_argument("--targets", type=int, default=1000, help="%(default)s")
    parser.add_argument("--metrics", type=int, default=100, help="series of a target (%(default)s)")
    parser.add_argument("--pools", type=int, default=100, help="%(default)s")
    parser.add_argument("--minutes", type=int, default=65, help="of scrapes, one every 15 s (%(default)s)")
    parser.add_argument("--repeats", type=int, default=7, help="%(default)s")
    parser.add_argument("--seed", type=int, default=1, help="%(default)s")
    args = parser.parse_args(argv)
    load = Load(args.targets, args.metrics, args.pools, args.minutes)
    samples = store(load, args.seed)
    with tempfile.TemporaryDirectory(prefix="tidemark-bench-") as directory, prometheus(Path(directory)) as client:
        client.load(parts(samples, load))
        figures = measure(samples, client, load, args.repeats)
    title = f"{EXPRESSION}: {samples.labels.size:,} series, {len(samples.values) / 1e6:.1f} M samples, {args.repeats} repeats"
    print_table(title, "query", figures)
    print(f"Python {platform.python_version()}, numpy {np.__version__}")
    OUT.mkdir(exist_ok=True)
    (OUT / "promql.json").write_text(
        json.dumps({"load": asdict(load), "figures": [asdict(one) for one in figures]}, indent=1)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
