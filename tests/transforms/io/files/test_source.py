from __future__ import annotations

import gzip
import json
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that

from pipelines.metrics import counters
from schemas import batch as batches
from schemas.batch import MAX_PARTITIONS
from schemas.records import JSON_SCRAPE, LINE_PROTOCOL, DeadLetter
from schemas.tiers import Tiers
from tests.transforms.naive import MINUTE, NOON, samples_of
from transforms import accounting
from transforms.intake.beam import PLACES, IntakeSettings
from transforms.io.files import records as record_files
from transforms.io.files.content_types import content_type_of
from transforms.io.files.source import ReadFiles


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("a.lp", LINE_PROTOCOL),
        ("a.line", LINE_PROTOCOL),
        ("a.influx.gz", LINE_PROTOCOL),
        ("a.JSON", JSON_SCRAPE),
        ("dir.lp/a.jsonl", JSON_SCRAPE),
        ("a.ndjson.gz", JSON_SCRAPE),
        ("CPU.LP.GZ", LINE_PROTOCOL),
        ("a.txt", None),
        ("a.gz", None),
        ("lp", None),
    ],
)
def test_a_name_says_the_content_type(path: str, content_type: str | None) -> None:
    assert content_type_of(path) == content_type


def line(host: str, minute: float, value: int) -> str:
    return f"m,host={host} value={value} {int((NOON + minute * MINUTE) * 1_000_000)}"


def read(paths: list[Path], wanted: dict[str, list[object]], **settings: object) -> dict[str, int]:
    """Read files on the local runner, check each output, and give the counters."""
    pipeline = beam.Pipeline(runner=FnApiRunner())
    outputs = pipeline | ReadFiles([str(path) for path in paths], IntakeSettings(**settings))  # type: ignore[arg-type]

    def samples(pieces: list[tuple[bytes, bytes]]) -> None:
        found = [sample for _, data in pieces for sample in samples_of(batches.decode(data))]
        assert sorted((each.value, each.seq) for each in found) == wanted["samples"]

    def letters(encoded: list[bytes]) -> None:
        found = map(DeadLetter.decode, encoded)
        assert sorted((each.topic, each.partition, each.offset) for each in found) == wanted["dead_letters"]

    def late(encoded: list[bytes]) -> None:
        found = [sample for data in encoded for sample in samples_of(batches.decode(data))]
        assert sorted(each.value for each in found) == wanted["too_late"]

    for name, check in (("samples", samples), ("dead_letters", letters), ("too_late", late)):
        assert_that(outputs[name], check, label=name)
    result = pipeline.run()
    result.wait_until_finish()
    return counters(result)


def test_a_file_is_a_partition_and_a_line_its_offset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A few lines a block: numbers and the watermark go on from one to the next.
    monkeypatch.setattr(record_files, "BLOCK_BYTES", 100)
    plain, packed = tmp_path / "a.lp", tmp_path / "b.jsonl.gz"
    lines = [line("a", minute, minute) for minute in range(10)]
    lines[3:3] = ["", "  ", "m,host=a value= 1"]
    lines += [line("a", 0.5, 100), line("a", 8.5, 101)]
    plain.write_bytes("\r\n".join(lines).encode())
    scrapes = [{"labels": {"host": "b"}, "timestamp": NOON + i, "samples": {"m": 1000 + i}} for i in range(3)]
    packed.write_bytes(gzip.compress(b"\n".join(json.dumps(each).encode() for each in scrapes) + b"\n"))
    numbered = [(i, i if i < 3 else i + 3) for i in range(10)] + [(101, 14)]
    wanted: dict[str, list[object]] = {
        "samples": [
            *((float(value), batches.sequence(0, offset)) for value, offset in numbered),
            # Every line of the second file comes after all of the first.
            *((1000.0 + i, batches.sequence(1, PLACES + i)) for i in range(3)),
        ],
        "dead_letters": [(str(plain), 0, 5)],
        "too_late": [100.0],
    }
    found = read([plain, packed], wanted, tiers=Tiers(lateness_ms=2 * MINUTE), file_watermark="events")
    assert {name: found.get(name) for name in (accounting.RECORDS_READ, accounting.TOO_LATE)} == {
        accounting.RECORDS_READ: 16,
        accounting.TOO_LATE: 1,
    }


@pytest.mark.parametrize(("name", "default"), [("records.txt", LINE_PROTOCOL), ("records", None)])
def test_a_name_that_says_nothing_takes_the_default_or_the_content(
    name: str, default: str | None, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(line("a", 0, 1) + "\n")
    wanted: dict[str, list[object]] = {"samples": [(1.0, 0)], "dead_letters": [], "too_late": []}
    read([path], wanted, default_content_type=default)


def test_a_file_that_cannot_be_read_is_a_dead_letter_and_its_neighbours_are_read(tmp_path: Path) -> None:
    good, cut, gone = tmp_path / "good.lp", tmp_path / "cut.lp.gz", tmp_path / "gone.lp"
    good.write_text(line("a", 0, 1))
    lines = [line("b", minute, minute) for minute in range(2000)]
    packed = gzip.compress("\n".join(lines).encode(), 1)
    # The checksum and the length are missing, nothing else.
    cut.write_bytes(packed[:-8])
    wanted: dict[str, list[object]] = {
        "samples": sorted(
            [(1.0, batches.sequence(1, PLACES)), *((float(each), batches.sequence(0, each)) for each in range(1999))]
        ),
        # What stands where it breaks off may be half a record.
        "dead_letters": [(str(cut), 0, 1999), (str(gone), 2, 0)],
        "too_late": [],
    }
    found = read([cut, good, gone], wanted)
    assert {name: found.get(name) for name in (accounting.UNREADABLE, accounting.RECORDS_DEAD_LETTERED)} == {
        accounting.UNREADABLE: 2,
        accounting.RECORDS_DEAD_LETTERED: 2,
    }
    assert found[accounting.RECORDS_READ] == 2000 + 2


def test_an_empty_file_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "empty.lp"
    path.touch()
    found = read([path], {"samples": [], "dead_letters": [], "too_late": []})
    assert found.get(accounting.RECORDS_READ, 0) == 0


def test_more_files_than_partitions_are_refused() -> None:
    with pytest.raises(ValueError, match="4097 files are too many for one run; at most 4096"):
        ReadFiles(["x"] * (MAX_PARTITIONS + 1), IntakeSettings())
    with pytest.raises(ValueError, match="4097 files"):
        ReadFiles(["x"], IntakeSettings(), first=MAX_PARTITIONS)
