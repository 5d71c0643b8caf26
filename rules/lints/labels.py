"""Labels in templates: those that the expression does not keep, and those that would never be the same twice."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rules.lints.finding import Finding
from rules.lints.label_sets import ANY, possible_labels
from rules.lints.remedies import how_to_keep
from rules.model import AlertingRule, Rule
from rules.promql.syntax.errors import Span

_ACTION = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)
_LABEL = re.compile(
    r"(?:\$labels|(?:\$)?\.Labels)\.([A-Za-z_][A-Za-z0-9_]*)|index\s+(?:\$labels|\$?\.Labels)\s+\"([^\"\\]+)\""
)
_VALUE = re.compile(r"\$value\b|(?<![\w$])\$?\.Value\b")
# A template which asks whether the label is there knows that it may not be.
_GUARD = re.compile(r"\{\{-?\s*(?:else\s+)?(?:if|with|range)\b|\b(?:or|and|not|eq|ne)\s")
# One value for each event, not for each thing that is watched.
_UNBOUNDED = {
    "request_id",
    "trace_id",
    "span_id",
    "session_id",
    "correlation_id",
    "transaction_id",
    "message_id",
    "uuid",
}


def lost_labels(rule: Rule) -> Iterator[Finding]:
    """Templates that write a label which no series of the expression can have: they write nothing."""
    if not isinstance(rule, AlertingRule):
        return
    kept = possible_labels(rule.ast)
    if kept == ANY:
        return
    for field, text in _templates(rule):
        if _GUARD.search(text):
            continue
        seen = set()
        for name, span in _uses(text):
            if name not in kept and name not in seen:
                seen.add(name)
                message = f"the expression keeps no label {name!r}: the template writes nothing for it"
                yield Finding("label-lost", message, field, span, how_to_keep(rule.ast, name))


def unbounded_labels(rule: Rule) -> Iterator[Finding]:
    """Labels of an alert that change with each evaluation: the alert resolves and another begins, and `for` never ends."""
    if not isinstance(rule, AlertingRule):
        return
    for name, text in rule.labels.items():
        field = f"labels.{name}"
        for action in _ACTION.finditer(text):
            used = _VALUE.search(text, action.start(1), action.end(1))
            if used and not _GUARD.search(action.group()):
                message = f"label {name!r} holds the value: each new value is another alert, and the old one resolves"
                hint = "put the value into an annotation"
                yield Finding("label-cardinality", message, field, Span(*used.span()), hint)
                break
        for source, span in _uses(text):
            if source in _UNBOUNDED:
                message = f"label {name!r} copies {source!r}, which differs with every event"
                yield Finding(
                    "label-cardinality", message, field, span, "aggregate it away, or put it into an annotation"
                )


def _templates(rule: AlertingRule) -> Iterator[tuple[str, str]]:
    for kind, texts in (("labels", rule.labels), ("annotations", rule.annotations)):
        for name, text in texts.items():
            if "{{" in text:
                yield f"{kind}.{name}", text


def _uses(text: str) -> Iterator[tuple[str, Span]]:
    for action in _ACTION.finditer(text):
        for found in _LABEL.finditer(text, action.start(1), action.end(1)):
            yield found[1] or found[2], Span(*found.span())
