"""The parts that all jobs share: they read inputs, evaluate rules, write dead letters and late samples, and run from a command line."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PortableOptions

from pipelines import failures
from pipelines.options.job import FileInput, JobOptions, OptionError, Parsed, RuleOptions
from pipelines.plans.job import plan
from pipelines.result import Result, conclude
from pipelines.runners.detach import advice, check_detachable, detach
from pipelines.runners.options import beam_options, keeps_order, started
from services.kit import interrupts
from services.kit.commands import reported
from services.kit.outputs import OutputError, check_files, path
from transforms.alerts.beam import EvaluateRules
from transforms.alerts.rule_files.source import RuleSource
from transforms.intake.beam import DEAD_LETTERS, SAMPLES, TOO_LATE
from transforms.io.files import source as files
from transforms.io.files.paths import kept
from transforms.io.kafka import source as kafka
from transforms.io.kinds import ALERT_EVENTS, LATE_SAMPLES, RowKind, raw_samples
from transforms.io.kinds import DEAD_LETTERS as DEAD_LETTER_RECORDS
from transforms.io.sink import Output
from transforms.losses.beam import evidence
from transforms.machines.beam import is_no_mark


@dataclass(frozen=True)
class Job:
    """A job.

    Attributes:
        name: as ``tidemark run`` knows it.
        parse: reads its command line.
        build: puts it on a pipeline.
    """

    name: str
    parse: Callable[[Sequence[str]], Parsed]
    build: Callable[[beam.Pipeline, JobOptions], Any]


def read(pipeline: beam.Pipeline, options: JobOptions, sources: frozenset[int]) -> dict[str, beam.PCollection]:
    """The samples, dead letters and too late samples of all inputs, see :func:`transforms.intake.beam.take_in`.

    Args:
        pipeline: that the inputs are read in.
        options: of the job.
        sources: its :func:`marked_sources`. If there are any, the samples contain watermark marks.
    """
    marked = bool(sources)
    reads = [pipeline | _read(index, entry, options, marked) for index, entry in enumerate(options.inputs)]
    return {name: _one([each[name] for each in reads], f"All {name}") for name in (SAMPLES, DEAD_LETTERS, TOO_LATE)}


def propagates_watermarks(pipeline: beam.Pipeline, options: JobOptions) -> bool:
    """Whether the sources send their partitions' watermarks among the samples. They do so if elements keep their order on the way."""
    endless = all(isinstance(entry, kafka.KafkaSource) and not entry.bounded for entry in options.inputs)
    return endless and keeps_order(pipeline.options)


def marked_sources(pipeline: beam.Pipeline, options: JobOptions) -> frozenset[int]:
    """The numbers of the sources that send marks; none if not all do. Asks the job server which runner it is of."""
    if not propagates_watermarks(pipeline, options):
        return frozenset()
    topics = [entry.topic.topic for entry in options.inputs if isinstance(entry, kafka.KafkaSource)]
    return frozenset(source_number(*each) for each in enumerate(topics))


def unmarked(samples: beam.PCollection, sources: frozenset[int]) -> beam.PCollection:
    """The samples of :func:`read` without marks."""
    if not sources:
        return samples
    return samples | "Samples alone" >> beam.Filter(is_no_mark).with_output_types(tuple[bytes, bytes])


Writers = list[tuple[str, Output[RowKind]]]
"""The outputs of rows, each with its name in the labels of steps."""


def evaluate(
    samples: beam.PCollection, rules: RuleOptions, options: JobOptions, writing: Writers, sources: frozenset[int]
) -> list[beam.PCollection]:
    """Evaluate the rules on samples. Write the events of alerts, and the rules' series if raw samples are written.

    Args:
        writing: the job's :func:`writers`, the same for all its rows: a store orders rows by the run that an output begins.
        sources: the job's :func:`marked_sources`.

    Returns:
        The dead letters: rows that an output refused.
    """
    watch = RuleSource(rules.paths, rules.poll_ms) if rules.poll_ms else None
    settings = replace(rules.settings, sources=sources)
    evaluated = samples | "Rules" >> EvaluateRules(settings, watch)
    evaluated["events"] | "Write alerts" >> options.sinks.records[ALERT_EVENTS].write(ALERT_EVENTS)
    if not options.raw:
        return []
    raw = raw_samples(options.tiers)
    return [evaluated["samples"] | f"Write rule series to {label}" >> output.write(raw) for label, output in writing]


def writers(options: JobOptions) -> Writers:
    """The outputs of a job's rows."""
    return [
        (f"{index}: {uri.partition(':')[0]}", output)
        for index, (uri, output) in enumerate(zip(options.outputs, options.sinks.rows, strict=True))
    ]


def write_rest(refused: Sequence[beam.PCollection], too_late: beam.PCollection, options: JobOptions) -> None:
    """Write the dead letters of sources and sinks to one output, and the samples that came too late to another."""
    dead_letters = _one(refused, "All dead letters")
    dead_letters | "Write dead letters" >> options.sinks.records[DEAD_LETTER_RECORDS].write(DEAD_LETTER_RECORDS)
    too_late | "Write late samples" >> options.sinks.records[LATE_SAMPLES].write(LATE_SAMPLES)


def _read(index: int, entry: kafka.KafkaSource | FileInput, options: JobOptions, propagates: bool) -> beam.PTransform:
    if isinstance(entry, FileInput):
        before = sum(len(other.paths) for other in options.inputs[:index] if isinstance(other, FileInput))
        return f"Read {index}: files" >> files.ReadFiles(entry.paths, options.intake, before, entry.copies)
    return f"Read {index}: {entry.topic.topic}" >> kafka.ReadKafka(
        entry, options.intake, source_number(index, entry.topic.topic) if propagates else None
    )


def source_number(index: int, topic: str) -> int:
    """The number of an input. It depends on position and topic: after a restart, the state of one input never counts for another."""
    return int.from_bytes(hashlib.blake2b(f"{index}: {topic}".encode(), digest_size=4).digest(), "big") >> 1


def _one(collections: Sequence[beam.PCollection], label: str) -> beam.PCollection:
    return collections[0] if len(collections) == 1 else tuple(collections) | label >> beam.Flatten()


def run(job: Job, argv: Sequence[str]) -> Result:
    """Run the job of a command line. Returns when the job has ended, or with ``--detach`` when it runs.

    Raises:
        OptionError: an option is missing or invalid.
        OutputError: the file of ``--summary-json`` cannot be written, or is an input.
        RunnerError: the runner cannot run this job.
        InputError: a topic cannot be read; the message says what to do.
        SinkError: an output cannot be written; the message says what to do.
        RunFailed: the run failed for an external reason, such as a server that does not answer.
    """
    args, options, beam_args = job.parse(argv)
    if args.plan:
        print(plan(job.name, options, beam_args))
        return Result()
    settings = beam_options(beam_args, options.bounded, job.name)
    if args.detach:
        check_detachable(settings, options.bounded)
    _check_files(args, options)
    options.validate()
    endpoint = settings.view_as(PortableOptions).job_endpoint
    with interrupts.explained(_interrupted(endpoint)), _kept(options) as lasting:
        pipeline = beam.Pipeline(options=settings)
        job.build(pipeline, lasting)
        with failures.explained():
            result = started(pipeline)
            interrupts.lead()
            if args.detach:
                return Result(detached=detach(result, settings))
            result.wait_until_finish()
    if not options.bounded:
        return Result()
    outcome = conclude(options, evidence(result.metrics()))
    if args.summary_json:
        _write_summary(args.summary_json, json.dumps(outcome.to_json(), indent=1, sort_keys=True))
    return outcome


def _interrupted(endpoint: str | None) -> str:
    """The message of an interrupted job: what it leaves behind."""
    if endpoint:
        return (
            f"this command no longer waits; if the job server at {endpoint} runs the job already, it goes on there: "
            "stop it there (Flink: POST /jobs/ID/stop; the local stack: tidemark submit --stop)"
        )
    return "the run is not complete: what it has written stays, and the same command writes all of it, in its place"


def _check_files(args: argparse.Namespace, options: JobOptions) -> None:
    """Check that the file of ``--summary-json`` can be written, and is no input.

    Raises:
        OutputError: it cannot be written, or is an input.
    """
    reads = options.files
    reads += [name for name in (args.config, args.kafka_config) if name]
    reads += options.rules.settings.files if options.rules else []
    check_files({"--summary-json": args.summary_json}, reads)


def _write_summary(written: str, summary: str) -> None:
    try:
        path(written).write_text(f"{summary}\n")
    except OSError as error:
        raise OutputError(
            f"--summary-json={written}: cannot be written: {error.strerror}; the run is done, and this is its summary:\n{summary}"
        ) from None


@contextmanager
def _kept(options: JobOptions) -> Iterator[JobOptions]:
    """The options, with copies of inputs that can be read only once. The copies exist while the job reads them."""
    with ExitStack() as stack:
        try:
            copies = stack.enter_context(kept(options.files))
        except OSError as error:
            raise OptionError(f"--input: cannot be copied to a file of its own: {error}") from None
        inputs = [replace(entry, copies=copies) if isinstance(entry, FileInput) else entry for entry in options.inputs]
        yield replace(options, inputs=tuple(inputs))


def counters(result: beam.runners.runner.PipelineResult) -> dict[str, int]:
    """The counters of the job, by name."""
    return evidence(result.metrics()).counters


def main(name: str, running: Callable[[Sequence[str]], Result], argv: Sequence[str] | None) -> int:
    """Run a job's command line, and print the balance and the findings of a bounded run.

    Returns:
        The exit status: 0 for success, 1 for a run that fails or does not balance, 2 for a mistake in the options, 3 for a run that wrote
        nothing, or lost rows because a store refused them.
    """
    args = sys.argv[1:] if argv is None else argv
    return interrupts.run(name, lambda: reported(name, lambda: _main(name, running, args)))


def _main(name: str, running: Callable[[Sequence[str]], Result], argv: Sequence[str]) -> int:
    result = running(argv)
    if result.detached is not None:
        print(advice(name, result.detached))
    return result.report(name)
