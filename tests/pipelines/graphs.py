"""The graphs of jobs as runners get them."""

from __future__ import annotations

from collections.abc import Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2

from pipelines.job import Job

INPUT = "--input=kafka://127.0.0.1:1/t"
OUTPUTS = ["--output=influxdb://127.0.0.1:8086", "--output=parquet:store"]
RULES = "groups: [{name: g, rules: [{alert: High, expr: load > 1}]}]\n"
"""A rule file."""

Graph = list[beam_runner_api_pb2.PTransform]


def graph(job: Job, options: Sequence[str]) -> Graph:
    """The steps of a job, single ones. It begins a run in the stores of its outputs."""
    return list(numbered(job, options).values())


def numbered(job: Job, options: Sequence[str]) -> dict[str, beam_runner_api_pb2.PTransform]:
    """The steps of :func:`graph` by their ids, which end with a number: that of the step in the order of the graph."""
    pipeline = beam.Pipeline(options=PipelineOptions(["--streaming", "--runner=FlinkRunner"]))
    job.build(pipeline, job.parse(options)[1])
    steps = pipeline.to_runner_api().components.transforms
    return {name: step for name, step in steps.items() if not step.subtransforms}


def pardo(step: beam_runner_api_pb2.PTransform) -> beam_runner_api_pb2.ParDoPayload | None:
    """What a step says of its states and timers; None if it is no ParDo."""
    return beam_runner_api_pb2.ParDoPayload.FromString(step.spec.payload) if "pardo" in step.spec.urn else None
