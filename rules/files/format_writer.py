"""The nodes of a document of rules written anew: keys in one order, expressions laid out, comments kept."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rules.files.load import FILE_KEYS
from rules.files.load_groups import GROUP_KEYS, RULE_KEYS
from rules.files.yaml.comments import Comments
from rules.files.yaml.scalars import scalar_lines
from rules.files.yaml.tree import Kind, Node, Tree
from rules.promql.syntax.lexer import END, comments, tokenize
from rules.promql.syntax.parser import parse
from rules.promql.syntax.printer import prettify

_PROPERTIES = re.compile(r"(?:[&!][^\s,\[\]{}]*(?=\s)\s*)+")
_START = re.compile(r"(?m)^---(?=\s|$)")
# A name first: what the rule is called is what one looks for.
_ORDER = {"groups": FILE_KEYS, "group": GROUP_KEYS, "rule": RULE_KEYS}
_STEP = 2
# A threshold stands beside its comparison.
_SHORT = 20
_EMPTY = {Kind.MAPPING: "{}", Kind.SEQUENCE: "[]"}


def layout(expr: str) -> str | None:
    """An expression laid out, the comments above and below it kept; None where it has comments in its midst.

    Raises:
        PromQLError: it is no expression.
    """
    laid_out = "\n".join(_flush(prettify(parse(expr)).split("\n")))
    found = comments(expr)
    if not found:
        return laid_out
    tokens = [token for token in tokenize(expr) if token.kind is not END]
    first, last = tokens[0].span.start, tokens[-1].span.end
    above = [text.rstrip() for start, text in found if start < first]
    below = [text.rstrip() for start, text in found if start > last and "\n" in expr[last:start]]
    if len(above) + len(below) < len(found):
        return None
    return "\n".join([*above, laid_out, *below])


def _flush(lines: list[str]) -> list[str]:
    """Operators below each other, flush with what they join, so that a block begins at its margin; a right side of several parts is indented."""
    if len(lines) < 2:
        return lines
    if not lines[0].startswith(" "):
        inside = [line[_STEP:] for line in lines[1:-1]]
        # With several arguments, it is not known here where one ends.
        if not inside or any(line.endswith(",") for line in inside):
            return lines
        return [lines[0], *(" " * _STEP + line for line in _flush(inside)), lines[-1]]
    at = next(i for i, line in enumerate(lines) if not line.startswith(" "))
    left, right = ([line[_STEP:] for line in side] for side in (lines[:at], lines[at + 1 :]))
    if len(right) == 1 and len(right[0]) <= _SHORT:
        return [*_flush(left), f"{lines[at]} {right[0]}"]
    margin = " " * _STEP if right[0].startswith(" ") else ""
    return [*_flush(left), lines[at], *(margin + line for line in _flush(right))]


class Writer:
    """Writes the nodes of one document; ``unformatted`` are the expressions it left alone."""

    def __init__(self, tree: Tree, comments: Comments) -> None:
        self.tree = tree
        self.unformatted: list[Node] = []
        self._comments = comments
        self._lines: list[str] = []

    def text(self) -> str:
        source = self.tree.lines.text.removeprefix("\ufeff")
        root = self.tree.root
        if root is None or not root.items:
            return source if source.endswith("\n") or not source else source + "\n"
        head = source[: root.start]
        # A comment above the marker would be taken for one about the first key, below it.
        if _START.search(head):
            self._lines.append("---")
        self._entries(root, 0, "groups")
        self._lines.extend(self._comments.last)
        return "\n".join(self._lines) + "\n"

    def lines(self, key: Node, value: Node, indent: int) -> list[str]:
        """An entry at some indentation, with all below it."""
        self._lines = []
        self._entry(" " * indent, indent, key, value)
        return self._lines

    def _entries(self, node: Node, indent: int, what: str, first: str = "") -> None:
        """A mapping's entries; ``first`` stands before the first one in place of its indentation (a list's dash)."""
        pairs = list(zip(node.items[::2], node.items[1::2], strict=True))
        order = _ORDER.get(what, ())
        pairs.sort(key=lambda pair: _rank(pair[0], order))
        for key, value in pairs:
            above = self._comments.above.get(key, [])
            if first and above:
                # The dash stands alone, so that the comment stays with its key.
                self._lines.append(first.rstrip())
                first = ""
            self._comment_lines(above, indent)
            lead = first or " " * indent
            first = ""
            self._entry(lead, indent, key, value)

    def _entry(self, lead: str, indent: int, key: Node, value: Node) -> None:
        name = self._key(key)
        beside = self._beside(key, value)
        properties = self._properties(value)
        head = f"{lead}{name}:" + (f" {properties}" if properties else "")
        if value.kind is Kind.MAPPING and value.items:
            self._lines.append(head + beside)
            self._entries(value, indent + _STEP, name)
            self._comment_lines(self._comments.ending.get(key, []), indent + _STEP)
        elif value.kind is Kind.SEQUENCE and value.items:
            self._lines.append(head + beside)
            self._items(value, indent + _STEP, name)
        elif value.kind in _EMPTY:
            self._lines.append(f"{head} {_EMPTY[value.kind]}{beside}")
        elif value.kind is Kind.ALIAS:
            self._lines.append(f"{head} *{value.value}{beside}")
        else:
            shown = self._scalar(name, value, indent + _STEP)
            self._lines.append((f"{head} {shown[0]}" if shown[0] else head) + beside)
            self._lines.extend(shown[1:])

    def _items(self, node: Node, indent: int, of: str) -> None:
        what = {"groups": "group", "rules": "rule"}.get(of, "")
        dash = " " * indent + "- "
        for number, item in enumerate(node.items):
            if number:
                self._lines.append("")
            self._comment_lines(self._comments.above.get(item, []), indent)
            properties = self._properties(item)
            if item.kind is Kind.MAPPING and item.items:
                beside = self._beside(item)
                if properties or beside:
                    self._lines.append(f"{dash}{properties}".rstrip() + beside)
                    self._entries(item, indent + _STEP, what)
                else:
                    self._entries(item, indent + _STEP, what, dash)
                self._comment_lines(self._comments.ending.get(item, []), indent + _STEP)
            else:
                shown = f"*{item.value}" if item.kind is Kind.ALIAS else _EMPTY.get(item.kind) or item.value or "null"
                self._lines.append(f"{dash}{properties}{' ' if properties else ''}{shown}{self._beside(item)}")
            self._comment_lines(self._comments.below.get(item, []), indent)

    def _scalar(self, name: str, node: Node, indent: int) -> list[str]:
        if name == "expr" and not node.tag:
            return scalar_lines(self._expression(node), indent, tagged=False)
        if name in ("interval", "query_offset", "limit", "for", "keep_firing_for") or not node.value:
            plain = not node.style and "\n" not in self.tree.lines.text[node.start : node.end]
            return [node.value] if plain else scalar_lines(node.value, indent, tagged=False)
        folded = not node.tag and "\n" in self.tree.lines.text[node.start : node.end].strip() and node.style != "|"
        return scalar_lines(node.value, indent, tagged=bool(node.tag), folded=folded, was_plain=not node.style)

    def _expression(self, node: Node) -> str:
        text = layout(node.value)
        if text is None:
            self.unformatted.append(node)
            return node.value
        return text + "\n" if "\n" in text else text

    def _key(self, key: Node) -> str:
        if key.kind is Kind.ALIAS:
            return f"*{key.value} "
        properties = self._properties(key)
        shown = "<<" if key.value == "<<" and not key.style else scalar_lines(key.value, 0, tagged=False, key=True)[0]
        return f"{properties} {shown}" if properties else shown

    def _properties(self, node: Node) -> str:
        """Anchor and tag, as written."""
        if node.kind is Kind.ALIAS:
            return ""
        found = _PROPERTIES.match(self.tree.lines.text, node.start, max(node.end, node.start))
        return " ".join(found.group().split()) if found else ""

    def _beside(self, *nodes: Node) -> str:
        found = [text for node in nodes for text in self._comments.beside.get(node, [])]
        return "  " + " ".join(found) if found else ""

    def _comment_lines(self, comments: Sequence[str], indent: int) -> None:
        self._lines.extend(" " * indent + text if text else "" for text in comments)


def _rank(key: Node, order: Sequence[str]) -> int:
    if key.value == "<<" and not key.style:
        return -1
    name = key.target.value if key.target is not None else key.value
    return order.index(name) if name in order else len(order)
