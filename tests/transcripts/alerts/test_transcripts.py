"""Every transcript of alerts in this process without Beam, and through Beam's TestStream on the bundle-based runner."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner

from schemas.alert_event import decode
from tests.transcripts.alerts.hosts import LocalHost, Programme
from tests.transcripts.alerts.pipeline import evaluated, stream
from tests.transcripts.alerts.transcript import BEGIN, Expect, Lose, Transcript, load
from tests.transcripts.transcript import BASE
from transforms.alerts.settings import EVENTS

FOLDER = Path(__file__).parent
PATHS = sorted(FOLDER.glob("*.yaml"))


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def transcript(request: pytest.FixtureRequest) -> Transcript:
    return load(request.param)


@pytest.mark.parametrize("marked", [True, False], ids=["marks", "watermark"])
def test_local(transcript: Transcript, marked: bool) -> None:
    host = LocalHost(transcript, marked=marked)
    taken = repeated = 0
    for number, step in enumerate(transcript.steps, 1):
        host.play(step)
        if isinstance(step, Lose):
            assert host.sent.repeated - repeated == step.repeats, f"step {number}"
            repeated = host.sent.repeated
        if isinstance(step, Expect):
            assert host.sent.lines[taken:] == step.events, f"step {number}"
            taken = len(host.sent.lines)
    stored = {
        series: points for series, points in host.stored.items() if series.partition("{")[0] in transcript.metrics
    }
    assert stored == transcript.samples
    counted = {**host.counted, "too_late": host.too_late}
    assert {name: counted.get(name, 0) for name in transcript.counted} == transcript.counted
    assert list(dict.fromkeys(host.complaints)) == transcript.complaints


SHARDS = 2
KEPT: list[bytes] = []


def keep(event: bytes) -> None:
    """Where events go: the runner runs in this process, but what is given to a step is a copy there."""
    KEPT.append(event)


@pytest.fixture(scope="module")
def programme() -> Programme:
    """All transcripts, after they were played by a pipeline; the events are kept."""
    found = Programme([load(path) for path in PATHS], SHARDS)
    options: Any = PipelineOptions(["--streaming", "--allow_unsafe_triggers"])
    pipeline = beam.Pipeline(runner=BundleBasedDirectRunner(), options=options)
    played = evaluated(pipeline | stream(found), found.settings, BASE + BEGIN)
    played[EVENTS] | beam.Map(keep)
    pipeline.run().wait_until_finish()
    return found


def test_beam(programme: Programme, transcript: Transcript) -> None:
    assert programme.lines(transcript, map(decode, KEPT)) == transcript.expected


def test_there_are_transcripts() -> None:
    assert len(PATHS) >= 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: x\nsteps: [{expect: []}]\nwait: 3", "no such key: ['wait']"),
        ("rules: x\nsteps: [{expect: []}]\nsettings: {speed: 3}", "no such setting: ['speed']"),
        ("rules: x\nsteps: [{wait: 3}, {expect: []}]", "step 1: no such step"),
        ("rules: x\nsteps: [{read: ['12:00:00 x 1 2']}, {expect: []}]", "step 1: several values, but not how often"),
        ("rules: x\nsteps: [{read: ['12:00:00 x 1']}]", "the last step is to be what is expected"),
        ("rules: x\nsteps: [{lose: 1}, {expect: []}]", "a loss goes back to a checkpoint before it"),
        ("rules: x\nsteps: [{expect: []}]\nsamples: ['12:00:00 x{ 1']", "expected"),
    ],
)
def test_a_transcript_that_is_not_clear_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(message)):
        load(path)
