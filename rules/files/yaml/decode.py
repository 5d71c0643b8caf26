"""YAML nodes as the values a rule file wants, by the rules of the decoder that Prometheus reads rule files with.

Every fault becomes a diagnostic and reading goes on, so that one run reports all of them. Semantics: Go's yaml.v3 decoding into structures with
known fields: a scalar of any type is a string where a string is wanted; null leaves a field as it was; a null member of a list is left
out; keys are unique; merge keys never override.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rules.diagnostics.model import Diagnostic, Severity, TextSpan
from rules.files.yaml.tree import Kind, Node, Tree, YamlFault, quoting_hint
from rules.files.yaml.types import RESOLVED, number_of, tag_of
from schemas.times import parse_duration

# Twenty thousand rules by alias; Prometheus' decoder stops at some more.
MAX_ALIASED = 100_000
MAX_MERGES = 100
MAX_FAULTS = 1_000

_KEY = re.compile(r"([\w.-]+):[ \t]+$")
_BREAKS = re.compile(r"[\r\n]")
_NAMES = {
    "!!null": "null",
    "!!bool": "a boolean",
    "!!int": "an integer",
    "!!float": "a number",
    "!!str": "a text",
    "!!timestamp": "a date",
}


class Field(NamedTuple):
    """A key of a mapping and its value, aliases followed; ``via`` is the alias, or the value itself."""

    key: Node
    value: Node
    via: Node


class Decoder:
    """Reads typed values from one tree.

    Attributes:
        diagnostics: what was wrong so far.
        ignore_unknown: whether keys that nothing knows are left out rather than faults.
    """

    def __init__(self, tree: Tree, file: str, *, ignore_unknown: bool = False) -> None:
        self.tree = tree
        self.file = file
        self.ignore_unknown = ignore_unknown
        self.diagnostics: list[Diagnostic] = []
        self._aliased = 0

    def error(self, code: str, message: str, span: TextSpan | Node, hint: str = "", rule: str = "") -> None:
        """Note a fault that refuses the file."""
        self._note(code, Severity.ERROR, message, span, hint, rule)

    def warn(self, code: str, message: str, span: TextSpan | Node, hint: str = "", rule: str = "") -> None:
        """Note what is accepted, and hardly meant."""
        self._note(code, Severity.WARNING, message, span, hint, rule)

    def _note(self, code: str, severity: Severity, message: str, span: TextSpan | Node, hint: str, rule: str) -> None:
        place = self.tree.span(span) if isinstance(span, Node) else span
        self.add([Diagnostic(code, severity, message, self.file, place, hint, rule)])

    def add(self, diagnostics: list[Diagnostic]) -> None:
        """Note findings of others.

        Raises:
            YamlFault: nobody reads as many.
        """
        self.diagnostics.extend(diagnostics)
        if len(self.diagnostics) >= MAX_FAULTS:
            last = self.diagnostics[-1].span
            raise YamlFault("too-many-faults", f"{MAX_FAULTS:,} findings: the rest of the file is not read", last)

    def follow(self, node: Node) -> Node:
        """What a node stands for.

        Raises:
            YamlFault: aliases have brought more nodes than a file may hold.
        """
        if node.target is None:
            return node
        target = node.target
        # Each use of an alias is a copy of all below it.
        self._aliased += 1 + len(target.items)
        if self._aliased > MAX_ALIASED:
            raise YamlFault(
                "too-many-aliases",
                f"aliases stand for more than {MAX_ALIASED:,} nodes",
                self.tree.span(node),
                "write what is meant instead of repeating it by alias",
            )
        return target

    def is_null(self, node: Node) -> bool:
        """Whether a node (not an alias) is null, as an empty value is."""
        return node.kind is Kind.SCALAR and tag_of(node) == "!!null"

    def struct(
        self, node: Node, known: Sequence[str], what: str, hints: dict[str, str] | None = None
    ) -> dict[str, Field] | None:
        """The fields of a mapping with known keys; None where it is null or no mapping."""
        node = self.follow(node)
        if self.is_null(node):
            return None
        if node.kind is not Kind.MAPPING:
            self._wrong_type(node, f"{what} is a mapping with the keys {', '.join(known)}")
            return None
        found: dict[str, Field] = {}
        for name, each in self._entries(node, what):
            if name not in known:
                if not self.ignore_unknown:
                    self._unknown(name, each.key, known, what, hints or {})
            elif name in found:
                self.error("duplicate-key", f"{name!r} is set twice in {what}", each.key)
            else:
                found[name] = each
        return found

    def strings(self, node: Node, what: str) -> dict[str, Field] | None:
        """A mapping of names to texts; None where it is null or no mapping. Read the values with ``string``."""
        return self.mapping(node, what, f"{what} are a mapping of names to texts")

    def mapping(self, node: Node, what: str, wanted: str) -> dict[str, Field] | None:
        """The fields of a mapping with any keys; None where it is null or no mapping: ``wanted`` says what it should be."""
        node = self.follow(node)
        if self.is_null(node):
            return None
        if node.kind is not Kind.MAPPING:
            self._wrong_type(node, wanted)
            return None
        return dict(self._entries(node, what))

    def sequence(self, node: Node, what: str) -> list[tuple[Node, Node]]:
        """The members of a list and what each stands for, without the null ones, which are warned of."""
        node = self.follow(node)
        if self.is_null(node):
            return []
        if node.kind is not Kind.SEQUENCE:
            self._wrong_type(node, f"{what} are a list, each begun by `- `")
            return []
        members = []
        for each in node.items:
            target = self.follow(each)
            if self.is_null(target):
                self.warn("null-item", f"an empty member of {what} is left out", each, "delete it, or complete it")
            else:
                members.append((each, target))
        return members

    def string(self, node: Node, what: str) -> str | None:
        """A text; None where it is null or no scalar."""
        node = self.follow(node)
        if node.kind is not Kind.SCALAR:
            self._wrong_type(node, f"{what} is a text", self._unquoted(node))
            return None
        return self._text(node)

    def integer(self, node: Node, what: str) -> int:
        """A whole number; of a fraction the whole part, 0 for null."""
        node = self.follow(node)
        if self.is_null(node):
            return 0
        number = number_of(node) if node.kind is Kind.SCALAR else None
        if number is None or not -(2**63) <= number < 2**63:
            self._wrong_type(node, f"{what} is a whole number")
            return 0
        if number != int(number):
            self.warn("fraction", f"{what} is a whole number: the fraction is left out", node, f"write {int(number)}")
        return int(number)

    def duration(self, node: Node, what: str) -> int | None:
        """Milliseconds; None where it is null, or is faulty."""
        text = self.string(node, f"{what} (a duration)")
        if text is None:
            return None
        try:
            return parse_duration(text)
        except ValueError as error:
            # Quoted or not, it is the value that is at fault.
            self.error("bad-duration", f"{what}: {error}", self.follow(node), "write it like 30s, 5m, 1h30m or 7d")
            return None

    def _text(self, node: Node) -> str | None:
        if node.tag == "!!binary":
            try:
                return base64.b64decode(_BREAKS.sub("", node.value), validate=True).decode("utf-8", "surrogateescape")
            except (binascii.Error, ValueError):
                self.error("wrong-type", "!!binary holds no valid base64", node)
                return None
        tag = tag_of(node)
        if tag == "!!null":
            return None
        if node.tag in RESOLVED and node.tag not in ("!!str", tag) and (node.tag, tag) != ("!!float", "!!int"):
            self.error("wrong-type", f"{_shown(node)} is no {node.tag}", node)
        return node.value

    def _entries(self, node: Node, what: str) -> Iterator[tuple[str, Field]]:
        """Names and fields of a mapping; its own before those it merges."""
        own = {id(key) for key in node.items[::2]}
        seen = set()
        for name, each in self._merged(node, what, [node]):
            if name not in seen or id(each.key) in own:
                seen.add(name)
                yield name, each

    def _merged(self, node: Node, what: str, above: list[Node]) -> Iterator[tuple[str, Field]]:
        merge = None
        written: dict[tuple[Kind, str], Node] = {}
        for key, value in zip(node.items[::2], node.items[1::2], strict=True):
            first = written.setdefault((key.kind, key.value), key)
            if first is not key:
                before = self.tree.span(first).line
                self.error(
                    "duplicate-key", f"key {key.value!r} is already on line {before}", key, "keep one of the two"
                )
                continue
            if key.kind is Kind.SCALAR and key.value == "<<" and (key.tag == "!!merge" or not (key.tag or key.style)):
                merge = value
                continue
            target = self.follow(key)
            if target.kind is not Kind.SCALAR:
                self._wrong_type(target, f"a key of {what} is a text")
                continue
            name = self._text(target)
            if name is None:
                self.warn("null-key", f"a key of {what} is null, and is left out with its value", key, "quote the key")
                continue
            yield name, Field(key, self.follow(value), value)
        if merge is not None:
            yield from self._merge(merge, what, above)

    def _merge(self, merge: Node, what: str, above: list[Node]) -> Iterator[tuple[str, Field]]:
        sources = merge.items if merge.kind is Kind.SEQUENCE else [merge]
        for source in sources:
            target = self.follow(source)
            if any(target is each for each in above):
                raise YamlFault("alias-cycle", "an anchor merges itself", self.tree.span(source))
            if len(above) > MAX_MERGES:
                raise YamlFault("too-deep", f"more than {MAX_MERGES} merges within each other", self.tree.span(source))
            if target.kind is not Kind.MAPPING:
                self._wrong_type(source, "`<<` merges a mapping, or a list of mappings")
                continue
            yield from self._merged(target, what, [*above, target])

    def _unknown(self, name: str, key: Node, known: Sequence[str], what: str, hints: dict[str, str]) -> None:
        close = difflib.get_close_matches(name, known, 1)
        hint = hints.get(name) or (f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}")
        self.error("unknown-key", f"{what} has no key {name!r}", key, hint)

    def _unquoted(self, node: Node) -> str:
        """What to write in place of a mapping or a list that was meant as a text: ``{{ $labels.x }}``, ``[FIRING]``."""
        text = self.tree.lines.text
        if text[node.start : node.start + 1] not in ("{", "["):
            return ""
        key = _KEY.search(text, text.rfind("\n", 0, node.start) + 1, node.start)
        return quoting_hint(key[1] if key else "...", text[node.start : node.end])

    def _wrong_type(self, node: Node, wanted: str, hint: str = "") -> None:
        self.error("wrong-type", f"{wanted}, not {_shown(node)}", node, hint)


def _shown(node: Node) -> str:
    if node.kind is not Kind.SCALAR:
        return f"a {node.kind.value}"
    tag = tag_of(node)
    text = node.value if len(node.value) <= 30 else node.value[:27] + "..."
    return _NAMES.get(tag, tag) + ("" if tag == "!!null" else f" ({text!r})")
