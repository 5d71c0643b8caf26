"""Options of the jobs, from the command line and the YAML file of ``--config``. They are validated before anything starts."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from pipelines.options.inputs import FileInput, inputs, intake
from pipelines.options.output_checks import check_apart
from pipelines.options.parsers import alerts_parser, metrics_parser
from pipelines.options.rules import RuleOptions, rule_options
from pipelines.options.values import OptionError, read_yaml
from pipelines.runners.options import to_beam_args
from schemas.alert_event import TOPIC_ALERT_EVENTS
from schemas.records import TOPIC_DEAD_LETTER, TOPIC_LATE
from schemas.tiers import Tiers
from services.kit.arguments import Parser
from transforms.intake.beam import IntakeSettings
from transforms.io import sink as outputs
from transforms.io.kafka.reader import check_topic
from transforms.io.kafka.source import KafkaSource
from transforms.io.kinds import ALERT_EVENTS, DEAD_LETTERS, LATE_SAMPLES, RecordKind, RowKind, row_kinds

__all__ = [
    "FileInput",
    "JobOptions",
    "OptionError",
    "RuleOptions",
    "alerts_parser",
    "metrics_parser",
    "parse",
    "parse_alerts",
]


class Sinks(NamedTuple):
    """The outputs of a job.

    Attributes:
        rows: each takes all rows.
        records: the output of each kind of records.
    """

    rows: tuple[outputs.Output[RowKind], ...]
    records: Mapping[RecordKind, outputs.Output[RecordKind]]


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """What a job does.

    Attributes:
        inputs: topics and files.
        outputs: URIs, see :mod:`transforms.io.sink`.
        intake: how records become elements.
        rollups: whether samples are rolled up into the outputs.
        raw: whether raw samples are written too, and the series that rules write.
        dead_letter, late: where records that cannot be read and samples that come too late go.
        rules: what is evaluated; None for nothing.
        kafka_config: librdkafka's settings for every Kafka connection, environment variables not yet filled in.
    """

    inputs: tuple[KafkaSource | FileInput, ...]
    outputs: tuple[str, ...]
    intake: IntakeSettings
    rollups: bool
    raw: bool
    dead_letter: str
    late: str
    rules: RuleOptions | None = None
    kafka_config: dict[str, str] = field(default_factory=dict)

    @property
    def tiers(self) -> Tiers:
        """The retention tiers."""
        return self.intake.tiers

    @property
    def row_kinds(self) -> list[RowKind]:
        """The rows that go to every output."""
        return row_kinds(self.tiers, raw=self.raw, rollups_too=self.rollups)

    @property
    def record_places(self) -> dict[RecordKind, str]:
        """The URI of the output of each kind of records."""
        events = {} if self.rules is None else {ALERT_EVENTS: self.rules.alerts}
        return {DEAD_LETTERS: self.dead_letter, LATE_SAMPLES: self.late, **events}

    @cached_property
    def sinks(self) -> Sinks:
        """The outputs of all URIs.

        Raises:
            ValueError: there is no such output.
        """
        places = self.record_places.items()
        return Sinks(
            tuple(map(outputs.rows, self.outputs)),
            {kind: outputs.records(uri, kind, self.kafka_config) for kind, uri in places},
        )

    @property
    def files(self) -> list[str]:
        """The files of all inputs, in the order of their partitions."""
        return [path for entry in self.inputs if isinstance(entry, FileInput) for path in entry.paths]

    @property
    def bounded(self) -> bool:
        """Whether the job ends by itself."""
        return _bounded(self.inputs)

    def validate(self) -> None:
        """Check that every output can be written, and that the topics that must be reached from here can be read.

        Raises:
            transforms.io.errors.SinkError: an output cannot be written; the message says what to do.
            transforms.io.errors.InputError: there is no such topic to read, or its brokers do not answer.
        """
        records = self.record_places.values()
        for entry in self.inputs:
            # Check the input before outputs on the same brokers, so that an error names the input.
            if isinstance(entry, KafkaSource) and (
                entry.bounded or any(uri.startswith(f"kafka://{entry.topic.bootstrap}/") for uri in records)
            ):
                check_topic(entry.topic)
        for output in self.sinks.rows:
            output.validate(self.row_kinds)
        for kind, place in self.sinks.records.items():
            place.validate([kind])


def metrics_options(args: argparse.Namespace) -> JobOptions:
    """Validate the command line and the configuration file. Opens only that file and the rule files.

    Raises:
        OptionError: an option is missing or invalid.
    """
    return _options(args, rollups=True, raw=args.raw)


def alerts_options(args: argparse.Namespace) -> JobOptions:
    """Validate the options of the alerts job, as :func:`metrics_options` does.

    Raises:
        OptionError: an option is missing or invalid.
    """
    if not args.rules:
        raise OptionError("--rules is missing: a rule file, a directory of them, or a glob")
    return _options(args, rollups=False, raw=True)


def _options(args: argparse.Namespace, *, rollups: bool, raw: bool) -> JobOptions:
    kafka_config = {str(name): str(value) for name, value in read_yaml("--kafka-config", args.kafka_config).items()}
    reads = inputs(args, kafka_config)
    if rollups and not args.output:
        raise OptionError("--output is missing: influxdb://HOST:PORT, parquet:DIR, or blackhole: to write nowhere")
    brokers = [entry.topic.bootstrap for entry in reads if isinstance(entry, KafkaSource)]

    def beside(topic: str, directory: str) -> str:
        return f"kafka://{brokers[0]}/{topic}" if brokers else f"file:{_beside_store(args.output, directory)}"

    config = read_yaml("--config", args.config)
    settings = intake(args, config)
    options = JobOptions(
        inputs=reads,
        outputs=tuple(args.output),
        intake=settings,
        rollups=rollups,
        raw=raw,
        dead_letter=args.dead_letter or beside(TOPIC_DEAD_LETTER, "dead-letter"),
        late=args.late or beside(TOPIC_LATE, "late"),
        rules=rule_options(
            args, config.get("rules", {}), settings, _bounded(reads), beside(TOPIC_ALERT_EVENTS, "alerts")
        ),
        kafka_config=kafka_config,
    )
    _check_outputs(options, args.input)
    return options


def _beside_store(uris: Sequence[str], directory: str) -> str:
    """A directory beside the first Parquet store, or in the working directory if there is none."""
    stores = [uri.removeprefix("parquet:").partition("?")[0] for uri in uris if uri.startswith("parquet:")]
    return os.path.join(os.path.dirname(os.path.abspath(stores[0])), directory) if stores and stores[0] else directory


def _bounded(reads: Sequence[KafkaSource | FileInput]) -> bool:
    return all(isinstance(entry, FileInput) or entry.bounded for entry in reads)


def _check_outputs(options: JobOptions, read: Sequence[str]) -> None:
    try:
        _ = options.sinks
        topics = [entry.topic for entry in options.inputs if isinstance(entry, KafkaSource)]
        records = {"--dead-letter": options.dead_letter, "--late": options.late}
        if options.rules is not None:
            records["--alerts"] = options.rules.alerts
        check_apart(read, topics, options.outputs, records)
    except ValueError as error:
        raise OptionError(str(error)) from None


Parsed = tuple[argparse.Namespace, JobOptions, list[str]]
"""A parsed command line: the arguments, the validated options, and the arguments for Beam."""


def parse(argv: Sequence[str]) -> Parsed:
    """Parse the command line of the metrics job.

    Raises:
        OptionError: an option is missing or invalid.
        RunnerError: an option is unknown.
    """
    return _parse(metrics_parser(), argv, metrics_options)


def parse_alerts(argv: Sequence[str]) -> Parsed:
    """Parse the command line of the alerts job.

    Raises:
        OptionError: an option is missing or invalid.
        RunnerError: an option is unknown.
    """
    return _parse(alerts_parser(), argv, alerts_options)


def _parse(parser: Parser, argv: Sequence[str], options: Callable[[argparse.Namespace], JobOptions]) -> Parsed:
    args, rest = parser.parse_known_args(list(argv))
    beam_args = to_beam_args(rest, parser.options)
    return args, options(args), beam_args
