"""Whether label matchers can all match one text: known cases, and random patterns beside the engine's own matching."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.lints.patterns import Undecided, example
from rules.promql.matchers import predicate
from rules.promql.syntax.ast import Matcher, MatchOp
from rules.promql.syntax.parser import parse


def matchers(text: str) -> tuple[Matcher, ...]:
    return tuple(each for each in parse(f"m{{{text}}}").matchers if each.name == "a")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text",
    [
        'a="x",a="y"',
        'a!~".*"',
        'a="x",a!="x"',
        'a="x",a=~"y.*"',
        'a="x",a!~"x|y"',
        'a="",a=~".+"',
        'a=~"5..",a=~"4.."',
        'a=~"5..",a=~"[234]\\\\d+"',
        'a=~"prod-.*",a=~"(dev|test)-.*"',
        'a=~".*-web",a=~".*-db"',
        'a=~"x|y",a!="x",a!="y"',
        'a=~"x+",a!~"x*"',
        'a=~"^x$",a!="x"',
        'a=~"[a-c]{2}",a=~".|...+"',
        'a=~"\\\\w+",a=~"[^a-zA-Z0-9_]+"',
    ],
)
def test_what_no_text_matches(text: str) -> None:
    assert example(matchers(text)) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('a=~"x|y",a!="x"', "y"),
        ('a=~"5..",a=~".*0"', None),
        ('a!="x",a!~"y.*"', ""),
        ('a=~"prod-.*",a=~".*-db"', "prod-db"),
        ('a=~"a{2,3}",a!="aa"', "aaa"),
        ('a=~"a{2,}",a!="aa"', "aaa"),
        ('a=~"(?:x|y)z?",a!~".z?"', None),
        ('a=~"[]a]",a!="a"', "]"),
    ],
)
def test_what_some_text_matches(text: str, found: str | None) -> None:
    given = matchers(text)
    if text == 'a=~"(?:x|y)z?",a!~".z?"':
        assert example(given) is None
        return
    got = example(given)
    assert got is not None
    assert all(predicate(each)(got) for each in given)
    assert found is None or got == found


@pytest.mark.parametrize(
    "text", ['a=~"(?i)x",a=~"y"', 'a=~"\\\\bx",a=~"y"', 'a=~"[[:alpha:]]",a=~"1"', 'a=~"a^b",a=~"c"']
)
def test_what_is_not_decided(text: str) -> None:
    with pytest.raises(Undecided):
        example(matchers(text))


@pytest.mark.parametrize(
    "pattern",
    [
        "(" * 190 + "a" + ")" * 190,
        "(" * 100 + "a" + "+)" * 100,
        "(" * 60 + "a" + "){20}" * 60,
        "(a|b|c|d|e|f)*x" * 20,
        "(a?){20}" * 40,
        "(.*a.*b)" * 40,
        "x*" * 190,
        "a" * 5_000,
        "|".join(f"web-{number}" for number in range(40)),
    ],
)
@pytest.mark.parametrize("op", ["=~", "!=", "!~"])
def test_a_hostile_pattern_is_decided_soon_or_not_at_all(pattern: str, op: str) -> None:
    with contextlib.suppress(Undecided):
        example((*matchers('a=~"y.*z"'), Matcher("a", MatchOp(op), pattern), *matchers('a!~"q+"')))


ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "\\w", "\\.", "(?:a|b)", "(a|)", "[a-c]"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "*?"])).map(
            lambda each: f"(?:{each[0]}){each[1]}"
        ),
    ),
    max_leaves=6,
)
TEXTS = ["".join(each) for size in range(4) for each in itertools.product("ab.c", repeat=size)]


@given(st.lists(st.tuples(st.sampled_from(list(MatchOp)), PATTERNS), min_size=1, max_size=3))
def test_a_verdict_is_that_of_the_engine(conditions: list[tuple[MatchOp, str]]) -> None:
    given = tuple(Matcher("a", op, pattern) for op, pattern in conditions)
    with contextlib.suppress(Undecided):
        found = example(given)
        matched = [text for text in TEXTS if all(predicate(each)(text) for each in given)]
        if found is None:
            assert matched == []
        else:
            assert all(predicate(each)(found) for each in given)
            assert not matched or len(found) <= len(matched[0])
