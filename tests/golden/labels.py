"""What a savepoint is found again by: the names of steps, and of the stateful ones the names of their states and timers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2

from pipelines import alerts, metrics
from pipelines.job import Job

INPUT = "--input=kafka://127.0.0.1:1/t"
OUTPUTS = ["--output=influxdb://127.0.0.1:8086", "--output=parquet:store"]
RULES = "--rules=rules.yml"

GRAPHS = {
    "metrics": (metrics.JOB, [INPUT, "--output=blackhole:"]),
    "metrics, two inputs, two outputs, raw samples, rules": (
        metrics.JOB,
        [INPUT, f"{INPUT}2", *OUTPUTS, "--raw", RULES],
    ),
    "alerts": (alerts.JOB, [INPUT, RULES, "--rules-poll=0s"]),
    "alerts, outputs, rules looked at": (alerts.JOB, [INPUT, RULES, *OUTPUTS, "--rules-poll=10s"]),
}
"""Jobs, and the options besides."""


def labels(folder: Path) -> str:
    """The lines of all graphs; rule files and stores are made in a folder, which is the current one."""
    (folder / "rules.yml").write_text("groups: [{name: g, rules: [{alert: High, expr: load > 1}]}]\n")
    lines = []
    for title, (job, options) in GRAPHS.items():
        lines += [f"# {title}", *sorted(_steps(job, options)), ""]
    return "\n".join(lines)


def _steps(job: Job, options: list[str]) -> Iterator[str]:
    pipeline = beam.Pipeline(options=PipelineOptions(["--streaming", "--runner=FlinkRunner"]))
    job.build(pipeline, job.parse(options)[1])
    for step in pipeline.to_runner_api().components.transforms.values():
        if step.subtransforms:
            continue
        kept = ""
        if "pardo" in step.spec.urn:
            payload = beam_runner_api_pb2.ParDoPayload.FromString(step.spec.payload)
            names = {"states": payload.state_specs, "timers": payload.timer_family_specs}
            kept = "".join(f"; {kind}: {', '.join(sorted(specs))}" for kind, specs in names.items() if specs)
        # A lambda of Beam's own goes by its line, which a release moves.
        yield re.sub(r"<lambda at \w+\.py:\d+>", "<lambda>", step.unique_name) + kept
