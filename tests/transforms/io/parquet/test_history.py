"""Archived data in a Parquet store."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas import batch, rollup
from tests.transforms.io.history.given import read, series_of
from tests.transforms.io.sink_cases import MINUTE, WINDOW, rollups, samples, series
from transforms.io.history.read import HistoryError
from transforms.io.parquet.rows import rollup_table, sample_table
from transforms.io.parquet.store import write

CPU = series("a", "cpu", mode="idle")
MEMORY = series("a", "memory")
CPU_TEXT = "__name__=cpu,host=a,job=node,mode=idle"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Raw samples every 20 s of two minutes, and their rollups."""
    rows = [(key, WINDOW + 20_000 * n, float(n), n) for key in (CPU, MEMORY) for n in range(6)]
    write(tmp_path, "raw", sample_table([batch.encode(samples(rows))]))
    for minute in range(2):
        window = WINDOW + minute * MINUTE
        values = {"count": 3, "sum": 9.0 * minute + 3, "last": 3.0 * minute + 2, "max": 7.0, "last_ts": window + 40_000}
        made = [(key, values) for key in (CPU, MEMORY)]
        write(tmp_path, "1m", rollup_table([rollup.encode(rollups(made, window=window))]))
    return tmp_path


def test_raw_samples_come_first(store: Path) -> None:
    wanted = [(WINDOW + 20_000 * n, float(n)) for n in range(6)]
    for source in (str(store), f"parquet:{store}", f"parquet:{store}?tier=raw"):
        assert series_of(read(["--data", source], "cpu").storage) == {CPU_TEXT: wanted}


@pytest.mark.parametrize(
    ("value", "found"),
    [("", [2.0, 5.0]), ("&value=avg", [1.0, 4.0]), ("&value=max", [7.0, 7.0]), ("&value=count", [3, 3])],
)
def test_a_rollup_is_a_sample_at_the_time_of_its_last(store: Path, value: str, found: list[float]) -> None:
    storage = read(["--data", f"parquet:{store}?tier=1m{value}"], "cpu").storage
    times = [WINDOW + 40_000, WINDOW + MINUTE + 40_000]
    assert series_of(storage) == {CPU_TEXT: list(zip(times, found, strict=True))}


def test_a_window_that_began_before_the_range_is_read_too(store: Path) -> None:
    words = ["--data", f"parquet:{store}?tier=1m", "--start", str(WINDOW + 30_000), "--end", str(WINDOW + 90_000)]
    (points,) = series_of(read(words, "cpu").storage).values()
    assert [when for when, _ in points] == [WINDOW + 40_000]


def test_a_tier_with_a_name_of_its_own_is_read_too(store: Path) -> None:
    (store / "1m").rename(store / "fine")
    wanted = series_of(read(["--data", f"parquet:{store}", "--end", str(WINDOW + 20_000)], "cpu").storage)
    assert wanted == {CPU_TEXT: [(WINDOW, 0.0), (WINDOW + 20_000, 1.0)]}
    words = ["--data", f"parquet:{store}?tier=fine", "--start", str(WINDOW + 30_000), "--end", str(WINDOW + 90_000)]
    (points,) = series_of(read(words, "cpu").storage).values()
    assert [when for when, _ in points] == [WINDOW + 40_000]


def test_a_selector_without_a_name_reads_every_metric(store: Path) -> None:
    assert len(series_of(read(["--data", store], '{host="a"}').storage)) == 2


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?tier=1h", "no tier '1h'; it has raw, 1m"),
        ("?tier=1m&value=p99", "no 'p99'; it has last"),
        ("?t=1", "no option t"),
    ],
)
def test_what_is_wrong_is_said(store: Path, query: str, message: str) -> None:
    with pytest.raises(HistoryError, match=message):
        read(["--data", f"parquet:{store}{query}"], "cpu")


def test_a_metric_that_is_not_there_is_reported_from_those_that_are(store: Path) -> None:
    with pytest.raises(HistoryError, match=r"no data for memry: the data hold no metric memry; did you mean memory\?"):
        read(["--data", store], "memry")
    with pytest.raises(HistoryError, match=r'never with mode="idel"; did you mean "idle"\?'):
        read(["--data", store], 'cpu{mode="idel"}')


def test_a_damaged_file_is_named_and_the_others_are_read(store: Path) -> None:
    (raw,) = (store / "raw").rglob("*.parquet")
    raw.write_bytes(raw.read_bytes()[:-9])
    (good,) = [path for path in (store / "1m").rglob("*.parquet") if "22-14-00Z" in path.name]
    (bad,) = [path for path in (store / "1m").rglob("*.parquet") if path != good]
    bad.write_bytes(b"PAR1")
    words = ["--data", f"parquet:{store}?tier=1m"]
    history = read(words, "cpu")
    assert series_of(history.storage) == {CPU_TEXT: [(WINDOW + 40_000, 2.0)]}
    assert [problem.startswith(f"{bad}: ") for problem in history.damaged] == [True]
    with pytest.raises(HistoryError, match="no sample that the rules can see"):
        read(["--data", f"parquet:{store}?tier=raw"], "cpu")
