"""The comments of a YAML document, each with what it was written about: the entry below it, the one it stands beside, or the one it ends."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

from rules.files.yaml.tree import Kind, Node, Tree

_COMMENT = re.compile(r"(?:(?<=\s)|\A|(?<=[\ufeff]))#[^\r\n]*")
_BLOCK_HEADER = re.compile(r"(?:[&!]\S*\s+)*[|>][-+0-9]*")


@dataclass(slots=True, eq=False)
class Entry:
    """A key with its value, or a member of a list.

    Attributes:
        node: the key, or the member.
        start: where it begins; a member at its dash.
        column: of that place, from 0; -1 inside of braces and brackets, where columns say nothing.
        parent: the entry around it.
        is_key: whether it is a key.
    """

    node: Node
    start: int
    column: int
    parent: Entry | None
    is_key: bool


@dataclass(slots=True)
class Comments:
    """Comments by what they belong to, in the order they are written; an empty one is an empty line between two.

    Attributes:
        above: by the entry they lead.
        beside: by the entry whose line they share.
        below: by the member of a list that they follow.
        ending: by the entry whose keys they follow; keys may change their order, these stay last.
        last: at the end of the file.
    """

    above: dict[Node, list[str]] = field(default_factory=dict)
    beside: dict[Node, list[str]] = field(default_factory=dict)
    below: dict[Node, list[str]] = field(default_factory=dict)
    ending: dict[Node, list[str]] = field(default_factory=dict)
    last: list[str] = field(default_factory=list)

    def texts(self) -> list[str]:
        """All of them, sorted."""
        tables = (self.above, self.beside, self.below, self.ending)
        owned = [each for table in tables for lines in table.values() for each in lines]
        return sorted(each for each in [*owned, *self.last] if each)


def comments_of(tree: Tree) -> Comments:
    """Find the comments of a document and what each belongs to."""
    found = Comments()
    entries = list(_entries(tree))
    starts = [entry.start for entry in entries]
    last_line = -1
    for start, text in _comments(tree):
        line_start = _line_start(tree.lines.text, start)
        before = bisect_left(starts, start)
        owner = entries[before - 1] if before else None
        following = entries[before] if before < len(entries) else None
        if owner is not None and tree.lines.text[line_start:start].strip(" \t-"):
            found.beside.setdefault(owner.node, []).append(text)
        else:
            lines = _alone(found, start - line_start, owner, following)
            if (
                lines
                and not tree.lines.text[last_line:line_start].strip()
                and "\n" in tree.lines.text[last_line:line_start][1:]
            ):
                lines.append("")
            lines.append(text)
        last_line = start + len(text)
    return found


def _alone(found: Comments, column: int, owner: Entry | None, following: Entry | None) -> list[str]:
    """Where a comment on a line of its own goes: deeper than what follows, it ends what came before; else it leads what follows."""
    if following is not None and (following.column < 0 or column <= following.column):
        return found.above.setdefault(following.node, [])
    while owner is not None and (owner.column > column or owner.column < 0):
        owner = owner.parent
    if owner is None or (following is None and column == 0):
        return found.last
    if not owner.is_key:
        if following is not None and not following.is_key and following.parent is owner.parent:
            return found.above.setdefault(following.node, [])
        return found.below.setdefault(owner.node, [])
    return found.ending.setdefault(owner.parent.node, []) if owner.parent else found.last


def _comments(tree: Tree) -> Iterator[tuple[int, str]]:
    text = tree.lines.text
    place = 0
    for start, end in _scalars(tree):
        for found in _COMMENT.finditer(text, place, max(start, place)):
            yield found.start(), found.group().rstrip()
        place = max(place, end)
    for found in _COMMENT.finditer(text, place):
        yield found.start(), found.group().rstrip()


def _scalars(tree: Tree) -> list[tuple[int, int]]:
    """What cannot hold comments; of a literal or folded scalar the text below its first line."""
    found = []
    for node in _nodes(tree.root):
        if node.kind is Kind.SCALAR or node.kind is Kind.ALIAS:
            start = node.start
            if node.style in ("|", ">") and (header := _BLOCK_HEADER.match(tree.lines.text, node.start)):
                found.append((start, header.end()))
                start = (tree.lines.text + "\n").index("\n", header.end())
            found.append((start, max(node.end, start)))
    return sorted(found)


def _nodes(root: Node | None) -> Iterator[Node]:
    stack = [root] if root else []
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.items)


def _entries(tree: Tree) -> Iterator[Entry]:
    """Entries in the order they are written, parents first."""
    text = tree.lines.text

    def below(node: Node, parent: Entry | None, flow: bool) -> Iterator[Entry]:
        flow = flow or text[node.start : node.start + 1] in ("{", "[")
        if node.kind is Kind.MAPPING:
            for key, value in zip(node.items[::2], node.items[1::2], strict=True):
                entry = Entry(key, key.start, -1 if flow else _column(text, key.start), parent, True)
                yield entry
                yield from below(value, entry, flow)
        elif node.kind is Kind.SEQUENCE:
            for item in node.items:
                start = item.start if flow else _dash(text, item.start)
                entry = Entry(item, start, -1 if flow else _column(text, start), parent, False)
                yield entry
                yield from below(item, entry, flow)

    if tree.root is not None:
        yield from below(tree.root, None, False)


def _dash(text: str, start: int) -> int:
    """The dash before a list's member: the nearest, since only white space and comments lie between."""
    while True:
        line_start = _line_start(text, start)
        place = text.rfind("-", line_start, start)
        comment = _COMMENT.search(text, line_start, start)
        if comment is not None and place > comment.start():
            place = text.rfind("-", line_start, comment.start())
        if place >= 0 or line_start == 0:
            return max(place, 0)
        start = line_start - 1


def _line_start(text: str, place: int) -> int:
    return max(text.rfind("\n", 0, place), text.rfind("\r", 0, place)) + 1


def _column(text: str, place: int) -> int:
    return place - _line_start(text, place)
