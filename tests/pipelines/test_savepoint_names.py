"""What a savepoint is found again by on Flink: the runner names a stage, and so its state, after the collection that the stage reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines import alerts, metrics
from pipelines.job import Job, propagates_watermarks, source_number
from tests.pipelines import graphs
from tests.pipelines.graphs import INPUT, OUTPUTS, RULES, Graph


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph begins a run in its store."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def rules(tmp_path: Path) -> str:
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    return f"--rules={path}"


def graph(job: Job, *words: str) -> Graph:
    """The steps of a job that reads Kafka."""
    return graphs.graph(job, [INPUT, *words])


def check_stateful(transforms: Graph, wanted: set[str]) -> None:
    """Nothing else reads what a stateful step reads; and the stateful steps are these."""
    stateful = set()
    for step in transforms:
        payload = graphs.pardo(step)
        if payload is None or not payload.timer_family_specs:
            continue
        stateful.add(step.unique_name)
        for collection in step.inputs.values():
            readers = [other.unique_name for other in transforms if collection in other.inputs.values()]
            assert readers == [step.unique_name]
    assert stateful == wanted


ROLLUPS = {"Rollups/Roll up 1m", "Rollups/Roll up 1h"}
STAGE = {"Rules/Shards", "Rules/Groups/ParDo(StageDoFn)"}


@pytest.mark.parametrize("raw", ["--raw", "--no-raw"])
@pytest.mark.parametrize("outputs", [OUTPUTS[:1], OUTPUTS], ids=["one output", "two outputs"])
def test_the_collection_of_a_stateful_step_is_read_by_nothing_else(outputs: list[str], raw: str, rules: str) -> None:
    check_stateful(graph(metrics.JOB, *outputs, raw), ROLLUPS)
    check_stateful(graph(metrics.JOB, *outputs, raw, rules), ROLLUPS | STAGE)


@pytest.mark.parametrize("outputs", [[], OUTPUTS], ids=["no output", "two outputs"])
@pytest.mark.parametrize("poll", ["--rules-poll=0s", "--rules-poll=10s"])
def test_the_alerts_job_has_the_state_of_the_stage_alone(outputs: list[str], poll: str, rules: str) -> None:
    check_stateful(graph(alerts.JOB, *outputs, poll, rules), STAGE)


def test_rules_leave_the_other_steps_as_they_were(rules: str) -> None:
    """So a job may be marked rules when it goes on from a savepoint that was taken without."""

    def steps(graph: Graph) -> dict[str, tuple[list[str], list[str]]]:
        return {step.unique_name: (sorted(step.inputs), sorted(step.outputs)) for step in graph}

    before, after = steps(graph(metrics.JOB, *OUTPUTS)), steps(graph(metrics.JOB, *OUTPUTS, rules))
    dead_letters = before.pop("All dead letters"), after.pop("All dead letters")
    assert {name: after.get(name) for name in before} == before
    assert len(dead_letters[1][0]) == len(dead_letters[0][0]) + len(OUTPUTS)


def test_the_timers_of_windows_are_found_with_other_options(rules: str) -> None:
    """In a savepoint they have the id of their step. A job whose steps have other ids fails when one of them fires, again and again."""

    def ids(*options: str) -> set[str]:
        steps = graphs.numbered(metrics.JOB, [INPUT, *options])
        return {name for name, step in steps.items() if step.unique_name in ROLLUPS}

    found = ids(OUTPUTS[0])
    assert len(found) == len(ROLLUPS)
    for options in ([OUTPUTS[0], rules], OUTPUTS, [*OUTPUTS, "--no-raw"], [*OUTPUTS, rules, "--rules-poll=0s"]):
        assert ids(*options) == found


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--runner=FlinkRunner"], True),
        # Elsewhere elements may overtake each other.
        (["--runner=PrismRunner"], False),
    ],
)
def test_watermarks_go_with_the_samples_where_order_is_kept(
    words: list[str], expected: bool, rules: str, tmp_path: Path
) -> None:
    def propagates(*more: str) -> bool:
        options = alerts.JOB.parse([*more, rules])[1]
        return propagates_watermarks(beam.Pipeline(options=PipelineOptions(["--streaming", *words])), options)

    assert propagates(INPUT) == propagates(INPUT, f"{INPUT}2") == expected
    assert not propagates(INPUT, "--bounded")
    (tmp_path / "samples.json").touch()
    assert not propagates(INPUT, f"--input=file:{tmp_path / 'samples.json'}")


def test_another_input_is_another_source() -> None:
    """A shard's state says how far the partitions of each were."""
    assert len({source_number(0, "a"), source_number(1, "a"), source_number(0, "b")}) == 3
    assert source_number(1, "metrics.raw") == 186_264_331, "the same from release to release"


def test_marks_go_to_windows_and_rules_but_not_to_outputs(rules: str) -> None:
    steps = {step.unique_name: step for step in graph(metrics.JOB, *OUTPUTS, rules)}

    def those(*parts: str) -> list[Any]:
        return [step for name, step in steps.items() if any(part in name for part in parts)]

    alone, of_samples, of_marks = those("Samples alone"), those("Raw for"), those("For windows", "Key by rule shard")
    assert (len(alone), len(of_samples)) == (1, 2)
    assert {each for step in of_samples for each in step.inputs.values()} == set(alone[0].outputs.values())
    assert {each for step in of_marks for each in step.inputs.values()} == set(alone[0].inputs.values())
