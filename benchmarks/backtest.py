"""A month of 15-second samples of 200 series through 20 alert rules every minute: ``python -m benchmarks.backtest``.

Samples are random (seeded) and made in memory: what is timed is the evaluation, with the processor's time beside the clock's.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from pathlib import Path

import numpy as np

from rules.backtest.run import backtest
from rules.evaluation.program import Program
from rules.files.load import load_rules
from rules.promql.labels import LabelFrame
from rules.promql.storage import MemoryStorage

OUT = Path(__file__).with_name("out")
START_MS = 1_767_225_600_000
STEP_MS = 15_000
DAY_MS = 86_400_000
METRICS = ("cpu", "memory", "disk", "net_total")

EXPRESSIONS = (
    "cpu > 95",
    "memory > 95",
    "disk > 98",
    "avg_over_time(cpu[5m]) > 60",
    "avg_over_time(memory[15m]) > 58",
    "max_over_time(cpu[10m]) > 99",
    "min_over_time(memory[5m]) > 60",
    "stddev_over_time(cpu[10m]) > 18",
    "predict_linear(disk[1h], 3600) > 120",
    "deriv(disk[30m]) > 1",
    "rate(net_total[5m]) > 3.6",
    "irate(net_total[5m]) > 6",
    "increase(net_total[1h]) > 12500",
    "cpu / memory > 9",
    "sum by (job) (cpu) > 2600",
    "avg by (job) (rate(net_total[5m])) > 3.5",
    "count by (job) (cpu > 80) > 8",
    "quantile(0.9, memory) > 75",
    "topk(3, cpu) > 98",
    'absent(cpu{instance="h0"})',
)


def samples(hosts: int, days: int) -> MemoryStorage:
    """Every metric of every host, a sample each 15 seconds."""
    random = np.random.default_rng(1)
    count = days * DAY_MS // STEP_MS
    rows, values = [], []
    for metric in METRICS:
        for host in range(hosts):
            rows.append({"__name__": metric, "instance": f"h{host}", "job": "node"})
            drawn = random.normal(50, 12, count)
            values.append(np.cumsum(np.abs(drawn)) if metric.endswith("_total") else drawn)
    times = np.tile(START_MS + np.arange(count, dtype=np.int64) * STEP_MS, len(rows))
    offsets = np.arange(len(rows) + 1, dtype=np.int64) * count
    return MemoryStorage(LabelFrame.of(rows), times, np.concatenate(values), offsets)


def program() -> Program:
    """A rule for each expression; every second one must hold for 5 minutes."""
    rules = ", ".join(
        f"{{alert: A{number}, expr: '{expr}', for: {5 * (number % 2)}m}}" for number, expr in enumerate(EXPRESSIONS)
    )
    file = load_rules(f"groups: [{{name: g, interval: 1m, rules: [{rules}]}}]", "rules.yml").file
    if file is None:
        raise ValueError("the benchmark's rules have a fault")
    return Program(file.groups)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=50, help="with four metrics each (%(default)s)")
    parser.add_argument("--days", type=int, default=30, help="(%(default)s)")
    args = parser.parse_args()
    source = samples(args.hosts, args.days)
    begun, worked = time.perf_counter(), time.process_time()
    found = backtest(program(), source, START_MS, int(source.timestamps.max()))
    figures = {
        "machine": platform.processor() or platform.machine(),
        "samples": len(source.timestamps),
        "evaluations": found.evaluations,
        "episodes": len(found.episodes),
        "seconds": round(time.perf_counter() - begun, 2),
        "processor_seconds": round(time.process_time() - worked, 2),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    OUT.mkdir(exist_ok=True)
    (OUT / "backtest.json").write_text(json.dumps(figures, indent=2) + "\n")
    for name, value in figures.items():
        print(f"{name:<18} {value:,}" if isinstance(value, int | float) else f"{name:<18} {value}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
