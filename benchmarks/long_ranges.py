"""What rules that look back for hours and days cost a shard: samples packed in blocks with digests, beside the same samples as they are.

``python -m benchmarks.long_ranges`` scrapes hosts every 15 s for as long as the range, evaluates one expression after the other at the last instants,
and compares what both ways yield. Times are processor time of one process an instant; memory is what the state holds, without labels. The samples
are counters that are reset now and then.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from rules.promql.syntax import ast
from rules.promql.syntax.parser import parse
from schemas.batch import SampleBatch
from schemas.series import labels_text
from transforms.alerts.fragments.fragments import FragmentSpec
from transforms.alerts.fragments.long_ranges import Packing, states
from transforms.alerts.fragments.partials import Partials
from transforms.alerts.fragments.tasks import Task
from transforms.alerts.shards.state import ShardState

OUT = Path(__file__).with_name("out")
STEP_MS = 15_000
BASE_MS = 1_767_571_200_000
METRICS = 100
AT_ONCE = 40
"""Scrapes a batch: as many as there are between two instants here, 10 min."""
LATE_MS = 361_000
EXPRESSIONS = (
    "rate(m[{range}])",
    "avg_over_time(m[{range}])",
    "max_over_time(m[{range}])",
    "stddev_over_time(m[{range}])",
    "predict_linear(m[{range}], 3600)",
    "m offset {range}",
)

Row = dict[str, float | str]


class Hosts:
    """Counters of some hosts, scraped every 15 s, each host at its own offset."""

    def __init__(self, series: int, seed: int = 1) -> None:
        self._rng = np.random.default_rng(seed)
        hosts = series // METRICS
        self._targets = [labels_text({"job": "node", "instance": f"host-{host:05d}"}.items()) for host in range(hosts)]
        self._metrics = [f'm{{dev="{number}"}}' for number in range(METRICS)]
        self._offsets = self._rng.integers(1, STEP_MS, hosts)
        self._values = np.zeros((hosts, METRICS))

    def batches(self, scrapes: int) -> Iterator[tuple[int, SampleBatch]]:
        """So many scrapes, some at a time, and the instant after them."""
        hosts = len(self._targets)
        shape = (AT_ONCE, hosts, METRICS)
        for first in range(0, scrapes, AT_ONCE):
            grown = self._values + np.cumsum(self._rng.integers(0, 100, shape), axis=0)
            grown[:, self._rng.random((hosts, METRICS)) < 0.01] = 1.0
            self._values = grown[-1]
            ends = BASE_MS + STEP_MS * (1 + np.arange(first, first + AT_ONCE))
            stamps = np.broadcast_to(ends[:, None, None] - self._offsets[None, :, None], shape)
            yield (
                int(ends[-1]),
                SampleBatch(
                    targets=self._targets,
                    metrics=self._metrics,
                    target=np.broadcast_to(np.arange(hosts, dtype=np.int32)[None, :, None], shape).ravel(),
                    metric=np.broadcast_to(np.arange(METRICS, dtype=np.int32), shape).ravel(),
                    ts=stamps.ravel(),
                    value=grown.ravel(),
                    seq=np.repeat(np.arange(first, first + AT_ONCE, dtype=np.int64), hosts * METRICS),
                ),
            )


def measure(text: str, range_ms: int, series: int, instants: int, packing: Packing) -> tuple[Row, list[Partials]]:
    """What an expression costs an instant, and what comes of it at the last instants."""
    expr = parse(text)
    task = Task.of(FragmentSpec(0, expr, "vector", None, 0, False))
    state = ShardState(0, [*states(expr)], packing=packing)
    scrapes = range_ms // STEP_MS + AT_ONCE * (instants + 30)
    last = BASE_MS + scrapes // AT_ONCE * AT_ONCE * STEP_MS
    found, spent, keeping = [], 0.0, 0.0
    for now, batch in Hosts(series).batches(scrapes):
        start = time.process_time()
        state.add(batch)
        state.prune(now - LATE_MS)
        keeping += time.process_time() - start
        if now > last - instants * AT_ONCE * STEP_MS:
            start = time.process_time()
            found.append(state.evaluate([task], np.array([now], np.int64)))
            spent += time.process_time() - start
    return {
        "kB a series": state.nbytes / state.series / 1e3,
        "bytes a sample": state.nbytes / state.samples,
        "ms an instant": 1e3 * spent / instants,
        "us a sample, to keep": 1e6 * keeping / (scrapes * series),
    }, found


def main(argv: list[str] | None = None) -> int:
    """Print the table, and keep the figures in ``benchmarks/out/long_ranges.json``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.long_ranges", description=(__doc__ or "").partition("\n\n")[0]
    )
    parser.add_argument("--range", default="1d", help="how far the expressions look back (%(default)s)")
    parser.add_argument("--series", type=int, default=1_000, help="%(default)s")
    parser.add_argument("--instants", type=int, default=12, help="measured, 10 minutes apart (%(default)s)")
    args = parser.parse_args(argv)
    window = parse(f"m[{args.range}]")
    if not isinstance(window, ast.MatrixSelector):
        parser.error(f"{args.range} is no range")
    range_ms = window.range_ms
    ways = {"packed": Packing(), "as they are": Packing(long_ms=1 << 62)}
    rows: list[Row] = []
    for text in EXPRESSIONS:
        expr, values = text.format(range=args.range), []
        for way, packing in ways.items():
            row, found = measure(expr, range_ms, args.series, args.instants, packing)
            values.append(np.concatenate([part.values for each in found for part in each.vectors.values()]))
            rows.append({"expression": expr, "samples": way, **row})
        apart = np.abs(values[0] - values[1]) / np.maximum(np.abs(values[1]), 1e-300)
        rows[-2]["apart, at most"] = float(apart.max())
    names = list(rows[0])
    table = Table(*names, title=f"{args.series:,} series, scraped every 15 s")
    for row in rows:
        table.add_row(
            *(f"{row[name]:,.3g}" if isinstance(row.get(name), float) else str(row.get(name, "")) for name in names)
        )
    Console(width=200).print(table)
    OUT.mkdir(exist_ok=True)
    (OUT / "long_ranges.json").write_text(json.dumps({"series": args.series, "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
