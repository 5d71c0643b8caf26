"""YAML as nodes that know their places, composed without recursion and within limits: a hostile file is refused, not suffered.

Values stay the text that was written; what they mean depends on where they stand (``rules.files.yaml.decode``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import yaml

from rules.diagnostics.model import FILE_START, TextSpan
from rules.diagnostics.places import Lines, Scalar

# A file this large is no file of rules: 10,000 of them are 1 MB.
MAX_CHARACTERS = 16 * 1024 * 1024
# A rule's labels are six levels deep.
MAX_DEPTH = 100
MAX_NODES = 1_000_000

# An anchor and a tag stand before what they belong to.
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)+")

# A value that begins with what YAML gives a meaning to; block scalars are read as they are.
_OPENED = re.compile(r"[ \t]*(?:-[ \t]+)?(?P<key>[\w.-]+):[ \t]+(?P<value>[{\[*&!%@`\"'].*)")
_BARE_WORD = re.compile(r"^[ \t]*(?:-[ \t]+)?([A-Za-z_]+)[ \t]*\n\s*\Z", re.MULTILINE)
_SHOWN = 100
_NEAR = 500

# The C parser is twenty times the speed of the other, and is in every wheel of PyYAML.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlFault(ValueError):
    """A text that is not YAML, or past a limit.

    Attributes:
        code: the diagnostic's code.
        message: what is wrong, without the place.
        span: where.
        hint: what to do, or empty.
    """

    def __init__(self, code: str, message: str, span: TextSpan = FILE_START, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.span = span
        self.hint = hint


class Kind(str, Enum):
    """What a node is."""

    SCALAR = "scalar"
    MAPPING = "mapping"
    SEQUENCE = "sequence"
    ALIAS = "alias"


@dataclass(slots=True, eq=False)
class Node:
    """One node of a document.

    Attributes:
        tag: as written, short (``!!int``), or empty.
        value: a scalar's text, or an alias' anchor.
        style: how a scalar was quoted, as in ``Scalar``.
        items: a sequence's members; a mapping's keys and values in turn.
        target: what an alias stands for.
        start, end: characters of the text.
    """

    kind: Kind
    tag: str
    value: str
    style: str
    start: int
    end: int
    items: list[Node] = field(default_factory=list)
    target: Node | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    """The first document of a text.

    Attributes:
        root: its node; None where the text holds none.
        lines: the places of the text.
        more: where a second document begins, which nothing reads.
    """

    root: Node | None
    lines: Lines
    more: TextSpan | None = None

    def span(self, node: Node) -> TextSpan:
        """Where a node stands."""
        return self.lines.span(node.start, node.end)

    def scalar(self, node: Node) -> Scalar:
        """A scalar node's text and how it was written; of an alias, that of what it stands for."""
        while node.target is not None:
            node = node.target
        properties = _PROPERTIES.match(self.lines.text, node.start, node.end)
        start = properties.end() if properties else node.start
        return Scalar(self.lines, node.value, node.style, start, node.end)


def compose(text: str) -> Tree:
    """Read the first document of a text.

    Raises:
        YamlFault: the text is not YAML, or too large, too deep or of too many nodes.
    """
    return _composed(text, every=False)[0]


def compose_all(text: str) -> list[Tree]:
    """Read all documents of a text; ``more`` of each is None. There is one at least, if an empty one.

    Raises:
        YamlFault: as for :func:`compose`; the limits are those of the whole text.
    """
    return _composed(text, every=True)


def _composed(text: str, *, every: bool) -> list[Tree]:
    if len(text) > MAX_CHARACTERS:
        raise YamlFault(
            "file-too-large",
            f"{len(text):,} characters; a file of rules may have {MAX_CHARACTERS:,}",
            hint="split it into several files",
        )
    lines = Lines(text)
    try:
        loader = _Loader(text)
    except (yaml.YAMLError, UnicodeError) as error:
        raise _refused(error, lines) from None
    try:
        return _Composer(loader, lines).trees(every=every)
    except (yaml.YAMLError, UnicodeError) as error:
        raise _refused(error, lines) from None
    finally:
        loader.dispose()


class _Composer:
    def __init__(self, loader: Any, lines: Lines) -> None:
        self._loader = loader
        self._lines = lines
        self._open: list[Node] = []
        self._anchors: dict[str, Node] = {}
        self._root: Node | None = None
        # A byte order mark is a character of the text that the parser does not count.
        self._shift = 1 if lines.text.startswith("\ufeff") else 0

    def trees(self, *, every: bool) -> list[Tree]:
        nodes = 0
        found: list[Tree] = []
        while True:
            event = self._loader.get_event()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                style = event.style or ""
                self._add(self._node(Kind.SCALAR, event, event.value, style), event.anchor)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                node = self._node(Kind.MAPPING if kind is yaml.MappingStartEvent else Kind.SEQUENCE, event)
                self._add(node, event.anchor)
                self._open.append(node)
                if len(self._open) > MAX_DEPTH:
                    raise _too_deep(self._lines.span(node.start, node.end))
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                node = self._open.pop()
                # The end of a block collection is where the next token begins, lines later.
                node.end = max(node.items[-1].end if node.items else 0, self._flow_end(event), node.end)
            elif kind is yaml.AliasEvent:
                self._add(self._alias(event), None)
            elif kind is yaml.DocumentEndEvent:
                if not every:
                    return [Tree(self._root, self._lines, self._second())]
                found.append(Tree(self._root, self._lines))
                self._root = None
                self._anchors.clear()
            elif kind is yaml.StreamEndEvent:
                return found or [Tree(None, self._lines)]
            nodes += 1
            if nodes > MAX_NODES:
                span = self._lines.span(event.start_mark.index, event.end_mark.index)
                raise YamlFault("file-too-large", f"more than {MAX_NODES:,} nodes", span, "split it into several files")

    def _node(self, kind: Kind, event: Any, value: str = "", style: str = "") -> Node:
        tag = event.tag or ""
        if tag.startswith("tag:yaml.org,2002:"):
            tag = "!!" + tag[18:]
        start, end = event.start_mark.index + self._shift, event.end_mark.index + self._shift
        return Node(kind, "" if tag == "!" else tag, value, style, start, end)

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
        if self._open:
            self._open[-1].items.append(node)
        else:
            self._root = node

    def _alias(self, event: Any) -> Node:
        node = self._node(Kind.ALIAS, _Untagged(event.start_mark, event.end_mark), event.anchor)
        node.target = self._anchors.get(event.anchor)
        if node.target is None:
            span = self._lines.span(node.start, node.end)
            message = f"nothing before here is anchored as &{event.anchor}"
            hint = f"a text that begins with `*` is quoted: '*{event.anchor}...'"
            raise YamlFault("unknown-anchor", message, span, hint)
        return node

    def _flow_end(self, event: Any) -> int:
        start, end = event.start_mark.index + self._shift, event.end_mark.index + self._shift
        return end if self._lines.text[start:end] in ("]", "}") else 0

    def _second(self) -> TextSpan | None:
        try:
            event = self._loader.get_event()
        except yaml.YAMLError as error:
            return _refused(error, self._lines).span
        if isinstance(event, yaml.StreamEndEvent):
            return None
        start = event.start_mark.index + self._shift
        return self._lines.span(start, start + 3)


@dataclass(frozen=True, slots=True)
class _Untagged:
    start_mark: Any
    end_mark: Any
    tag: str = ""


def _too_deep(span: TextSpan) -> YamlFault:
    return YamlFault("too-deep", f"nested more than {MAX_DEPTH} levels deep", span)


def _refused(error: Exception, lines: Lines) -> YamlFault:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        start = min(mark.index, len(lines.text))
        problem = getattr(error, "problem", None) or "not YAML"
        # From 0.2.6 on libyaml has a limit of its own, 1,000 levels, and reads a line ahead of the events that are counted here.
        if problem == "exceeded maximum nesting depth":
            return _too_deep(lines.span(start, start + 1))
        context = getattr(error, "context", None)
        return YamlFault(
            "yaml-syntax",
            f"{problem}, {context}" if context else str(problem),
            lines.span(start, start + 1),
            _hint(str(problem), lines.text, start, getattr(error, "context_mark", None)),
        )
    if isinstance(error, UnicodeError):
        return YamlFault("not-utf8", f"not text in UTF-8: {error}")
    place = min(getattr(error, "position", 0) or 0, len(lines.text))
    reason = getattr(error, "reason", None) or str(error)
    return YamlFault("yaml-syntax", str(reason), lines.span(place, place + 1))


def _hint(problem: str, text: str, place: int, context: Any) -> str:
    """The slips that most broken rule files are made of."""
    line = _line(text, place)
    if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in problem:
        return "indent with spaces, not tabs"
    if "unknown escape character" in problem:
        return "double quotes read backslashes: write two, or use single quotes or a block after `|`"
    unfinished = "could not find expected ':'" in problem
    if unfinished or "mapping values are not allowed" in problem:
        start = text.rfind("\n", 0, place) + 1
        bare = _BARE_WORD.search(text[max(start - _NEAR, 0) : start])
        if bare is not None:
            return f"a key ends with a colon: `{bare[1]}:`"
        if not unfinished:
            return "quote a value that holds `: `, or write it as a block after `|`"
    before = _line(text, min(context.index, len(text))) if context is not None else ""
    for each in dict.fromkeys((line, before)):
        if (opened := _OPENED.match(each)) is not None:
            return quoting_hint(opened["key"], opened["value"])
    if "did not find expected key" in problem or "expected <block end>" in problem:
        return "look at the indentation of this line and of the one before, and for a quote that closes too early"
    return ""


def quoting_hint(key: str, value: str) -> str:
    """What to write where a text begins with a character that YAML reads as more than text; ``value`` is the rest of its line."""
    value = value.strip()
    begins = "{{" if value.startswith("{{") else value[:1]
    if begins in ("'", '"'):
        return "the quotes end before the text does: quote the whole of it, or write it as a block after `|`"
    quoted = value.replace("'", "''")
    shown = f": `{key}: '{quoted}'`" if len(quoted) < _SHOWN else ", or written as a block after `|`"
    return f"a text that begins with `{begins}` is quoted{shown}"


def _line(text: str, place: int) -> str:
    return text[text.rfind("\n", 0, place) + 1 : (text + "\n").index("\n", place)]
