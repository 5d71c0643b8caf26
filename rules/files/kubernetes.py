"""Rules inside of Kubernetes objects: a ``PrometheusRule`` holds a rule file under its ``spec``.

Semantics: the Prometheus Operator (``monitoring.coreos.com/v1``). It makes a rule file of each object, so that groups of different objects may
have one name; ``partial_response_strategy`` is for Thanos, and it leaves that out of what Prometheus reads.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from rules.files.yaml.tree import Kind, Node, Tree, compose, compose_all

RULE_KIND = "PrometheusRule"
OBJECT_GROUP_KEYS = ("partial_response_strategy",)
"""Keys that groups have in objects only."""

_MARKS = ("apiVersion", "kind")


@dataclass(frozen=True, slots=True)
class RuleObject:
    """A ``PrometheusRule``.

    Attributes:
        name: ``namespace/name``, as far as they are given.
        node: the object.
        spec: what stands in place of a rule file; None if it has none.
    """

    name: str
    node: Node
    spec: Node | None


def documents(text: str) -> list[Tree]:
    """What is read of a text: all documents if the first is a Kubernetes object, else the first, as Prometheus does.

    Empty documents before the first object, which templates leave, are passed over.

    Raises:
        YamlFault: a document that is read is not YAML, or past a limit.
    """
    first = compose(text)
    if first.more is None or not (_is_empty(first.root) or is_object(first.root)):
        return [first]
    every = [tree for tree in compose_all(text) if not _is_empty(tree.root)]
    return every if every and is_object(every[0].root) else [first]


def is_object(root: Node | None) -> bool:
    """Whether a node is a Kubernetes object, by its keys."""
    return root is not None and all(value_of(root, key) is not None for key in _MARKS)


def rule_objects(tree: Tree) -> list[RuleObject]:
    """The ``PrometheusRule`` objects of a document, those of a list (``kind: List``) among them."""
    return [
        RuleObject(
            "/".join(filter(None, (_text(node, "metadata", key) for key in ("namespace", "name")))),
            node,
            value_of(node, "spec"),
        )
        for node in _objects(tree.root)
        if _text(node, "kind") == RULE_KIND
    ]


def kinds(tree: Tree) -> list[Node]:
    """The nodes that name the kinds of the objects of a document."""
    found = [value_of(node, "kind") for node in _objects(tree.root)]
    return [node for node in found if node is not None]


def is_misspelt(kind: str) -> bool:
    """Whether a kind was meant to be that of rules."""
    return kind != RULE_KIND and bool(difflib.get_close_matches(kind.lower(), [RULE_KIND.lower()], 1, 0.85))


def value_of(node: Node, *path: str) -> Node | None:
    """What stands in nested mappings under some keys, aliases followed; None where there is no such thing."""
    for name in path:
        node = node.target or node
        if node.kind is not Kind.MAPPING:
            return None
        found = next((i for i in range(0, len(node.items), 2) if node.items[i].value == name), None)
        if found is None:
            return None
        node = node.items[found + 1]
    return node.target or node


def _objects(root: Node | None) -> Iterator[Node]:
    if root is None or not is_object(root):
        return
    items = value_of(root, "items")
    if _text(root, "kind").endswith("List") and items is not None and items.kind is Kind.SEQUENCE:
        yield from (target for item in items.items if is_object(target := item.target or item))
    else:
        yield root


def _text(node: Node, *path: str) -> str:
    found = value_of(node, *path)
    return found.value if found is not None and found.kind is Kind.SCALAR else ""


def _is_empty(root: Node | None) -> bool:
    return root is None or (root.kind is Kind.SCALAR and not (root.value or root.style))
