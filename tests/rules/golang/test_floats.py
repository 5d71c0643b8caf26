"""Floats as Go writes and reads them."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rules.golang.floats import OutOfRange, decimal, format_float, parse_float, shortest


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (100000.0, "100000"),
        (999999.0, "999999"),
        (1e6, "1e+06"),
        (123456789.0, "1.23456789e+08"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (5e-324, "5e-324"),
    ],
)
def test_shortest_notation_changes_to_exponents_where_go_does(value: float, text: str) -> None:
    assert shortest(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_notation_names_its_float(value: float) -> None:
    assert float(shortest(value)) == value
    assert parse_float(shortest(value)) == value
    assert float(format_float(value, "g", 17)) == value
    assert parse_float(format_float(value, "x")) == value
    mantissa, _, exponent = format_float(value, "b").partition("p")
    assert math.ldexp(int(mantissa), int(exponent)) == value


@given(st.floats())
@example(5e-324)
@example(-1e23)
@example(-0.0)
def test_decimals_read_back_without_an_exponent(value: float) -> None:
    text = decimal(value)
    assert "e" not in text
    assert parse_float(text) == value or (math.isnan(value) and text == "NaN")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0),
        ("+1.5e3", 1500.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1_0.2_5", 10.25),
        ("010", 10.0),
        ("0x1p-2", 0.25),
        ("-0X_1.8P1", -3.0),
        ("inf", math.inf),
        ("-Infinity", -math.inf),
        ("5e-400", 0.0),
    ],
)
def test_numbers_are_read_as_go_reads_them(text: str, value: float) -> None:
    assert parse_float(text) == value


@pytest.mark.parametrize(
    "text", ["", "+", "x", " 1", "1 ", "1__0", "_1", "1_", "0x1", "0x1p", "1e", "+nan", "infinit", "\u0663", "1d"]
)
def test_what_names_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="syntax"):
        parse_float(text)


@pytest.mark.parametrize("text", ["1e309", "-1e309", "0x1p1024"])
def test_what_is_too_large(text: str) -> None:
    with pytest.raises(OutOfRange):
        parse_float(text)
