from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.numbers import decimal, sample_value, whole

NONE = (
    "",
    " ",
    "1_000",
    "0x10",
    "0x1p3",
    "٣",
    "²",
    "1,5",
    "1 000",
    "--1",
    "1e",
    ".",
    "e5",
    "one",
    "1.2.3",
    "infinity",
    "1d5",
)


@pytest.mark.parametrize("read", [decimal, sample_value, whole])
@pytest.mark.parametrize("text", NONE)
def test_what_is_no_number_is_shown(read: Callable[[str], float], text: str) -> None:
    with pytest.raises(ValueError, match="number is wanted, not"):
        read(text)


@pytest.mark.parametrize("read", [decimal, sample_value])
@pytest.mark.parametrize("text", ["1e400", "-1e400", "9" * 400, "1.8e308"])
def test_a_number_that_cannot_be_held_is_refused(read: Callable[[str], float], text: str) -> None:
    with pytest.raises(ValueError, match="is out of the range of a 64-bit float"):
        read(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("nan", "nan"), ("NaN", "nan"), ("inf", "inf"), ("+Inf", "inf"), ("-Inf", "-inf"), ("INF", "inf")],
)
def test_numbers_that_are_not_finite_are_values_of_samples_only(text: str, value: str) -> None:
    assert str(sample_value(text)) == value
    with pytest.raises(ValueError, match="a number is wanted"):
        decimal(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_float_is_read_back(value: float) -> None:
    assert decimal(repr(value)) == sample_value(repr(value)) == value


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_every_whole_number_of_18_digits_is_read_back(value: int) -> None:
    assert whole(str(value)) == value


def test_a_whole_number_has_an_end() -> None:
    with pytest.raises(ValueError, match="a whole number is wanted, not '1000000000000000000'"):
        whole("1" + "0" * 18)


def test_a_long_text_is_shown_by_its_first_60_characters() -> None:
    for text, shown in (("x" * 60, "x" * 60), ("x" * 61, "x" * 60 + "...")):
        with pytest.raises(ValueError, match="is wanted") as refused:
            decimal(text)
        assert str(refused.value) == f"a number is wanted, not '{shown}'"
