from __future__ import annotations

import json
from pathlib import Path

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from schemas import batch as batches
from schemas.alert_event import decode, encode
from schemas.records import DeadLetter
from tests.transforms.io.sink_cases import WINDOW, alert_event, samples, series
from transforms.io import sink as outputs
from transforms.io.files.sink import FileOutput, WriteLines
from transforms.io.kinds import ALERT_EVENTS, DEAD_LETTERS, LATE_SAMPLES
from transforms.io.records import dead_letter_records


def letters(count: int) -> list[DeadLetter]:
    return [DeadLetter("bad", "metrics.raw", 0, offset, b"\n") for offset in range(count)]


def written(directory: Path, name: str) -> list[bytes]:
    return [line for path in sorted(directory.glob(f"{name}-*.ndjson")) for line in path.read_bytes().splitlines()]


def test_dead_letters_and_late_samples_become_lines(tmp_path: Path) -> None:
    output = FileOutput.parse(f"file:{tmp_path}")
    batch = samples([(series("a", "up"), WINDOW + i, float(i), i) for i in range(5)])
    pipeline = beam.Pipeline(runner=FnApiRunner())
    _ = (
        pipeline
        | "Letters" >> beam.Create([letter.encode() for letter in letters(20)])
        | "Dead" >> output.write(DEAD_LETTERS)
    )
    _ = pipeline | "Samples" >> beam.Create([batches.encode(batch)]) | "Late" >> output.write(LATE_SAMPLES)
    result = pipeline.run()
    result.wait_until_finish()
    found = {c.key.metric.name: c.result for c in result.metrics().query()["counters"]}
    assert (found["dead_letters.written"], found["late.written"]) == (20, 5)
    assert sorted(DeadLetter.decode(line).offset for line in written(tmp_path, "dead_letters")) == list(range(20))
    assert [json.loads(line)["timestamp"] for line in written(tmp_path, "late")] == [WINDOW + i for i in range(5)]


def test_alert_events_become_lines(tmp_path: Path) -> None:
    events = [alert_event(value=float(number)) for number in range(5)]
    pipeline = beam.Pipeline(runner=FnApiRunner())
    reported = pipeline | "Events" >> beam.Create([encode(event) for event in events])
    _ = reported | "Write" >> outputs.records(f"file:{tmp_path}", ALERT_EVENTS).write(ALERT_EVENTS)
    _ = reported | "Forget" >> outputs.records("blackhole:", ALERT_EVENTS).write(ALERT_EVENTS)
    result = pipeline.run()
    result.wait_until_finish()
    assert sorted((decode(line) for line in written(tmp_path, "alerts")), key=lambda event: event.value) == events
    found = {c.key.metric.name: c.result for c in result.metrics().query()["counters"]}
    assert (found["alerts.written"], found["alerts.forgotten"]) == (5, 5)


def test_a_bundle_tried_again_replaces_its_file(tmp_path: Path) -> None:
    for _ in range(2):
        do_fn = WriteLines(str(tmp_path), "dead_letters", dead_letter_records)
        do_fn.start_bundle()
        for letter in letters(3):
            assert list(do_fn.process(letter.encode())) == []
        do_fn.finish_bundle()
    assert len(written(tmp_path, "dead_letters")) == 3


def test_bundles_do_not_mix_and_empty_ones_write_nothing(tmp_path: Path) -> None:
    do_fn = WriteLines(str(tmp_path), "dead_letters", dead_letter_records)
    for count in (1, 0, 2):
        do_fn.start_bundle()
        for letter in letters(count):
            list(do_fn.process(letter.encode()))
        do_fn.finish_bundle()
    assert len(list(tmp_path.iterdir())) == 2
    assert len(written(tmp_path, "dead_letters")) == 3
