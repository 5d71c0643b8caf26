"""The groups of ``PrometheusRule`` objects laid out where they stand, all else of the document left to the byte."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rules.diagnostics.model import TextSpan
from rules.files.format_writer import Writer
from rules.files.kubernetes import rule_objects
from rules.files.yaml.comments import comments_of
from rules.files.yaml.tree import Kind, Node, Tree

_MARKER = re.compile(r"(?m)^---(?=\s|$)")
_NEXT_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")


def spans(text: str) -> list[tuple[int, int]]:
    """Where the documents of a text begin and end, each at its marker; what stands before the first is part of it."""
    starts = [found.start() for found in _MARKER.finditer(text)]
    starts[:1] = [0]
    return list(zip(starts, [*starts[1:], len(text)], strict=True))


def format_groups(tree: Tree) -> tuple[str, list[Writer]] | TextSpan:
    """The text of a document with its groups laid out, and what wrote them; where they stand, if they cannot be written anew there."""
    text = tree.lines.text
    newline = "\r\n" if "\r\n" in text else "\n"
    comments = comments_of(tree)
    parts: list[str] = []
    writers = []
    place = 0
    for key, value in _groups(tree):
        start = text.rfind("\n", 0, key.start) + 1
        indent = key.start - start
        if text[start : key.start].strip(" ") or value.kind is Kind.ALIAS:
            return tree.span(value)
        writer = Writer(tree, comments)
        lines = writer.lines(key, value, indent)
        parts += [text[place:start], "".join(line + newline for line in lines)]
        place = _end(text, value, indent)
        writers.append(writer)
    return "".join([*parts, text[place:]]), writers


def _groups(tree: Tree) -> Iterator[tuple[Node, Node]]:
    for each in rule_objects(tree):
        if each.spec is not None:
            pairs = zip(each.spec.items[::2], each.spec.items[1::2], strict=True)
            yield from ((key, value) for key, value in pairs if key.value == "groups")


def _end(text: str, value: Node, indent: int) -> int:
    """Where the lines of some groups end, the comments on them and below them included."""
    place = value.end
    if value.end > value.start and text[value.end - 1] in "\r\n":
        end = value.end
    else:
        end = _line_end(text, place)
    column = indent + 1
    if value.items:
        dash = text.rfind("-", 0, value.items[0].start)
        column = dash - text.rfind("\n", 0, dash) - 1
    place = end
    while place < len(text):
        after = _line_end(text, place)
        line = text[place:after]
        if line.strip() and not (line.lstrip(" ").startswith("#") and len(line) - len(line.lstrip(" ")) >= column):
            break
        place = after
        end = after if line.strip() else end
    return end


def _line_end(text: str, place: int) -> int:
    found = _NEXT_LINE.match(text, place)
    return found.end() if found else len(text)
