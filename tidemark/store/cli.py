"""What ``tidemark store`` does."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import yaml
from rich.console import Console
from rich.table import Table

from schemas.errors import FAILURE
from schemas.tiers import Tiers
from schemas.times import parse_duration
from services.kit import interrupts
from services.kit.commands import refusing
from tidemark.store.arguments import parser
from transforms.io.parquet.compact import Compaction, compact, expired, retain
from transforms.io.parquet.layout import time_text
from transforms.io.parquet.runs import runs
from transforms.io.parquet.store import files, reason_of, rows_of


def main(argv: Sequence[str] | None = None, clock: Callable[[], float] = time.time) -> int:
    """Run a subcommand; returns the exit status, 1 if a file cannot be read. ``clock`` gives seconds since 1970.

    Raises:
        UserError: the store, a tier or a file is not as it should be.
    """
    args = parser().parse_args(argv)
    args.damaged = []
    text = "files are replaced whole or not at all, so the store is as good as before; run it again"
    with refusing(OSError, ValueError, pa.ArrowInvalid, status=FAILURE), interrupts.explained(text):
        _RUN[args.command](args, int(clock() * 1_000))
    for path, reason in args.damaged:
        print(f"tidemark store: cannot be read, and left as it is: {path}: {reason}", file=sys.stderr)
    return 1 if args.damaged else 0


def _list(args: argparse.Namespace, _: int) -> None:
    table = Table("tier", "files", "rows", "bytes", "first", "last")
    for column in table.columns[1:4]:
        column.justify = "right"
    for folder in _folders(args.directory):
        found = list(files(args.directory, folder))
        if found:
            rows = sum(_rows(file.path, args.damaged) for file in found)
            size = sum(file.path.stat().st_size for file in found)
            first, last = min(file.name.first for file in found), max(file.name.last for file in found)
            table.add_row(folder, f"{len(found):,}", f"{rows:,}", f"{size:,}", time_text(first), time_text(last))
    Console().print(table)


def _rows(path: Path, damaged: list[tuple[Path, str]]) -> int:
    try:
        return rows_of(path)
    except FileNotFoundError:
        # Folded into another file since it was listed.
        return 0
    except (OSError, pa.ArrowException) as error:
        damaged.append((path, reason_of(error)))
        return 0


def _runs(args: argparse.Namespace, _: int) -> None:
    written = Counter(file.name.run for folder in _folders(args.directory) for file in files(args.directory, folder))
    known = {run.number: run.started for run in runs(args.directory)}
    table = Table("run", "began", "files")
    table.columns[2].justify = "right"
    for number in sorted({*known, *written}):
        name, began = (str(number), known.get(number, "")) if number else ("0", "before runs were numbered")
        table.add_row(name, began, f"{written[number]:,}")
    Console().print(table)


def _compact(args: argparse.Namespace, now: int) -> None:
    before = now - parse_duration(args.older)
    known = _folders(args.directory)
    for tier in args.tiers:
        if tier not in known:
            raise ValueError(f"{args.directory} has no tier {tier!r}; there are {', '.join(known)}")
    for folder in args.tiers or known:
        done = compact(args.directory, folder, before)
        args.damaged += done.unreadable
        print(f"{folder}: {_summary(done)}")


def _summary(done: Compaction) -> str:
    if not done.files_before:
        return "nothing to fold"
    of_files = f"{done.files_before:,} files became {done.files_after:,}"
    return f"{of_files}, {done.rows_before:,} rows {done.rows_after:,}"


def _retain(args: argparse.Namespace, now: int) -> None:
    _folders(args.directory)
    tiers = _tiers(args.config)
    found = (expired if args.dry_run else retain)(args.directory, tiers, now)
    for path in found:
        print(path)
    print(f"{len(found):,} files {'would be deleted' if args.dry_run else 'deleted'}")


def _tiers(path: str | None) -> Tiers:
    if path is None:
        return Tiers()
    try:
        config = yaml.safe_load(Path(path).read_bytes())
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not YAML: {error}") from None
    if not isinstance(config, dict) or "tiers" not in config:
        raise ValueError(f"{path}: no key 'tiers'; docs/operations.md shows a configuration")
    return Tiers.from_config(config["tiers"])


def _folders(directory: Path) -> list[str]:
    folders = sorted({day.parent.name for day in directory.glob("*/date=*")})
    if not folders:
        raise ValueError(f"{directory} is no store, or an empty one: it has no TIER/date=YYYY-MM-DD folders")
    return folders


_RUN: dict[str, Callable[[argparse.Namespace, int], None]] = {
    "ls": _list,
    "runs": _runs,
    "compact": _compact,
    "retain": _retain,
}
