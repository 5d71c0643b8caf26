"""Runs over one store: their order, and that what the later one wrote is what every reader sees, whatever came between."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas import batch as batches
from schemas import rollup
from schemas.forms.model import VersionError
from schemas.tiers import Tiers
from tests.golden.release import FOLDER
from tests.tidemark.command import command
from tests.transforms.io.history.given import selectors
from tests.transforms.io.sink_cases import WINDOW, rollups, samples, series
from transforms.io.errors import SinkError
from transforms.io.kinds import raw_samples
from transforms.io.kinds import rollups as rollup_rows
from transforms.io.parquet.compact import compact
from transforms.io.parquet.layout import FORMAT, FORMAT_KEY, RAW_SCHEMA, ROLLUP_SCHEMA
from transforms.io.parquet.rows import rollup_table, sample_table
from transforms.io.parquet.runs import start
from transforms.io.parquet.sink import ParquetOutput, ParquetSettings
from transforms.io.parquet.store import files, read_raw, read_rollups, write

ROOT = Path(__file__).parents[4]
RAW = raw_samples(Tiers())
STORES = {"format-1": FOLDER / "v0.1" / "store", "format-2": FOLDER / "v0.2" / "store"}
NOW = 1_768_176_000_000
UP = series("a", "up")


def put(store: Path, run: int, count: int, value: float, pane: int = 0, key: tuple[str, str] = UP) -> None:
    """A row of the tier 1m and a raw sample, both of one run."""
    rows = rollup.encode(rollups([(key, {"count": count, "max": value})], pane=pane))
    write(store, "1m", rollup_table([rows], run), sync=False)
    one = batches.encode(samples([(key, WINDOW, value, count)]))
    write(store, "raw", sample_table([one], run), sync=False)


def documented(tier: str, days: str = "2023-11-14", name: str = "up") -> str:
    """The query of the documentation as far as it picks rows, for another tier, day and metric."""
    page = (ROOT / "docs" / "sinks.md").read_text(encoding="utf-8")
    (query,) = re.findall(r"```sql\nWITH newest AS \((.*?)\n\)\nSELECT", page, re.DOTALL)
    query = query.replace("store/1m/", f"store/{tier}/").replace("2026-01-12", days).replace("cpu_usage_user", name)
    if tier == "raw":
        (raw,) = re.findall(r"For raw samples it is `(PARTITION BY .*?)`", page)
        query = re.sub(r"PARTITION BY .*? DESC\n", raw + "\n", query, flags=re.DOTALL)
    return query


def seen(store: Path, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What readers see of one series in each tier, if they all see the same."""
    monkeypatch.chdir(store.parent)
    assert store.name == "store"
    found = []
    for tier, read, column in (
        ("1m", lambda: read_rollups(store, "1m"), "max"),
        ("raw", lambda: read_raw(store), "value"),
    ):
        (value,) = read().column(column).to_pylist()
        assert duckdb.sql(f"SELECT {column} FROM ({documented(tier)})").fetchall() == [(value,)]
        found.append(value)
    return found


def test_the_documented_query_runs_as_it_stands(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, 1, 60, 9999.0, key=series("web-1", "cpu_usage_user"))
    put(store, 2, 3, 5.0, key=series("web-1", "cpu_usage_user"))
    (query,) = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "sinks.md").read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(store.parent)
    ((_, host, average, peak),) = duckdb.sql(query.replace("2026-01-12", "2023-11-14")).fetchall()
    assert (host, average, peak) == ("web-1", 2.0, 5.0)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.mark.parametrize(
    "rows",
    [
        [(1, 6, 9999.0, 0), (2, 6, 5.0, 0)],
        [(1, 6, 9999.0, 0), (2, 5, 5.0, 0)],
        [(1, 6, 7777.0, 0), (1, 7, 9999.0, 3), (2, 1, 5.0, 0)],
        [(1, 6, 9999.0, 0), (2, 4, 8888.0, 0), (2, 5, 5.0, 1)],
        [(0, 60, 9999.0, 4), (1, 1, 5.0, 0)],
        [(1, 6, 9999.0, 0), (2, 6, 8888.0, 0), (3, 2, 5.0, 0)],
    ],
    ids=["corrected", "fewer samples", "late panes before", "late panes after", "before runs", "three runs"],
)
def test_the_latest_run_counts_in_every_tier_and_compaction_keeps_it(
    store: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[int, int, float, int]]
) -> None:
    for row in rows:
        put(store, *row)
    assert seen(store, monkeypatch) == [5.0, 5.0]
    for tier in ("1m", "raw"):
        assert compact(store, tier, NOW).rows_after == 1
    assert seen(store, monkeypatch) == [5.0, 5.0]
    # What comes late from the run that was replaced does not bring it back.
    put(store, rows[-1][0] - 1, 99, 9999.0, 9)
    assert seen(store, monkeypatch) == [5.0, 5.0]
    compact(store, "1m", NOW)
    compact(store, "raw", NOW)
    assert seen(store, monkeypatch) == [5.0, 5.0]
    put(store, rows[-1][0] + 1, 1, 4.0)
    assert seen(store, monkeypatch) == [4.0, 4.0]


def test_a_compaction_of_some_files_does_not_bring_back_what_others_replace(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, 1, 9, 9999.0)
    put(store, 1, 9, 1.0, key=series("b", "down"))
    compact(store, "1m", NOW)
    compact(store, "raw", NOW)
    put(store, 2, 3, 5.0)
    assert read_rollups(store, "1m", selectors=selectors("up")).column("max").to_pylist() == [5.0]
    assert len(list(files(store, "1m"))) == 2


def test_a_bundle_that_is_tried_again_by_its_run_replaces_its_file(store: Path) -> None:
    put(store, 7, 3, 1.0)
    before = list(files(store, "1m"))
    put(store, 7, 3, 1.0)
    assert list(files(store, "1m")) == before
    put(store, 8, 3, 1.0)
    assert [file.name.run for file in files(store, "1m")] == [7, 8]


def test_a_run_is_its_start_and_always_later_than_those_before(store: Path) -> None:
    assert start(store, NOW) == NOW
    assert start(store, NOW) == NOW + 1
    assert start(store, NOW - 3_600_000) == NOW + 2
    assert start(store, NOW + 10) == NOW + 10
    document = (store / "_runs" / f"{NOW + 2}.json").read_bytes()
    assert document == b'{"format":2,"run":1768176000002,"started":"2026-01-11T23:00:00.000Z"}\n'


def test_a_store_that_lost_its_list_of_runs_goes_by_its_files(store: Path) -> None:
    put(store, NOW + 5, 3, 1.0)
    assert start(store, NOW) == NOW + 6
    (store / "_runs" / f"{NOW + 6}.json").write_bytes(b"")
    assert start(store, NOW) == NOW + 7


def test_an_output_is_one_run_and_the_next_one_the_next(store: Path) -> None:
    def output() -> ParquetOutput:
        return ParquetOutput(ParquetSettings(str(store)), clock=lambda: NOW / 1_000)

    first, second = output(), output()
    first.write(RAW), first.write(rollup_rows(Tiers().rollups[0])), second.write(RAW)
    assert (first.run, second.run) == (NOW, NOW + 1)
    assert len(list((store / "_runs").iterdir())) == 2


def test_a_store_of_a_newer_release_is_left_alone(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(store, 1, 3, 1.0)
    (store / "_runs").mkdir()
    (store / "_runs" / "5.json").write_text('{"format": 3, "run": 5}')
    output = ParquetOutput(ParquetSettings(str(store)))
    for refused, error in (
        (lambda: read_raw(store), VersionError),
        (lambda: compact(store, "1m", NOW), VersionError),
        (lambda: output.validate([RAW]), SinkError),
        (lambda: output.write(RAW), SinkError),
    ):
        with pytest.raises(
            error, match="Parquet store of version 3; this release reads versions 1 and 2: a newer release wrote it"
        ):
            refused()
    assert command("store")(["compact", str(store)]) == 1
    assert "upgrade Tidemark" in capsys.readouterr().err


def test_files_say_their_format_and_columns(store: Path) -> None:
    put(store, NOW, 3, 1.0)
    for tier, schema in (("1m", ROLLUP_SCHEMA), ("raw", RAW_SCHEMA)):
        (file,) = files(store, tier)
        found = pq.read_schema(file.path)
        assert found.metadata == {FORMAT_KEY: str(FORMAT).encode()}
        assert found.equals(schema)
    # What readers with other tools rely on: not to be changed without a new number of the format.
    assert (FORMAT_KEY, FORMAT) == (b"tidemark.format", 2)
    text = "dictionary<values=string, indices=int32, ordered=0>"
    time = "timestamp[ms, tz=UTC]"
    assert {field.name: str(field.type) for field in RAW_SCHEMA} == {
        **dict.fromkeys(("name", "metric", "target"), text), "ts": time, "value": "double", "seq": "int64", "run": "int64",
    }  # fmt: skip
    assert {field.name: str(field.type) for field in ROLLUP_SCHEMA} == {
        **dict.fromkeys(("name", "metric", "target"), text), "window": time, "count": "int64",
        **dict.fromkeys(("sum", "min", "max", "first", "last", "increase"), "double"), "first_ts": time, "last_ts": time,
        "shard": "int32", "pane": "int32", "watermark": "int64", "run": "int64",
    }  # fmt: skip


@pytest.mark.parametrize("form", ["format-1", "format-2"])
def test_stores_of_every_format_are_read_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    store = tmp_path / "store"
    shutil.copytree(STORES[form], store)
    table = read_rollups(store, "1m")
    assert table.select(["target", "metric", "count", "max", "pane", "run"]).to_pylist() == [
        {
            "target": UP[0],
            "metric": UP[1],
            "count": 4,
            "max": 9999.0,
            "pane": 1,
            "run": NOW if form == "format-2" else 0,
        }
    ]
    assert read_raw(store).column("value").to_pylist() == [1.0, 9999.0]
    if form == "format-1":
        assert "run" not in pq.read_schema(next(files(store, "1m")).path).names
    run = start(store, NOW)
    put(store, run, 2, 5.0)
    assert read_rollups(store, "1m").column("max").to_pylist() == [5.0]
    monkeypatch.chdir(tmp_path)
    assert duckdb.sql(f"SELECT max FROM ({documented('1m')})").fetchall() == [(5.0,)]
    assert compact(store, "1m", NOW).rows_after == 1
    assert compact(store, "raw", NOW).rows_after == 2
    assert read_raw(store).column("value").to_pylist() == [5.0, 9999.0]
    assert duckdb.sql(f"SELECT value, run FROM ({documented('raw')}) ORDER BY ts").fetchall()[0] == (5.0, run)
    assert isinstance(read_raw(store), pa.Table)
