"""What windows of the finest tier cost a sample, and their state once they have fired: elements that stay as they came, beside buckets at once.

``python -m benchmarks.windows`` generates scrapes, and sends them as one partition through decoding and cutting. The window machine takes the
elements in turns with both rules: arrivals, on-time panes and expiry on one core, without Beam or Flink. Nothing comes late.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

from benchmarks.paired import spread
from benchmarks.state import Clock, elements
from schemas.tiers import Tiers
from tidemark.generate import cli as generate
from transforms.machines.local import LocalMachine
from transforms.machines.machine import Memory
from transforms.rollups.contents import windows_of
from transforms.windows import machine as windows
from transforms.windows.machine import WindowMachine

RULES = {"as they came": windows.STAYING_ROOM, "buckets at once": 0.0}
"""The room that elements may take, by the name of the rule."""

_NEVER = 1 << 60


def measure(arrived: list[tuple[bytes, bytes]], end_ms: int, tiers: Tiers, room: float) -> tuple[float, int]:
    """Seconds of processor time for all of it, and the bytes of state once all windows have fired."""
    local = LocalMachine(lambda: WindowMachine(windows_of(tiers, 0), Memory()))
    with patch.object(windows, "STAYING_ROOM", room):
        start = time.process_time()
        local.run(arrived, end_ms)
        seconds = time.process_time() - start
        stored = local.stored_bytes
        start = time.process_time()
        local.run([], _NEVER)
        seconds += time.process_time() - start
    return seconds, stored


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.windows", description=__doc__.partition("\n")[0])
    parser.add_argument("--hosts", type=int, default=2000)
    parser.add_argument("--metrics", type=int, default=100, help="metrics a host: samples of a scrape (%(default)s)")
    parser.add_argument("--minutes", type=int, default=5, help="of scrapes, one every 15 s (%(default)s)")
    parser.add_argument("--duplicates", type=float, default=0.0, help="share of scrapes that come twice (%(default)s)")
    parser.add_argument("--shards", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args(argv)
    tiers = Tiers()
    with tempfile.TemporaryDirectory(prefix="tidemark-bench-") as folder:
        path = Path(folder) / "scrapes.jsonl"
        size = [
            f"--hosts={args.hosts}",
            f"--metrics={args.metrics}",
            "--interval=15s",
            f"--duration={args.minutes}m",
            f"--duplicates={args.duplicates}",
        ]
        generate.main(["metrics", f"--output=file:{path}", "--start=2026-01-05T00:00:00Z", "--quiet", *size])
        by_key = elements(path, tiers, args.shards, Clock())
    arrived = [(key.encode(), data) for key, found in by_key.items() for data in found]
    end_ms = max(key.window for key in by_key) + tiers.rollups[0].window_ms
    total = args.hosts * args.metrics * args.minutes * 4
    seconds: dict[str, list[float]] = {name: [] for name in RULES}
    stored: dict[str, int] = {}
    for _ in range(args.repeats):
        for name, room in RULES.items():
            found, stored[name] = measure(arrived, end_ms, tiers, room)
            seconds[name].append(found)
    table = Table(title=f"{total / 1e6:g} M samples, {len(arrived)} elements of {total / len(arrived):,.0f} samples")
    for column in ("", "ns a sample (min / median / max)", "bytes of state a sample"):
        table.add_column(column, justify="right" if column else "left")
    for name, each in seconds.items():
        times = " / ".join(f"{value / total * 1e9:.0f}" for value in spread(each))
        table.add_row(name, times, f"{stored[name] / total:.2f}")
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
