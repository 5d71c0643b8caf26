"""Beam around the machines: what comes out of a pipeline is what the machines report without one."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.metrics import counters
from schemas import alert_event
from schemas import batch as batches
from tests.transforms.naive import NOON, samples_of
from transforms.alerts.beam import EvaluateRules
from transforms.alerts.local import LocalPipeline
from transforms.alerts.rule_files.source import RuleSource
from transforms.alerts.settings import EVENTS, SAMPLES, EvaluationSettings
from transforms.intake.beam import IntakeSettings
from transforms.io.files.source import ReadFiles

SECOND = 1_000
RULES = """
groups:
- name: pools
  interval: 15s
  rules:
  - record: pool:x:sum
    expr: sum by (pool) (x)
  - alert: High
    expr: pool:x:sum > 9
    for: 30s
    annotations: {summary: '{{ $labels.pool }} at {{ $value }}'}
- name: hosts
  rules:
  - alert: HostHigh
    expr: avg_over_time(x[1m]) > 4
  - alert: Gone
    expr: absent(y)
    for: 2m
"""


# The whole transform, beside the machines without Beam.


def scrapes(seed: int, disorder: float) -> list[bytes]:
    """Ten minutes of six hosts every 15 s, in which values go up and down; a share of the scrapes comes up to two minutes late."""
    rng = random.Random(seed)
    found = []
    for second in range(0, 600, 15):
        for host in range(6):
            late = rng.uniform(5, 120) if rng.random() < disorder else 0.0
            samples: dict[str, float] = {"x": float(rng.choice([1, 2, 5, 6]))}
            if second < 240:
                samples["y"] = 1.0
            labels = {"job": "node", "host": f"h{host}", "pool": "ab"[host % 2]}
            document = {"labels": labels, "timestamp": NOON + second * SECOND + host, "samples": samples}
            found.append((second + late, json.dumps(document).encode()))
    return [document for _, document in sorted(found, key=lambda each: each[0])]


INTAKE = IntakeSettings(shards=8, file_watermark="events")


KEPT: defaultdict[str, list[Any]] = defaultdict(list)


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    KEPT.clear()


def keep(element: object, name: str) -> None:
    """Where the local runner's elements go: it runs in this process, but what is given to a step is a copy there."""
    KEPT[name].append(element)


def samples_in(encoded: Iterable[bytes]) -> list[str]:
    """As text: a staleness marker is not equal to itself."""
    return sorted(str(sample) for data in encoded for sample in samples_of(batches.decode(data)))


@pytest.mark.parametrize(
    ("seed", "disorder", "shards"),
    [(1, 0.0, 3), (2, 0.1, 1), (3, 0.3, 8)],
    ids=["in order", "one shard, some late", "many late"],
)
def test_the_events_of_files_are_those_of_the_machines_without_beam(
    seed: int, disorder: float, shards: int, tmp_path: Path
) -> None:
    path = tmp_path / "scrapes.jsonl"
    path.write_bytes(b"\n".join(scrapes(seed, disorder)))
    settings = EvaluationSettings({"r.yml": RULES}, shards=shards, bounded=True)
    with beam.Pipeline(FnApiRunner()) as pipeline:
        taken = pipeline | "Read" >> ReadFiles([str(path)], INTAKE)
        evaluated = taken["samples"] | "Rules" >> EvaluateRules(settings)
        taken["samples"] | "Read samples" >> beam.Map(keep, "read")
        evaluated[EVENTS] | "Events" >> beam.Map(keep, EVENTS)
        evaluated[SAMPLES] | "Samples" >> beam.Map(keep, SAMPLES)
    local = LocalPipeline(settings)
    for _, data in KEPT["read"]:
        local.add(batches.decode(data))
    wanted = local.close()
    assert sorted(KEPT[EVENTS]) == sorted(out.data for out in wanted if out.tag == EVENTS)
    assert samples_in(KEPT[SAMPLES]) == samples_in(out.data for out in wanted if out.tag == SAMPLES)
    found = [alert_event.decode(event) for event in KEPT[EVENTS]]
    assert {event.rule for event in found} == {"High", "HostHigh", "Gone"}
    assert any(event.correction for event in found) == (disorder > 0)
    counted = counters(pipeline.result)
    assert counted["alerts.firing"] == sum(event.state.value == "firing" and not event.correction for event in found)


# The graph.


def steps(settings: EvaluationSettings, watch: RuleSource | None) -> list[Any]:
    """The steps of a pipeline in which others read the samples too."""
    pipeline = beam.Pipeline(options=PipelineOptions(["--streaming"]))
    samples = pipeline | "Samples" >> beam.Create([(b"", b"")]).with_output_types(tuple[bytes, bytes])
    samples | "Another reader" >> beam.Values()
    found = samples | "Rules" >> EvaluateRules(settings, watch)
    assert found.keys() == {EVENTS, SAMPLES}
    components = pipeline.to_runner_api().components
    return [step for step in components.transforms.values() if not step.subtransforms]


@pytest.mark.parametrize("watch", [None, RuleSource(("rules",))], ids=["fixed", "watched"])
@pytest.mark.parametrize("bounded", [True, False])
def test_the_collection_of_a_stateful_step_is_read_by_nothing_else(bounded: bool, watch: RuleSource | None) -> None:
    found = steps(EvaluationSettings({}, bounded=bounded), watch)
    families = []
    for step in found:
        if "pardo" not in step.spec.urn:
            continue
        payload = beam_runner_api_pb2.ParDoPayload.FromString(step.spec.payload)
        if payload.timer_family_specs:
            families += list(payload.timer_family_specs)
            (collection,) = step.inputs.values()
            assert [other.unique_name for other in found if collection in other.inputs.values()] == [step.unique_name]
    assert len(families) == len(set(families)) == 2


@pytest.mark.parametrize(("bounded", "there"), [(True, False), (False, True)])
def test_time_begins_at_the_launch_where_it_has_no_end(bounded: bool, there: bool) -> None:
    names = [step.unique_name for step in steps(EvaluationSettings({}, bounded=bounded), None)]
    assert any(name.startswith("Rules/Launch time") for name in names) == there
    assert any(name.startswith("Rules/Wait for shards") for name in names) != there
