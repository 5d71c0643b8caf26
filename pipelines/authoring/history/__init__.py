"""Archived data for the rule author's tools: from files, a Parquet store, a Prometheus or an InfluxDB into a store in memory."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.authoring.history.samples import Collected, HistoryError, Wanted
from rules.plan import plan
from rules.promql import ast
from rules.promql.storage import MemoryStorage
from schemas.times import parse_time

__all__ = ["History", "HistoryError", "add_history_options", "read_history"]

SOURCES = """data sources (--data, repeatable):
  FILE or DIR                        *.csv (timestamp,value), *.lp *.line *.influx, *.json *.jsonl *.ndjson, each also with .gz
  parquet:DIR[?tier=1m&value=avg]    a store that a job wrote with --output=parquet:DIR
                                     (tier: the finest; value: last, first, avg, min, max, sum, count, increase)
  prometheus:http://HOST:PORT[?mode=query_range&step=15s]
                                     a Prometheus; by remote read, which gives its samples as they are
  influxdb://HOST:PORT?bucket=NAME   an InfluxDB 2 (influxdbs:// with TLS); the token comes from INFLUX_TOKEN or INFLUX_TOKEN_FILE
"""


@dataclass(frozen=True, slots=True)
class History:
    """Archived data in memory.

    Attributes:
        storage: the samples.
        start_ms: the first instant to look at: as asked for, else the time of the first sample.
        end_ms: the last instant: as asked for, else the time of the last sample.
        bad: lines that could not be read.
        problems: the first of them, with place and reason.
    """

    storage: MemoryStorage
    start_ms: int
    end_ms: int
    bad: int
    problems: tuple[str, ...]


def add_history_options(parser: argparse.ArgumentParser) -> None:
    """The options that :func:`read_history` reads."""
    parser.add_argument(
        "--data", action="append", default=[], metavar="SOURCE", help="archived data; may be repeated (see below)"
    )
    parser.add_argument("--start", metavar="TIME", help="first instant: ISO 8601, or ms since 1970 (start of the data)")
    parser.add_argument("--end", metavar="TIME", help="last instant (end of the data)")
    parser.add_argument(
        "--csv-name",
        metavar="METRIC",
        help="metric name of the series in CSV files (the file's name without its last word)",
    )
    parser.add_argument(
        "--precision", choices=("ns", "us", "ms", "s"), default="ns", help="timestamps of line protocol (%(default)s)"
    )
    parser.epilog = f"{parser.epilog or ''}\n{SOURCES}"


def read_history(given: argparse.Namespace, exprs: Sequence[ast.Expr]) -> History:
    """Read what these expressions can see.

    Raises:
        HistoryError: a source that is not known, or cannot be read, or holds nothing of use.
        OSError: a file cannot be read.
    """
    start = None if given.start is None else parse_time(given.start)
    end = None if given.end is None else parse_time(given.end)
    reach = max((plan(expr).retention_ms for expr in exprs), default=0)
    wanted = Wanted.by(exprs, None if start is None else start - reach - 1, end)
    collected = Collected()
    for source in given.data:
        _read(source, given, wanted, collected)
    for problem in collected.problems:
        print(f"cannot be read: {problem}", file=sys.stderr)
    if collected.bad > len(collected.problems):
        print(f"... and {collected.bad - len(collected.problems)} more lines that cannot be read", file=sys.stderr)
    storage = collected.storage()
    if not len(storage.timestamps):
        names = wanted.names()
        looked = f" (looked for {', '.join(names[:10])})" if names else ""
        raise HistoryError(f"no sample that the rules can see in {', '.join(given.data)}{looked}")
    first, last = int(storage.timestamps.min()), int(storage.timestamps.max())
    return History(
        storage,
        first if start is None else start,
        last if end is None else end,
        collected.bad,
        tuple(collected.problems),
    )


def _read(source: str, given: argparse.Namespace, wanted: Wanted, collected: Collected) -> None:
    scheme, _, rest = source.partition(":")
    if scheme == "parquet":
        directory, options = _options(rest, ("tier", "value"))
        _read_parquet(Path(directory), options, wanted, collected)
        return
    path = Path(source)
    if not path.exists():
        raise HistoryError(f"{source}: no such file or directory, nor a source that is known\n\n{SOURCES}")
    from pipelines.authoring.history import files, parquet

    if path.is_dir() and parquet.is_store(path):
        _read_parquet(path, {}, wanted, collected)
        return
    for each in files.files_of(path):
        files.read_file(each, wanted, collected, given.precision, given.csv_name)


def _read_parquet(directory: Path, options: dict[str, str], wanted: Wanted, collected: Collected) -> None:
    from pipelines.authoring.history.parquet import read_store

    read_store(directory, options.get("tier"), options.get("value", "last"), wanted, collected)


def _options(text: str, known: Sequence[str]) -> tuple[str, dict[str, str]]:
    from urllib.parse import parse_qsl

    place, _, query = text.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := sorted(set(options) - set(known)):
        raise HistoryError(f"no option {', '.join(unknown)} in {text!r}; known: {', '.join(known)}")
    return place, options
