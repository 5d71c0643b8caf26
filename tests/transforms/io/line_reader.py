"""A reader of line protocol for tests, written from InfluxDB's reference, character by character: nothing in common with the writer."""

from __future__ import annotations

from typing import NamedTuple


class Point(NamedTuple):
    """One line; fields are floats, or ints where the line says ``i``."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, float | int]
    time: int


def points(data: bytes) -> list[Point]:
    """The points of a request body, whose lines must all be ended."""
    text = data.decode()
    assert text.endswith("\n")
    return [point(line) for line in text[:-1].split("\n")]


def point(line: str) -> Point:
    """The point of a line; fails on anything that the server would refuse or take for a comment."""
    assert not line.startswith("#")
    measurement, end, rest = _until(line, ", ", escapes=", ")
    tags: dict[str, str] = {}
    while end == ",":
        key, equals, rest = _until(rest, "=, ", escapes=",= ")
        assert equals == "=", line
        value, end, rest = _until(rest, "=, ", escapes=",= ")
        assert value, line
        assert end in ", ", line
        assert key not in tags, line
        tags[key] = value
    fields_text, time = rest.split(" ")
    fields: dict[str, float | int] = {}
    for pair in fields_text.split(","):
        name, number = pair.split("=")
        fields[name] = int(number[:-1]) if number.endswith("i") else float(number)
    return Point(measurement, tags, fields, int(time))


def _until(text: str, stops: str, escapes: str) -> tuple[str, str, str]:
    """Unescaped text up to the first bare stop character, that character, and the rest."""
    taken = []
    position = 0
    while position < len(text):
        character = text[position]
        if character == "\\" and text[position + 1 : position + 2] and text[position + 1] in escapes:
            taken.append(text[position + 1])
            position += 2
        elif character in stops:
            return "".join(taken), character, text[position + 1 :]
        else:
            taken.append(character)
            position += 1
    raise AssertionError(f"no end: {text!r}")
