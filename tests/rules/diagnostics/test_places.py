"""Where the characters of a YAML scalar stand, and scalars written so that they read the same."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rules.diagnostics.places import Scalar
from rules.files.yaml.scalars import scalar_lines
from rules.files.yaml.tree import compose

TEXTS = st.text(alphabet="ab {}[]\"'\n\\\t:#é𝒳-,", min_size=1, max_size=30)


def value_of(text: str) -> Scalar:
    tree = compose(text)
    assert tree.root is not None
    return tree.scalar(tree.root.items[1])


@pytest.mark.parametrize(
    ("text", "word", "place"),
    [
        ("k: one two", "two", (1, 8, 1, 11)),
        ("k: one\n  two", "two", (2, 3, 2, 6)),
        ("k: one\n\n  two", "two", (3, 3, 3, 6)),
        ("k: 'it''s two'", "two", (1, 11, 1, 14)),
        ('k: "\\u00e9\\t\\"two"', "two", (1, 15, 1, 18)),
        ('k: "one\\\n   two"', "two", (2, 4, 2, 7)),
        ("k: |\n  one\n   two\n", "two", (3, 4, 3, 7)),
        ("k: |2-  # so\n   one\n  two\n", "two", (3, 3, 3, 6)),
        ("k: >\n  one\n  two\n", "two", (3, 3, 3, 6)),
        ("k: >-\n  one\n\n    two\n  three", "two", (4, 5, 4, 8)),
        ("k: &a !!str 'one two'", "two", (1, 18, 1, 21)),
        ("\ufeffk: one two", "two", (1, 9, 1, 12)),
        ("k: one\r\n  two\r\n", "two", (2, 3, 2, 6)),
    ],
)
def test_a_word_of_a_value_is_found_in_the_file(text: str, word: str, place: tuple[int, ...]) -> None:
    scalar = value_of(text)
    at = scalar.value.index(word)
    assert tuple(scalar.within(at, at + len(word))) == place


def test_past_the_end_is_after_the_last_character_that_shows() -> None:
    scalar = value_of("k: |\n  sum(x\n\n")
    assert scalar.within(6, 6)[:2] == (2, 8)


@given(TEXTS, st.sampled_from([None, "'", '"', "|", ">"]), st.sampled_from([5, 20, 80]), st.sampled_from([2, 5]))
def test_every_character_is_found_where_it_stands(value: str, style: str | None, width: int, indent: int) -> None:
    text = yaml.dump({"k": value}, default_style=style, width=width, indent=indent, allow_unicode=True)
    scalar = value_of(text)
    assert scalar.value == value
    lines = text.split("\n")
    for i, character in enumerate(value):
        if character.isalpha():
            span = scalar.within(i, i + 1)
            assert lines[span.line - 1][span.column - 1] in (character, "\\")


@given(st.one_of(TEXTS, st.text()), st.booleans(), st.booleans(), st.sampled_from([2, 6]))
def test_what_is_written_reads_the_same(value: str, tagged: bool, folded: bool, indent: int) -> None:
    first, *rest = scalar_lines(value, indent, tagged=tagged, folded=folded)
    text = "\n".join([" " * (indent - 2) + "k: " + first, *rest]) + "\n"
    assert value_of(text).value == value
    assert yaml.safe_load(text) == {"k": value}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain text", ["plain text"]),
        ("up == 0", ["up == 0"]),
        ("{{ $value }}", ['"{{ $value }}"']),
        ('{{ printf "%f" }}', ["'{{ printf \"%f\" }}'"]),
        ("5", ['"5"']),
        ("no", ['"no"']),
        ("a: b", ['"a: b"']),
        ("a # b", ['"a # b"']),
        ("", ['""']),
        ("a\nb\n", ["|", "  a", "  b"]),
        ("a\nb", ["|-", "  a", "  b"]),
        (" a\nb", ['" a\\nb"']),
    ],
)
def test_a_text_has_one_way_to_be_written(value: str, written: list[str]) -> None:
    assert scalar_lines(value, 2, tagged=False) == written
