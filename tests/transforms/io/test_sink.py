from __future__ import annotations

import os
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from schemas import batch as batches
from schemas import rollup
from schemas.tiers import Tiers
from tests.transforms.io.sink_cases import MINUTE, WINDOW, fleet, samples, series
from transforms.io import sink as outputs
from transforms.io.errors import SinkError
from transforms.io.parquet.store import files, read_raw, read_rollups

TIERS = Tiers()


def run(output: outputs.Output, rollups: list[bytes], raw: list[bytes]) -> dict[str, int]:
    """Run both transforms of an output in one pipeline; no dead letter may come out; the counters."""
    pipeline = beam.Pipeline(runner=FnApiRunner())

    def windowed(name: str, elements: list[bytes]) -> beam.PCollection:
        return (
            pipeline
            | f"Create {name}" >> beam.Create(elements)
            | f"Stamp {name}" >> beam.Map(lambda element: TimestampedValue(element, WINDOW / 1_000))
            | f"Window {name}" >> beam.WindowInto(FixedWindows(60))
        )

    letters = (
        windowed("rollups", rollups) | "Write rollups" >> output.rollups(TIERS.rollups[0]),
        windowed("raw", raw) | "Write raw" >> output.raw(),
    )
    for name, refused in zip(("rollups", "raw"), letters, strict=True):
        assert_that(refused, equal_to([]), label=f"No dead letters of {name}")
    result = pipeline.run()
    result.wait_until_finish()
    totals: dict[str, int] = {}
    for counter in result.metrics().query()["counters"]:
        if counter.key.metric.namespace == "tidemark":
            totals[counter.key.metric.name] = totals.get(counter.key.metric.name, 0) + counter.result
    return totals


ROLLUPS = [rollup.encode(fleet(2, 3, window=WINDOW + i * MINUTE)) for i in range(200)]
RAW = [batches.encode(samples([(series("a", "up"), WINDOW + i, float(i), i)])) for i in range(100)]


def test_a_bundle_of_many_windows_becomes_few_files(tmp_path: Path) -> None:
    output = outputs.parse(f"parquet:{tmp_path}", TIERS)
    output.validate()
    counters = run(output, ROLLUPS, RAW)
    assert counters == {"parquet.rows_written": 1_300, "parquet.files_written": 3}
    # Two hours after midnight the windows reach into a second day.
    assert len(list(files(tmp_path, "1m"))) == 2
    found = read_rollups(tmp_path, "1m")
    assert found.num_rows == 1_200
    assert set(found.column("window").cast(pa.int64()).to_pylist()) == {WINDOW + i * MINUTE for i in range(200)}
    assert read_raw(tmp_path).column("value").to_pylist() == [float(i) for i in range(100)]


def test_a_large_bundle_is_written_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.io.parquet.sink.BUFFER_BYTES", sum(map(len, ROLLUPS)) // 3)
    counters = run(outputs.parse(f"parquet:{tmp_path}", TIERS), ROLLUPS, [])
    assert counters["parquet.files_written"] > 3
    assert read_rollups(tmp_path, "1m").num_rows == 1_200


def test_the_blackhole_counts() -> None:
    output = outputs.parse("blackhole:", TIERS)
    output.validate()
    assert run(output, ROLLUPS, RAW) == {"blackhole.rows": 1_300}


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("", "no output ''; write one of: influxdb://HOST:PORT"),
        ("postgres://db", "no output 'postgres://db'"),
        ("blackhole", "no output 'blackhole'"),
        ("blackhole:x", "no output 'blackhole:x'"),
        ("parquet:", "not a Parquet output: 'parquet:'; write parquet:DIR"),
        ("parquet:x?fsync=on", "parquet: no option 'fsync'; there is sync"),
        ("parquet:x?sync=1", "parquet: sync: on or off is wanted, not '1'"),
        ("influxdb://", "write influxdb://HOST:PORT"),
    ],
)
def test_a_wrong_uri_is_named(uri: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        outputs.parse(uri, TIERS)


def test_a_directory_that_cannot_be_written_is_named_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for output in (
        outputs.parse(f"parquet:{tmp_path}/file", TIERS),
        outputs.dead_letters(f"file:{tmp_path}/file"),
    ):
        with pytest.raises(SinkError, match=r"file cannot be written: .*; name another directory"):
            output.validate()


def test_validate_leaves_nothing_but_the_directory(tmp_path: Path) -> None:
    outputs.parse(f"parquet:{tmp_path}/new", TIERS).validate()
    assert list(tmp_path.rglob("*")) == [tmp_path / "new"]


def test_validate_leaves_no_directory_for_records_that_may_never_come(tmp_path: Path) -> None:
    outputs.dead_letters(f"file:{tmp_path}/new/deeper").validate()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there").mkdir()
    outputs.late_samples(f"file:{tmp_path}/there").validate()
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_describe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = os.getcwd()
    assert (
        outputs.parse("parquet:store?sync=off", TIERS).describe()
        == f"Parquet store {here}/store: raw (7d), 1m (30d), 1h (365d)"
    )
    assert (
        outputs.parse("parquet:store", TIERS).describe(raw=False) == f"Parquet store {here}/store: 1m (30d), 1h (365d)"
    )
    assert outputs.parse("parquet:store", TIERS).describe(rollups=False) == f"Parquet store {here}/store: raw (7d)"
    assert outputs.parse("blackhole:", TIERS).describe() == "nowhere: rows are counted and forgotten"
    assert outputs.dead_letters("file:bad").describe() == f"files {here}/bad/dead_letters-*.ndjson"
    assert outputs.late_samples("kafka://a:1,b:2/late").describe() == "Kafka a:1,b:2, topic late"
    assert outputs.alert_events("file:told").describe() == f"files {here}/told/alerts-*.ndjson"


@pytest.mark.parametrize("uri", ["", "late", "file:", "kafka:late", "parquet:x"])
def test_a_wrong_uri_of_records_is_named(uri: str) -> None:
    parsers = ((outputs.dead_letters, "dead letters"), (outputs.late_samples, "late"), (outputs.alert_events, "alerts"))
    for parse, what in parsers:
        with pytest.raises(ValueError, match=f"no output for {what} '{uri}'; write one of: kafka://HOST:PORT/TOPIC"):
            parse(uri)
