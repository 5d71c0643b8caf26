"""Quoted strings as Go reads and writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.golang.quoting import from_bytes, quote, shown, to_bytes, unquote, unquote_char


@given(st.binary())
def test_a_quoted_string_reads_back(data: bytes) -> None:
    text = from_bytes(data)
    assert to_bytes(unquote(quote(text))) == data
    assert to_bytes(unquote(quote(text, ascii_only=True))) == data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\x41\u00e9\101\U0001F600"', "AéA\U0001f600"),
        (r"'\''", "'"),
        (r"`\d`", r"\d"),
        (r'"\xc3\xa9"', "é"),
        (r'"\xff"', "\udcff"),
    ],
)
def test_escapes(text: str, value: str) -> None:
    assert unquote(text) == value


@pytest.mark.parametrize("text", [r'"\q"', r'"\400"', r'"\ud800"', r'"\x4"', r'"\'"', r'"\18"'])
def test_escapes_go_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="escape"):
        unquote(text)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ('a "b"\\', r'"a \"b\"\\"'),
        ("\a\n\x00\x7f", r'"\a\n\x00\x7f"'),
        ("\x80\u2028\U000e0001", r'"\u0080\u2028\U000e0001"'),
        ("é\udcff\ufffd", '"é\\xff\ufffd"'),
    ],
)
def test_quotes(text: str, quoted: str) -> None:
    assert quote(text) == quoted


def test_the_mark_alone_is_escaped() -> None:
    assert quote("'\"", "'") == r"""'\'"'"""


@pytest.mark.parametrize(
    ("body", "found"),
    [("a", (97, "")), ("ab", (97, "b")), (r"\n\t", (10, r"\t")), (r"\'", (39, "")), (r"\u00e9x", (233, "x"))],
)
def test_characters(body: str, found: tuple[int, str]) -> None:
    assert unquote_char(body, "'") == found


@pytest.mark.parametrize("body", ["", "\\", r"\q", r"\"", r"\400"])
def test_what_is_no_character(body: str) -> None:
    with pytest.raises(ValueError, match=r"escape|character"):
        unquote_char(body, "'")


def test_long_texts_are_cut_in_messages() -> None:
    assert shown("5 m") == "'5 m'"
    assert len(shown("9" * 1_000)) < 70
