from __future__ import annotations

import importlib
import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any

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
from transforms.io.kinds import ALERT_EVENTS, DEAD_LETTERS, LATE_SAMPLES, RowKind, raw_samples, rollups, row_kinds
from transforms.io.outputs import OUTPUTS, OutputType, output_type
from transforms.io.parquet.store import files, read_raw, read_rollups

TIERS = Tiers()
MINUTES, RAW_SAMPLES = rollups(TIERS.rollups[0]), raw_samples(TIERS)
EVERY = row_kinds(TIERS)


def run(output: outputs.Output[RowKind], of_tier: list[bytes], raw: list[bytes]) -> dict[str, int]:
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
        windowed("rollups", of_tier) | "Write rollups" >> output.write(MINUTES),
        windowed("raw", raw) | "Write raw" >> output.write(RAW_SAMPLES),
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
    output = outputs.rows(f"parquet:{tmp_path}")
    output.validate(EVERY)
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
    counters = run(outputs.rows(f"parquet:{tmp_path}"), ROLLUPS, [])
    assert counters["parquet.files_written"] > 3
    assert read_rollups(tmp_path, "1m").num_rows == 1_200


def test_the_blackhole_counts() -> None:
    output = outputs.rows("blackhole:")
    output.validate(EVERY)
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
        outputs.rows(uri)


def test_a_directory_that_cannot_be_written_is_named_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cases: tuple[tuple[Any, Any], ...] = (
        (outputs.rows(f"parquet:{tmp_path}/file"), MINUTES),
        (outputs.records(f"file:{tmp_path}/file", DEAD_LETTERS), DEAD_LETTERS),
    )
    for output, kind in cases:
        with pytest.raises(SinkError, match=r"file cannot be written: .*; name another directory"):
            output.validate([kind])


def test_validate_leaves_nothing_but_the_directory(tmp_path: Path) -> None:
    outputs.rows(f"parquet:{tmp_path}/new").validate(EVERY)
    assert list(tmp_path.rglob("*")) == [tmp_path / "new"]


def test_validate_leaves_no_directory_for_records_that_may_never_come(tmp_path: Path) -> None:
    outputs.records(f"file:{tmp_path}/new/deeper", DEAD_LETTERS).validate([DEAD_LETTERS])
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there").mkdir()
    outputs.records(f"file:{tmp_path}/there", LATE_SAMPLES).validate([LATE_SAMPLES])
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_describe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = os.getcwd()
    assert (
        outputs.rows("parquet:store?sync=off").describe(EVERY)
        == f"Parquet store {here}/store: raw (7d), 1m (30d), 1h (365d)"
    )
    assert (
        outputs.rows("parquet:store").describe(row_kinds(TIERS, raw=False))
        == f"Parquet store {here}/store: 1m (30d), 1h (365d)"
    )
    assert outputs.rows("parquet:store").describe([RAW_SAMPLES]) == f"Parquet store {here}/store: raw (7d)"
    assert outputs.rows("blackhole:").describe(EVERY) == "nowhere: rows are counted and forgotten"
    assert (
        outputs.records("file:bad", DEAD_LETTERS).describe([DEAD_LETTERS]) == f"files {here}/bad/dead_letters-*.ndjson"
    )
    assert outputs.records("kafka://a:1,b:2/late", LATE_SAMPLES).describe([LATE_SAMPLES]) == "Kafka a:1,b:2, topic late"
    assert outputs.records("file:sent", ALERT_EVENTS).describe([ALERT_EVENTS]) == f"files {here}/sent/alerts-*.ndjson"


@pytest.mark.parametrize("uri", ["", "late", "file:", "kafka:late", "parquet:x"])
def test_a_wrong_uri_of_records_is_named(uri: str) -> None:
    for kind, what in ((DEAD_LETTERS, "dead letters"), (LATE_SAMPLES, "late"), (ALERT_EVENTS, "alerts")):
        with pytest.raises(ValueError, match=f"no output for {what} '{uri}'; write one of: kafka://HOST:PORT/TOPIC"):
            outputs.records(uri, kind)


@pytest.mark.parametrize("each", OUTPUTS, ids=lambda each: each.name)
def test_what_the_table_declares_of_an_output_is_so(each: OutputType) -> None:
    assert each.rows is not None or each.records
    module, _, name = each.sink.partition(":")
    sink = importlib.import_module(module)
    assert {"parse", "validate", "write", "describe"} <= set(dir(getattr(sink, name)))
    for form in each.forms:
        uri = form.replace("PORT", "9000")
        assert output_type(uri) is each
        if each.rows is not None:
            outputs.rows(uri)
        else:
            with pytest.raises(ValueError, match="no output "):
                outputs.rows(uri)
        if each.records:
            outputs.records(uri, DEAD_LETTERS)
        else:
            with pytest.raises(ValueError, match="no output for dead letters"):
                outputs.records(uri, DEAD_LETTERS)
    # Each row that the sink counts has a place in the balance.
    counted = set(
        re.findall(rf'counter\("tidemark", "({each.name}\.\w*(?:rows|refused|unwritable)\w*)"\)', source_of(sink))
    )
    assert counted == ({*each.rows.fates, *each.rows.others} if each.rows else set())


def source_of(module: ModuleType) -> str:
    return Path(str(module.__file__)).read_text()
