"""Expanding templates over one series of a made-up database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from rules.promql.syntax.errors import PromQLSyntaxError
from rules.templates import TemplateContext, expand

LABELS = {"__name__": "up", "instance": "db-1.example.com:9090", "job": "db"}
NOW_MS = 1_353_755_652_000


@dataclass(frozen=True)
class Element:
    """A sample that a query gives."""

    value: float
    labels: dict[str, str] = field(default_factory=dict)


def answer(expr: str, time_ms: int) -> list[Element]:
    """What the made-up database says."""
    assert time_ms == NOW_MS
    if expr == "bad(":
        raise PromQLSyntaxError("unclosed left parenthesis")
    hosts = [Element(2.0, {"host": "b", "__value__": "v"}), Element(1.0, {"host": "a"})]
    return {"hosts": hosts, "vector(1.5)": [Element(1.5)]}.get(expr, [])


def context(value: float = 1234567.5) -> TemplateContext:
    """The series, its value and the installation."""
    return TemplateContext(LABELS, value, {"dc": "eu"}, "http://prom:9090/p%20x", answer, NOW_MS)


@pytest.fixture
def show() -> Callable[..., str]:
    """Expands a template: ``show(text)`` or ``show(text, value)``."""

    def expanded(text: str, value: float = 1234567.5) -> str:
        return expand(text, context(value), "A")

    return expanded
