"""Objects of JSON that give a key twice: all that they give is read, and texts without them are left to the fast parser."""

from __future__ import annotations

import pytest

from schemas.codecs.json_repeats import Repeating, parse_exactly


def test_an_object_keeps_all_values_of_a_key() -> None:
    found = parse_exactly(b'[{"once": {"a": 1}, "twice": {"a": 1, "b": 2, "b": 3, "a": null}}]')
    assert found == [{"once": {"a": 1}, "twice": {"a": None, "b": 3}}]
    assert type(found[0]) is type(found[0]["once"]) is dict
    twice = found[0]["twice"]
    assert isinstance(twice, Repeating)
    assert twice.pairs == [("a", 1), ("b", 2), ("b", 3), ("a", None)]
    assert twice.repeated() == "b"


@pytest.mark.parametrize(
    "text",
    [b"1", b"[]", b'{"a": {"a": [{"b": 1}, {"b": 1}]}}', b"{", b"\xff", b"[" * 100_000 + b"]" * 100_000, b"1" * 5_000],
    ids=["number", "array", "nested", "no JSON", "no UTF-8", "deep", "long"],
)
def test_there_is_nothing_to_say_of_other_texts(text: bytes) -> None:
    assert parse_exactly(text) is None
