"""The alerts job: evaluates rules on samples from Kafka or files. It is the metrics job without rollups.

Run it as ``python -m pipelines.alerts --rules=... --input=... --runner=...`` or ``tidemark run alerts ...``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import apache_beam as beam

from pipelines import job
from pipelines.options import job as job_options
from pipelines.options.job import JobOptions
from pipelines.result import Result
from transforms.intake.beam import DEAD_LETTERS, SAMPLES, TOO_LATE


def build(pipeline: beam.Pipeline, options: JobOptions) -> None:
    """Build the job on a pipeline.

    Raises:
        ValueError: the options name no rules.
    """
    if options.rules is None:
        raise ValueError("there are no rules to evaluate")
    sources = job.marked_sources(pipeline, options)
    taken = job.read(pipeline, options, sources)
    refused = job.evaluate(taken[SAMPLES], options.rules, options, job.writers(options), sources)
    job.write_rest([taken[DEAD_LETTERS], *refused], taken[TOO_LATE], options)


JOB = job.Job("alerts", job_options.parse_alerts, build)


def run(argv: Sequence[str]) -> Result:
    """See :func:`pipelines.job.run`."""
    return job.run(JOB, argv)


def main(argv: Sequence[str] | None = None) -> int:
    """See :func:`pipelines.job.main`."""
    return job.main(JOB.name, run, argv)


if __name__ == "__main__":
    from tidemark import cli

    sys.argv[1:1] = ["run", "alerts"]
    sys.exit(cli.main())
