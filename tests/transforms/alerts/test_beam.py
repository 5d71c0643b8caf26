"""Beam around the machines: what comes out of a pipeline is what the machines tell without one."""

from __future__ import annotations

import gc
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
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
from transforms.alerts import beam as evaluate
from transforms.alerts.beam import Complaints, EvaluateRules, stage_dofn
from transforms.alerts.local import LocalPipeline
from transforms.alerts.rule_files.source import RuleSource
from transforms.alerts.settings import CONTRIBUTIONS, EVENTS, SAMPLES, EvaluationSettings
from transforms.intake.beam import IntakeSettings
from transforms.io.files.source import ReadSamples
from transforms.machines.machine import Cells, Memory, Out, Timers

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
        taken = pipeline | "Read" >> ReadSamples([str(path)], INTAKE)
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


# A machine in Beam, by a toy of one.


class Toy:
    """Keeps numbers until the time that they are: then tells those that have come up to it, and how often it did. Counts what it is asked."""

    CELLS: tuple[str, ...] = ("told",)
    BAGS: tuple[str, ...] = ("kept", "all")

    def __init__(self, settings: EvaluationSettings, memory: Memory[int]) -> None:
        self.counted: dict[str, int] = {}
        self.complaints: list[str] = []
        self.noted: dict[str, set[str]] = {}
        self._last = 0

    def begin(self) -> None:
        self._count("toy.begun")

    def arrive(self, key: bytes, element: bytes, cells: Cells, timers: Timers) -> Iterator[Out]:
        self._count("toy.arrived")
        number = int(element)
        cells.append("kept", element)
        cells.append("all", element)
        timers.at(number)
        timers.at(number)
        self._last = max(self._last, number)
        yield Out(number, CONTRIBUTIONS, b"%b got %d" % (key, number))

    def fire(self, key: bytes, time_ms: int, cells: Cells, timers: Timers) -> Iterator[Out]:
        self._count("toy.fired")
        if time_ms == 13:
            raise ValueError("no luck at 13")
        kept = sorted(map(int, cells.read_bag("kept")))
        cells.replace("kept", [b"%d" % number for number in kept if number > time_ms])
        sent = int(cells.read("told") or b"0") + 1
        cells.write("told", b"%d" % sent)
        due = [number for number in kept if number <= time_ms]
        yield Out(time_ms, EVENTS, b"%b %d: %d of %d" % (key, sent, len(due), len(cells.read_bag("all"))))
        if time_ms == 20:
            timers.at(25)

    def finish(self) -> Iterator[Out]:
        yield Out(self._last, SAMPLES, b"end")

    def _count(self, name: str) -> None:
        self.counted[name] = self.counted.get(name, 0) + 1


def keep_with_time(element: object, name: str, time: Any = beam.DoFn.TimestampParam) -> None:
    keep((time.micros // 1000, element), name)


def run_toy(elements: list[tuple[bytes, bytes]]) -> dict[str, int]:
    """The counters; outputs are kept by their tags."""
    dofn = stage_dofn("toy", Toy, EvaluationSettings({}), EVENTS)
    with beam.Pipeline(FnApiRunner()) as pipeline:
        created = pipeline | beam.Create(elements).with_output_types(tuple[bytes, bytes])
        found = created | "Toy" >> beam.ParDo(dofn).with_outputs(CONTRIBUTIONS, SAMPLES, main=EVENTS)
        for tag in (CONTRIBUTIONS, EVENTS, SAMPLES):
            found[tag] | tag >> beam.Map(keep_with_time, tag)
    return counters(pipeline.result)


def test_a_machine_has_its_state_and_its_timers_and_hands_on_at_its_own_times() -> None:
    counted = run_toy([(b"a", b"10"), (b"a", b"20"), (b"b", b"20"), (b"a", b"10")])
    assert KEPT[CONTRIBUTIONS] == [(10, b"a got 10"), (20, b"a got 20"), (20, b"b got 20"), (10, b"a got 10")]
    assert sorted(KEPT[EVENTS]) == [
        (10, b"a 1: 2 of 3"),
        (20, b"a 2: 1 of 3"),
        (20, b"b 1: 1 of 1"),
        (25, b"a 3: 0 of 3"),
        (25, b"b 2: 0 of 1"),
    ]
    assert counted["toy.arrived"] == 4
    assert counted["toy.fired"] == 5, "a timer that is set twice fires once"


def test_every_bundle_begins_and_ends_and_what_its_end_hands_on_is_not_lost() -> None:
    counted = run_toy([(b"a", b"10"), (b"a", b"20")])
    assert counted["toy.begun"] == len(KEPT[SAMPLES]) == 3, "elements, their timers, the timer that a timer set"
    assert set(KEPT[SAMPLES]) == {(20, b"end")}


class Cell:
    """A cell or bag of Beam's, in memory."""

    def __init__(self) -> None:
        self.held: list[bytes] = []

    def add(self, data: bytes) -> None:
        self.held.append(data)

    def read(self) -> list[bytes]:
        return self.held


class SetTimers:
    """Beam's timers: the tags of those that were set."""

    def __init__(self) -> None:
        self.tags: list[str] = []

    def set(self, _: object, dynamic_timer_tag: str) -> None:
        self.tags.append(dynamic_timer_tag)


class Again(Toy):
    """Sets one timer over and over."""

    CELLS = ()
    BAGS = ("bag",)

    def arrive(self, key: bytes, element: bytes, cells: Cells, timers: Timers) -> Iterator[Out]:
        timers.at(20)
        yield from ()

    def fire(self, key: bytes, time_ms: int, cells: Cells, timers: Timers) -> Iterator[Out]:
        timers.at(time_ms)
        yield from ()


def test_a_timer_is_set_once_a_bundle_and_again_when_it_has_fired() -> None:
    dofn: Any = stage_dofn("again", Again, EvaluationSettings({}), EVENTS)
    dofn.setup()
    dofn.start_bundle()
    timers, cells = SetTimers(), [Cell()]
    for _ in range(3):
        list(dofn.process((b"a", b""), *cells, timers))
    list(dofn.process((b"b", b""), *cells, timers))
    assert timers.tags == ["20", "20"]
    list(dofn.timer_fired(tag="20", key=b"a", bag_bag=cells[0], timer=timers))
    assert timers.tags == ["20", "20", "20"]
    dofn.start_bundle()
    list(dofn.process((b"a", b""), *cells, timers))
    assert timers.tags == ["20", "20", "20", "20"]


def test_a_machine_that_fails_fails_its_bundle() -> None:
    with pytest.raises(Exception, match="no luck at 13"):
        run_toy([(b"a", b"13")])
    assert KEPT[EVENTS] == []
    assert KEPT[SAMPLES] == [(13, b"end")], "of the bundle before"


def test_instances_of_a_step_share_their_memory_as_long_as_one_of_them_is_there() -> None:
    first = evaluate._memory_of("a step")
    assert evaluate._memory_of("a step") is first
    assert evaluate._memory_of("another") is not first
    first.put(b"key", b"token", 1)
    del first
    gc.collect()
    assert evaluate._memory_of("a step").take(b"key", b"token") is None


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


def test_a_complaint_is_said_again_after_a_while() -> None:
    logged: list[str] = []
    now = [0.0]
    complaints = Complaints(logged.append, lambda: now[0])
    for second in (0, 1, 599, 600):
        now[0] = float(second)
        complaints.log(["a", "b"] if second == 1 else ["a"])
    assert logged == ["a", "b", "a"]
