"""Options of a job's inputs: topics and files, and how their records become samples."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.options.values import OptionError, check_labels, duration, number, refuse_unknown
from schemas.batch import MAX_PARTITIONS, MIN_WATERMARK
from schemas.codecs.block import CODECS, media_type
from schemas.series import DEFAULT_TARGET_LABELS
from schemas.tiers import Tiers
from schemas.times import parse_duration, parse_time
from schemas.units import EARLIEST_MS
from transforms.intake.beam import IntakeSettings
from transforms.io.files.paths import STDIN, left_out, matching, places
from transforms.io.kafka.source import KafkaSource
from transforms.io.kafka.topic import KafkaTopic, Start

DEFAULT_SHARDS = 32
MAX_SHARDS = 1 << 16


@dataclass(frozen=True)
class FileInput:
    """Files to read: ``copies`` says where, for those that can be read only once (:func:`transforms.io.files.paths.kept`)."""

    paths: tuple[str, ...]
    copies: Mapping[str, str] = field(default_factory=dict)


def inputs(args: argparse.Namespace, kafka_config: dict[str, str]) -> tuple[KafkaSource | FileInput, ...]:
    """What ``--input`` names.

    Raises:
        OptionError: nothing, or what cannot be read.
    """
    if not args.input:
        raise OptionError("--input is missing: kafka://HOST:PORT/TOPIC or file:PATH")
    found = tuple(_input(uri, args, kafka_config) for uri in args.input)
    number = sum(len(entry.paths) for entry in found if isinstance(entry, FileInput))
    if number > MAX_PARTITIONS:
        raise OptionError(
            f"--input: {number:,} files are too many for one run, at most {MAX_PARTITIONS:,}: "
            "join some of them (cat does, gzip or not), or run once for each part of them"
        )
    return found


def _input(uri: str, args: argparse.Namespace, kafka_config: dict[str, str]) -> KafkaSource | FileInput:
    scheme, _, rest = uri.partition(":")
    try:
        if scheme == "kafka":
            return KafkaSource(
                topic=KafkaTopic.from_url(uri, kafka_config),
                start=Start.parse(args.start),
                bounded=args.bounded,
                idle_ms=duration("--idle-timeout", args.idle_timeout),
                discovery_ms=duration("--discovery-interval", args.discovery_interval),
            )
        if scheme == "file" and rest:
            if others := left_out(places(rest)):
                print(f"--input={uri}: {others}", file=sys.stderr)
            return FileInput(tuple(matching(rest)))
    except (ValueError, FileNotFoundError) as error:
        raise OptionError(f"--input={uri}: {error}") from None
    if uri == STDIN:
        raise OptionError(f"--input={uri}: for standard input, --input=file:-")
    hint = f"; for the file of that name, --input=file:{uri}" if os.path.exists(os.path.expanduser(uri)) else ""
    raise OptionError(f"--input={uri}: write kafka://HOST:PORT/TOPIC or file:PATH{hint}")


def intake(args: argparse.Namespace, config: dict[str, Any]) -> IntakeSettings:
    """The settings of the intake, from the command line and the mapping of the configuration file.

    Raises:
        OptionError: an option or a key is invalid.
    """
    where = f"--config={args.config}"
    refuse_unknown(where, config, {"tiers", "target_labels", "shards", "watermark_delay", "rules"})
    try:
        tiers = Tiers.from_config(config["tiers"]) if "tiers" in config else Tiers()
        delay_ms = parse_duration(str(config.get("watermark_delay", "10s")))
    except ValueError as error:
        raise OptionError(f"{where}: {error}") from None
    labels = config.get("target_labels", sorted(DEFAULT_TARGET_LABELS))
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise OptionError(f"{where}: target_labels: a list of label names is wanted, not {labels!r}")
    check_labels(f"{where}: target_labels", labels)
    future = None if args.max_future == "none" else duration("--max-future", args.max_future)
    if args.default_content_type is not None and media_type(args.default_content_type) not in CODECS:
        raise OptionError(f"--default-content-type={args.default_content_type}: known: {', '.join(sorted(CODECS))}")
    since_ms = _since(args.since)
    return IntakeSettings(
        tiers=tiers,
        shards=number(f"{where}: shards", config.get("shards", DEFAULT_SHARDS), MAX_SHARDS),
        delay_ms=delay_ms,
        target_labels=frozenset(labels),
        default_content_type=args.default_content_type,
        precision=args.precision,
        max_future_ms=future,
        since_ms=since_ms,
        # Who asks for a time before it means it.
        earliest_ms=EARLIEST_MS if args.since is None else min(EARLIEST_MS, max(since_ms, 0)),
        file_watermark=args.file_watermark,
    )


def _since(text: str | None) -> int:
    try:
        return MIN_WATERMARK if text is None else parse_time(text)
    except ValueError as error:
        raise OptionError(f"--since: {error}") from None
