"""A rule file as its author means it: groups of alerting and recording rules, each knowing where it was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from rules.diagnostics.model import FILE_START, TextSpan
from rules.diagnostics.places import Scalar
from rules.promql.syntax.ast import Expr
from rules.promql.syntax.errors import Span


@dataclass(frozen=True, slots=True)
class FieldPlace:
    """Where a field stands: its key, and its value; ``scalar`` is how a text value was written, None for a mapping."""

    key: TextSpan
    value: TextSpan
    scalar: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a group or a rule stands in its file.

    Attributes:
        span: from its first character to the end of its last field.
        fields: by name: ``expr``, ``for``, ...; one label or annotation is ``labels.severity``, ``annotations.summary``.
    """

    span: TextSpan = FILE_START
    fields: Mapping[str, FieldPlace] = field(default_factory=dict)

    @property
    def line(self) -> int:
        return self.span.line

    @property
    def column(self) -> int:
        return self.span.column

    def of(self, name: str) -> TextSpan:
        """The value of a field, or the whole where the field was not written."""
        found = self.fields.get(name)
        return found.value if found else self.span

    def within(self, name: str, span: Span | None) -> TextSpan:
        """Characters of a field's text (an expression's, a template's) as characters of the file."""
        found = self.fields.get(name)
        if found is None or found.scalar is None or span is None:
            return self.of(name)
        return found.scalar.within(span.start, span.end)


NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class AlertingRule:
    """``alert``: each series of ``ast`` is an alert, pending until it has been there for ``for_ms``.

    Attributes:
        alert: the alert's name.
        expr: the expression as written.
        for_ms: how long a series must stay before it fires.
        keep_firing_for_ms: how long an alert goes on firing once its series is gone.
        labels: templates, added to the series' labels.
        annotations: templates.
        kind: the field of a rule file that holds the name.
    """

    alert: str
    expr: str
    ast: Expr
    for_ms: int = 0
    keep_firing_for_ms: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    kind: ClassVar[str] = "alert"

    @property
    def name(self) -> str:
        return self.alert


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """``record``: the series of ``ast`` under a new name, with ``labels`` added as they are."""

    record: str
    expr: str
    ast: Expr
    labels: Mapping[str, str] = field(default_factory=dict)
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    kind: ClassVar[str] = "record"

    @property
    def name(self) -> str:
        return self.record

    @property
    def annotations(self) -> Mapping[str, str]:
        """None: a recording rule has no alerts."""
        return {}


Rule = AlertingRule | RecordingRule


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules evaluated one after another at the same instants.

    Attributes:
        interval_ms: between evaluations; None for the configured default.
        query_offset_ms: how far behind the evaluation's instant the queries look; None for the configured default.
        limit: how many series or alerts a rule may yield; 0 for any number.
        labels: added to those of every rule, which win.
        file: the file's name as the caller gave it.
    """

    name: str
    interval_ms: int | None = None
    query_offset_ms: int | None = None
    limit: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    file: str = ""
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class RuleFile:
    """The groups of one file; ``text`` is what it was read from."""

    groups: tuple[RuleGroup, ...] = ()
    name: str = ""
    text: str = field(default="", compare=False, repr=False)

    def rules(self) -> Iterator[tuple[RuleGroup, Rule]]:
        """Every rule with its group, in the order they are written."""
        for group in self.groups:
            for rule in group.rules:
                yield group, rule
