"""Durations as Prometheus reads and writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.golang.durations import format_duration, seconds
from schemas.times import MAX_DURATION_MS, parse_duration


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("90s", "1m30s"),
        ("2w1d", "15d"),
        ("14d", "2w"),
        ("365d", "1y"),
        ("1500ms", "1s500ms"),
        ("0", "0s"),
    ],
)
def test_durations_as_prometheus_prints_them(text: str, printed: str) -> None:
    assert format_duration(parse_duration(text)) == printed
    assert format_duration(-parse_duration(text)) == (printed if text == "0" else f"-{printed}")


def test_seconds_are_rounded_as_go_does_it() -> None:
    assert seconds(1_500) == 1.5
    # Not the nearest number to 1.118.
    assert seconds(1_118) == 1 + 0.118 != 1.118


@given(st.integers(0, MAX_DURATION_MS))
def test_what_is_written_reads_the_same(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds)) == milliseconds
