from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import batch as batches
from schemas import rollup
from schemas.series import metric_text, parse_metric
from tests.transforms.io.sink_cases import MINUTE, TEXT, WINDOW, rollups, samples, series
from transforms.io.parquet.layout import RAW_SCHEMA, ROLLUP_SCHEMA, ROLLUPS, SAMPLES
from transforms.io.parquet.rows import by_day, newest, rollup_table, sample_table


def test_a_table_has_the_rows_of_all_batches_with_their_attributes() -> None:
    first = rollups([(series("a", "up"), {"count": 1}), (series("b", "up"), {"count": 2})], shard=3)
    second = rollups([(series("a", "disk free", path="/"), {"count": 4})], window=WINDOW + MINUTE, pane=2, shard=5)
    table = rollup_table([rollup.encode(first), rollup.encode(second)])
    assert table.schema == ROLLUP_SCHEMA
    names = ("name", "metric", "target", "count", "shard", "pane", "watermark")
    assert [tuple(row[name] for name in names) for row in table.to_pylist()] == [
        ("up", "up", '{host="a",job="node"}', 1, 3, 0, WINDOW + MINUTE),
        ("up", "up", '{host="b",job="node"}', 2, 3, 0, WINDOW + MINUTE),
        ("disk free", '"disk free"{path="/"}', '{host="a",job="node"}', 4, 5, 2, WINDOW + MINUTE),
    ]
    assert table.column("window").cast(pa.int64()).to_pylist() == [WINDOW, WINDOW, WINDOW + MINUTE]
    assert table.column("first_ts").cast(pa.int64()).to_pylist() == [WINDOW, WINDOW, WINDOW + MINUTE]
    assert table.column("increase").to_pylist() == [2.0, 2.0, 2.0]


@settings(deadline=None)
@given(TEXT, st.sampled_from([(), (("a", "1"),)]))
def test_names_are_those_of_the_metric_part(name: str, labels: tuple[tuple[str, str], ...]) -> None:
    metric = metric_text(name, labels)
    table = sample_table([batches.encode(samples([(("{}", metric), 0, 1.0, 0)]))])
    assert table.column("name").to_pylist() == [parse_metric(metric)[0]] == [name]


KEYS = [series("a", "up"), series("b", "up"), series("a", "disk"), series("b", "disk", path="/")]

rollup_rows = st.lists(
    st.tuples(
        st.sampled_from(KEYS),
        st.sampled_from([0, MINUTE]),
        st.integers(0, 2),
        st.integers(1, 3),
        st.integers(0, 2),
        st.integers(0, 2),
    ),
    max_size=30,
)


def number_of(run: int, count: int, pane: int, watermark: int) -> float:
    return float(1000 * run + 100 * count + 10 * pane + watermark)


def table_of(rows: list[tuple[tuple[str, str], int, int, int, int, int]]) -> pa.Table:
    """Rows (series, window, run, count, pane, watermark); ``sum`` reports which of them a row is."""
    parts = [ROLLUP_SCHEMA.empty_table()]
    for key, window, run, count, pane, watermark in rows:
        row = (key, {"count": count, "sum": number_of(run, count, pane, watermark)})
        part = rollups([row], window=window, pane=pane, watermark=watermark)
        parts.append(rollup_table([rollup.encode(part)], run))
    return pa.concat_tables(parts)


def listed(table: pa.Table) -> list[tuple[Any, ...]]:
    columns = [
        table.column(name).cast(pa.int64() if name == "window" else table.column(name).type)
        for name in ("metric", "target", "window", "sum")
    ]
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


@settings(deadline=None)
@given(rollup_rows)
def test_newest_takes_of_the_latest_run_the_row_that_has_seen_most_and_sorts(rows: list) -> None:
    wanted: dict[tuple[str, str, int], tuple[int, ...]] = {}
    for (target, metric), window, *version in rows:
        key = (metric, target, window)
        wanted[key] = max(wanted.get(key, ()), tuple(version))
    assert listed(newest(ROLLUPS, table_of(rows))) == [
        (*key, number_of(*version)) for key, version in sorted(wanted.items())
    ]


@settings(deadline=None)
@given(rollup_rows, st.integers(0, 30), st.randoms())
def test_newest_of_parts_is_newest_of_the_whole_in_any_order(rows: list, cut: int, random: Any) -> None:
    whole = listed(newest(ROLLUPS, table_of(rows)))
    parts = [newest(ROLLUPS, table_of(rows[:cut])), newest(ROLLUPS, table_of(rows[cut:]))]
    assert listed(newest(ROLLUPS, pa.concat_tables(parts))) == whole
    random.shuffle(rows)
    assert listed(newest(ROLLUPS, table_of(rows))) == whole


def test_a_pane_cut_anew_after_a_restart_wins_over_a_higher_number_that_has_seen_less() -> None:
    before = [(KEYS[0], 0, 0, 10, 1, 5), (KEYS[0], 0, 0, 11, 2, 7)]
    after = [(KEYS[0], 0, 0, 12, 1, 9)]
    assert [row[-1] for row in listed(newest(ROLLUPS, table_of(before + after)))] == [1219.0]


def test_of_samples_with_one_event_time_the_highest_position_counts() -> None:
    key = series("a", "up")
    table = sample_table(
        [batches.encode(samples([(key, 5, 1.0, 3), (key, 5, 2.0, 9), (key, 4, 3.0, 1), (key, 5, 4.0, 7)]))]
    )
    assert table.schema == RAW_SCHEMA
    assert newest(SAMPLES, table).column("value").to_pylist() == [3.0, 2.0]


def test_days_are_those_of_utc() -> None:
    key = series("a", "up")
    times = [-1, 0, 86_399_999, 86_400_000]
    table = sample_table([batches.encode(samples([(key, ts, float(ts), 0) for ts in times]))])
    assert [(day, part.column("value").to_pylist()) for day, part in by_day(SAMPLES, table)] == [
        (-1, [-1.0]),
        (0, [0.0, 86_399_999.0]),
        (1, [86_400_000.0]),
    ]
