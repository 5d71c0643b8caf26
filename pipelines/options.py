"""Options of the jobs: one table for the command line, a YAML file for what a job means, both validated before anything starts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import yaml

from schemas.batch import MIN_WATERMARK
from schemas.codecs.block import CODECS, media_type
from schemas.codecs.line_syntax import Precision
from schemas.records import JSON_SCRAPE, TOPIC_DEAD_LETTER, TOPIC_LATE
from schemas.series import DEFAULT_TARGET_LABELS
from schemas.tiers import Tiers
from schemas.times import parse_duration, parse_time
from transforms.intake import IntakeSettings
from transforms.io import outputs
from transforms.io.files import matching
from transforms.io.kafka import KafkaSource
from transforms.io.kafka_settings import KafkaTopic, Start

DEFAULT_SHARDS = 32
MAX_SHARDS = 1 << 16


class OptionError(ValueError):
    """An option that cannot be taken; the message names it and says what would be."""


@dataclass(frozen=True)
class FileInput:
    """Files to read."""

    paths: tuple[str, ...]


@dataclass(frozen=True)
class MetricsOptions:
    """What the metrics job does.

    Attributes:
        inputs: topics and files.
        outputs: URIs, see :mod:`transforms.io.outputs`.
        intake: how records become elements.
        raw: whether raw samples are written too.
        dead_letter, late: where records that cannot be read and samples that come too late go.
        kafka_config: librdkafka's settings for every Kafka connection, environment variables not yet filled in.
    """

    inputs: tuple[KafkaSource | FileInput, ...]
    outputs: tuple[str, ...]
    intake: IntakeSettings
    raw: bool
    dead_letter: str
    late: str
    kafka_config: dict[str, str] = field(default_factory=dict)

    @property
    def tiers(self) -> Tiers:
        """The retention tiers."""
        return self.intake.tiers

    @property
    def bounded(self) -> bool:
        """Whether the job comes to an end."""
        return all(isinstance(entry, FileInput) or entry.bounded for entry in self.inputs)


def parser() -> argparse.ArgumentParser:
    """The command line of the metrics job; what it does not know goes to Beam."""
    words = argparse.ArgumentParser(
        prog="python -m pipelines.metrics",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Roll up metrics from Kafka or files through retention tiers into InfluxDB, Parquet, or both.",
        epilog="Every other option goes to Beam: --runner, --job_endpoint, --checkpointing_interval, ... "
        "docs/operations.md has complete commands.\n\n"
        "examples:\n"
        "  python -m pipelines.metrics --input=file:metrics.lp.gz --output=parquet:store\n"
        "  python -m pipelines.metrics --input=kafka://localhost:9092/metrics.raw --output=influxdb://localhost:8086 \\\n"
        "      --runner=FlinkRunner --flink_master=localhost:8081 --checkpointing_interval=10000\n",
        allow_abbrev=False,
    )
    add = words.add_argument
    add(
        "--input",
        action="append",
        default=[],
        metavar="URI",
        help="kafka://HOST:PORT/TOPIC or file:PATH (a glob is fine); repeatable",
    )
    add(
        "--output",
        action="append",
        default=[],
        metavar="URI",
        help="influxdb://HOST:PORT, parquet:DIR or blackhole: (counts and forgets); repeatable",
    )
    add("--config", metavar="FILE", help="YAML: tiers, target_labels, shards, watermark_delay (see docs/operations.md)")
    add(
        "--start",
        default="earliest",
        help="where Kafka is read from: earliest, latest, offset:N or time:2024-05-01T12:00:00Z",
    )
    add(
        "--since",
        metavar="TIME",
        help="leave out samples before this event time: on the hour, no window is written in part",
    )
    add("--bounded", action="store_true", help="read Kafka to its end as of now, then stop")
    add(
        "--kafka_config",
        metavar="FILE",
        help="YAML of librdkafka settings (security.protocol, sasl.*, ssl.*); ${NAME} takes a variable",
    )
    add(
        "--idle_timeout",
        default="30s",
        metavar="TIME",
        help="a partition with nothing to read this long stops holding back the others",
    )
    add("--discovery_interval", default="1m", metavar="TIME", help="how often to look for new partitions; 0s for never")
    add("--default_content_type", default=JSON_SCRAPE, metavar="TYPE", help="of records without a content-type header")
    add("--precision", default="ns", choices=get_args(Precision), help="of the timestamps of line protocol (ns)")
    add(
        "--max_future",
        default="10m",
        metavar="TIME",
        help="how far an event time may lie after its record's own time; 'none' for any",
    )
    add("--raw", action=argparse.BooleanOptionalAction, default=True, help="write raw samples too")
    add("--dead_letter", metavar="URI", help="where unreadable records go: kafka://HOST:PORT/TOPIC or file:DIR")
    add(
        "--late",
        metavar="URI",
        help="where samples later than the allowed lateness go: kafka://HOST:PORT/TOPIC or file:DIR",
    )
    add(
        "--detach",
        action="store_true",
        help="return when the job runs (needs --job_endpoint), and tell how to look at it and stop it",
    )
    add("--plan", action="store_true", help="print what would run, and stop")
    add("--summary_json", metavar="FILE", help="write the balance of a bounded run there")
    return words


def metrics_options(given: argparse.Namespace) -> MetricsOptions:
    """Validate what the command line and the configuration file say; nothing is opened but that file.

    Raises:
        OptionError: an option is missing or cannot be taken.
    """
    if not given.input:
        raise OptionError("--input is missing: kafka://HOST:PORT/TOPIC or file:PATH")
    if not given.output:
        raise OptionError("--output is missing: influxdb://HOST:PORT, parquet:DIR, or blackhole: to write nowhere")
    kafka_config = {str(name): str(value) for name, value in _read_yaml("--kafka_config", given.kafka_config).items()}
    inputs = tuple(_input(uri, given, kafka_config) for uri in given.input)
    topics = [entry.topic for entry in inputs if isinstance(entry, KafkaSource)]
    beside = f"kafka://{topics[0].bootstrap}/" if topics else None
    options = MetricsOptions(
        inputs=inputs,
        outputs=tuple(given.output),
        intake=_intake(given),
        raw=given.raw,
        dead_letter=given.dead_letter or (f"{beside}{TOPIC_DEAD_LETTER}" if beside else "file:dead-letter"),
        late=given.late or (f"{beside}{TOPIC_LATE}" if beside else "file:late"),
        kafka_config=kafka_config,
    )
    _check_outputs(options)
    return options


def _check_outputs(options: MetricsOptions) -> None:
    try:
        for uri in options.outputs:
            outputs.parse(uri, options.tiers)
        outputs.dead_letters(options.dead_letter, options.kafka_config)
        outputs.late_samples(options.late, options.kafka_config)
    except ValueError as error:
        raise OptionError(str(error)) from None


def _input(uri: str, given: argparse.Namespace, kafka_config: dict[str, str]) -> KafkaSource | FileInput:
    scheme, _, rest = uri.partition(":")
    try:
        if scheme == "kafka":
            return KafkaSource(
                topic=KafkaTopic.from_url(uri, kafka_config),
                start=Start.parse(given.start),
                bounded=given.bounded,
                idle_ms=_duration("--idle_timeout", given.idle_timeout),
                discovery_ms=_duration("--discovery_interval", given.discovery_interval),
            )
        if scheme == "file" and rest:
            return FileInput(tuple(matching(rest)))
    except (ValueError, FileNotFoundError) as error:
        raise OptionError(f"--input={uri}: {error}") from None
    raise OptionError(f"--input={uri}: write kafka://HOST:PORT/TOPIC or file:PATH")


def _intake(given: argparse.Namespace) -> IntakeSettings:
    where = f"--config={given.config}"
    config = _read_yaml("--config", given.config)
    known = {"tiers", "target_labels", "shards", "watermark_delay"}
    unknown = sorted(set(config) - known)
    if unknown:
        raise OptionError(f"{where}: no such key: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    try:
        tiers = Tiers.from_config(config["tiers"]) if "tiers" in config else Tiers()
        delay_ms = parse_duration(str(config.get("watermark_delay", "10s")))
    except ValueError as error:
        raise OptionError(f"{where}: {error}") from None
    shards = config.get("shards", DEFAULT_SHARDS)
    if not isinstance(shards, int) or isinstance(shards, bool) or not 1 <= shards <= MAX_SHARDS:
        raise OptionError(f"{where}: shards: a number from 1 to {MAX_SHARDS} is wanted, not {shards!r}")
    labels = config.get("target_labels", sorted(DEFAULT_TARGET_LABELS))
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise OptionError(f"{where}: target_labels: a list of label names is wanted, not {labels!r}")
    future = None if given.max_future == "none" else _duration("--max_future", given.max_future)
    if media_type(given.default_content_type) not in CODECS:
        raise OptionError(f"--default_content_type={given.default_content_type}: known: {', '.join(sorted(CODECS))}")
    return IntakeSettings(
        tiers=tiers,
        shards=shards,
        delay_ms=delay_ms,
        target_labels=frozenset(labels),
        default_content_type=given.default_content_type,
        precision=given.precision,
        max_future_ms=future,
        since_ms=_since(given.since),
    )


def _since(text: str | None) -> int:
    try:
        return MIN_WATERMARK if text is None else parse_time(text)
    except ValueError as error:
        raise OptionError(f"--since: {error}") from None


def _duration(option: str, text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise OptionError(f"{option}: {error}") from None


def _read_yaml(option: str, path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        content = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise OptionError(f"{option}={path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise OptionError(f"{option}={path}: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise OptionError(f"{option}={path}: a mapping is wanted at the top")
    return content


def parse(argv: Sequence[str]) -> tuple[argparse.Namespace, MetricsOptions, list[str]]:
    """The words of a command line: as given, as validated, and those for Beam.

    Raises:
        OptionError: an option is missing or cannot be taken.
    """
    given, beam_args = parser().parse_known_args(list(argv))
    return given, metrics_options(given), beam_args
