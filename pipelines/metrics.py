"""The metrics job: rolls up samples from Kafka or files through retention tiers into the outputs, and evaluates rules on them.

Run it as ``python -m pipelines.metrics --input=... --output=... --runner=...`` or ``tidemark run metrics ...``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import apache_beam as beam

from pipelines import job
from pipelines.job import counters
from pipelines.options import job as job_options
from pipelines.options.job import JobOptions
from pipelines.result import Result
from transforms.intake.beam import DEAD_LETTERS, SAMPLES, TOO_LATE
from transforms.io import kinds
from transforms.rollups.beam import Marked, Rollups

__all__ = ["JOB", "Result", "build", "counters", "main", "run"]


class Built(NamedTuple):
    """What further steps can read, in wire form.

    Attributes:
        samples: ``(key, samples)``, each of one shard and one window of the finest tier (:mod:`schemas.batch`).
        rollups: the rows of each tier by its name (:mod:`schemas.rollup`).
    """

    samples: beam.PCollection
    rollups: Mapping[str, beam.PCollection]


def build(pipeline: beam.Pipeline, options: JobOptions) -> Built:
    """Build the job on a pipeline.

    Every dead letter, the sources' and the sinks', goes to one place, and so does every sample that comes too late.
    """
    sources = job.marked_sources(pipeline, options)
    taken = job.read(pipeline, options, sources)
    samples = job.unmarked(taken[SAMPLES], sources)
    marked = Marked(sources, options.intake.shards) if sources else None
    rollups: dict[str, beam.PCollection] = taken[SAMPLES] | "Rollups" >> Rollups(options.tiers, marked)
    refused = [taken[DEAD_LETTERS]]
    writing = job.writers(options)
    for label, output in writing:
        for tier in options.tiers.rollups:
            refused.append(rollups[tier.name] | f"Write {tier.name} to {label}" >> output.write(kinds.rollups(tier)))
        if options.raw:
            raw = samples | f"Raw for {label}" >> beam.Values()
            refused.append(raw | f"Write raw to {label}" >> output.write(kinds.raw_samples(options.tiers)))
    if options.rules is not None:
        refused += job.evaluate(taken[SAMPLES], options.rules, options, writing, sources)
    job.write_rest(refused, taken[TOO_LATE], options)
    return Built(samples, rollups)


JOB = job.Job("metrics", job_options.parse, build)


def run(argv: Sequence[str]) -> Result:
    """See :func:`pipelines.job.run`."""
    return job.run(JOB, argv)


def main(argv: Sequence[str] | None = None) -> int:
    """See :func:`pipelines.job.main`."""
    return job.main(JOB.name, run, argv)


if __name__ == "__main__":
    from tidemark import cli

    sys.argv[1:1] = ["run", "metrics"]
    sys.exit(cli.main())
