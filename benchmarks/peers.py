"""The metrics job beside other ways to the same rollup: ``python -m benchmarks.peers``.

Flink SQL, vmagent's stream aggregation, and what a Python user would pick: Bytewax, Quix Streams and Pathway. Each gets the same samples, those
that read Kafka from a topic, as many of them as it takes about half a minute for. Then each gets a smaller load in which one scrape in a
hundred comes late and one in a hundred comes twice, and its rows are compared with a recount of what was generated.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.jobs import Load, fill
from benchmarks.metering import Figures, machine
from benchmarks.peer_runs import FAULTS, PEERS, RECOUNT, RECOUNT_TOPIC, Setting
from benchmarks.recount import Right
from deploy.progress import Plain
from deploy.settings import Settings
from deploy.stack import Stack
from schemas.errors import UserError

OUT = Path(__file__).with_name("out") / "peers.json"
HOSTS, METRICS, INTERVAL_S, PARTITIONS = 5_000, 100, 15, 4


@dataclass(frozen=True)
class Result:
    """What a peer came to; a part that was not run is None."""

    title: str
    version: str
    samples: int
    figures: Figures | None
    right: Right | None
    lacks: str


def compare(chosen: Sequence[str], scale: float, *, speed: bool, rows: bool) -> dict[str, Result | str]:
    """Run the peers one after the other; a peer that cannot be installed or fails yields the reason."""
    results: dict[str, Result | str] = {}
    with tempfile.TemporaryDirectory(prefix="tidemark-bench-") as folder:
        settings = Settings(flink={"state.backend.type": "hashmap", "metrics.fetcher.update-interval": "500"})
        with Stack(Path(folder) / "stack", ports="free", settings=settings) as stack:
            stack.up(["kafka", "flink", "jobserver", "workers"], progress=Plain())
            setting = _setting(stack, Path(folder))
            for name in chosen:
                peer = PEERS[name]
                load = Load(HOSTS, METRICS, INTERVAL_S, max(5, round(peer.scrapes * scale)), PARTITIONS)
                try:
                    print(f"running {peer.title} ...", flush=True)
                    figures = peer.run(setting, load) if speed else None
                    right = peer.right(setting) if rows else None
                except (UserError, RuntimeError) as error:
                    print(error, flush=True)
                    results[name] = str(error)
                else:
                    results[name] = Result(peer.title, peer.version, load.samples, figures, right, peer.lacks)
    return results


def _setting(stack: Stack, folder: Path) -> Setting:
    truth, summary = folder / "truth.parquet", folder / "sent.json"
    fill(stack, RECOUNT, RECOUNT_TOPIC, (*FAULTS, f"--truth={truth}", f"--summary-json={summary}"))
    return Setting(stack, folder, truth, json.loads(summary.read_text())["samples"]["sent"])


def table_of(results: Mapping[str, Result | str]) -> Table:
    """The table: a line a peer, dashes for what was not run."""
    headings = ("", "version", "M samples", "samples/s", "CPU s per M", "peak MB", "right: on time", "late", "twice")
    table = Table(title="a row a series and minute; shares of rows that are right, by what their samples met with")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in ("", "version") else "right")
    for name, result in results.items():
        if isinstance(result, str):
            table.add_row(name, "failed")
            continue
        figures, right = result.figures, result.right
        speed = ("-",) * 4
        if figures:
            speed = (
                f"{result.samples / 1e6:g}",
                f"{figures.samples_per_s:,}",
                f"{figures.cpu_s_per_million:.2f}",
                f"{figures.peak_mb:,}",
            )
        shares = (right.untouched, right.late, right.twice) if right else (None, None, None)
        table.add_row(result.title, result.version, *speed, *map(_percent, shares))
    return table


def _percent(share: float | None) -> str:
    """A share with one decimal; nothing is rounded up to 100 %."""
    return "-" if share is None else f"{math.floor(share * 1000) / 10:g} %"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", type=_names, default=list(PEERS), metavar="NAME,...", help=f"of {', '.join(PEERS)}")
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of samples (%(default)s)")
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument("--speed-only", action="store_true", help="do not recount rows")
    parts.add_argument("--rows-only", action="store_true", help="do not measure speed")
    parser.add_argument("--json", type=Path, default=OUT, metavar="FILE", help="(%(default)s)")
    return parser


def _names(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := [name for name in chosen if name not in PEERS]:
        raise argparse.ArgumentTypeError(f"no peer {', '.join(unknown)}; there are {', '.join(PEERS)}")
    return chosen


def main(argv: list[str] | None = None) -> int:
    """Run the comparison; print a table and what each peer does not do, write the figures as JSON."""
    args = parser().parse_args(argv)
    # Ended from outside, it still takes its servers down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = compare(args.only, args.scale, speed=not args.rows_only, rows=not args.speed_only)
    Console(width=140).print(table_of(results))
    for result in results.values():
        if isinstance(result, Result):
            print(f"{result.title}: {result.lacks}")
    failed = [name for name, result in results.items() if isinstance(result, str)]
    peers = {name: result if isinstance(result, str) else asdict(result) for name, result in results.items()}
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(
        json.dumps({"peers": peers, "recount": asdict(RECOUNT), "machine": machine()}, indent=1) + "\n"
    )
    print(f"written to {args.json}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
