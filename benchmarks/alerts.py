"""Alert rules as a stage of the stream: what they cost, and how soon an alert is reported, beside a Prometheus with the same rules and samples.

``--local`` runs both stages of evaluation in this process, without Beam or Flink, over a grid of rules and series: processor time an instant,
bytes of state.

``--flink`` starts a private stack and runs the alerts job on it. Hosts are scraped every 15 s, in real time; each of some changes goes through
a rule, and the clock runs from its sample's arrival in Kafka to the event's arrival in Kafka. A Prometheus gets the same samples by remote write and
has the same rules and interval; there the clock stops when its notification reaches a receiver. Both have to say the same of every change.

Figures are printed as tables, and kept in ``benchmarks/out/alerts.json``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks import alert_latency, alert_machines
from benchmarks.alert_latency import SIDES, Figures, Latency, Load
from benchmarks.alert_rules import MIXES
from benchmarks.stage import Row
from schemas.times import parse_duration

OUT = Path(__file__).with_name("out") / "alerts.json"
EXAMPLES = """\
examples:
  python -m benchmarks.alerts --local                                    three sizes, about a minute
  python -m benchmarks.alerts --local --rules 100 10000 --series 100000  what more rules cost a sample
  python -m benchmarks.alerts --local --rules 100 10000 --mix varied     what more rules cost, each with a constant of its own
  python -m benchmarks.alerts --local --rules 1000 --series 100000 --profile 30
  python -m benchmarks.alerts --flink                                    100 rules over 10,000 series, about seven minutes
  python -m benchmarks.alerts --flink --rules 1000 --series 100000 --history 12 --minutes 10
  python -m benchmarks.alerts --flink --max_bundle_time_mills=100        options that are not listed here are the job's

Latencies are those of the machine as it is: run nothing beside.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print tables, keep the figures in :data:`OUT`."""
    words = _parser()
    args, rest = words.parse_known_args(argv)
    if rest and not args.flink:
        words.error(f"no such options: {' '.join(rest)}")
    if not (args.local or args.flink):
        words.error("say what to measure: --local, --flink, or both")
    # Ended from outside, it still takes its servers down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    kept = json.loads(OUT.read_text()) if OUT.exists() else {}
    if args.local:
        rows = list(_local(args))
        kept["local"] = {"shards": args.shards, "bundles": args.bundles, "rows": rows}
    if args.flink:
        kept["flink"] = _flink(args, rest)
    kept["machine"] = {
        "processors": psutil.cpu_count(),
        "load": os.getloadavg()[1],
        "system": platform.platform(),
        "python": platform.python_version(),
        "apache-beam": version("apache-beam"),
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(kept, indent=1) + "\n")
    print(f"written to {OUT}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.alerts",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--local", action="store_true", help="the stages in this process")
    parser.add_argument("--flink", action="store_true", help="the job on Flink, beside a Prometheus")
    parser.add_argument("--rules", type=int, nargs="+", help="(--local: 10 100 1000; --flink: 100)")
    parser.add_argument("--series", type=int, nargs="+", help="100 a host (10000)")
    parser.add_argument("--shards", type=int, default=4, help="rule shards (%(default)s)")
    local = parser.add_argument_group("--local")
    local.add_argument("--instants", type=int, default=4, help="measured, once the state is full (%(default)s)")
    local.add_argument(
        "--bundles",
        type=int,
        default=15,
        help="in which the samples of an instant come: 15 is one a second (%(default)s)",
    )
    local.add_argument(
        "--profile",
        type=int,
        default=0,
        metavar="N",
        help="print the N functions that took longest; figures are off then",
    )
    local.add_argument(
        "--mix",
        choices=MIXES,
        default="even",
        help="even: six kinds of rules, some 600 expressions; varied: each rule has a constant of its own, and one of twenty records; "
        "idle: nothing comes of any rule (%(default)s)",
    )
    flink = parser.add_argument_group("--flink")
    flink.add_argument("--minutes", type=float, default=3, help="measured, once the job has caught up (%(default)s)")
    flink.add_argument(
        "--history", type=float, default=2, help="minutes of samples before: 12 and more fill the state (%(default)s)"
    )
    flink.add_argument("--crossings", type=int, default=20, help="alerts that begin every 15 s (%(default)s)")
    flink.add_argument("--delay", default="1s", help="of the watermark behind the newest sample (%(default)s)")
    flink.add_argument("--partitions", type=int, default=4, help="of the topics (%(default)s)")
    flink.add_argument("--parallelism", type=int, default=2, help="%(default)s")
    flink.add_argument("--workers", type=int, default=2, help="Python processes (%(default)s)")
    flink.add_argument("--only", choices=[side.lower() for side in SIDES], help="one side alone")
    return parser


# The stages in this process.


def _local(args: argparse.Namespace) -> Iterator[Row]:
    names: list[str] = []
    rows: list[Row] = []
    for series, rules in itertools.product(args.series or [10_000], args.rules or [10, 100, 1_000]):
        print(f"{rules:,} rules over {series:,} series ...", flush=True)
        row = alert_machines.measure(rules, series, args.shards, args.instants, args.bundles, args.profile, args.mix)
        names = names or [*row, "ratio"]
        first = next((each for each in rows if each["series"] == series), row)
        rows.append(row | {"ratio": row["all"] / first["all"]})
        yield rows[-1]
    table = Table(*names, title=f"ms and bytes an instant of 15 s, {args.shards} shards, {args.bundles} bundles")
    for row in rows:
        table.add_row(*(_number(row.get(name, 0)) for name in names))
    Console(width=220).print(table)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or value >= 1_000 else f"{value:,.3g}"


# The job on Flink.


def _flink(args: argparse.Namespace, rest: Sequence[str]) -> list[dict[str, Any]]:
    loads = [
        Load(
            rules=rules,
            series=series,
            crossings=args.crossings,
            minutes=args.minutes,
            history_minutes=args.history,
            delay_ms=parse_duration(args.delay),
            parallelism=args.parallelism,
            workers=args.workers,
            rule_shards=args.shards,
            partitions=args.partitions,
            options=tuple(rest),
            sides=tuple(side for side in SIDES if args.only in (None, side.lower())),
        )
        for series, rules in itertools.product(args.series or [10_000], args.rules or [100])
    ]
    table = Table(
        *(
            "rules",
            "series",
            "",
            "transitions",
            "reported",
            "wrong",
            "from sample, s",
            "from watermark, s",
            "cores",
            "peak MB",
            "fed late, s",
        ),
        title="seconds: p50 / p99 / most",
    )
    found = []
    for load, sides in alert_latency.measure(loads):
        found.append({"load": asdict(load), **{side: asdict(figures) for side, figures in sides.items()}})
        for side, figures in sides.items():
            table.add_row(f"{load.rules:,}", f"{load.series:,}", side, *_columns(figures))
    Console(width=180).print(table)
    return found


def _columns(figures: Figures) -> Iterator[str]:
    yield from (f"{figures.transitions:,}", f"{figures.reported:,}", f"{figures.wrong:,}")
    yield from map(_seconds, (figures.from_sample, figures.from_watermark))
    yield from (f"{figures.cores:.2f}", f"{figures.peak_mb:,}", f"{figures.fed_late_s:.2f}")


def _seconds(latency: Latency | None) -> str:
    if latency is None:
        return ""
    return " / ".join(f"{ms / 1000:.2f}" for ms in (latency.p50, latency.p99, latency.most))


if __name__ == "__main__":
    sys.exit(main())
