"""What a savepoint is found again by on Flink: the runner names a stage, and so its state, after the collection that the stage reads."""

from __future__ import annotations

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2

from pipelines import options as job_options
from pipelines.metrics import build

OUTPUTS = ["--output=influxdb://127.0.0.1:8086", "--output=parquet:store"]


@pytest.mark.parametrize("raw", ["--raw", "--no-raw"])
@pytest.mark.parametrize("outputs", [OUTPUTS[:1], OUTPUTS], ids=["one output", "two outputs"])
def test_the_collection_of_a_stateful_step_is_read_by_nothing_else(outputs: list[str], raw: str) -> None:
    _, options, _ = job_options.parse(["--input=kafka://127.0.0.1:1/t", *outputs, raw])
    pipeline = beam.Pipeline(options=PipelineOptions(["--streaming"]))
    build(pipeline, options)
    transforms = [step for step in pipeline.to_runner_api().components.transforms.values() if not step.subtransforms]
    stateful = 0
    for step in transforms:
        payload = beam_runner_api_pb2.ParDoPayload.FromString(step.spec.payload) if "pardo" in step.spec.urn else None
        if payload is None or not payload.timer_family_specs:
            continue
        stateful += 1
        for collection in step.inputs.values():
            readers = [other.unique_name for other in transforms if collection in other.inputs.values()]
            assert readers == [step.unique_name]
    assert stateful == len(options.tiers.rollups)
