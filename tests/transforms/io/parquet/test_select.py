"""The Parquet store answers selectors as the store in memory does with all of its samples."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.promql.engine import instant
from rules.promql.storage import Storage
from rules.promql.syntax.ast import Matcher, MatchOp
from rules.promql.syntax.errors import PromQLSyntaxError
from rules.promql.values import STALE, InstantVector
from schemas import batch, rollup
from schemas.series import labels_text, metric_text
from tests.transforms.io.history.given import selectors
from tests.transforms.io.history.selecting import VALUES, Labels, in_memory, labels_of, matchers_of, selected
from tests.transforms.io.sink_cases import MINUTE, WINDOW, rollups, samples, series
from transforms.io.history.samples import HistoryError
from transforms.io.parquet import scan, store
from transforms.io.parquet.compact import compact
from transforms.io.parquet.history import ParquetReader
from transforms.io.parquet.layout import DAY_MS
from transforms.io.parquet.rows import rollup_table, sample_table
from transforms.io.parquet.store import write

NAMES = ("host", "job", "mode")
METRICS = ("cpu", "cpu_idle", "mem", "odd name")
# Around midnight, so that a store has two days.
DAY = WINDOW // DAY_MS * DAY_MS + DAY_MS
MINUTES = st.integers(-3, 3).map(lambda minute: DAY + minute * MINUTE)
TIMES = st.builds(lambda minute, more: minute + more, MINUTES, st.sampled_from((0, 1, 20_000, 59_999)))
NUMBERS = st.sampled_from((0.0, -0.0, 1.5, float("nan"), float("inf"), float(STALE)))
SERIES = labels_of(NAMES, METRICS, VALUES)
ROWS = st.lists(st.tuples(SERIES, TIMES, NUMBERS), min_size=1, max_size=12)
QUERIES = st.lists(
    st.tuples(st.lists(matchers_of(NAMES, METRICS, VALUES), max_size=3), TIMES, st.integers(0, 4 * MINUTE)),
    min_size=3,
    max_size=5,
)
"""Matchers, the start of a range, and its length."""


def parts_of(labels: Labels) -> tuple[str, str]:
    target = [pair for pair in labels if pair[0] in ("host", "job")]
    return labels_text(target), metric_text(dict(labels)["__name__"], [it for it in labels if it[0] == "mode"])


@settings(max_examples=25)
@given(st.lists(ROWS, min_size=1, max_size=4), QUERIES, st.booleans(), st.booleans())
def test_raw_samples(
    runs: list[list[tuple[Labels, int, float]]],
    queries: list[tuple[list[Matcher], int, int]],
    stale: bool,
    folded: bool,
) -> None:
    newest: dict[tuple[Labels, int], float] = {}
    with tempfile.TemporaryDirectory() as directory, mock.patch.object(store, "ROW_GROUP", 3):
        for run, rows in enumerate(runs):
            made = [(parts_of(labels), when, value, seq) for seq, (labels, when, value) in enumerate(rows)]
            write(directory, "raw", sample_table([batch.encode(samples(made))], run), sync=False)
            newest.update({(labels, when): value for labels, when, value in rows})
            if folded and run == 1:
                compact(directory, "raw", 1 << 60)
        reader, memory = ParquetReader(Path(directory)), in_memory(newest)
        for matchers, start, length in queries:
            wanted = selected(memory, matchers, start, start + length, stale)
            assert selected(reader, matchers, start, start + length, stale) == wanted


@settings(max_examples=25)
@given(st.lists(ROWS, min_size=1, max_size=4), QUERIES, st.booleans(), st.booleans())
def test_rollups(
    runs: list[list[tuple[Labels, int, float]]],
    queries: list[tuple[list[Matcher], int, int]],
    average: bool,
    folded: bool,
) -> None:
    newest: dict[tuple[Labels, int], tuple[tuple[int, int, int], int, float]] = {}
    with tempfile.TemporaryDirectory() as directory, mock.patch.object(store, "ROW_GROUP", 3):
        for run, rows in enumerate(runs):
            elements = []
            for pane, (labels, when, number) in enumerate(rows):
                window, count = when // MINUTE * MINUTE, 1 + pane % 2
                values = {"count": count, "sum": number * count, "max": number, "last_ts": when}
                elements.append(rollup.encode(rollups([(parts_of(labels), values)], window=window, pane=pane)))
                # Of a run the row with more samples counts, then the newer pane.
                version = (run, count, pane)
                if (labels, window) not in newest or newest[labels, window][0] < version:
                    newest[labels, window] = version, when, number * count / count if average else number
            write(directory, "1m", rollup_table(elements, run), sync=False)
            if folded and run == 1:
                compact(directory, "1m", 1 << 60)
        reader = ParquetReader(Path(directory), "1m", "avg" if average else "max")
        memory = in_memory({(labels, when): value for (labels, _), (_, when, value) in newest.items()})
        for matchers, start, length in queries:
            wanted = selected(memory, matchers, start, start + length, stale=True)
            assert selected(reader, matchers, start, start + length, stale=True) == wanted


def test_the_store_is_an_engine_s(tmp_path: Path) -> None:
    """Rates over a store's samples, as the engine works them out of what it selects."""
    rows = [(series("a", "requests_total"), WINDOW + 15_000 * n, 30.0 * n, n) for n in range(20)]
    write(tmp_path, "raw", sample_table([batch.encode(samples(rows))]))
    storage: Storage = ParquetReader(tmp_path)
    found = instant("sum by (host) (rate(requests_total{job=~'no.*'}[1m]))", storage, WINDOW + 2 * MINUTE).value
    assert isinstance(found, InstantVector)
    assert found.labels.rows() == [{"host": "a"}]
    assert found.values == pytest.approx(2.0)


def test_only_row_groups_that_may_hold_something_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "ROW_GROUP", 10)
    names = [f"metric_{number}" for number in range(10)]
    rows = [(series(host, name), WINDOW + n * MINUTE, 1.0, n) for name in names for host in "ab" for n in range(10)]
    write(tmp_path, "raw", sample_table([batch.encode(samples(rows))]))
    read: list[tuple[int, tuple[str, ...]]] = []
    plain = scan._read

    def counted(file: pq.ParquetFile, groups: Sequence[int], schema: pa.Schema) -> pa.Table:
        read.append((len(groups), tuple(schema.names)))
        return plain(file, groups, schema)

    monkeypatch.setattr(scan, "_read", counted)
    reader = ParquetReader(tmp_path)
    (matchers,) = selectors('metric_3{host="b"}')
    assert selected(reader, matchers, WINDOW - 1, WINDOW + DAY_MS, stale=True)
    # Of 20 row groups the two of the metric, and the values of one.
    assert read == [(2, ("target", "metric", "ts")), (1, ("value", "seq", "run"))]
    read.clear()
    for text in ("none", 'metric_3{host="c"}', "metric_3 offset -1d"):
        (matchers,) = selectors(text)
        start = WINDOW + (DAY_MS if "offset" in text else -1)
        assert not selected(reader, matchers, start, start + DAY_MS, stale=True)
    assert [groups for groups, _ in read] == [2]


def test_what_cannot_be_selected_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "raw", sample_table([batch.encode(samples([(series("a", "cpu"), WINDOW, 1.0, 1)]))]))
    reader = ParquetReader(tmp_path)
    with pytest.raises(PromQLSyntaxError, match="missing"):
        reader.select([Matcher("host", MatchOp.REGEX, "(")], WINDOW - 1, WINDOW, stale=True)
    (path,) = (tmp_path / "raw").rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(HistoryError, match=str(path)):
        reader.select(selectors("cpu")[0], WINDOW - 1, WINDOW, stale=True)
