"""Bytes of state a sample, and what each step of the metrics job costs a sample: on one core, without Beam or Flink.

``python -m benchmarks.state`` generates scrapes, and sends them as one partition through decoding, cutting and the windows of the finest tier
and the next, in blocks of the size that the Kafka source takes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from schemas import batch as batches
from schemas.batch import MIN_WATERMARK
from schemas.codecs.block import BlockDecoder
from schemas.records import JSON_SCRAPE, RawRecord
from schemas.tiers import Tiers
from tidemark.generate import cli as generate
from transforms.io.kafka.reader import BLOCK_BYTES
from transforms.rollups.contents import PaneContent, SampleContent
from transforms.rollups.cutting import cutter_of
from transforms.windows.content import Key

T = TypeVar("T")


class Clock:
    """Processor time of named steps, and sizes; all a sample."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.sizes: dict[str, int] = defaultdict(int)

    def __call__(self, step: str, work: Callable[[], T]) -> T:
        start = time.process_time()
        result = work()
        self.seconds[step] += time.process_time() - start
        return result


def blocks(path: Path) -> Iterator[list[RawRecord]]:
    """A file's lines as records, in blocks as the Kafka source takes them."""
    offset = 0
    with path.open("rb") as file:
        while lines := file.readlines(BLOCK_BYTES):
            yield [RawRecord(line.rstrip(b"\n"), offset + index, -1, JSON_SCRAPE) for index, line in enumerate(lines)]
            offset += len(lines)


def elements(path: Path, tiers: Tiers, shards: int, clock: Clock) -> dict[Key, list[bytes]]:
    """What the source hands to the windows of the finest tier."""
    decoder, cutter = BlockDecoder(), cutter_of(tiers, shards, 10_000)
    watermark = MIN_WATERMARK
    arrived: dict[Key, list[bytes]] = defaultdict(list)
    for records in blocks(path):
        block = clock("decode", lambda records=records: decoder.decode_block(records, "bench", 0))
        cut = clock("cut", lambda block=block, mark=watermark: cutter.cut(block.batch, block.record, mark))
        watermark = cut.watermark
        for key, piece in cut.pieces:
            data = clock("encode", lambda piece=piece: batches.encode(piece))
            clock.sizes["element"] += len(data)
            arrived[key].append(data)
    return arrived


def roll_up(arrived: dict[Key, list[bytes]], tiers: Tiers, clock: Clock) -> int:
    """Fire every window of both tiers once; the number of 1-minute rows."""
    fine, coarse = tiers.rollups[0], tiers.rollups[1]
    samples = SampleContent(fine)
    panes = PaneContent(coarse, fine.window_ms, tiers.lateness_ms)
    hours: dict[Key, list[bytes]] = defaultdict(list)
    rows = 0
    for key, pending in arrived.items():
        decoded = clock("read state", lambda pending=pending: [samples.arrival(data) for data in pending])
        merged = clock("merge", lambda decoded=decoded: samples.merge(None, decoded).rows)
        pane = clock("reduce and encode", lambda merged=merged, key=key: samples.pane(merged, key, 0, 0))
        kept = clock("keep", lambda merged=merged: samples.dump(samples.prune(merged, 0)))
        clock.sizes["kept"] += len(kept)
        assert pane is not None
        rows += pane.rows
        clock.sizes["rows"] += len(pane.data)
        hours[Key(key.shard, coarse.window_of(key.window))].append(pane.data)
    for key, pending in hours.items():
        decoded_panes = clock("read panes", lambda pending=pending: [panes.arrival(data) for data in pending])
        merged_panes = clock("merge panes", lambda decoded=decoded_panes: panes.merge(None, decoded).rows)
        clock("fold panes", lambda merged=merged_panes, key=key: panes.pane(merged, key, 0, 0))
        clock.sizes["panes"] += len(panes.dump(panes.rows(merged_panes)))
    return rows


def main(argv: list[str] | None = None) -> int:
    """Print the two tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.state", description=__doc__.partition("\n")[0])
    parser.add_argument("--hosts", type=int, default=2000)
    parser.add_argument("--metrics", type=int, default=100, help="metrics a host: samples of a scrape (%(default)s)")
    parser.add_argument("--minutes", type=int, default=5, help="of scrapes, one every 15 s (%(default)s)")
    parser.add_argument("--shards", type=int, default=32)
    args = parser.parse_args(argv)
    clock = Clock()
    with tempfile.TemporaryDirectory(prefix="tidemark-bench-") as folder:
        path = Path(folder) / "scrapes.jsonl"
        size = [
            f"--hosts={args.hosts}",
            f"--metrics={args.metrics}",
            "--interval=15s",
            f"--duration={args.minutes}m",
        ]
        generate.main(["metrics", f"--output=file:{path}", "--start=2026-01-05T00:00:00Z", "--quiet", *size])
        tiers = Tiers()
        rows = roll_up(elements(path, tiers, args.shards, clock), tiers, clock)
    total = args.hosts * args.metrics * args.minutes * 4
    times = Table(title=f"processor time, {total / 1e6:g} M samples")
    times.add_column("step")
    times.add_column("ns a sample", justify="right")
    for step, seconds in clock.seconds.items():
        times.add_row(step, f"{seconds / total * 1e9:.0f}")
    times.add_row("all", f"{sum(clock.seconds.values()) / total * 1e9:.0f}", style="bold")
    sizes = Table(title="bytes")
    sizes.add_column("")
    sizes.add_column("", justify="right")
    sizes.add_row(
        "an element on its way to its window, and waiting there, a sample", f"{clock.sizes['element'] / total:.1f}"
    )
    sizes.add_row("kept until the lateness is over, a sample", f"{clock.sizes['kept'] / total:.1f}")
    sizes.add_row("a 1-minute row on its way to its hour", f"{clock.sizes['rows'] / rows:.1f}")
    sizes.add_row("a 1-minute row kept for its hour", f"{clock.sizes['panes'] / rows:.1f}")
    Console().print(times, sizes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
