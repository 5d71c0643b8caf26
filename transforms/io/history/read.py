"""Archived data for the rule author's tools: from files, a Parquet store, a Prometheus or an InfluxDB into a store in memory."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

from rules.planning.catalogue import Catalogue
from rules.planning.no_data import NoData, selector_text
from rules.planning.plan import plan
from rules.planning.reach import Reach
from rules.promql.storage import MemoryStorage, matching_rows
from rules.promql.syntax import ast
from schemas.times import parse_time
from transforms.io.history.options import SOURCES
from transforms.io.history.reader import Progress, collect
from transforms.io.history.samples import Collected, HistoryError, Wanted

__all__ = ["History", "HistoryError", "read_history", "read_reach"]

MAX_SHOWN = 10
"""Selectors that an error names."""


@dataclass(frozen=True, slots=True)
class History:
    """Archived data in memory.

    Attributes:
        storage: the samples.
        start_ms: the first instant to look at: as asked for, else the time of the first sample that was read, of use or not.
        end_ms: the last instant: as asked for, else the time of the last sample that was read.
        bad: lines that could not be read.
        problems: the first of them, with place and reason.
        files: the files that were read, whether or not the rules can see anything in them.
        catalogue: what the sources hold, whether or not the rules can see it; as far as that was seen.
        damaged: the files that could not be read, or not to their end, each with the reason.
    """

    storage: MemoryStorage
    start_ms: int
    end_ms: int
    bad: int
    problems: tuple[str, ...]
    files: tuple[Path, ...] = ()
    catalogue: Catalogue = field(default_factory=Catalogue)
    damaged: tuple[str, ...] = ()

    def finds(self, matchers: Sequence[ast.Matcher]) -> bool:
        """Whether there are samples of a series that fits all matchers."""
        return bool(matching_rows(self.storage.labels, matchers).any())


def read_history(args: argparse.Namespace, exprs: Sequence[ast.Expr]) -> History:
    """Read what these expressions can see.

    Raises:
        HistoryError: a source that is not known, or cannot be read, or holds nothing of use.
        OSError: a file cannot be read.
    """
    states = [state for expr in exprs for state in plan(expr).states]
    selectors = dict.fromkeys(state.selector.matchers for state in states)
    ahead = any(state.fixed or state.selector.offset_ms < 0 for state in states)
    back_ms = max((state.retention_ms for state in states), default=0)
    return read_reach(args, Reach(tuple(selectors), back_ms, not ahead))


def read_reach(
    args: argparse.Namespace,
    reach: Reach,
    recorded: Collection[str] = (),
    progress: Progress = lambda done, total: None,
) -> History:
    """Read what some rules can see.

    Args:
        given: the options of :func:`transforms.io.history.options.add_history_options`.
        reach: what the rules read, and how far back.
        recorded: names of metrics that the rules write themselves; what the sources hold under them is left out.
        progress: called with how much of how much is read.

    Raises:
        HistoryError: a source that is not known, or cannot be read, or holds nothing of use; a time that is none.
        OSError: a file cannot be read.
    """
    start, end = _time("--start", args.start), _time("--end", args.end)
    if start is not None and end is not None and start > end:
        raise HistoryError(f"--start={args.start} is later than --end={args.end}")
    wanted = Wanted(
        reach.selectors,
        frozenset(recorded),
        start - reach.back_ms - 1 if start is not None and reach.bounded else None,
        end if reach.bounded else None,
    )
    collected = Collected()
    for number, source in enumerate(args.data):

        def within(done: float, total: float, number: int = number) -> None:
            progress(number + done / max(total, 1), len(args.data))

        _read(source, args, wanted, collected, within)
    for problem in [*collected.damaged, *collected.problems]:
        print(f"cannot be read: {problem}", file=sys.stderr)
    others = collected.bad - sum(fault.lines for fault in collected.faults.values())
    if others:
        print(f"... and {others:,} more lines for other reasons", file=sys.stderr)
    for note in collected.notes.lines():
        print(f"note: {note}", file=sys.stderr)
    storage = collected.storage()
    if not len(storage.timestamps) or collected.first_ms is None or collected.last_ms is None:
        raise HistoryError(
            f"no sample that the rules can see in {', '.join(args.data)}{_why(wanted, collected.catalogue)}"
        )
    return History(
        storage,
        collected.first_ms if start is None else start,
        collected.last_ms if end is None else end,
        collected.bad,
        tuple(collected.problems),
        tuple(collected.files),
        collected.catalogue,
        tuple(collected.damaged),
    )


def _why(wanted: Wanted, catalogue: Catalogue) -> str:
    """Why nothing that is wanted was found, a line a selector."""
    asked = wanted.asked() if wanted.selectors is not None else []
    lines = [f"  {NoData(selector_text(each), *catalogue.why_nothing(each))}" for each in asked]
    more = [f"  ... and {len(lines) - MAX_SHOWN} more"] * (len(lines) > MAX_SHOWN)
    return "".join(f"\n{line}" for line in [*lines[:MAX_SHOWN], *more])


def _time(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_time(text)
    except ValueError as error:
        raise HistoryError(f"{option}: {error}") from None


def _read(source: str, args: argparse.Namespace, wanted: Wanted, collected: Collected, progress: Progress) -> None:
    scheme, _, rest = source.partition(":")
    if scheme == "parquet":
        directory, options = _options(rest, ("tier", "value"))
        _read_parquet(Path(directory), options, wanted, collected)
    elif scheme == "prometheus":
        from transforms.io.prometheus.history import PrometheusReader

        address, options = _options(rest, ("mode", "step"))
        collect(PrometheusReader(address, options, collected), wanted, collected, progress)
    elif scheme in ("influxdb", "influxdbs"):
        from transforms.io.influxdb.history import InfluxReader

        collect(InfluxReader(source, collected), wanted, collected, progress)
    else:
        _read_files(source, args, wanted, collected, progress)


def _read_files(
    source: str, args: argparse.Namespace, wanted: Wanted, collected: Collected, progress: Progress
) -> None:
    from transforms.io.files import history as files
    from transforms.io.files.paths import files_of, kept, left_out, places

    try:
        found = places(source)
    except FileNotFoundError as error:
        raise HistoryError(f"{error}, nor a source that is known\n\n{SOURCES}") from None
    stores = [place for place in found if files.is_store(Path(place))]
    for place in stores:
        _read_parquet(Path(place), {}, wanted, collected)
    plain = [each for place in found if place not in stores for each in files_of(place, files.SUFFIXES)]
    if not plain and not stores:
        looked = f"looked for {', '.join(files.SUFFIXES)}, each also with .gz"
        raise HistoryError(f"{source}: no files of data there ({looked})")
    if others := left_out([place for place in found if place not in stores], files.SUFFIXES):
        collected.notes.add(f"{source}: {others}")
    with kept(plain) as copies:
        for number, each in enumerate(plain):
            files.read_file(each, wanted, collected, args.precision, args.csv_name, copies.get(each))
            progress(number + 1, len(plain))


def _read_parquet(directory: Path, options: dict[str, str], wanted: Wanted, collected: Collected) -> None:
    from transforms.io.parquet.history import ParquetReader

    reader = ParquetReader(directory, options.get("tier"), options.get("value", "last"), collected)
    collect(reader, wanted, collected, lambda done, total: None)


def _options(text: str, known: Sequence[str]) -> tuple[str, dict[str, str]]:
    place, _, query = text.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := sorted(set(options) - set(known)):
        raise HistoryError(f"no option {', '.join(unknown)} in {text!r}; known: {', '.join(known)}")
    return place, options
