"""Durations and times as people write them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import MAX_DURATION_MS, MAX_TIME_MS, format_duration, format_time, parse_duration, parse_time

DAY = 86_400_000


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("250ms", 250),
        ("15s", 15_000),
        ("08s", 8_000),
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("30d", 30 * DAY),
        ("1w", 7 * DAY),
        ("1y", 365 * DAY),
        ("1d1ms", DAY + 1),
    ],
)
def test_durations(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *((text, "; write it like") for text in ("", "5", "m", "s", "-1s", "-5m", " 1h", "\u0663s")),
        *((text, ": there is no unit") for text in ("1.5h", "1x", "1 h", "5 m", "1h ", "5min", "5m\n")),
        *((text, ": units fall") for text in ("1s1m", "1m1m")),
        *((text, ": 292 years") for text in ("300y", "9" * 5_000 + "s")),
    ],
)
def test_what_is_no_duration(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^not a duration: .{{2,65}}{message}"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x" * 60, f"not a duration: '{'x' * 60}'; write it like 15s, 5m, 1h30m or 30d"),
        ("x" * 61, f"not a duration: '{'x' * 60}...'; write it like 15s, 5m, 1h30m or 30d"),
        ("1h5min", "not a duration: '1h5min': there is no unit 'min', only y, w, d, h, m, s, ms"),
    ],
)
def test_a_fault_shows_the_beginning_of_the_text(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_duration(text)


def test_leading_zeros_and_the_longest_duration() -> None:
    assert parse_duration("00000000000000000001s") == 1_000
    assert parse_duration(f"{MAX_DURATION_MS}ms") == MAX_DURATION_MS
    for text in (f"{MAX_DURATION_MS + 1}ms", "1" * 21 + "ms"):
        with pytest.raises(ValueError, match="292 years are the most"):
            parse_duration(text)


@given(st.integers(0, MAX_DURATION_MS))
def test_a_duration_reads_back(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds)) == milliseconds


def test_days_are_the_largest_unit_that_is_written() -> None:
    assert format_duration(400 * DAY + 1) == "400d1ms"


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0", 0),
        ("86400000", 86_400_000),
        ("1700000000123", 1_700_000_000_123),
        (str(MAX_TIME_MS), MAX_TIME_MS),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000),
        ("2023-11-14T22:13:20.123600", 1_700_000_000_124),
        ("2023-11-14T23:13:20+01:00", 1_700_000_000_000),
        ("2023-11-14", 1_699_920_000_000),
    ],
)
def test_times(text: str, milliseconds: int) -> None:
    assert parse_time(text) == milliseconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("today", "'today' is no time; write it like 2026-01-12T00:00:00Z, or as milliseconds since 1970"),
        ("-1", "'-1' is no time"),
        (
            "1700000000",
            "1700000000 is 1970-01-20T16:13:20Z in milliseconds; it looks like seconds, 2023-11-14T22:13:20Z: write it so, or as 1700000000000",
        ),
        (str(MAX_TIME_MS + 1), f"{MAX_TIME_MS + 1} is after the year 9999: milliseconds since 1970 are wanted"),
        ("9" * 5_000, f"{'9' * 60} is after the year 9999"),
    ],
)
def test_what_is_no_time(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        parse_time(text)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_700_000_000_007, "2023-11-14T22:13:20.007Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (MAX_TIME_MS + 1, "253402300800000 ms"),
    ],
)
def test_times_are_written_in_utc(milliseconds: int, text: str) -> None:
    assert format_time(milliseconds) == text
