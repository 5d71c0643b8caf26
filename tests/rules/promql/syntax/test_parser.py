from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.promql.syntax.ast import (
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    Matcher,
    Matching,
    MatchOp,
    MatrixSelector,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    Unary,
    ValueType,
    VectorSelector,
    walk,
)
from rules.promql.syntax.errors import PromQLError, PromQLSyntaxError, Span, UnsupportedFeature
from rules.promql.syntax.lexer import tokenize
from rules.promql.syntax.parser import MAX_HEIGHT, parse
from rules.promql.syntax.printer import to_text
from rules.promql.syntax.tokens import MAX_NESTING
from tests.rules.promql.expressions import corpus, random_expressions


def metric(name: str, *matchers: Matcher, **time: int | str) -> VectorSelector:
    return VectorSelector(name, (Matcher("__name__", MatchOp.EQUAL, name), *matchers), **time)  # type: ignore[arg-type]


X, Y, Z = metric("x"), metric("y"), metric("z")
ONE = NumberLiteral(1.0)
PLAIN = Matching()


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("x", X),
        ("x{}", X),
        (
            'x{b!="2",a=~"1",}',
            metric("x", Matcher("a", MatchOp.REGEX, "1"), Matcher("b", MatchOp.NOT_EQUAL, "2")),
        ),
        ('{"x y", "a.b"="c"}', metric("x y", Matcher("a.b", MatchOp.EQUAL, "c"))),
        ('{__name__="x"}', VectorSelector(None, (Matcher("__name__", MatchOp.EQUAL, "x"),))),
        ('x{a="\\x41\\u00e9"}', metric("x", Matcher("a", MatchOp.EQUAL, "Aé"))),
        ("x @ -1", metric("x", at=-1000)),
        ("x @ 1.0005", metric("x", at=1001)),
        ("x @ end() offset -5m", metric("x", at="end", offset_ms=-300_000)),
        ("x offset 0.25", metric("x", offset_ms=250)),
        ("x[300] offset 1m", MatrixSelector(metric("x", offset_ms=60_000), 300_000)),
        ("x[1h:5m] @ start()", Subquery(X, 3_600_000, 300_000, at="start")),
        ("x[1h:]", Subquery(X, 3_600_000, None)),
        ("1h30m", NumberLiteral(5400.0)),
        ("- -1", ONE),
        ("'a'", StringLiteral("a")),
        ("-x", Unary("-", X)),
        ("time()", Call("time", (), ValueType.SCALAR)),
        ("sum by (on, a,) (x)", Aggregate("sum", X, None, ("on", "a"))),
        ("SUM(x) without (a)", Aggregate("sum", X, None, ("a",), True)),
        ("topk(1, x) by ()", Aggregate("topk", X, ONE)),
        ("x + 1", Binary("+", X, ONE)),
        ("x > bool y", Binary(">", X, Y, True, PLAIN)),
        ("x and y", Binary("and", X, Y, False, Matching(Cardinality.MANY_TO_MANY))),
        (
            "x * on(a) group_left(b) y",
            Binary("*", X, Y, False, Matching(Cardinality.MANY_TO_ONE, True, ("a",), ("b",))),
        ),
        (
            "x / ignoring(a) group_right y",
            Binary("/", X, Y, False, Matching(Cardinality.ONE_TO_MANY, False, ("a",))),
        ),
        ("1 + on() y", Binary("+", ONE, Y)),
    ],
)
def test_trees(text: str, tree: Expr) -> None:
    parsed = parse(text)
    if isinstance(tree, NumberLiteral):
        assert isinstance(parsed, NumberLiteral)
        assert parsed.value == tree.value
    else:
        assert parsed == tree


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("x + y * z", "x + (y * z)"),
        ("x - y - z", "(x - y) - z"),
        ("x ^ y ^ z", "x ^ (y ^ z)"),
        ("-x ^ y", "-(x ^ y)"),
        ("-x * y", "(-x) * y"),
        ("x ^ -y + z", "(x ^ (-y)) + z"),
        ("x or y and z", "x or (y and z)"),
        ("x and y unless z", "(x and y) unless z"),
        ("x == y + z", "x == (y + z)"),
        ("x > y == z", "(x > y) == z"),
        ("x atan2 y % z", "(x atan2 y) % z"),
        ("x offset 5m ^ y", "(x offset 5m) ^ y"),
    ],
)
def test_precedence(text: str, grouped: str) -> None:
    def bare(expr: Expr) -> str:
        match expr:
            case Paren():
                return bare(expr.expr)
            case Binary():
                return f"({bare(expr.lhs)} {expr.op} {bare(expr.rhs)})"
            case Unary():
                return f"({expr.op}{bare(expr.expr)})"
            case _:
                return to_text(expr)

    assert bare(parse(text)) == bare(parse(grouped))


@pytest.mark.parametrize(
    "name", ["by", "sum", "start", "end", "offset", "and", "or", "unless", "fill", "without", "step", "anchored", "a:b"]
)
def test_keywords_that_are_metric_names_too(name: str) -> None:
    assert parse(name) == metric(name)
    assert parse(f"{name} + {name}") == Binary("+", metric(name), metric(name), False, PLAIN)


@pytest.mark.parametrize("name", ["on", "bool", "ignoring", "group_left", "group_right", "atan2"])
def test_keywords_that_are_not(name: str) -> None:
    with pytest.raises(PromQLSyntaxError, match="unexpected"):
        parse(name)


@given(random_expressions)
def test_every_node_has_the_place_that_it_was_read_from(text: str) -> None:
    tree = parse(text)
    for node in walk(tree):
        start, end = node.span
        assert 0 <= start < end <= len(text)
        if isinstance(node, Binary):
            assert text[slice(*node.op_span)] == node.op
        if not isinstance(node, MatrixSelector):
            continue
        assert parse(text[start:end]) == node
    assert tree.span == Span(0, len(text))


@given(random_expressions)
def test_the_text_of_a_node_parses_to_the_node(text: str) -> None:
    tree = parse(text)
    inner = {id(node.selector) for node in walk(tree) if isinstance(node, MatrixSelector)}
    for node in walk(tree):
        # The selector of a range holds the offset that is written after the range.
        if id(node) not in inner:
            assert parse(text[slice(*node.span)]) == node


@pytest.mark.parametrize(
    ("text", "marked", "message", "hint"),
    [
        ("", "", "no expression found", "write an expression"),
        ("sum(rate(x))", "x", "expected type range vector", "rate needs a range vector: write x[5m]"),
        ("rate(sum(x))", "sum(x)", "expected type range vector", "write sum(x)[1h:]"),
        ("x[5m] > 1", "x[5m]", "only scalar and instant vector", "rate(x[5m]) > ..."),
        ("1 > 2", ">", "must use BOOL", 'write "> bool"'),
        ("x = 1", "=", "unexpected", '"=="'),
        ("x{a=b}", "b", "expected string", 'label values are quoted: a="b"'),
        ("x{a=='b'}", "=", "expected string", "one ="),
        ('x{a="b" or c="d"}', "or", 'expected "," or "}"', "knows no or"),
        ('x{a=~"("}', '"("', "error parsing regexp", "RE2"),
        ("x{a}", "}", "label matching operator", 'write a="value"'),
        ("fooo(x)", "fooo", "unknown function", "did you mean floor?"),
        ("Rate(x[5m])", "Rate", "unknown function", "did you mean rate?"),
        ("rate(x[5m]) offset 5m", "offset 5m", "offset modifier must be preceded", "inside the parentheses"),
        ("(x) @ 5", "@ 5", "@ modifier must be preceded", "inside the parentheses"),
        ("sum(x) by", "y", "in grouping opts", "by (job, instance)"),
        ("sum by job (x)", "job", "in grouping opts", "by (job, instance)"),
        ("sum by (a) (x) by (b)", "by", "expected an operator", "only once"),
        ("x by (a)", "by", "expected an operator", "belongs to an aggregation"),
        ("sum()", "sum()", "no arguments for aggregate", "sum(expression)"),
        ("topk(x)", "topk(x)", "expected 2, got 1", "topk(parameter, expression)"),
        ("sum(1)", "1", "expected type instant vector in aggregation", "write vector(1)"),
        ("vector(x)", "x", "expected type scalar", "write scalar(x)"),
        ("time(1)", "time(1)", "expected 0 argument(s)", "nothing"),
        ("label_replace(x, a, '', '', '')", "a", "expected type string", 'write it in quotes: "a"'),
        ("abs(x,)", ",", "trailing commas", "leave the comma out"),
        ("x + bool y", "+", "bool modifier", "leave bool out"),
        ("x + group_left(a) y", "group_left", "unexpected", "on(job) group_left"),
        ("x and on(a) group_left y", "and", "no grouping allowed", "leave group_left"),
        ("x or 1", "1", "set operator", "vector(...)"),
        ("x + on(a) 1", "+", "vector matching only allowed", "leave"),
        ("x + on(a) group_left(a) y", "+", "ON and GROUP clause", "take a out"),
        ("{a=''}", "{a=''}", "at least one non-empty matcher", "metric name"),
        ('x{__name__="y"}', 'x{__name__="y"}', "metric name must not be set twice", "one"),
        ("rate(x[5m])[5m]", "[5m]", "ranges only allowed for vector selectors", "write [5m:]"),
        ("x offset 5m [5m]", "[5m]", "no offset modifiers allowed before range", "write [5m] right after"),
        ("x[0s]", "0s", "greater than 0", "[5m]"),
        ("x[5m", "[", "unclosed left bracket", "]"),
        ("x offset 1m offset 1m", "offset 1m", "may not be set multiple times", "one"),
        ("x @ foo", "foo", "expected timestamp", "start() or end()"),
        ("-'a'", "-'a'", "unary expression only allowed", ""),
        ("1[5m:]", "1", "subquery is only allowed on instant vector", "vector(...)"),
        ("x y", "y", "expected an operator or the end", ""),
        ("x +", "+", "unexpected end of input", "an operand is missing"),
        ("* x", "*", "unexpected", "needs an expression on its left"),
        ("x[5m] offset 1h30", "1h30", "bad number or duration", "units"),
        (r'x{a="\d"}', r'"\d"', "unknown escape", "backquotes"),
    ],
)
def test_errors_point_at_the_fault_and_say_what_to_write(text: str, marked: str, message: str, hint: str) -> None:
    with pytest.raises(PromQLSyntaxError) as raised:
        parse(text)
    error = raised.value
    assert error.span is not None
    assert (text[slice(*error.span)], message in error.message, hint in error.hint) == (marked, True, True), str(error)


@pytest.mark.parametrize(
    ("text", "marked", "names"),
    [
        ("mad_over_time(x[5m])", "mad_over_time", "promql-experimental-functions"),
        ("limitk(2, x)", "limitk", "promql-experimental-functions"),
        ("step()", "step", "promql-experimental-functions"),
        ("x[5m + 1m]", "5m + 1m", "promql-duration-expr"),
        ("x offset (5m)", "(5m)", "promql-duration-expr"),
        ("x[5m] smoothed", "smoothed", "promql-extended-range-selectors"),
        ("x + fill(0) y", "fill", "promql-binop-fill-modifiers"),
        ("x </ 5", "</", "classic histograms"),
    ],
)
def test_what_only_flags_allow_is_told_apart(text: str, marked: str, names: str) -> None:
    with pytest.raises(UnsupportedFeature) as raised:
        parse(text)
    assert raised.value.span is not None
    assert (text[slice(*raised.value.span)], names in raised.value.hint) == (marked, True)


def test_a_fault_of_syntax_comes_before_a_missing_feature() -> None:
    with pytest.raises(PromQLSyntaxError, match="unexpected end"):
        parse("mad_over_time(x[5m]) +")


def test_experimental_functions_on_request() -> None:
    assert parse("info(x)", experimental=True) == Call("info", (X,), ValueType.VECTOR)
    assert parse("limitk(1, x)", experimental=True) == Aggregate("limitk", X, ONE)


def test_what_is_deep_or_long_is_refused_in_words() -> None:
    for text in (
        "(" * 10_000 + "x" + ")" * 10_000,
        "abs(" * 10_000 + "x" + ")" * 10_000,
        "-" * 10_000 + "x",
        "x ^ " * 10_000 + "x",
        "x + " * 10_000 + "x",
        "x[" + "-" * 10_000 + "5m]",
        "x" + "[5m:]" * 10_000,
        "(" * 200_000,
    ):
        with pytest.raises(PromQLSyntaxError):
            parse(text)
    assert parse(" or ".join(["x"] * (MAX_HEIGHT - 1))).type is ValueType.VECTOR
    assert parse("(" * (MAX_NESTING - 1) + "x" + ")" * (MAX_NESTING - 1)).type is ValueType.VECTOR
    long = "x{" + ",".join(f'l{number}="v"' for number in range(20_000)) + "}"
    assert len(parse(long).matchers) == 20_001  # type: ignore[union-attr]


def fault(text: str) -> PromQLError | None:
    try:
        parse(text)
    except PromQLError as error:
        return error
    return None


@given(st.text())
def test_any_text_is_parsed_or_refused_with_a_place(text: str) -> None:
    error = fault(text)
    if error is not None:
        assert error.span is not None
        assert 0 <= error.span.start <= error.span.end <= len(text)


@given(st.data())
def test_broken_expressions_of_the_corpora_are_parsed_or_refused_with_a_place(data: st.DataObject) -> None:
    tokens = [token.text for token in tokenize(data.draw(st.sampled_from(corpus())))]
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(tokens) - 1))
        tokens[place] = data.draw(st.sampled_from([*tokens, "[", "offset", "@", ")", "bool", "on"]))
    text = " ".join(tokens)
    error = fault(text)
    if error is not None:
        assert error.message
        assert error.span is not None
        assert 0 <= error.span.start <= error.span.end <= len(text)
