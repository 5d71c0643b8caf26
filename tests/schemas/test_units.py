from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codecs.block import BlockDecoder
from schemas.codecs.remote_write import encode_write_request
from schemas.records import JSON_SCRAPE, LINE_PROTOCOL, REMOTE_WRITE, RawRecord
from schemas.units import EARLIEST_MS, MAX_TS, in_milliseconds, unit_hint, unit_of

UNITS = ("s", "ms", "us", "ns")
NOW = 1_700_000_000_000


@given(st.integers(EARLIEST_MS, MAX_TS), st.sampled_from(UNITS))
def test_each_time_is_known_by_its_magnitude_whatever_its_unit(ms: int, unit: str) -> None:
    raw = {"s": ms // 1_000, "ms": ms, "us": ms * 1_000, "ns": ms * 1_000_000}[unit]
    # A whole second of the first millisecond of the range lies before it.
    assert unit_of(raw) == (unit if in_milliseconds(raw, unit) >= EARLIEST_MS else None)


@given(st.integers(-10, 1 << 65))
def test_a_number_is_a_time_in_one_unit_at_most(raw: int) -> None:
    fitting = [unit for unit in UNITS if EARLIEST_MS <= in_milliseconds(raw, unit) <= MAX_TS]
    assert fitting == ([unit_of(raw)] if unit_of(raw) else [])


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("read_as", UNITS)
def test_a_timestamp_of_another_unit_is_refused_with_the_option_that_reads_it(unit: str, read_as: str) -> None:
    raw = {"s": NOW // 1_000, "ms": NOW, "us": NOW * 1_000, "ns": NOW * 1_000_000}[unit]
    decoder = BlockDecoder(precision=read_as, earliest_ms=EARLIEST_MS)  # type: ignore[arg-type]
    line = f"cpu usage=1 {raw}".encode()
    block = decoder.decode_block([RawRecord(line, 0, -1, LINE_PROTOCOL)], "t", 0)
    reasons = [letter.reason for letter in block.dead_letters]
    if unit == read_as:
        assert (reasons, block.batch.ts.tolist()) == ([], [NOW])
        return
    (reason,) = reasons
    assert f"2023-11-14T22:13:20Z: --precision={unit} reads it so" in reason
    assert str(raw) in reason
    assert block.dead_letters[0].payload == line
    assert len(block.batch) == 0


@pytest.mark.parametrize(
    ("content_type", "value"),
    [
        (JSON_SCRAPE, b'{"timestamp": 1700000000, "samples": {"up": 1}}'),
        (REMOTE_WRITE, encode_write_request([({"__name__": "up"}, [(1.0, 1_700_000_000)])])),
    ],
)
def test_formats_with_one_unit_say_which_is_wanted(content_type: str, value: bytes) -> None:
    decoder = BlockDecoder(earliest_ms=EARLIEST_MS)
    (letter,) = decoder.decode_block([RawRecord(value, 0, -1, content_type)], "t", 0).dead_letters
    assert (
        "event time 1700000000 ms is 1970-01-20T16:13:20Z: it looks like seconds, 2023-11-14T22:13:20Z" in letter.reason
    )
    assert "milliseconds are wanted here" in letter.reason


@pytest.mark.parametrize("ms", [0, 12, EARLIEST_MS - 1])
def test_a_clock_that_was_not_set_is_named_as_one(ms: int) -> None:
    record = RawRecord(f"cpu usage=1 {ms * 1_000_000}".encode(), 0, -1, LINE_PROTOCOL)
    (letter,) = BlockDecoder(earliest_ms=EARLIEST_MS).decode_block([record], "t", 0).dead_letters
    if unit_of(ms * 1_000_000) is None:
        assert "unless it was not set; --since=1970-01-01T00:00:00Z takes it (rules backtest: --start)" in letter.reason
    assert BlockDecoder().decode_block([record], "t", 0).batch.ts.tolist() == [ms]


def test_the_bound_itself_is_taken() -> None:
    record = RawRecord(f"cpu usage=1 {EARLIEST_MS}000000".encode(), 0, -1, LINE_PROTOCOL)
    block = BlockDecoder(earliest_ms=EARLIEST_MS).decode_block([record], "t", 0)
    assert block.batch.ts.tolist() == [EARLIEST_MS]


def test_no_hint_is_given_where_there_is_nothing_else_to_take_it_for() -> None:
    assert unit_hint(12, "ns", "--precision") == ""
    assert unit_hint(NOW, "ms", None) == ""


def test_units_begin_and_end_at_a_time() -> None:
    assert [unit_of(raw) for raw in (EARLIEST_MS - 1, EARLIEST_MS, MAX_TS, MAX_TS + 1)] == ["s", "ms", "ms", None]
