"""The command lines of the jobs, apart from what reads their values: ``--help`` imports neither Beam nor numpy.

Choices are listed here. :mod:`pipelines.options.inputs` knows what they mean, and a test compares the two.
"""

from __future__ import annotations

import argparse
from typing import get_args

from schemas.records import JSON_SCRAPE, LINE_PROTOCOL, REMOTE_WRITE
from schemas.units import Precision
from services.kit.arguments import Parser

DEFAULT_RULE_SHARDS = 4
CONTENT_TYPES = (JSON_SCRAPE, LINE_PROTOCOL, REMOTE_WRITE)
FILE_WATERMARKS = ("end", "events")


def add_rules(parser: argparse.ArgumentParser) -> None:
    """Add ``--rules`` and its companions."""
    add = parser.add_argument
    add(
        "--rules",
        action="append",
        default=[],
        metavar="PATH",
        help="Prometheus rule files to evaluate: a file, a directory (its *.yml and *.yaml) or a glob; repeatable",
    )
    add(
        "--alerts",
        metavar="URI",
        help="where the events of alerts go: kafka://HOST:PORT/TOPIC (alerts.events beside the input), "
        "file:DIR (of files: alerts, beside the Parquet store or here) or blackhole:",
    )
    add(
        "--rules-poll",
        default="30s",
        metavar="TIME",
        help="how often rule files are looked at for changes; 0s for never, as in bounded runs",
    )
    add(
        "--rule-shards",
        type=int,
        metavar="N",
        help=f"shards that evaluate rules, fixed once a job has state ({DEFAULT_RULE_SHARDS})",
    )


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add ``--input``, and the options that say where reading begins and ends."""
    add = parser.add_argument
    add(
        "--input",
        action="append",
        default=[],
        metavar="URI",
        help="kafka://HOST:PORT/TOPIC, or file:PATH: a file, plain or gzip, a directory, a glob, a pipe, or file:- for standard input; repeatable",
    )
    add(
        "--start",
        default="earliest",
        help="where Kafka is read from: earliest, latest, offset:N or time:2024-05-01T12:00:00Z",
    )
    add(
        "--since",
        metavar="TIME",
        help="leave out samples before this event time: on the hour, no window is written in part. Times before April 1970, "
        "which are timestamps of the wrong unit or of a clock that was not set, are refused unless this asks for them",
    )
    add("--bounded", action="store_true", help="read Kafka to its end as of now, then stop")
    add(
        "--kafka-config",
        metavar="FILE",
        help="YAML of librdkafka settings (security.protocol, sasl.*, ssl.*); ${NAME} takes a variable",
    )
    add(
        "--idle-timeout",
        default="30s",
        metavar="TIME",
        help="a partition with nothing to read this long stops holding back the others",
    )
    add("--discovery-interval", default="1m", metavar="TIME", help="how often to look for new partitions; 0s for never")
    add(
        "--default-content-type",
        metavar="TYPE",
        help="of records without a content-type header, and of files whose name says nothing: "
        f"{', '.join(sorted(CONTENT_TYPES))} (each record is recognised by its content)",
    )
    add("--precision", default="ns", choices=get_args(Precision), help="of the timestamps of line protocol (ns)")
    add(
        "--max-future",
        default="10m",
        metavar="TIME",
        help="how far an event time may lie after its record's own time, or after now where it has none, as in a file; 'none' for any",
    )
    add(
        "--file-watermark",
        default="end",
        choices=FILE_WATERMARKS,
        help="of files: 'end' takes them as a whole, and nothing in them is late, in whatever order it is; "
        "'events' follows event times, as in a stream: late data correct their windows, or come too late (end)",
    )


_BEAM = """Every other option goes to Beam: --runner, --job_endpoint, --checkpointing_interval, ... Names may be joined by dashes or by underscores.
"""


def metrics_parser() -> Parser:
    """The command line of the metrics job. Unknown options go to Beam."""
    parser = Parser(
        lenient=True,
        prog="tidemark run metrics",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Roll up metrics from Kafka or files through retention tiers into InfluxDB, Parquet, or both, and evaluate alert rules on them.",
        epilog=f"{_BEAM}docs/operations.md has complete commands.\n\n"
        "examples:\n"
        "  tidemark run metrics --input=file:metrics.lp.gz --output=parquet:store\n"
        "  tidemark run metrics --input=kafka://localhost:9092/metrics.raw --output=influxdb://localhost:8086 \\\n"
        "      --rules=rules/ --runner=FlinkRunner --flink_master=localhost:8081 --checkpointing_interval=10000\n",
        allow_abbrev=False,
    )
    _add_outputs(parser, "influxdb://HOST:PORT, parquet:DIR or blackhole: (counts and forgets); repeatable")
    parser.add_argument("--raw", action=argparse.BooleanOptionalAction, default=True, help="write raw samples too")
    return _with_the_rest(parser)


def alerts_parser() -> Parser:
    """The command line of the alerts job. Unknown options go to Beam."""
    parser = Parser(
        lenient=True,
        prog="tidemark run alerts",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Evaluate Prometheus alert and recording rules on metrics from Kafka or files: the metrics job without its rollups.",
        epilog=f"{_BEAM}docs/operations.md has complete commands.\n\n"
        "examples:\n"
        "  tidemark run alerts --rules=rules/ --input=file:metrics.lp.gz --alerts=file:alerts\n"
        "  tidemark run alerts --rules=rules/ --input=kafka://localhost:9092/metrics.raw \\\n"
        "      --runner=FlinkRunner --flink_master=localhost:8081 --checkpointing_interval=10000\n",
        allow_abbrev=False,
    )
    _add_outputs(
        parser, "where the series that rules write go: influxdb://HOST:PORT, parquet:DIR; repeatable (nowhere)"
    )
    return _with_the_rest(parser)


def _add_outputs(parser: Parser, text: str) -> None:
    add_inputs(parser)
    parser.add_argument("--output", action="append", default=[], metavar="URI", help=text)


def _with_the_rest(parser: Parser) -> Parser:
    add_rules(parser)
    add = parser.add_argument
    add(
        "--config",
        metavar="FILE",
        help="YAML: tiers, target_labels, shards, watermark_delay, rules (see docs/operations.md)",
    )
    add(
        "--dead-letter",
        metavar="URI",
        help="where unreadable records go: kafka://HOST:PORT/TOPIC, file:DIR or blackhole: (the topic metrics.dead-letter beside the input; "
        "of files the directory dead-letter beside the Parquet store, or here)",
    )
    add(
        "--late",
        metavar="URI",
        help="where samples later than the allowed lateness go: likewise (the topic metrics.late, or the directory late)",
    )
    add(
        "--detach",
        action="store_true",
        help="return when the job runs (needs --job_endpoint), and print how to watch and stop it",
    )
    add("--plan", action="store_true", help="print what would run, and stop")
    add("--summary-json", metavar="FILE", help="write the balance of a bounded run there")
    return parser
