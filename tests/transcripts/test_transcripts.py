"""Every transcript through the pure core, and through Beam's TestStream on the bundle-based runner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.testing.test_stream import TestStream as Stream
from apache_beam.testing.util import assert_that
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from schemas import batch as batches
from schemas import rollup as rollups
from schemas.batch import MIN_WATERMARK
from tests.transcripts.transcript import BASE, DELAY, SHARDS, Stage, Transcript, load, shown_rows, staged
from tests.transforms.naive import Sample, batch_of
from tests.transforms.windows.core import END_OF_TIME, Core
from transforms.rollups.beam import Rollups
from transforms.rollups.cutting import cutter_of

FOLDER = Path(__file__).parent
PATHS = sorted(FOLDER.glob("*.yaml"))


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def transcript(request: pytest.FixtureRequest) -> Transcript:
    return load(request.param)


def records(transcript: Transcript) -> Iterator[tuple[Stage, list[Sample]]]:
    """Each stage and its records, the clock's last."""
    seq = 0
    for stage in transcript.stages:
        inputs = [Sample(series, BASE + ts, value, seq + at) for at, (series, ts, value) in enumerate(stage.inputs)]
        yield stage, [*inputs, transcript.tick(stage, BASE)._replace(seq=seq + len(inputs))]
        seq += len(inputs) + 1


def test_the_core(transcript: Transcript) -> None:
    core = Core(transcript.tiers, SHARDS, DELAY)
    panes = []
    for number, (stage, samples) in enumerate(records(transcript)):
        for sample in samples:
            core.feed([[sample]])
        now = [row for pane in core.advance(BASE + stage.watermark) for row in shown_rows(pane)]
        assert staged(transcript, now)[number] == transcript.expected()[number]
        panes += now
    panes += [row for pane in core.advance(END_OF_TIME) for row in shown_rows(pane)]
    assert staged(transcript, panes) == transcript.expected()
    # The clock's samples, one a stage, are all written.
    fates = replace(core.fates, written=core.fates.written - len(transcript.stages))
    found = {**asdict(fates), "too_late": len(core.too_late)}
    assert {name: number for name, number in found.items() if number} == transcript.fates
    assert core.empty


def stream(transcript: Transcript) -> Stream:
    """The transcript as a TestStream of cut pieces."""
    cutter = cutter_of(transcript.tiers, SHARDS, DELAY)
    events = Stream().with_output_types(tuple[bytes, bytes])
    watermark = MIN_WATERMARK
    for stage, samples in records(transcript):
        for sample in samples:
            cut = cutter.cut(batch_of([sample]), np.zeros(1, np.int64), watermark)
            watermark = cut.watermark
            events.add_elements(
                TimestampedValue((key.encode(), batches.encode(piece)), Timestamp(micros=key.window * 1000))
                for key, piece in cut.pieces
            )
        assert watermark == BASE + stage.watermark
        events.advance_watermark_to(watermark / 1000)
    return events.advance_watermark_to_infinity()


def are(transcript: Transcript) -> Callable[[list[bytes]], None]:
    def check(encoded: list[bytes]) -> None:
        rows = [row for data in encoded for row in shown_rows(rollups.decode(data))]
        assert staged(transcript, rows) == transcript.expected()

    return check


def test_beam(transcript: Transcript) -> None:
    options: Any = PipelineOptions(["--streaming", "--allow_unsafe_triggers"])
    pipeline = beam.Pipeline(runner=BundleBasedDirectRunner(), options=options)
    tiers = pipeline | stream(transcript) | Rollups(transcript.tiers)
    assert_that(tuple(tiers.values()) | beam.Flatten(), are(transcript))
    # This runner keeps no counters of timer callbacks, so fates are not compared.
    pipeline.run().wait_until_finish()


def test_there_are_transcripts() -> None:
    assert len(PATHS) >= 8


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("[{input: [a/b 12:00:00 1]}]", "no watermark follows the last input"),
        ("[{watermark: 12:01:00}, {watermark: 12:00:00}]", "watermarks only go forward"),
        ("[{expect: [x]}]", "step 1 is none"),
        ("[{wait: 3}]", "step 1 is none"),
        ("[{watermark: 12:01:00}, {expect: [1m x, 1h x]}]", "more than one tier"),
    ],
)
def test_a_transcript_that_says_nothing_clear_is_refused(tmp_path: Path, steps: str, message: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(f"what: x\nsteps: {steps}\n")
    with pytest.raises(ValueError, match=message):
        load(path)
