"""What a lint has found in one rule."""

from __future__ import annotations

from typing import NamedTuple

from rules.promql.syntax.errors import Span


class Finding(NamedTuple):
    """A doubt about a rule.

    Attributes:
        code: its kind, of ``rules.diagnostics.codes.WARNINGS``.
        message: what is doubtful.
        field: the field it is about: ``expr``, ``for``, ``annotations.summary``.
        span: characters of that field's text; None for the whole.
        hint: what to do, or empty.
    """

    code: str
    message: str
    field: str = "expr"
    span: Span | None = None
    hint: str = ""
