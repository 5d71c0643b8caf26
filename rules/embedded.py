"""Expressions and templates of a rule, checked: their faults, pointed at in the file that they stand in."""

from __future__ import annotations

from collections.abc import Mapping

from rules.diagnostics import Diagnostic, Severity
from rules.model import Place
from rules.promql.ast import Expr
from rules.promql.errors import PromQLError


def expression(expr: str, place: Place, file: str, rule: str) -> tuple[Expr | None, list[Diagnostic]]:
    """The tree of a rule's expression; None, and why, where it is none."""
    from rules.promql.parser import parse

    try:
        return parse(expr), []
    except PromQLError as error:
        where = place.within("expr", error.span)
        return None, [Diagnostic("promql-syntax", Severity.ERROR, error.message, file, where, error.hint, rule)]


def template_faults(
    alert: str, labels: Mapping[str, str], annotations: Mapping[str, str], place: Place, file: str
) -> list[Diagnostic]:
    """What is wrong with the templates of an alert."""
    return []
