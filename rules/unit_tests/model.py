"""Unit tests of rules as their author means them: samples to load, alerts and samples to expect, each knowing where it was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rules.diagnostics.model import FILE_START, TextSpan

DEFAULT_INTERVAL_MS = 60_000


@dataclass(frozen=True, slots=True)
class InputSeries:
    """Samples to load, in the series notation."""

    series: str
    values: str
    span: TextSpan = FILE_START


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """An alert that must fire; ``alertname`` is not among the labels."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    span: TextSpan = FILE_START


@dataclass(frozen=True, slots=True)
class AlertCase:
    """All alerts of a name that must fire at a time after the start of the test."""

    alertname: str
    eval_time_ms: int
    expected: tuple[ExpectedAlert, ...] = ()
    span: TextSpan = FILE_START


@dataclass(frozen=True, slots=True)
class ExpectedSample:
    """A sample that an expression must yield; ``labels`` is a series as text, ``histogram`` a native one, or empty."""

    labels: str
    value: float
    histogram: str = ""
    span: TextSpan = FILE_START


@dataclass(frozen=True, slots=True)
class ExprCase:
    """All that an expression must yield at a time after the start of the test."""

    expr: str
    eval_time_ms: int
    expected: tuple[ExpectedSample, ...] = ()
    span: TextSpan = FILE_START


@dataclass(frozen=True, slots=True)
class UnitTest:
    """One member of ``tests``.

    Attributes:
        interval_ms: between the samples of the input series.
        start_ms: the time of the first sample and of the first evaluation.
    """

    name: str
    number: int
    interval_ms: int = DEFAULT_INTERVAL_MS
    input_series: tuple[InputSeries, ...] = ()
    alert_cases: tuple[AlertCase, ...] = ()
    expr_cases: tuple[ExprCase, ...] = ()
    external_labels: Mapping[str, str] = field(default_factory=dict)
    external_url: str = ""
    start_ms: int = 0
    span: TextSpan = FILE_START

    @property
    def title(self) -> str:
        """Its name, or which it is."""
        return self.name or f"unnamed#{self.number}"

    @property
    def last_ms(self) -> int:
        """How long after the start the last case looks."""
        alerts = [case.eval_time_ms for case in self.alert_cases]
        return max([*alerts, *(case.eval_time_ms for case in self.expr_cases)], default=0)


@dataclass(frozen=True, slots=True)
class RuleFilePattern:
    """An entry of ``rule_files``: a path or a pattern, relative to the test file."""

    pattern: str
    span: TextSpan = FILE_START


@dataclass(frozen=True, slots=True)
class UnitTestFile:
    """A file of unit tests; ``text`` is what it was read from."""

    name: str
    rule_files: tuple[RuleFilePattern, ...] = ()
    evaluation_interval_ms: int = DEFAULT_INTERVAL_MS
    group_eval_order: tuple[str, ...] = ()
    tests: tuple[UnitTest, ...] = ()
    fuzzy_compare: bool = False
    text: str = field(default="", compare=False, repr=False)
