"""The command line of ``tidemark topics``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from kafka.errors import KafkaError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.errors import FAILURE, MISTAKE
from schemas.names import check_topic
from schemas.records import DeadLetter
from services.kit.commands import refusing
from tidemark.topics import dead_letters, offsets
from tidemark.topics.arguments import parser
from transforms.io.kafka.admin import (
    NO_TOPIC,
    client_options,
    connect,
    create_topic,
    read_config,
    unavailable,
)
from transforms.io.kafka.topic import KafkaTopic

_SHOWN_BYTES = 120


def main(argv: Sequence[str]) -> int:
    """Run a subcommand; returns the exit status, 0.

    Raises:
        UserError: with status 1 if the broker or the topic would not, with 2 for a mistake in the options.
    """
    args = parser().parse_args(argv)
    with refusing(ValueError, status=MISTAKE):
        config = read_config(args.kafka_config)
    cluster = KafkaTopic(args.brokers, NO_TOPIC, config)
    try:
        with refusing(ValueError, OSError, status=FAILURE):
            return _RUN[args.command](args, cluster)
    except KafkaError as error:
        raise unavailable(cluster, error) from None


def _show(args: argparse.Namespace, rows: Sequence[Any], columns: Sequence[str]) -> None:
    """Some attributes of rows as a table, or as JSON."""
    if args.json:
        print(json.dumps([{column: getattr(row, column) for column in columns} for row in rows], indent=2))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="left" if column == "topic" else "right")
    for row in rows:
        cells = (getattr(row, column) for column in columns)
        table.add_row(
            *(Text("-" if cell is None else f"{cell:,}" if isinstance(cell, int) else cell) for cell in cells)
        )
    Console().print(table)


def _ls(args: argparse.Namespace, cluster: KafkaTopic) -> int:
    admin = connect(cluster)
    try:
        found = offsets.partitions(admin, args.topic)
    finally:
        admin.close()
    _show(args, found, ("topic", "partition", "begin", "end", "records"))
    return 0


def _create(args: argparse.Namespace, cluster: KafkaTopic) -> int:
    if args.partitions < 1 or args.replication < 1:
        raise ValueError("--partitions and --replication: at least 1 is wanted")
    check_topic("create", args.topic)
    configs = dict(_setting(word) for word in args.config)
    admin = connect(cluster)
    try:
        made = create_topic(admin, args.topic, args.partitions, args.replication, configs)
    finally:
        admin.close()
    print(f"{args.topic}: created with {args.partitions} partitions" if made else f"{args.topic}: is there already")
    return 0


def _setting(word: str) -> tuple[str, str]:
    name, separator, value = word.partition("=")
    if not name or not separator:
        raise ValueError(f"--config={word}: KEY=VALUE is wanted, such as retention.ms=604800000")
    return name, value


def _lag(args: argparse.Namespace, cluster: KafkaTopic) -> int:
    admin = connect(cluster)
    try:
        found = offsets.lag(admin, args.group, args.topic)
    finally:
        admin.close()
    _show(args, found, ("topic", "partition", "committed", "end", "lag"))
    if not args.json:
        print(f"{args.group} is {sum(each.lag for each in found):,} records behind")
    return 0


def _dead_letters(args: argparse.Namespace, cluster: KafkaTopic) -> int:
    options = client_options(cluster)
    found = dead_letters.collect(dead_letters.read(options, args.topic), args.reason)
    if found.unreadable:
        print(f"tidemark topics: {found.unreadable} records of {args.topic} are no dead letters", file=sys.stderr)
    letters = found.letters[: args.limit]
    return _ACTIONS[args.action](args, options, letters)


def _count(args: argparse.Namespace, _options: dict[str, Any], letters: Sequence[DeadLetter]) -> int:
    counted = dead_letters.by_reason(letters)
    if args.json:
        print(json.dumps({"total": len(letters), "reasons": dict(counted)}, indent=2))
        return 0
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("count", justify="right")
    table.add_column("reason")
    for reason, number in counted:
        table.add_row(f"{number:,}", Text(reason))
    Console().print(table)
    print(f"{len(letters):,} dead letters in {args.topic}")
    return 0


def _list(args: argparse.Namespace, _options: dict[str, Any], letters: Sequence[DeadLetter]) -> int:
    if args.json:
        return _export(args, _options, letters)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("from", "reason", "payload"):
        table.add_column(column)
    for letter in letters:
        line = "" if letter.line is None else f":{letter.line}"
        text = letter.payload[:_SHOWN_BYTES].decode(errors="backslashreplace")
        place = f"{letter.topic}:{letter.partition}:{letter.offset}{line}"
        table.add_row(Text(place), Text(letter.reason), Text(text, style="dim"))
    Console().print(table)
    return 0


def _export(_args: argparse.Namespace, _options: dict[str, Any], letters: Sequence[DeadLetter]) -> int:
    for letter in letters:
        sys.stdout.buffer.write(letter.encode() + b"\n")
    sys.stdout.buffer.flush()
    return 0


def _replay(args: argparse.Namespace, options: dict[str, Any], letters: Sequence[DeadLetter]) -> int:
    if args.to:
        check_topic("--to", args.to)
    else:
        strays = sorted({letter.topic for letter in letters if "/" in letter.topic})
        if strays:
            raise ValueError(
                f"dead letters of files have no topic to go back to: name one with --to ({', '.join(strays)})"
            )
    sent = dead_letters.replay(options, letters, args.to)
    where = args.to or ", ".join(sorted({letter.topic for letter in letters})) or "nowhere"
    print(f"sent {sent:,} records again, to {where}; what still cannot be read comes back as a new dead letter")
    return 0


_ACTIONS: dict[str, Callable[[argparse.Namespace, dict[str, Any], Sequence[DeadLetter]], int]] = {
    "count": _count,
    "show": _list,
    "export": _export,
    "replay": _replay,
}

_RUN: dict[str, Callable[[argparse.Namespace, KafkaTopic], int]] = {
    "ls": _ls,
    "create": _create,
    "lag": _lag,
    "dead-letters": _dead_letters,
}
