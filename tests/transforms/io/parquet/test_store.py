from __future__ import annotations

import os
import threading
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas import batch as batches
from schemas import rollup
from schemas.rollup import RollupBatch
from tests.transforms.io.history.given import selectors
from tests.transforms.io.sink_cases import MINUTE, WINDOW, fleet, rollups, samples, series
from transforms.io.files import atomic as atomic_file
from transforms.io.parquet import store as parquet_store
from transforms.io.parquet.compact import compact
from transforms.io.parquet.layout import RAW_SCHEMA, ROLLUP_SCHEMA
from transforms.io.parquet.rows import rollup_table, sample_table
from transforms.io.parquet.store import files, read_raw, read_rollups, write

DAY = 86_400_000


def store(directory: Path, *parts: RollupBatch) -> list[Path]:
    return write(directory, "1m", rollup_table([rollup.encode(part) for part in parts]))


def counts(table: pa.Table) -> dict[tuple[str, str, int], int]:
    windows = table.column("window").cast(pa.int64()).to_pylist()
    columns = (table.column(name).to_pylist() for name in ("target", "metric", "count"))
    return {(target, metric, window): count for target, metric, count, window in zip(*columns, windows, strict=True)}


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    parts = [fleet(3, 4, window=WINDOW + i * MINUTE, seed=i, shard=i % 2) for i in range(10)]
    store(tmp_path, *parts)
    table = read_rollups(tmp_path, "1m")
    assert table.schema == ROLLUP_SCHEMA
    assert table.num_rows == 120
    rows = {(row["target"], row["metric"], row["window"].timestamp() * 1_000): row for row in table.to_pylist()}
    for part in parts:
        for row in range(len(part)):
            found = rows[part.targets[part.target[row]], part.metrics[part.metric[row]], part.window]
            assert [found[name] for name in ("count", "sum", "min", "max", "first", "last", "increase")] == [
                part.columns[name][row] for name in ("count", "sum", "min", "max", "first", "last", "increase")
            ]
            assert found["shard"] == part.shard


def test_of_an_older_file_a_missing_aggregate_is_unknown_and_the_run_is_before_all_others(tmp_path: Path) -> None:
    (path,) = store(tmp_path, fleet(3, 4))
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["increase", "run"]), path)
    found = read_rollups(tmp_path, "1m", columns=["increase", "run"])
    assert found.column("increase").null_count == found.num_rows > 0
    assert set(found.column("run").to_pylist()) == {0}


def test_an_empty_store_has_no_rows(tmp_path: Path) -> None:
    assert read_rollups(tmp_path / "none", "1m").schema == ROLLUP_SCHEMA
    assert read_raw(tmp_path).schema == RAW_SCHEMA
    assert read_raw(tmp_path).num_rows == 0


def test_file_names_report_windows_shards_and_pane(tmp_path: Path) -> None:
    (path,) = store(
        tmp_path,
        fleet(1, 1, shard=2),
        fleet(1, 1, window=WINDOW + MINUTE, shard=7),
        fleet(1, 1, window=WINDOW + 2 * MINUTE, shard=5, pane=3),
    )
    assert path.parent == tmp_path / "1m" / "date=2023-11-14"
    assert path.name.startswith("2023-11-14T22-14-00Z_2023-11-14T22-16-00Z_s2-7_p3_")


def test_each_day_has_its_folder(tmp_path: Path) -> None:
    paths = store(tmp_path, *(fleet(1, 1, window=WINDOW + i * DAY) for i in range(3)))
    assert [path.parent.name for path in paths] == ["date=2023-11-14", "date=2023-11-15", "date=2023-11-16"]


def test_the_same_rows_written_again_replace_their_file(tmp_path: Path) -> None:
    first = store(tmp_path, fleet(2, 2), fleet(2, 2, window=WINDOW + MINUTE))
    again = store(tmp_path, fleet(2, 2, window=WINDOW + MINUTE), fleet(2, 2))
    assert first == again
    assert len(list(files(tmp_path, "1m"))) == 1


def test_a_bundle_cut_anew_doubles_no_row(tmp_path: Path) -> None:
    parts = [fleet(2, 2, window=WINDOW + i * MINUTE) for i in range(4)]
    store(tmp_path, *parts[:3])
    whole = store(tmp_path, *parts[:2]) + store(tmp_path, *parts[2:])
    assert len(whole) == 2
    assert read_rollups(tmp_path, "1m").num_rows == 16


def test_a_newer_pane_wins_series_by_series_whichever_file_comes_first(tmp_path: Path) -> None:
    a, b = series("a", "up"), series("b", "up")
    on_time = rollups([(a, {"count": 3}), (b, {"count": 3})])
    late = rollups([(a, {"count": 4})], pane=1)
    later = rollups([(a, {"count": 5})], pane=2)
    for order in ((on_time, late, later), (later, late, on_time)):
        directory = tmp_path / str(order[0].pane)
        for part in order:
            store(directory, part)
        assert counts(read_rollups(directory, "1m")) == {(*a, WINDOW): 5, (*b, WINDOW): 3}


def test_a_read_takes_a_range_of_windows_and_some_names(tmp_path: Path) -> None:
    for day in range(3):
        store(tmp_path, *(fleet(1, 3, window=WINDOW + day * DAY + i * MINUTE) for i in range(5)))
    start, end = WINDOW + DAY + MINUTE, WINDOW + DAY + 3 * MINUTE
    table = read_rollups(tmp_path, "1m", start, end, selectors("metric_0", "metric_2", "none"))
    assert {(metric.split("{")[0], window - WINDOW - DAY) for _, metric, window in counts(table)} == {
        (name, i * MINUTE) for name in ("metric_0", "metric_2") for i in (1, 2)
    }
    assert read_rollups(tmp_path, "1m", start=WINDOW + DAY).num_rows == 30
    assert read_rollups(tmp_path, "1m", end=WINDOW + DAY).num_rows == 15


def test_files_out_of_the_range_are_not_opened(tmp_path: Path) -> None:
    (kept,) = store(tmp_path, fleet(1, 1))
    (other,) = store(tmp_path, fleet(1, 1, window=WINDOW + 10 * MINUTE))
    other.write_bytes(b"not a Parquet file")
    assert read_rollups(tmp_path, "1m", end=WINDOW + 10 * MINUTE).num_rows == 1
    with pytest.raises((OSError, pa.ArrowInvalid)):
        read_rollups(tmp_path, "1m")
    assert kept.exists()


def test_raw_samples_count_once_by_series_and_event_time(tmp_path: Path) -> None:
    key = series("a", "up")
    for rows in ([(key, WINDOW, 1.0, 1), (key, WINDOW + 1, 2.0, 2)], [(key, WINDOW, 9.0, 5)], [(key, WINDOW, 4.0, 3)]):
        write(tmp_path, "raw", sample_table([batches.encode(samples(rows))]))
    table = read_raw(tmp_path)
    assert table.column("value").to_pylist() == [9.0, 2.0]
    assert read_raw(tmp_path, start=WINDOW + 1).column("value").to_pylist() == [2.0]


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_while_writing_leaves_no_part_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    store(tmp_path, fleet(1, 1))

    def crash(*_: object, **__: object) -> None:
        raise Crash

    with monkeypatch.context() as broken:
        broken.setattr(atomic_file.os, step, crash)
        broken.setattr(Path, "unlink", crash)
        with pytest.raises(Crash):
            store(tmp_path, fleet(1, 1, window=WINDOW + MINUTE))
    assert read_rollups(tmp_path, "1m").num_rows == 1
    assert len(duckdb.sql(f"select * from '{tmp_path}/1m/*/*.parquet'").fetchall()) == 1
    store(tmp_path, fleet(1, 1, window=WINDOW + MINUTE))
    assert read_rollups(tmp_path, "1m").num_rows == 2


def test_a_failed_write_cleans_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(atomic_file.os, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            store(tmp_path, fleet(1, 1))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_reader_beside_a_compaction_sees_every_row_once(tmp_path: Path) -> None:
    for i in range(40):
        store(tmp_path, fleet(2, 2, window=WINDOW + i * MINUTE))
    expected = counts(read_rollups(tmp_path, "1m"))
    seen: list[dict] = []
    started, done = threading.Event(), threading.Event()

    def reading() -> None:
        while not done.is_set() or not seen:
            seen.append(counts(read_rollups(tmp_path, "1m")))
            started.set()

    reader = threading.Thread(target=reading)
    reader.start()
    try:
        assert started.wait(60)
        for last in range(5, 45, 5):
            compact(tmp_path, "1m", before=WINDOW + last * MINUTE)
    finally:
        done.set()
        reader.join()
    assert len(list(files(tmp_path, "1m"))) == 1
    assert all(found == expected for found in seen)


def test_a_file_that_vanishes_between_listing_and_reading_is_looked_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path, fleet(1, 1))
    store(tmp_path, fleet(1, 1, window=WINDOW + MINUTE))
    read_files = parquet_store.read_files

    def folded_meanwhile(*arguments: object) -> pa.Table:
        monkeypatch.setattr(parquet_store, "read_files", read_files)
        compact(tmp_path, "1m", before=WINDOW + DAY)
        return read_files(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(parquet_store, "read_files", folded_meanwhile)
    assert read_rollups(tmp_path, "1m").num_rows == 2


def test_sync_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(atomic_file.os, "fsync", calls.append)
    table = rollup_table([rollup.encode(fleet(1, 1))])
    write(tmp_path, "1m", table, sync=False)
    assert calls == []
    write(tmp_path, "1m", table)
    assert len(calls) == 2
    assert os.listdir(tmp_path) == ["1m"]
