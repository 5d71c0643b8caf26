"""What can be wrong with an expression or its evaluation: every failure of this package is one of these."""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """Characters ``[start, end)`` of an expression's text."""

    start: int
    end: int


class PromQLError(ValueError):
    """An expression that cannot be parsed or evaluated.

    Attributes:
        message: what is wrong, without the place.
        span: the characters of the expression it is about, if known.
        hint: what to write instead, or empty.
    """

    def __init__(self, message: str, span: Span | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.span = span
        self.hint = hint


class PromQLSyntaxError(PromQLError):
    """The text is not an expression, or one whose types do not fit."""


class UnsupportedFeature(PromQLError):
    """A valid expression that needs what is not built here: native histograms, or a function Prometheus calls experimental."""


class EvaluationError(PromQLError):
    """An expression that fails on the data it meets, such as a many-to-many match."""


class LimitExceeded(EvaluationError):
    """An evaluation that would hold more samples in memory than it may."""
