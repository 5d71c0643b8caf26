"""The command line of ``tidemark generate``: what its options are called, what they mean, and what is wrong with a value."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from schemas.numbers import decimal
from schemas.records import JSON_SCRAPE, LINE_PROTOCOL, REMOTE_WRITE
from schemas.times import parse_duration, parse_time
from services.kit.arguments import Parser, value_type
from services.kit.outputs import path
from transforms.io.kafka.topic import KafkaTopic

FORMATS: Mapping[str, tuple[str, ...]] = {
    "json": (JSON_SCRAPE,),
    "line": (LINE_PROTOCOL,),
    "remote-write": (REMOTE_WRITE,),
    "mixed": (JSON_SCRAPE, LINE_PROTOCOL, REMOTE_WRITE),
}
"""Content types by the name of a format."""


EXAMPLES = """\
examples:
  an hour of ten hosts, as fast as possible, into a local broker:
    tidemark generate metrics --output=kafka://localhost:9092/metrics.raw
  the same every time, as a file a job can read without a broker:
    tidemark generate metrics --seed=7 --start=2026-01-12T00:00:00Z --duration=1d --interval=10s --output=file:day.jsonl.gz
  a live fleet of 200 hosts, one in fifty scrapes late, until Ctrl-C:
    tidemark generate metrics --hosts=200 --realtime --lateness=2%:45s:10m --output=kafka://localhost:9092/metrics.raw
  faults with known numbers, and the truth to compare a job's results with:
    tidemark generate metrics --lateness=5% --duplicates=1%:50% --malformed=0.1% --truth=truth.parquet --summary-json=sent.json \\
        --output=kafka://localhost:9092/metrics.raw

Equal options with an equal --start give equal records, byte for byte.
"""


def share(text: str) -> float:
    """``2%`` or ``0.02``.

    Raises:
        ValueError: the text is neither.
    """
    try:
        return decimal(text[:-1]) / 100 if text.endswith("%") else decimal(text)
    except ValueError:
        raise ValueError(f"{text!r} is no share; write it like 2% or 0.02") from None


def parse_lateness(text: str) -> tuple[float, int, int]:
    """Share, mean and longest delay (ms) of ``SHARE[:MEAN[:MAX]]``; the mean is 30s, the longest ten times the mean where they are not given.

    Raises:
        ValueError: a part is wrong; the message shows it.
    """
    parts = text.split(":")
    if len(parts) > 3:
        raise ValueError(f"{text!r}: write SHARE, SHARE:MEAN or SHARE:MEAN:MAX, such as 2%:45s:10m")
    mean = parse_duration(parts[1]) if len(parts) > 1 else 30_000
    return share(parts[0]), mean, parse_duration(parts[2]) if len(parts) > 2 else 10 * mean


def parse_duplicates(text: str) -> tuple[float, float]:
    """Share of duplicates, and share of them that differ, of ``SHARE[:DIFFERING]``; none differ where it is not given.

    Raises:
        ValueError: a part is wrong; the message shows it.
    """
    again, _, differing = text.partition(":")
    return share(again), share(differing) if differing else 0.0


def parse_output(text: str) -> KafkaTopic | str:
    """``kafka://HOST:PORT[,HOST:PORT]/TOPIC``, or the path of a file of ``file:PATH``, or ``-``.

    Raises:
        ValueError: the text is none of them.
    """
    scheme, _, rest = text.partition(":")
    if text == "-":
        return "-"
    if scheme == "file" and rest:
        return os.fspath(path(rest))
    if scheme == "kafka":
        return KafkaTopic.from_url(text)
    raise ValueError(f"{text!r}: write kafka://HOST:9092/metrics.raw, file:PATH, file:PATH.gz, or -")


def _positive_duration(text: str) -> int:
    milliseconds = parse_duration(text)
    if not milliseconds:
        raise ValueError("a duration above zero is wanted")
    return milliseconds


def parser() -> Parser:
    """The command line."""
    parser = Parser(
        prog="tidemark generate",
        description="A seeded load, to Kafka or to files.",
        epilog="`tidemark generate metrics --help` shows the options.\n\n" + EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_metrics(parser.add_subparsers(dest="load", required=True, metavar="metrics"))
    return parser


def add_metrics(commands: argparse._SubParsersAction[Parser]) -> Parser:
    """Declare ``metrics`` with all its options."""
    parser = commands.add_parser(
        "metrics",
        help="scrapes of a fleet of hosts",
        usage="tidemark generate metrics --output=URL [OPTIONS]",
        description="Generate scrapes of a seeded fleet of hosts: gauges with daily cycles and incidents, counters that reboots reset.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_fleet(parser.add_argument_group("the fleet"))
    _add_faults(parser.add_argument_group("what goes wrong"))
    _add_output(parser.add_argument_group("where to"))
    _add_results(parser.add_argument_group("what to report"))
    return parser


def _add_fleet(group: argparse._ArgumentGroup) -> None:
    duration, time = value_type(_positive_duration), value_type(parse_time)
    add = group.add_argument
    add("--hosts", type=int, default=10, metavar="N", help="number of hosts (10)")
    add("--metrics", type=int, default=100, metavar="N", help="metrics a host, so series = hosts x metrics (100)")
    add("--interval", type=duration, default=10_000, metavar="DURATION", help="between two scrapes of a host (10s)")
    add(
        "--start",
        type=time,
        metavar="TIME",
        help="first event time, ISO 8601 or ms since 1970 (so that the run ends now)",
    )
    add("--duration", type=duration, metavar="DURATION", help="event time to cover (1h; with --realtime until Ctrl-C)")
    add("--seed", type=int, default=1, metavar="N", help="equal seeds give equal fleets and faults (1)")


def _add_faults(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    late = (
        "share of scrapes that are late, by exponentially distributed delays (0; mean 30s, at most 10 times the mean)"
    )
    add(
        "--lateness",
        type=value_type(parse_lateness),
        default=(0.0, 30_000, 300_000),
        metavar="SHARE[:MEAN[:MAX]]",
        help=late,
    )
    twice = "share of scrapes sent twice, and of those the share with other values (0:0)"
    add("--duplicates", type=value_type(parse_duplicates), default=(0.0, 0.0), metavar="SHARE[:DIFFERING]", help=twice)
    malformed = "malformed records, as a share of scrapes; the kinds take turns (0)"
    add("--malformed", type=value_type(share), default=0.0, metavar="SHARE", help=malformed)


def _add_output(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    to = "kafka://HOST:9092/metrics.raw, file:PATH, file:PATH.gz, or - for standard output"
    add("--output", type=value_type(parse_output), required=True, metavar="URL", help=to)
    formats = (
        "json, line, remote-write, or mixed: the hosts take turns; files take json and line "
        "(what the file's name says: .lp is line; else json)"
    )
    add("--format", choices=list(FORMATS), metavar="FORMAT", help=formats)
    add("--rate", type=float, default=0.0, metavar="N", help="samples a second at most, 0: as fast as possible (0)")
    add("--realtime", action="store_true", help="event time is now: one scrape of all hosts each interval")
    config = "YAML file with settings of librdkafka: security.protocol, sasl.username, ...; ${NAME} is an environment variable"
    add("--kafka-config", "--config", dest="kafka_config", type=Path, metavar="FILE", help=config)
    add("--create-topic", type=int, metavar="PARTITIONS", help="create the topic if it is not there")


def _add_results(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    truth = "write every distinct sample and its intended fate to a Parquet file"
    add("--truth", type=path, metavar="FILE", help=truth)
    add("--summary-json", type=path, metavar="FILE", help="write the summary as JSON too")
    add("--quiet", action="store_true", help="no progress, only the summary")
