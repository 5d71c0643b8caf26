from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import batch as batches
from schemas import rollup
from schemas.rollup import RollupBatch
from schemas.tiers import Tier, Tiers
from tests.transforms.io.sink_cases import MINUTE, WINDOW, fleet, rollups, samples, series
from transforms.io.parquet import compact as parquet_compact
from transforms.io.parquet.compact import Compaction, compact, retain
from transforms.io.parquet.rows import rollup_table, sample_table
from transforms.io.parquet.store import files, read_raw, read_rollups, write

DAY = 86_400_000
FOREVER = WINDOW + 1_000 * DAY


def store(directory: Path, *parts: RollupBatch, tier: str = "1m") -> list[Path]:
    return write(directory, tier, rollup_table([rollup.encode(part) for part in parts]), sync=False)


def paths(directory: Path, folder: str = "1m") -> set[Path]:
    return {file.path for file in files(directory, folder)}


def rows_of(directory: Path) -> list[dict]:
    return read_rollups(directory, "1m").to_pylist()


def test_small_files_of_a_day_become_one_and_old_panes_go(tmp_path: Path) -> None:
    for i in range(5):
        store(tmp_path, fleet(2, 3, window=WINDOW + i * MINUTE))
    store(tmp_path, fleet(2, 1, seed=9, pane=1))
    store(tmp_path, fleet(2, 1, window=WINDOW + DAY))
    before = rows_of(tmp_path)
    assert compact(tmp_path, "1m", FOREVER) == Compaction(files_before=6, files_after=1, rows_before=32, rows_after=30)
    assert rows_of(tmp_path) == before
    assert len(paths(tmp_path)) == 2
    assert compact(tmp_path, "1m", FOREVER) == Compaction()


def test_files_that_reach_into_the_present_are_left_alone(tmp_path: Path) -> None:
    for i in range(3):
        store(tmp_path, fleet(1, 1, window=WINDOW + i * MINUTE), fleet(1, 1, window=WINDOW + (i + 1) * MINUTE))
    assert compact(tmp_path, "1m", before=WINDOW + 2 * MINUTE) == Compaction()
    assert compact(tmp_path, "1m", before=WINDOW + 2 * MINUTE + 1).files_before == 2
    assert len(paths(tmp_path)) == 2


def test_files_grow_to_the_target_and_no_further(tmp_path: Path) -> None:
    for i in range(10):
        store(tmp_path, fleet(1, 3, window=WINDOW + i * MINUTE))
    compact(tmp_path, "1m", FOREVER, target_rows=12)
    assert len(paths(tmp_path)) == 3
    assert compact(tmp_path, "1m", FOREVER, target_rows=12) == Compaction()
    assert read_rollups(tmp_path, "1m").num_rows == 30


def test_raw_samples_are_folded_by_their_own_rule(tmp_path: Path) -> None:
    key = series("a", "up")
    for value, seq in ((1.0, 5), (2.0, 9), (3.0, 7)):
        write(tmp_path, "raw", sample_table([batches.encode(samples([(key, WINDOW, value, seq)]))]), sync=False)
    assert compact(tmp_path, "raw", FOREVER) == Compaction(3, 1, 3, 1)
    assert read_raw(tmp_path).column("value").to_pylist() == [2.0]


def test_a_file_that_is_the_fold_of_all_stays(tmp_path: Path) -> None:
    store(tmp_path, fleet(1, 2), fleet(1, 2, window=WINDOW + MINUTE))
    store(tmp_path, fleet(1, 2))
    assert compact(tmp_path, "1m", FOREVER).files_after == 1
    assert read_rollups(tmp_path, "1m").num_rows == 4


class Crash(BaseException):
    """The process ends here."""


def crash_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Let the process end after so many changes to the file system."""
    left = [steps]

    def counted(change):  # type: ignore[no-untyped-def]
        def call(*arguments, **named):  # type: ignore[no-untyped-def]
            if left[0] == 0:
                raise Crash
            left[0] -= 1
            return change(*arguments, **named)

        return call

    monkeypatch.setattr(os, "replace", counted(os.replace))
    monkeypatch.setattr(os, "fsync", counted(os.fsync))
    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))
    monkeypatch.setattr(Path, "open", counted(Path.open))


KEYS = [series("a", "up"), series("b", "up"), series("a", "disk")]

panes = st.lists(
    st.tuples(
        st.sampled_from(KEYS),
        st.sampled_from([0, MINUTE, DAY]),
        st.integers(0, 2),
        st.integers(1, 3),
        st.integers(0, 2),
    ),
    min_size=2,
    max_size=8,
)


@settings(deadline=None, max_examples=60)
@given(panes, st.integers(0, 12))
def test_a_crash_at_any_step_loses_nothing_and_doubles_nothing(
    tmp_path_factory: pytest.TempPathFactory, rows: list, steps: int
) -> None:
    directory = tmp_path_factory.mktemp("store")
    for key, window, run, count, pane in rows:
        value = float(100 * run + 10 * count + pane)
        part = rollups([(key, {"count": count, "sum": value})], window=WINDOW + window, pane=pane)
        write(directory, "1m", rollup_table([rollup.encode(part)], run), sync=False)
    before = rows_of(directory)
    with pytest.MonkeyPatch.context() as patched:
        crash_after(patched, steps)
        with suppress(Crash):
            compact(directory, "1m", FOREVER)
    assert rows_of(directory) == before
    compact(directory, "1m", FOREVER)
    assert rows_of(directory) == before


def test_a_file_written_during_a_compaction_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path, fleet(1, 1))
    store(tmp_path, fleet(1, 1, window=WINDOW + MINUTE))
    write_file = parquet_compact.write_file

    def late_arrival(*arguments, **named):  # type: ignore[no-untyped-def]
        store(tmp_path, fleet(1, 1, window=WINDOW + 2 * MINUTE))
        return write_file(*arguments, **named)

    monkeypatch.setattr(parquet_compact, "write_file", late_arrival)
    compact(tmp_path, "1m", FOREVER)
    assert read_rollups(tmp_path, "1m").num_rows == 3


def test_two_compactions_at_once_do_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(4):
        store(tmp_path, fleet(1, 1, window=WINDOW + i * MINUTE))
    read_files = parquet_compact.read_files

    def overtaken(*arguments, **named):  # type: ignore[no-untyped-def]
        monkeypatch.setattr(parquet_compact, "read_files", read_files)
        compact(tmp_path, "1m", FOREVER)
        return read_files(*arguments, **named)

    monkeypatch.setattr(parquet_compact, "read_files", overtaken)
    assert compact(tmp_path, "1m", FOREVER) == Compaction()
    assert read_rollups(tmp_path, "1m").num_rows == 4
    assert len(paths(tmp_path)) == 1


TIERS = Tiers(rollups=(Tier("1m", MINUTE, 2 * DAY, "b1"), Tier("1h", 60 * MINUTE, 0, "b2")), raw_retention_ms=DAY)


def test_retention_deletes_files_whose_every_row_is_past_it(tmp_path: Path) -> None:
    now = WINDOW + 2 * DAY + MINUTE
    (past,) = store(tmp_path, fleet(1, 1))
    (reaching,) = store(tmp_path, fleet(1, 1), fleet(1, 1, window=WINDOW + MINUTE))
    (kept_for_ever,) = store(tmp_path, fleet(1, 1), tier="1h")
    raw = sample_table([batches.encode(samples([(series("a", "up"), WINDOW, 1.0, 0)]))])
    (old_raw,) = write(tmp_path, "raw", raw)
    assert set(retain(tmp_path, TIERS, now - 1)) == {old_raw}
    assert retain(tmp_path, TIERS, now) == [past]
    assert reaching.exists()
    assert kept_for_ever.exists()
    assert not old_raw.parent.exists()


def test_retention_removes_what_crashed_writers_left_a_day_ago(tmp_path: Path) -> None:
    (kept,) = store(tmp_path, fleet(1, 1))
    left = kept.parent / f".{kept.name}.0.tmp"
    left.write_bytes(b"")
    written = left.stat().st_mtime * 1_000
    retain(tmp_path, Tiers(rollups=(Tier("1m", MINUTE, 0, "b"),)), int(written + DAY - 60_000))
    assert left.exists()
    retain(tmp_path, Tiers(rollups=(Tier("1m", MINUTE, 0, "b"),)), int(written + DAY + 60_000))
    assert not left.exists()
    assert kept.exists()


def test_an_empty_store_needs_no_upkeep(tmp_path: Path) -> None:
    assert compact(tmp_path / "none", "1m", FOREVER) == Compaction()
    assert retain(tmp_path / "none", Tiers(), FOREVER) == []
    assert isinstance(read_rollups(tmp_path / "none", "1m"), pa.Table)
