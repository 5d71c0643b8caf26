from __future__ import annotations

import json
from pathlib import Path

import apache_beam as beam
import pyarrow.dataset as ds
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.writing import WriteRecords, WriteRollups
from schemas.tiers import Tiers
from tests.transforms.naive import NOON
from transforms.intake.beam import IntakeSettings
from transforms.intake.source import CutRecords
from transforms.rollups.beam import Rollups


def scrape(second: int, value: object) -> dict[str, object]:
    return {"labels": {"host": "a"}, "timestamp": NOON + second * 1000, "samples": {"load": value}}


def test_a_pipeline_of_ones_own_writes_rows_and_dead_letters(tmp_path: Path) -> None:
    with beam.Pipeline(FnApiRunner()) as pipeline:
        taken = pipeline | beam.Create([scrape(0, 1.0), scrape(1, 2.0), scrape(2, "x")]) | CutRecords(IntakeSettings())
        refused = taken["samples"] | Rollups(Tiers()) | WriteRollups(f"parquet:{tmp_path}/store", Tiers())
        letters = (taken["dead_letters"], refused) | beam.Flatten()
        letters | WriteRecords(f"file:{tmp_path}/letters", "dead_letters")
        (
            pipeline
            | "Lines" >> beam.Create([b'{"a": 1}'])
            | "Write lines" >> WriteRecords(f"file:{tmp_path}/lines", "lines")
        )
    rows = ds.dataset(tmp_path / "store" / "1m").to_table().to_pylist()
    assert [(row["count"], row["sum"]) for row in rows] == [(2, 3.0)]
    assert read(tmp_path / "lines") == [{"a": 1}]
    assert [letter["topic"] for letter in read(tmp_path / "letters")] == ["collection"]


def read(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for path in folder.iterdir() for line in path.read_text().splitlines()]


def test_an_output_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="no output 'csv:x'; write one of: "):
        WriteRollups("csv:x", Tiers())
    with pytest.raises(ValueError, match="no output for lines 'csv:x'; write one of: "):
        WriteRecords("csv:x", "lines")
