"""The command line of ``tidemark topics``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from schemas.records import TOPIC_DEAD_LETTER
from services.kit.arguments import Commands, Parser

BROKERS_VARIABLE = "KAFKA_BOOTSTRAP"
LETTER_ACTIONS = ("count", "export", "replay", "show")

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


def parser() -> Parser:
    """The command line."""
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
    commands = Commands(parser, parents=[common])

    listed = commands.add("ls", "topics and their partitions, with first and last offsets")
    listed.add_argument("topic", nargs="*", default=[], help="only these")

    created = commands.add("create", "create a topic; no harm if it is there")
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

    lagging = commands.add("lag", "how far a consumer group is behind")
    lagging.add_argument("group")
    lagging.add_argument("topic", nargs="*", default=[], help="only these")

    letters = commands.add("dead-letters", "count, show, export or send again what could not be read")
    letters.add_argument(
        "action",
        nargs="?",
        choices=LETTER_ACTIONS,
        default="count",
        help="count by reason (the default), show, export as JSON lines, replay",
    )
    letters.add_argument("--topic", default=TOPIC_DEAD_LETTER, help=f"where they are ({TOPIC_DEAD_LETTER})")
    letters.add_argument("--reason", default="", metavar="TEXT", help="only those whose reason contains this")
    letters.add_argument("--limit", type=int, metavar="N", help="only the first N")
    letters.add_argument("--to", metavar="TOPIC", help="replay: to this topic, not to the one each came from")
    return parser
