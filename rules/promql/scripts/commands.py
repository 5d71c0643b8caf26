"""The commands of a test script of a PromQL engine, as they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rules.promql.values import Floats, Mask

Kind = Literal["ordered", "fail", "warn", "no_warn", "info", "no_info"]
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Series:
    """A line of series notation: ``native`` is where it has native histograms, of which only the place is known."""

    labels: Labels
    values: Floats
    present: Mask
    native: Mask


@dataclass(frozen=True, slots=True)
class Load:
    """Adds series, a sample every ``step_ms`` from the epoch on.

    Attributes:
        native: also as native histograms, made from the classic ones (``load_with_nhcb``).
        started: series whose samples have start timestamps.
    """

    line: int
    step_ms: int
    series: tuple[Series, ...]
    native: bool = False
    started: tuple[Labels, ...] = ()


@dataclass(frozen=True, slots=True)
class Clear:
    """Forgets everything loaded."""

    line: int


@dataclass(frozen=True, slots=True)
class Message:
    """What a failure or an annotation must say: exactly, as a pattern found anywhere in it, or anything."""

    text: str = ""
    pattern: Any = None

    def fits(self, message: str) -> bool:
        """Whether a message says it."""
        return bool(self.pattern.search(message)) if self.pattern is not None else self.text in ("", message)

    def __str__(self) -> str:
        return self.text


@dataclass(slots=True)
class Eval:
    """An expression, when to evaluate it, and what must come out.

    Attributes:
        start_ms, end_ms, step_ms: the instants of a range query, or those of the samples of an expected range vector.
        is_range: a range query; otherwise an instant query at ``end_ms``.
        series: the expected series in order.
        number: the expected scalar, if one is expected.
        text: the expected string, if one is expected.
        expects: what ``expect`` lines ask for, by kind.
    """

    line: int
    expr: str
    start_ms: int
    end_ms: int
    step_ms: int
    is_range: bool
    series: list[Series] = field(default_factory=list)
    number: float | None = None
    text: str | None = None
    expects: dict[Kind, list[Message]] = field(default_factory=dict)
    only_instant: bool = False

    @property
    def fails(self) -> bool:
        return "fail" in self.expects

    @property
    def ordered(self) -> bool:
        return "ordered" in self.expects


Command = Load | Clear | Eval
