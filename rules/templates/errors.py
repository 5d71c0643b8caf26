"""What can be wrong with a template: every failure of this package is a ``TemplateError``."""

from __future__ import annotations


class TemplateError(ValueError):
    """A template that cannot be parsed, or that fails on the data it meets.

    Attributes:
        message: what is wrong, without the place.
        line: line of the template it is in, from 1.
        column: character of that line, from 1.
        go_message: the same in the words of Prometheus, place included, as it puts them in an annotation.
    """

    def __init__(self, message: str, line: int = 1, column: int = 1, go_message: str = "") -> None:
        super().__init__(f"{line}:{column}: {message}")
        self.message = message
        self.line = line
        self.column = column
        self.go_message = go_message or message


class TemplateLimitExceeded(TemplateError):
    """A template that nests, repeats or writes more than one may."""


class CallError(Exception):
    """A function of a template that fails on its arguments; the interpreter adds the place."""


class LimitError(CallError):
    """A function of a template whose result would be larger than one may be."""
