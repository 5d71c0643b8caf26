from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.golang.quoting import unquote
from rules.promql.syntax.errors import PromQLSyntaxError, Span
from rules.promql.syntax.lexer import DURATION, END, IDENTIFIER, METRIC, NUMBER, STRING, comments, tokenize
from rules.promql.syntax.literals import parse_number, quote, round_half_away


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("sum by (on) (x)", ["sum", "by", "(", "on", ")", "(", IDENTIFIER, ")"]),
        ('x{by="1",on!~`a`}', [IDENTIFIER, "{", IDENTIFIER, "=", STRING, ",", IDENTIFIER, "!~", STRING, "}"]),
        ("job:x:rate5m >= Inf", [METRIC, ">=", NUMBER]),
        ("x[5m:1m] offset 1h30m", [IDENTIFIER, "[", DURATION, ":", DURATION, "]", "offset", DURATION]),
        ("SUM(x) AND y", ["sum", "(", IDENTIFIER, ")", "and", IDENTIFIER]),
        ("fill + fill (1)", [IDENTIFIER, "+", "fill", "(", NUMBER, ")"]),
        ("x[step()]", [IDENTIFIER, "[", "step", "(", ")", "]"]),
        ("x # no\n+ 0x1f", [IDENTIFIER, "+", NUMBER]),
        ("", []),
    ],
)
def test_kinds_of_tokens(text: str, kinds: list[str]) -> None:
    tokens = tokenize(text)
    assert [token.kind for token in tokens] == [*kinds, END]
    assert all(text[token.start : token.span.end] == token.text for token in tokens)


@pytest.mark.parametrize(
    ("text", "span", "message", "hint"),
    [
        ("rate(x[5m]", Span(4, 5), "unclosed left parenthesis", 'close it with ")"'),
        ("x)", Span(1, 2), "unexpected right parenthesis", "nothing opens it"),
        ('x{a="b"', Span(1, 2), "unclosed left brace", 'close it with "}"'),
        ("x[5m", Span(1, 2), "unclosed left bracket", 'close it with "]"'),
        ("x]", Span(1, 2), "unexpected right bracket", "nothing opens it"),
        ('x{a="b}\n + 1', Span(4, 7), "unterminated quoted string", 'close it with "'),
        ("x && y", Span(2, 3), "unexpected character: '&'", 'write "and"'),
        ("x =~ y", Span(3, 4), "unexpected character: '~'", "between braces"),
        ("x{a=5}", Span(4, 5), "unexpected character inside braces: '5'", "label values are quoted"),
        ("x[#c\n5m]", Span(2, 3), "unexpected character in a duration: '#'", "a range looks like"),
        ("x[abc]", Span(2, 3), "unexpected character in a duration: 'a'", "a range looks like"),
        ("5q + 1", Span(0, 2), "bad number or duration syntax: '5q'", "durations are"),
        ("1__0", Span(0, 4), "bad number or duration syntax: '1__0'", "durations are"),
    ],
)
def test_errors_say_where_and_what_to_write(text: str, span: Span, message: str, hint: str) -> None:
    with pytest.raises(PromQLSyntaxError) as raised:
        tokenize(text)
    assert (raised.value.span, message in raised.value.message, hint in raised.value.hint) == (span, True, True)


def test_comments_keep_their_places() -> None:
    text = 'x{a="#no"} # one\n  + y #two'
    assert comments(text) == [(11, "# one"), (23, "#two")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1_000", 1000.0),
        ("1_000.5", 1000.5),
        ("010", 8.0),
        ("08", 8.0),
        ("0_8", 8.0),
        ("0x1F", 31.0),
        ("0x_1f", 31.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("9223372036854775808", 2.0**63),
        ("iNf", float("inf")),
    ],
)
def test_numbers_are_those_of_go(text: str, value: float) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize("text", ["1e999", "0xFFFFFFFFFFFFFFFFFF", "0x", "1_"])
def test_numbers_go_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="number"):
        parse_number(text)


@given(st.binary())
def test_any_bytes_are_quoted_and_read_back(raw: bytes) -> None:
    value = raw.decode("utf-8", "surrogateescape")
    text = quote(value)
    (token, _) = tokenize(text)
    assert (token.kind, unquote(token.text)) == (STRING, value)


@pytest.mark.parametrize(("value", "rounded"), [(0.5, 1), (-0.5, -1), (2.4, 2), (-2.6, -3), (2.5, 3)])
def test_halves_go_away_from_zero(value: float, rounded: int) -> None:
    assert round_half_away(value) == rounded
