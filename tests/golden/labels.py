"""What a savepoint is found again by: the names of steps, and of the stateful ones the names of their states and timers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam

from pipelines import alerts, metrics
from pipelines.job import Job
from tests.pipelines.graphs import INPUT, OUTPUTS, RULES, graph, pardo
from transforms.intake.beam import IntakeSettings
from transforms.intake.source import CutRecords

RULE_FILE = "rules.yml"


def _cut(pipeline: beam.Pipeline, _: object) -> None:
    """Records of a collection of one's own."""
    pipeline | "Records" >> beam.Create([{}]) | CutRecords(IntakeSettings(), len)


GRAPHS = {
    "metrics": (metrics.JOB, [INPUT, "--output=blackhole:"]),
    "metrics, two inputs, two outputs, raw samples, rules": (
        metrics.JOB,
        [INPUT, f"{INPUT}2", *OUTPUTS, "--raw", f"--rules={RULE_FILE}"],
    ),
    "alerts": (alerts.JOB, [INPUT, f"--rules={RULE_FILE}", "--rules-poll=0s"]),
    "alerts, outputs, rules looked at": (alerts.JOB, [INPUT, f"--rules={RULE_FILE}", *OUTPUTS, "--rules-poll=10s"]),
    "records of one's own": (Job("own", metrics.JOB.parse, _cut), [INPUT, "--output=blackhole:"]),
}
"""Jobs, and the options besides."""


def labels(folder: Path) -> str:
    """The lines of all graphs; rule files and stores are made in a folder, which is the current one."""
    (folder / RULE_FILE).write_text(RULES)
    lines = []
    for title, (job, options) in GRAPHS.items():
        lines += [f"# {title}", *sorted(_steps(job, options)), ""]
    return "\n".join(lines)


def _steps(job: Job, options: list[str]) -> Iterator[str]:
    for step in graph(job, options):
        kept = ""
        if (payload := pardo(step)) is not None:
            names = {"states": payload.state_specs, "timers": payload.timer_family_specs}
            kept = "".join(f"; {kind}: {', '.join(sorted(specs))}" for kind, specs in names.items() if specs)
        # A lambda of Beam's own goes by its line, which a release moves.
        yield re.sub(r"<lambda at \w+\.py:\d+>", "<lambda>", step.unique_name) + kept
