"""What can be seen of a rule by evaluating it: the points that coverage counts.

What can never be otherwise is no point: ``vector(1)`` is never empty, an alert on it never resolves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rules.model import AlertingRule, Rule
from rules.promql.syntax import ast
from rules.promql.syntax.printer import to_text
from rules.templates import Template, TemplateError, labels_used, parse_template
from rules.templates.nodes import Branch, Node, children

LOOKED_AT = "is looked at by a test"
PENDING = "is pending"
FIRES = "fires"
SILENT = "does not fire"
RESOLVES = "resolves"
YIELDS = "yields series"
YIELDS_NONE = "yields none"

_COMPARISONS = ("==", "!=", ">", "<", ">=", "<=")
_SETS = ("and", "or", "unless")


def points(rule: Rule) -> Iterator[str]:
    """What tests should show of a rule, in the order of a report."""
    yield LOOKED_AT
    constant = not any(isinstance(node, ast.VectorSelector) for node in ast.walk(rule.ast))
    if isinstance(rule, AlertingRule):
        yield from ([PENDING] if rule.for_ms else [])
        yield FIRES
        yield from ([] if constant else [SILENT, RESOLVES])
    else:
        yield YIELDS
        yield from ([] if constant else [YIELDS_NONE])
    for node, text in branch_nodes(rule.ast):
        if isinstance(node, ast.Binary) and node.return_bool:
            yield f"`{text}` is true"
            yield f"`{text}` is false"
            continue
        yield f"`{text}` yields something"
        if any(isinstance(below, ast.VectorSelector) for below in ast.walk(node)):
            yield f"`{text}` yields nothing"
    if isinstance(rule, AlertingRule):
        for where, text in templates(rule.labels, rule.annotations):
            for label in named_labels(text, rule.alert):
                yield f"{where}: label {label} has a value"
            for _, shown in conditions(text, rule.alert):
                yield f"{where}: {shown} is met"
                yield f"{where}: {shown} is not met"


def branch_nodes(expr: ast.Expr) -> Iterator[tuple[ast.Expr, str]]:
    """The parts whose being there or not decides what the whole yields, with their texts; the whole itself is none."""
    seen: set[str] = set()
    top = ast.unwrap(expr)
    for node in ast.walk(top):
        if not isinstance(node, ast.Binary):
            continue
        parts: list[ast.Expr] = []
        if node.op in _SETS:
            parts = [ast.unwrap(node.lhs), ast.unwrap(node.rhs)]
        elif node.op in _COMPARISONS and node.type is ast.ValueType.VECTOR and (node is not top or node.return_bool):
            parts = [node]
        for part in parts:
            text = to_text(part)
            if text not in seen:
                seen.add(text)
                yield part, text


def templates(labels: Mapping[str, str], annotations: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The texts of labels and annotations that are templates, and where each stands."""
    for kind, texts in (("label", labels), ("annotation", annotations)):
        for name, text in texts.items():
            if "{{" in text:
                yield f"{kind} {name}", text


def named_labels(text: str, name: str) -> list[str]:
    """The labels of the series that a template of the alert ``name`` names."""
    try:
        return sorted(labels_used(parse_template(text, name)))
    except TemplateError:
        return []


def conditions(text: str, name: str) -> list[tuple[str, str]]:
    """The conditions of a template as templates of their own that yield ``1``, and as they are shown.

    Those that need a variable, or the cursor of the ``range`` or ``with`` they stand in, have no meaning of their own and are left out.
    """
    try:
        branches = list(_branches(parse_template(text, name)))
    except TemplateError:
        return []
    found = []
    for node in branches:
        probe = f"{{{{if {node.pipe}}}}}1{{{{end}}}}"
        try:
            parse_template(probe, name)
        except TemplateError:
            continue
        found.append((probe, f"{{{{{node.keyword} {node.pipe}}}}}"))
    return found


def _branches(template: Template) -> Iterator[Branch]:
    todo: list[Node] = [template.bodies[template.go_name]]
    while todo:
        node = todo.pop()
        if isinstance(node, Branch):
            yield node
            if node.keyword != "if":
                continue
        todo.extend(reversed(list(children(node))))
