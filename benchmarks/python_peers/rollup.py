"""What the three jobs share: the command line, the fold of a scrape into a window, and where rows go.

It runs in each framework's own environment, and imports the standard library alone.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WINDOW_MS = 60_000
WAIT_MS = 10_000
"""How long a window waits for samples out of order, by event time: what the metrics job and Flink SQL wait."""
CHECKPOINT_S = 10

Stats = dict[str, list[float]]
"""Of each metric of a host: count, sum, minimum and maximum in one window."""


def arguments() -> argparse.Namespace:
    """The command line of a job."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--documents", type=int, required=True, help="scrapes in the topic")
    parser.add_argument("--state", type=Path, required=True, help="an empty directory for what outlives a restart")
    parser.add_argument("--rows", type=Path, help="write rows to this file; without it they are counted and discarded")
    return parser.parse_args()


def fold(stats: Stats, samples: Mapping[str, float]) -> Stats:
    """Add a scrape to the window of its host."""
    for metric, value in samples.items():
        known = stats.get(metric)
        if known is None:
            stats[metric] = [1, value, value, value]
            continue
        known[0] += 1
        known[1] += value
        # A call of `min` takes as long as all the rest.
        if value < known[2]:  # noqa: PLR1730
            known[2] = value
        if value > known[3]:  # noqa: PLR1730
            known[3] = value
    return stats


class Rows:
    """Counts rows, and writes them if a file is named: host, metric, start of the window (ms), count, sum, min, max."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("w", newline="") if path else None
        self._writer = csv.writer(self._file) if self._file else None
        self.count = 0

    def add(self, host: str, metric: str, start_ms: int, stats: list[float]) -> None:
        """One row."""
        self.count += 1
        if self._writer:
            self._writer.writerow([host, metric, start_ms, *stats])

    def add_all(self, host: str, start_ms: int, stats: Mapping[str, list[Any]]) -> None:
        """The rows of a host's window."""
        if not self._writer:
            self.count += len(stats)
            return
        for metric, values in stats.items():
            self.add(host, metric, start_ms, values)

    def close(self) -> None:
        """Finish the file, and print how many rows there were."""
        if self._file:
            self._file.close()
        print(f"rows: {self.count}", flush=True)
