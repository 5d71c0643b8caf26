"""Readers of fields: what they take, and what they say of anything else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from schemas import strict_json
from schemas.strict_json import DocumentError, Reader

READERS: dict[str, tuple[Callable[[Any, str], Any], str]] = {
    "text": (strict_json.text, "a text is wanted, not "),
    "texts": (strict_json.texts, "an object is wanted, not "),
    "truth": (strict_json.truth, "a truth value is wanted, not "),
    "listing": (strict_json.listing(strict_json.text, 2), "a list is wanted, not "),
}
KINDS: dict[str, Any] = {
    "an object": {},
    "a list": [],
    "a text": "x",
    "a truth value": True,
    "null": None,
    "a number": 1.5,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_of_another_kind_is_named(reader: str, kind: str) -> None:
    read, wanted = READERS[reader]
    if wanted.startswith(kind):
        assert read(KINDS[kind], "a.b") in (KINDS[kind], ())
    else:
        with pytest.raises(DocumentError, match=f"^a.b: {wanted}{kind}$") as refused:
            read(KINDS[kind], "a.b")
        assert refused.value.field == "a.b"


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (strict_json.count, -1, "f: a whole number from 0 on is wanted"),
        (strict_json.count, True, "f: a whole number from 0 on is wanted"),
        (strict_json.count, 1.0, "f: a whole number from 0 on is wanted"),
        (strict_json.number, "nan", 'f: a number, "NaN", "+Inf" or "-Inf" is wanted'),
        (strict_json.number, True, 'f: a number, "NaN", "+Inf" or "-Inf" is wanted'),
        (strict_json.time, "today", "f: 'today' is no time such as 2026-01-12T06:30:00.000Z"),
        (strict_json.one_of(("a", "b")), "c", "f: 'c' is none of a, b"),
        (strict_json.texts, {"x": 1}, "f.x: a text is wanted, not a number"),
        (strict_json.listing(strict_json.text, 2), ["a", "b", "c"], "f: at most 2 are allowed, not 3"),
        (strict_json.listing(strict_json.text, 2), ["a", 1], "f[1]: a text is wanted, not a number"),
    ],
)
def test_what_cannot_be_taken_is_said(read: Callable[[Any, str], Any], value: Any, message: str) -> None:
    with pytest.raises(DocumentError, match=f"^{re.escape(message)}$"):
        read(value, "f")


@pytest.mark.parametrize(
    ("read", "value", "found"),
    [
        (strict_json.count, 0, 0),
        (strict_json.number, 3, 3.0),
        (strict_json.number, "-Inf", float("-inf")),
        (strict_json.time, "1970-01-01T00:00:01.500Z", 1500),
        (strict_json.listing(strict_json.text, 2), ["a", "b"], ("a", "b")),
        (strict_json.optional(strict_json.text), None, None),
    ],
)
def test_what_is_taken(read: Callable[[Any, str], Any], value: Any, found: Any) -> None:
    taken = read(value, "f")
    assert (taken, type(taken)) == (found, type(found))


def test_each_field_of_an_object_is_taken_once() -> None:
    reader = Reader({"a": "x", "b": 1, "c": 2}, "whole")
    assert reader.take("a", strict_json.text) == "x"
    with pytest.raises(DocumentError, match=r"^whole\.a: is missing$"):
        reader.take("a", strict_json.text)
    assert reader.take("b", strict_json.count) == 1
    with pytest.raises(DocumentError, match=r"^whole\.c: there is no such field$"):
        reader.finish()
    with pytest.raises(DocumentError, match=r"^an object is wanted, not a list$"):
        Reader([])
    with pytest.raises(DocumentError, match=r"^not JSON: "):
        strict_json.parse(b"{")
