"""The values a template computes with, and what Go's reflection says about them.

Go's ``string``, ``int``, ``float64``, ``bool`` and ``complex128`` are Python's own; ``None`` is nil and the missing value alike, which print as
``<no value>``. What has a type of its own in Go has a class here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

Value = Any
"""Any of the types above or below."""


class Sample(Protocol):
    """One element of the answer to a query."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels, ``__name__`` among them."""

    @property
    def value(self) -> float:
        """Its value."""


class Html(str):
    """``template.HTML``: what ``safeHtml`` gives; no ``string`` to a function."""

    __slots__ = ()


class SizedInt(int):
    """An integer of another type than ``int``, named by ``go_type``."""

    go_type: str

    def __new__(cls, value: int, go_type: str) -> SizedInt:
        made = super().__new__(cls, value)
        made.go_type = go_type
        return made


class NamedInt(SizedInt):
    """A month or a weekday: an integer that prints as its name."""

    name: str

    @classmethod
    def of(cls, value: int, go_type: str, name: str) -> NamedInt:
        """The ``value``-th of its type."""
        made = cls(value, go_type)
        made.name = name
        return made


class GoMap:
    """A map from strings, whose missing entries are the zero of ``element``, ``string`` or ``interface {}``."""

    __slots__ = ("data", "element")

    def __init__(self, data: Mapping[str, Value], element: str = "string") -> None:
        self.data = data
        self.element = element

    def get(self, key: str) -> Value:
        """The entry, or the zero value."""
        return self.data.get(key, "" if self.element == "string" else None)


class SamplePointer:
    """``*template.sample``: an element of what ``query`` gives."""

    __slots__ = ("Labels", "Value")

    def __init__(self, labels: GoMap, value: float) -> None:
        self.Labels = labels
        self.Value = value


class QueryResult(list[SamplePointer]):
    """``template.queryResult``."""

    __slots__ = ()


class AlertData:
    """The cursor an alert's template starts with."""

    __slots__ = ("ExternalLabels", "ExternalURL", "Labels", "Value")

    def __init__(self, labels: GoMap, external_labels: GoMap, external_url: str, value: float) -> None:
        self.Labels = labels
        self.ExternalLabels = external_labels
        self.ExternalURL = external_url
        self.Value = value


class Duration:
    """``time.Duration`` in nanoseconds, or a pointer to one."""

    __slots__ = ("ns", "pointer")

    def __init__(self, ns: int, pointer: bool = False) -> None:
        self.ns = ns
        self.pointer = pointer


class Time:
    """``time.Time`` in UTC, as nanoseconds since 1970, or a pointer to one."""

    __slots__ = ("ns", "pointer")

    def __init__(self, ns: int, pointer: bool = False) -> None:
        self.ns = ns
        self.pointer = pointer


STRUCT_FIELDS: dict[type, tuple[str, ...]] = {
    AlertData: ("Labels", "ExternalLabels", "ExternalURL", "Value"),
    SamplePointer: ("Labels", "Value"),
}

_NAMES: dict[type, str] = {
    type(None): "<nil>",
    bool: "bool",
    int: "int",
    float: "float64",
    complex: "complex128",
    str: "string",
    Html: "template.HTML",
    QueryResult: "template.queryResult",
    SamplePointer: "*template.sample",
    AlertData: "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }",
}


def type_name(value: Value) -> str:
    """The type of a value as Go names it."""
    if (name := _NAMES.get(type(value))) is not None:
        return name
    if isinstance(value, SizedInt):
        return value.go_type
    if isinstance(value, GoMap):
        return f"map[string]{value.element}"
    name = "time.Time" if isinstance(value, Time) else "time.Duration"
    return f"*{name}" if value.pointer else name


def truth(value: Value) -> bool:
    """Whether a value is not the zero of its type, as ``if`` asks."""
    if isinstance(value, GoMap):
        return bool(value.data)
    if isinstance(value, Duration):
        return value.pointer or value.ns != 0
    return value is not None and not (isinstance(value, (str, int, float, complex, list)) and not value)


def is_integer(value: Value) -> bool:
    """Whether a value is of one of Go's integer types."""
    return isinstance(value, int) and not isinstance(value, bool)


def integer(value: int) -> int:
    """An integer wrapped around to 64 bits, as Go's arithmetic leaves it."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)
