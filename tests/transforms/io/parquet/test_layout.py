from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.io.parquet.layout import (
    RAW_SCHEMA,
    ROLLUP_SCHEMA,
    ROLLUPS,
    SAMPLES,
    FileName,
    date_folder,
    day_of_folder,
    file_name,
    kind_of,
    time_text,
)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00-00-00Z"),
        (1_709_251_140_000, "2024-02-29T23-59-00Z"),
        (1_709_251_140_007, "2024-02-29T23-59-00.007Z"),
        (-1, "1969-12-31T23-59-59.999Z"),
    ],
)
def test_time_text(ms: int, text: str) -> None:
    assert time_text(ms) == text


@settings(deadline=None)
@given(st.integers(-(2**63) + 1, 2**63 - 1), st.integers(-(2**63) + 1, 2**63 - 1))
def test_names_read_back_for_any_time(first: int, last: int) -> None:
    name = FileName(first, last, "s0-31_p2_0123456789abcdef")
    assert FileName.parse(str(name)) == name


def test_a_name_is_read_to_the_millisecond() -> None:
    name = "2024-02-29T23-59-00.007Z_2024-03-01T00-00-00Z_s0_p0_0123456789abcdef.parquet"
    assert FileName.parse(name) == FileName(1_709_251_140_007, 1_709_251_200_000, "s0_p0_0123456789abcdef")


@settings(deadline=None)
@given(st.integers(-(2**63), 2**63 - 1))
def test_folders_read_back_for_any_time(ms: int) -> None:
    assert day_of_folder(date_folder(ms // 86_400_000)) == ms // 86_400_000
    assert "/" not in time_text(ms)


@pytest.mark.parametrize(
    ("rest", "run"),
    [
        ("s0-31_p2_0123456789abcdef", 0),
        ("0123456789abcdef", 0),
        ("s0_p2_r1768176000123_0123456789abcdef", 1_768_176_000_123),
        ("r7_0123456789abcdef", 7),
    ],
)
def test_names_report_the_run(rest: str, run: int) -> None:
    name = FileName.parse(f"2024-02-29T23-59-00Z_2024-02-29T23-59-00Z_{rest}.parquet")
    assert name is not None
    assert name.run == run


@pytest.mark.parametrize(
    "name",
    [
        "",
        "2024-02-29T23-59-00Z_2024-02-29T23-59-00Z_s0_p0_0",
        ".2024-02-29_2024-02-29_s0_p0_0.parquet",
        "x.parquet",
        ".a_b_c.parquet.tmp",
        "2024_2025_x.parquet.tmp",
        "a_b_c.parquet",
        "README",
    ],
)
def test_other_files_are_not_of_the_store(name: str) -> None:
    assert FileName.parse(name) is None


@pytest.mark.parametrize("name", ["", "date=", "date=today", "2024-02-29", "day=2024-02-29"])
def test_other_folders_are_not_of_the_store(name: str) -> None:
    assert day_of_folder(name) is None


def table(schema: pa.Schema, **columns: list[int]) -> pa.Table:
    """Rows of which only some columns matter, the others null."""
    rows = len(next(iter(columns.values())))
    whole = [
        pa.array(columns[field.name]).cast(field.type) if field.name in columns else pa.nulls(rows, field.type)
        for field in schema
    ]
    return pa.table(whole, schema=schema)


@pytest.mark.parametrize(("shards", "span"), [([3, 3], "s3"), ([9, 3], "s3-9")])
def test_a_file_is_named_after_its_rows(shards: list[int], span: str) -> None:
    rows = table(ROLLUP_SCHEMA, window=[2_000, 1_000], shard=shards, pane=[1, 0], run=[5, 7])
    name = file_name(ROLLUPS, rows, b"content")
    assert (name.first, name.last, name.run) == (1_000, 2_000, 7)
    assert name.rest.startswith(f"{span}_p1_r7_")
    assert name.rest != file_name(ROLLUPS, rows, b"other").rest
    samples = table(RAW_SCHEMA, ts=[2_000, 1_000], run=[5, 7])
    assert file_name(SAMPLES, samples, b"content") == FileName(1_000, 2_000, f"r7_{name.rest[-16:]}")


def test_raw_samples_have_a_kind_of_their_own() -> None:
    assert (kind_of("raw"), kind_of("1m"), kind_of("RAW")) == (SAMPLES, ROLLUPS, ROLLUPS)
