"""The command line of ``tidemark topics``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kafka.errors import KafkaError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.errors import FAILURE, MISTAKE
from schemas.names import check_topic
from schemas.records import TOPIC_DEAD_LETTER, DeadLetter
from services.kit.arguments import Parser
from services.kit.commands import refusing
from tidemark.topics import dead_letters, offsets
from transforms.io.kafka.admin import (
    NO_TOPIC,
    client_options,
    connect,
    create_topic,
    read_config,
    unavailable,
)
from transforms.io.kafka.topic import KafkaTopic

BROKERS_VARIABLE = "KAFKA_BOOTSTRAP"
_SHOWN_BYTES = 120

EXAMPLES = """\
examples:
  tidemark topics ls
  tidemark topics create metrics.raw --partitions=8
  tidemark topics create alerts.events               deleted after 30 days, never compacted
  tidemark topics lag GROUP
  tidemark topics dead-letters                       counts by reason
  tidemark topics dead-letters show --limit=5        the letters themselves
  tidemark topics dead-letters export > letters.ndjson
  tidemark topics dead-letters replay --reason="not JSON"
"""


def main(argv: Sequence[str]) -> int:
    """Run a subcommand; returns the exit status, 0.

    Raises:
        UserError: with status 1 if the broker or the topic would not, with 2 for a mistake in the options.
    """
    args = _parser().parse_args(argv)
    with refusing(ValueError, status=MISTAKE):
        config = read_config(args.kafka_config)
    cluster = KafkaTopic(args.brokers, NO_TOPIC, config)
    run: Callable[[argparse.Namespace, KafkaTopic], int] = args.run
    try:
        with refusing(ValueError, OSError, status=FAILURE):
            return run(args, cluster)
    except KafkaError as error:
        raise unavailable(cluster, error) from None


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="tidemark topics",
        description="Topics, offsets, lag and dead letters of a Kafka broker.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common = Parser(add_help=False)
    brokers = os.environ.get(BROKERS_VARIABLE, "localhost:9092")
    common.add_argument(
        "--brokers",
        default=brokers,
        metavar="HOST:PORT",
        help=f"several with commas (${BROKERS_VARIABLE}, else localhost:9092)",
    )
    common.add_argument(
        "--kafka-config",
        type=Path,
        metavar="FILE",
        help="YAML file with settings of librdkafka: security.protocol, ...",
    )
    common.add_argument("--json", action="store_true", help="JSON instead of a table")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, meaning: str) -> Parser:
        examples = "\n".join(line for line in EXAMPLES.splitlines() if f"tidemark topics {name}" in line)
        return commands.add_parser(
            name,
            parents=[common],
            help=meaning,
            description=meaning,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    listed = command("ls", "topics and their partitions, with first and last offsets")
    listed.add_argument("topic", nargs="*", default=[], help="only these")
    listed.set_defaults(run=_ls)

    created = command("create", "create a topic; no harm if it is there")
    created.add_argument("topic")
    created.add_argument("--partitions", type=int, default=4, metavar="N", help="at least the job's parallelism (4)")
    created.add_argument("--replication", type=int, default=1, metavar="N", help="copies of each record (1)")
    created.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the topic, such as retention.ms=604800000; repeatable",
    )
    created.set_defaults(run=_create)

    lagging = command("lag", "how far a consumer group is behind")
    lagging.add_argument("group")
    lagging.add_argument("topic", nargs="*", default=[], help="only these")
    lagging.set_defaults(run=_lag)

    letters = command("dead-letters", "count, show, export or send again what could not be read")
    letters.add_argument(
        "action",
        nargs="?",
        choices=sorted(_ACTIONS),
        default="count",
        help="count by reason (the default), show, export as JSON lines, replay",
    )
    letters.add_argument("--topic", default=TOPIC_DEAD_LETTER, help=f"where they are ({TOPIC_DEAD_LETTER})")
    letters.add_argument("--reason", default="", metavar="TEXT", help="only those whose reason contains this")
    letters.add_argument("--limit", type=int, metavar="N", help="only the first N")
    letters.add_argument("--to", metavar="TOPIC", help="replay: to this topic, not to the one each came from")
    letters.set_defaults(run=_dead_letters)
    return parser


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
