"""Files that stand beside rule files and are none: unit tests, configurations, Compose files, charts, Kubernetes objects.

What a search comes upon is asked for signs of rules, not for the signs of all other kinds of files there are: a rule file has `groups:` at its
top. A rule file that is broken has signs of rules still, and is none of another kind.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence

from rules.files.kubernetes import documents, is_misspelt, is_object, kinds, rule_objects, value_of
from rules.files.load import FILE_KEYS
from rules.files.load_groups import GROUP_KEYS, RULE_KEYS
from rules.files.yaml.tree import Kind, Node, Tree, YamlFault

UNIT_TESTS = "unit tests"
TEMPLATES = "templates"
CHARTS = "charts and their values"
OBJECTS = "Kubernetes objects"
NO_GROUPS = "others without `groups:`"

# By a key at the top; only what the summary of a search calls them depends on it.
_KINDS = {
    "Compose files": ("services",),
    "configurations": (
        *("scrape_configs", "global", "route", "receivers", "modules", "templates", "auths", "processors", "exporters"),
        *(
            "lowercaseOutputName",
            "collectors",
            "jobs",
            "mappings",
            "datasources",
            "providers",
            "repos",
            "static_configs",
        ),
    ),
    UNIT_TESTS: ("tests", "rule_files", "evaluation_interval"),
    CHARTS: ("appVersion", "dependencies", "image", "replicaCount", "nameOverride"),
    OBJECTS: ("apiVersion",),
}
_TOP_KEY = re.compile(r"^[\"']?([A-Za-z_][\w.-]*)[\"']?[ \t]*:(?=\s|$)", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*(?:-[ \t]+)?[\"']?(?:alert|record)[\"']?[ \t]*:", re.MULTILINE)
_EXPRESSION = re.compile(r"^[ \t]*(?:-[ \t]+)?[\"']?expr[\"']?[ \t]*:", re.MULTILINE)
# What no template of a rule can say.
_CHART = re.compile(r"\{\{-?[^{}\n]{0,200}?(?:\.(?:Values|Release|Chart|Capabilities|Files)\b|\b(?:include|tpl)[ \t])")
_CHART_KEYS = {"apiVersion", "name", "version"}
_STATEMENT = re.compile(r"^[ \t]*\{%", re.MULTILINE)
# Recognises nearly all rule files without parsing them.
_RULE_FILE = re.compile(r"^groups[ \t]*:", re.MULTILINE)
_OBJECT = re.compile(r"^[\"']?apiVersion[\"']?[ \t]*:", re.MULTILINE)
_ENCRYPTED = "$ANSIBLE_VAULT"
# Of Grafana's own groups; rule files have none of these keys.
_GRAFANA = ("orgId", "folder")


def is_other(text: str) -> bool:
    """Whether a file that a search came upon is of another kind: a broken rule file is not."""
    return kind_of(text) is not None


def kind_of(text: str) -> str | None:
    """What kind of other file it is, in the plural; None for a rule file, whole or broken, and for an empty one."""
    if _RULE_FILE.search(text) and not (_OBJECT.search(text) or _CHART.search(text)):
        return None
    try:
        trees = documents(text)
    except YamlFault:
        return _broken(text)
    root = trees[0].root
    if root is None or (root.kind is Kind.SCALAR and not root.value):
        return None
    if is_object(root):
        return _object(trees, text)
    if root.kind is Kind.SCALAR:
        return "encrypted files" if root.value.startswith(_ENCRYPTED) else None
    if root.kind is Kind.SEQUENCE:
        return None if any(_like_group(item) or _like_rule(item) for item in root.items) else _named(())
    keys = dict(_keys(root))
    if "groups" in keys:
        groups = _resolved(keys["groups"])
        of_grafana = groups.items and any(value_of(groups.items[0], key) for key in _GRAFANA)
        return "alert rules of Grafana" if of_grafana else None
    return None if _meant_as_rules(keys) else _named(keys)


def left_out(others: Sequence[tuple[str, str]]) -> str:
    """One line about files, given as name and kind, that a search has left out."""
    kinds: dict[str, list[str]] = {}
    for name, kind in others:
        kinds.setdefault(kind, []).append(name)
    parts = [
        f"{kind} ({f'{len(names):,}, such as ' if len(names) > 1 else ''}{names[0]})"
        for kind, names in sorted(kinds.items(), key=lambda each: (-len(each[1]), each[0]))
    ]
    count = f"{len(others):,} file{'' if len(others) == 1 else 's'}"
    return f"left out {count} without rules: {', '.join(parts)}; name a file to have it read all the same"


def _object(trees: list[Tree], text: str) -> str | None:
    """Of Kubernetes objects those hold rules that are `PrometheusRule`, or were meant to be."""
    if any(rule_objects(tree) for tree in trees):
        return TEMPLATES if _CHART.search(text) else None
    return None if any(is_misspelt(node.value) for tree in trees for node in kinds(tree)) else OBJECTS


def _broken(text: str) -> str | None:
    """What is not YAML, by its lines."""
    if _CHART.search(text):
        return TEMPLATES
    keys = dict.fromkeys(_TOP_KEY.findall(text))
    if "groups" in keys or any(_alike(key) for key in keys):
        return None
    if _STATEMENT.search(text):
        return TEMPLATES
    if "kind" in keys and "apiVersion" in keys:
        return None if re.search(r"^kind:[ \t]*[\"']?PrometheusRule\b", text, re.MULTILINE) else OBJECTS
    named = _named(keys)
    if named == NO_GROUPS and (_RULE.search(text) or _EXPRESSION.search(text) or not keys):
        return None
    return named


def _meant_as_rules(keys: Mapping[str, Node]) -> bool:
    """Whether a mapping without ``groups`` was meant to have some: misspelt, or groups or rules at the top."""
    if any(_alike(key) and any(map(_like_group, _resolved(value).items)) for key, value in keys.items()):
        return True
    spec = keys.get("spec")
    if spec is not None and value_of(spec, "groups") is not None:
        # An object whose kind or version is missing.
        return True
    known = {*FILE_KEYS, *GROUP_KEYS, *RULE_KEYS}
    if "expr" in keys and ("alert" in keys or "record" in keys):
        return True
    lists = {key: _resolved(value).items for key, value in keys.items() if _resolved(value).kind is Kind.SEQUENCE}
    holding = [key for key, items in lists.items() if any(map(_holds_rules, items))]
    return bool(holding) and all(key in known or key in holding for key in keys)


def _holds_rules(item: Node) -> bool:
    return _like_rule(item) or any(_like_rule(each) for each in (value_of(item, "rules") or item).items)


def _like_group(item: Node) -> bool:
    return value_of(item, "rules") is not None or value_of(item, "groups") is not None


def _like_rule(item: Node) -> bool:
    return value_of(item, "expr") is not None or all(value_of(item, key) is not None for key in ("alert", "record"))


def _alike(key: str) -> bool:
    """Whether a key is ``groups`` misspelt."""
    return bool(difflib.get_close_matches(key.lower(), ["groups"], 1, 0.8))


def _named(keys: object) -> str:
    found = set(keys) if isinstance(keys, Mapping) else set()
    if found >= _CHART_KEYS and "kind" not in found:
        return CHARTS
    return next((kind for kind, marks in _KINDS.items() if found.intersection(marks)), NO_GROUPS)


def _keys(node: Node) -> Iterator[tuple[str, Node]]:
    yield from ((key.value, value) for key, value in zip(node.items[::2], node.items[1::2], strict=True))


def _resolved(node: Node) -> Node:
    return node.target or node
