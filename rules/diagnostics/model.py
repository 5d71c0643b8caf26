"""What is wrong with a file of rules, where, and what to write instead: the one form in which every tool reports faults."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Severity(str, Enum):
    """How much a diagnostic matters: an error refuses the file, a warning is worth a look, an info is none of either."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class TextSpan(NamedTuple):
    """Characters of a file: lines and columns from 1, a tab being one column, the end exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


MAX_MESSAGE = 1_000
"""Characters of a message or a hint: what it quotes may be as long as the file."""

FILE_START = TextSpan(1, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    Attributes:
        code: the stable name of its kind, a key of ``rules.diagnostics.codes.CODES``.
        message: what is wrong, without the place.
        file: the file as the caller named it.
        span: the characters it is about.
        hint: what to do, or empty.
        rule: the alert or record it belongs to, or empty.
    """

    code: str
    severity: Severity
    message: str
    file: str
    span: TextSpan = FILE_START
    hint: str = ""
    rule: str = ""

    def __post_init__(self) -> None:
        for name in ("message", "hint"):
            text = getattr(self, name)
            if len(text) > MAX_MESSAGE:
                object.__setattr__(self, name, f"{text[: MAX_MESSAGE - 200]}...{text[-197:]}")


def worst(diagnostics: Iterable[Diagnostic]) -> Severity | None:
    """The gravest severity among them; None where there is nothing."""
    found = {diagnostic.severity for diagnostic in diagnostics}
    return next((severity for severity in Severity if severity in found), None)


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """By place in the file; findings of one place by severity and code."""
    ranks = list(Severity)
    return sorted(diagnostics, key=lambda each: (each.file, each.span, ranks.index(each.severity), each.code))
