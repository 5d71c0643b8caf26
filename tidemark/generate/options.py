"""The options of ``tidemark generate metrics``, as they go together."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from schemas.records import JSON_SCRAPE, LINE_PROTOCOL
from tidemark.generate.arguments import FORMATS
from tidemark.generate.plan import Faults
from transforms.io.files.content_types import content_type_of
from transforms.io.kafka.topic import KafkaTopic

DEFAULT_DURATION_MS = 3_600_000
_OF_FILES = ((JSON_SCRAPE,), (LINE_PROTOCOL,))


@dataclass(frozen=True)
class Options:
    """The options of one run; durations and times in ms. ``duration_ms`` None: until interrupted. ``start_ms`` None: so that the run ends now."""

    hosts: int
    metrics: int
    interval_ms: int
    start_ms: int | None
    duration_ms: int | None
    seed: int
    format: str
    faults: Faults
    output: KafkaTopic | str
    rate: float
    realtime: bool
    kafka_config: Path | None
    create_topic: int | None
    truth: Path | None
    summary_json: Path | None
    quiet: bool


def _format(wanted: str | None, output: KafkaTopic | str) -> str:
    """The format of records: the wanted one, else that of the file's name.

    Raises:
        ValueError: the file's name says another format, and jobs go by the name.
    """
    content_type = None if isinstance(output, KafkaTopic) else content_type_of(output)
    named = next((name for name, types in FORMATS.items() if types == (content_type,)), None)
    if wanted is not None and named is not None and wanted != named and FORMATS[wanted] in _OF_FILES:
        raise ValueError(f"--format={wanted}: by its name a job would read {output} as {named}; give it another ending")
    return wanted or named or "json"


def checked(args: argparse.Namespace) -> Options:
    """The options from parsed arguments.

    Raises:
        ValueError: a value is out of range, or two options exclude each other.
    """
    late, late_mean_ms, late_max_ms = args.lateness
    duplicates, differing = args.duplicates
    options = Options(
        hosts=args.hosts,
        metrics=args.metrics,
        interval_ms=args.interval,
        start_ms=args.start,
        duration_ms=args.duration if args.duration or args.realtime else DEFAULT_DURATION_MS,
        seed=args.seed,
        format=_format(args.format, args.output),
        faults=Faults(late, late_mean_ms, late_max_ms, duplicates, differing, args.malformed),
        output=args.output,
        rate=args.rate,
        realtime=args.realtime,
        kafka_config=args.kafka_config,
        create_topic=args.create_topic,
        truth=args.truth,
        summary_json=args.summary_json,
        quiet=args.quiet,
    )
    if not isinstance(options.output, KafkaTopic):
        if FORMATS[options.format] not in _OF_FILES:
            raise ValueError(
                f"--format={options.format} is binary and needs Kafka; files take --format=json or --format=line"
            )
        if options.kafka_config or options.create_topic:
            raise ValueError("--kafka-config and --create-topic are for --output=kafka://...")
    if options.create_topic is not None and options.create_topic < 1:
        raise ValueError(f"--create-topic: at least one partition is needed, not {options.create_topic}")
    if options.rate < 0:
        raise ValueError(f"--rate: {options.rate:g} is below zero; 0 is as fast as possible")
    if options.realtime and (options.start_ms is not None or options.rate):
        raise ValueError("--realtime sets times and pace itself: leave out --start and --rate")
    return options
