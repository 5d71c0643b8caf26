"""The metrics job: samples from Kafka or files, rolled up through retention tiers into the outputs.

Run it as ``python -m pipelines.metrics --input=... --output=... --runner=...`` or ``tidemark run metrics ...``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam

from pipelines import options as job_options
from pipelines.detach import advice, check_detachable, detach
from pipelines.options import FileInput, MetricsOptions, OptionError
from pipelines.plan import plan
from pipelines.runners import RunnerError, beam_options
from transforms.accounting import NAMESPACE, Balance
from transforms.intake import DEAD_LETTERS, SAMPLES, TOO_LATE
from transforms.io import files, kafka, outputs
from transforms.io.sink_errors import SinkError
from transforms.rollup import Rollups

REFUSALS = (OptionError, RunnerError, SinkError, LookupError, ConnectionError)
"""What :func:`run` raises where a person can mend it; the message says how."""


@dataclass(frozen=True)
class Result:
    """What a run came to: the ``balance`` of a bounded one that has ended, the name of a ``detached`` one; neither if it was only planned."""

    balance: Balance | None = None
    detached: str | None = None


def build(pipeline: beam.Pipeline, options: MetricsOptions) -> dict[str, beam.PCollection]:
    """The whole job on a pipeline; the rollup rows of each tier by its name, in wire form (:mod:`schemas.rollup`).

    Every dead letter, the sources' and the sinks', goes to one place, and so does every sample that comes too late.
    """
    tiers = options.tiers
    reads = [pipeline | _read(index, entry, options) for index, entry in enumerate(options.inputs)]
    taken = {name: _one([read[name] for read in reads], f"All {name}") for name in (SAMPLES, DEAD_LETTERS, TOO_LATE)}
    rollups = taken[SAMPLES] | "Rollups" >> Rollups(tiers)
    refused = [taken[DEAD_LETTERS]]
    for index, uri in enumerate(options.outputs):
        output = outputs.parse(uri, tiers)
        label = f"{index}: {uri.partition(':')[0]}"
        for tier in tiers.rollups:
            refused.append(rollups[tier.name] | f"Write {tier.name} to {label}" >> output.rollups(tier))
        if options.raw:
            raw = taken[SAMPLES] | f"Raw for {label}" >> beam.Values()
            refused.append(raw | f"Write raw to {label}" >> output.raw())
    dead_letters = _one(refused, "All dead letters")
    dead_letters | "Write dead letters" >> outputs.dead_letters(options.dead_letter, options.kafka_config).write()
    taken[TOO_LATE] | "Write late samples" >> outputs.late_samples(options.late, options.kafka_config).write()
    return rollups


def _read(index: int, entry: kafka.KafkaSource | FileInput, options: MetricsOptions) -> beam.PTransform:
    if isinstance(entry, FileInput):
        before = sum(len(other.paths) for other in options.inputs[:index] if isinstance(other, FileInput))
        return f"Read {index}: files" >> files.ReadSamples(entry.paths, options.intake, before)
    return f"Read {index}: {entry.topic.topic}" >> kafka.ReadSamples(entry, options.intake)


def _one(collections: Sequence[beam.PCollection], label: str) -> beam.PCollection:
    return collections[0] if len(collections) == 1 else tuple(collections) | label >> beam.Flatten()


def run(argv: Sequence[str]) -> Result:
    """Run the job that a command line describes; returns when it has ended, with ``--detach`` when it runs.

    Raises:
        OptionError: an option is missing or cannot be taken.
        RunnerError: the runner cannot run this job.
        SinkError: an output cannot be written; the message says what to do.
    """
    given, options, beam_args = job_options.parse(argv)
    if given.plan:
        print(plan(options, beam_args))
        return Result()
    settings = beam_options(beam_args, options.bounded)
    if given.detach:
        check_detachable(settings, options.bounded)
    for uri in options.outputs:
        outputs.parse(uri, options.tiers).validate(options.raw)
    outputs.dead_letters(options.dead_letter, options.kafka_config).validate()
    outputs.late_samples(options.late, options.kafka_config).validate()
    pipeline = beam.Pipeline(options=settings)
    build(pipeline, options)
    result = pipeline.run()
    if given.detach:
        return Result(detached=detach(result, settings))
    result.wait_until_finish()
    if not options.bounded:
        return Result()
    balance = Balance(counters(result))
    if given.summary_json:
        Path(given.summary_json).write_text(json.dumps(dict(balance.counts), indent=1, sort_keys=True) + "\n")
    return Result(balance)


def counters(result: beam.runners.runner.PipelineResult) -> dict[str, int]:
    """The counters of the job, by name."""
    found = result.metrics().query(beam.metrics.MetricsFilter().with_namespace(NAMESPACE))["counters"]
    totals: dict[str, int] = {}
    for counter in found:
        # A counter of several steps is one number; `committed` is absent on runners that report attempts only.
        value = counter.committed if counter.committed is not None else counter.attempted
        totals[counter.key.metric.name] = totals.get(counter.key.metric.name, 0) + (value or 0)
    return totals


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; prints the balance of a bounded run. 0 when all is well, 2 for a mistake in the options, 1 if it does not balance."""
    try:
        result = run(sys.argv[1:] if argv is None else argv)
    except REFUSALS as error:
        print(f"metrics: {error}", file=sys.stderr)
        return 2
    if result.detached is not None:
        print(advice(result.detached))
    if result.balance is None:
        return 0
    print("\n".join(["metrics: every record accounted for:", *result.balance.lines()]))
    return 0 if not (result.balance.records_missing or result.balance.samples_missing) else 1


if __name__ == "__main__":
    sys.exit(main())
