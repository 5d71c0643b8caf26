"""Running the unit tests of rules.

Semantics: ``promtool test rules`` of Prometheus 3 (``cmd/promtool/unittest.go``). From the start of a test, all groups are evaluated every
``evaluation_interval`` until the time of its last case; an alert case looks at the newest evaluation at or before its time, and an expression
is evaluated after all of them, over the samples up to the last one.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rules.diagnostics.model import Diagnostic, Severity, TextSpan
from rules.evaluation.alert_text import Site
from rules.evaluation.alerts import ALERT_NAME, Labels, Phase
from rules.evaluation.groups import NOT_A_VECTOR
from rules.evaluation.outcome import RuleError
from rules.evaluation.program import Program, Programs, Settings, ordered
from rules.evaluation.schedule import Schedule
from rules.golang.durations import format_duration
from rules.model import RuleGroup
from rules.promql.context import Options
from rules.promql.engine import instant
from rules.promql.notation import parse_series, parse_series_description
from rules.promql.storage import Storage
from rules.promql.syntax.errors import PromQLError, UnsupportedFeature
from rules.promql.values import InstantVector, Scalar
from rules.unit_tests.diff import (
    ShownAlert,
    ShownSample,
    alert_lines,
    alert_listing,
    difference,
    sample_lines,
    sample_listing,
    series_text,
)
from rules.unit_tests.engine import Engine, Input, Looked, Trial, batch
from rules.unit_tests.model import AlertCase, ExprCase, InputSeries, UnitTest, UnitTestFile

CODES = {
    "input-series": "An input series cannot be read.",
    "no-alertname": "An alert test does not say which alert it is about.",
    "rule-failed": "The evaluation of a rule failed, so that the test was given up.",
    "alert-mismatch": "Other alerts fire than expected.",
    "expr-mismatch": "An expression yields other samples than expected.",
    "expr-failed": "An expression, or an expected sample of it, cannot be read or evaluated.",
    "no-cases": "A test expects nothing, and cannot fail (a warning).",
    "too-long": "The test takes more evaluations than a test may.",
    "engines-differ": "The batch engine and the stream engine do not agree on the test (`--engine=both`).",
    "unsupported": "The test needs native histograms or experimental functions, which are not supported.",
}
"""The kinds of failures of tests."""


MAX_EVALUATIONS = 11_000_000
"""Evaluations of one test: twenty years of minutes, and a year of every three seconds."""

MAX_SAMPLES = 110_000_000
"""Samples that the input series of one test stand for, as far as its last case."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that is not as a test expects.

    Attributes:
        diagnostic: what and where.
        details: lines that show the difference.
        expected, got: both sides in full, a label or a series a line, for a line by line comparison; empty where there are no sides.
    """

    diagnostic: Diagnostic
    details: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
    got: tuple[str, ...] = ()


def run_test(
    file: UnitTestFile,
    test: UnitTest,
    groups: Sequence[RuleGroup],
    programs: Programs | None = None,
    engine: Engine | None = None,
) -> list[Failure]:
    """What fails in one test; nothing if it passes.

    Args:
        file: the test's.
        test: one of its tests.
        groups: of its rule files, in the order of loading.
        programs: shared between tests.
        engine: what evaluates it; the batch engine unless given.

    Raises:
        NotRun: the engine cannot evaluate it.
    """
    return _Test(file, test).run(groups, programs or Programs(), engine or batch())


def vain(file: UnitTestFile, test: UnitTest) -> list[Diagnostic]:
    """A warning of a test that cannot fail, because it has no cases."""
    if test.alert_cases or test.expr_cases:
        return []
    message, hint = "the test expects nothing: it cannot fail", "add `alert_rule_test` or `promql_expr_test`"
    return [Diagnostic("no-cases", Severity.WARNING, message, file.name, test.span, hint)]


class _Test:
    def __init__(self, file: UnitTestFile, test: UnitTest) -> None:
        self._file = file
        self._test = test
        # A test begins with an evaluation, whatever its interval.
        self._schedule = Schedule(file.evaluation_interval_ms, -test.start_ms)
        self._failures: list[Failure] = []

    def run(self, groups: Sequence[RuleGroup], programs: Programs, engine: Engine) -> list[Failure]:
        test = self._test
        step = self._file.evaluation_interval_ms
        if test.last_ms // step >= MAX_EVALUATIONS:
            what = f"the last case, at {format_duration(test.last_ms)}, is more than {MAX_EVALUATIONS:,} evaluations after the start"
            self._fail(
                "too-long", test.span, what, hint="test at an earlier time, or with a longer `evaluation_interval`"
            )
            return self._failures
        times = self._schedule.times(test.start_ms - 1, test.start_ms + test.last_ms)
        series = self._series(int(times[-1]))
        for case in test.alert_cases:
            if not case.alertname:
                self._fail("no-alertname", case.span, "an alert test needs `alertname`", hint="add `alertname: ...`")
        if series is None or self._failures:
            return self._failures
        settings = Settings(Options(default_step_ms=step), Site(test.external_labels, test.external_url))
        program = programs.get(ordered(groups, self._file.group_eval_order), settings)
        ran = engine(Trial(test, program, series, step, times, self._looks()))
        stopped = ran.errors[0].time_ms if ran.errors else None
        for case in sorted(test.alert_cases, key=lambda each: each.eval_time_ms):
            if stopped is None or self._looked_at(case) < stopped:
                self._check_alerts(case, program, ran.alerts.get(self._looked_at(case), ()))
        if stopped is None:
            for expr_case in test.expr_cases:
                self._check_expr(expr_case, ran.storage, settings.options)
        for error in ran.errors:
            self._rule_failed(error)
        return self._failures

    def _looks(self) -> dict[int, frozenset[str]]:
        names: dict[int, set[str]] = {}
        for case in self._test.alert_cases:
            names.setdefault(self._looked_at(case), set()).add(case.alertname)
        return {when: frozenset(found) for when, found in names.items()}

    def _looked_at(self, case: AlertCase) -> int:
        """The evaluation time whose alerts a case looks at."""
        return self._schedule.latest(self._test.start_ms + case.eval_time_ms)

    def _series(self, last_ms: int) -> list[Input] | None:
        found: dict[Labels, Input] = {}
        written = 0
        for each, line in self._series_lines():
            if written > MAX_SAMPLES:
                message = f"the input series before this one hold more than {MAX_SAMPLES:,} samples"
                self._fail("input-series", each.span, message, hint="write shorter series, or fewer")
                return None
            try:
                # Later values are of no use, and their times may be beyond what 64 bits hold: `1x1000000000` means for ever.
                most = max(0, (last_ms - self._test.start_ms) // self._test.interval_ms + 1)
                labels, values, kept = parse_series_description(line, most)
            except UnsupportedFeature as error:
                self._fail("unsupported", each.span, f"{_shown(each)}: {error.message}")
                continue
            except PromQLError as error:
                self._fail("input-series", each.span, error.message, _pointed(line, error), error.hint)
                continue
            written += len(values)
            times = self._test.start_ms + np.arange(len(values), dtype=np.int64) * self._test.interval_ms
            # Of a series that is given twice, the second counts.
            named = tuple(sorted(labels.items()))
            found[named] = Input(named, times[kept], values[kept])
        return None if self._failures else list(found.values())

    def _series_lines(self) -> list[tuple[InputSeries, str]]:
        """The lines as a `load` command of Prometheus' tests takes them: an empty one, or a comment, ends the series."""
        lines: list[tuple[InputSeries, str]] = []
        for each in self._test.input_series:
            for line in f"{each.series} {each.values}".split("\n"):
                text = line.strip()
                if not text or text.startswith("#"):
                    return lines
                lines.append((each, text))
        return lines

    def _check_alerts(self, case: AlertCase, program: Program, active: Sequence[Looked]) -> None:
        named = [each for each in active if each.name == case.alertname]
        got = [
            ShownAlert(each.alert.labels, tuple(sorted(each.annotations.items())))
            for each in named
            if each.alert.phase is Phase.FIRING
        ]
        expected = [
            ShownAlert(
                tuple(sorted({**alert.labels, ALERT_NAME: case.alertname}.items())),
                tuple(sorted(alert.annotations.items())),
            )
            for alert in case.expected
        ]
        if sorted(expected) == sorted(got):
            return
        when = format_duration(case.eval_time_ms)
        message = f"alert {case.alertname} at {when}: {difference('firing alert', expected, got)}"
        details = alert_lines(expected, got)
        details.extend(self._pending_lines(named))
        hint = self._alert_hint(case, program)
        sides = tuple(alert_listing(expected)), tuple(alert_listing(got))
        self._fail("alert-mismatch", case.span, message, details, hint, sides)

    def _pending_lines(self, named: Sequence[Looked]) -> list[str]:
        lines = []
        for each in named:
            if each.alert.phase is Phase.PENDING:
                since = format_duration(each.alert.active_at - self._test.start_ms)
                held = format_duration(each.for_ms)
                shown = series_text(tuple(pair for pair in each.alert.labels if pair[0] != ALERT_NAME))
                lines.append(f"  pending since {since}, `for` is {held}: {shown}")
        return lines

    def _alert_hint(self, case: AlertCase, program: Program) -> str:
        names = [each.rule.name for each in program.alerts]
        if case.alertname in names:
            return ""
        close = difflib.get_close_matches(case.alertname, names, 1)
        tail = f"did you mean {close[0]!r}?" if close else "look at rule_files"
        return f"no rule of the test is named {case.alertname!r}: {tail}"

    def _check_expr(self, case: ExprCase, storage: Storage, options: Options) -> None:
        when = format_duration(case.eval_time_ms)
        try:
            # The order of a store is an accident, and would show in the report.
            got = sorted(self._evaluated(case, storage, options), key=_labels)
        except PromQLError as error:
            code = "unsupported" if isinstance(error, UnsupportedFeature) else "expr-failed"
            message = f"`{case.expr}` at {when}: {error.message}"
            self._fail(code, case.span, message, _pointed(case.expr, error), error.hint)
            return
        expected: list[ShownSample] = []
        for sample in case.expected:
            if sample.histogram:
                message = f"`{case.expr}` at {when}: a native histogram is expected, which are not supported"
                self._fail("unsupported", sample.span, message)
                return
            try:
                labels = parse_series(sample.labels) if sample.labels.strip() else {}
            except PromQLError as error:
                message = f"`{case.expr}` at {when}: labels: {error.message}"
                self._fail("expr-failed", sample.span, message, _pointed(sample.labels, error), error.hint)
                return
            expected.append(ShownSample(tuple(sorted(labels.items())), sample.value))
        if self._same(expected, got):
            return
        message = f"`{case.expr}` at {when}: {difference('sample', expected, got)}"
        details = sample_lines(expected, got)
        hint = ""
        if any(math.isnan(each.value) for each in expected):
            hint = "NaN equals nothing, itself included: test for it with an expression such as `x != x`"
        sides = tuple(sample_listing(expected)), tuple(sample_listing(got))
        self._fail("expr-mismatch", case.span, message, details, hint, sides)

    def _evaluated(self, case: ExprCase, storage: Storage, options: Options) -> list[ShownSample]:
        value = instant(case.expr, storage, self._test.start_ms + case.eval_time_ms, options).value
        if isinstance(value, Scalar):
            return [ShownSample((), float(value.values[0]))]
        if not isinstance(value, InstantVector):
            raise PromQLError(NOT_A_VECTOR)
        rows = value.labels.rows()
        return [
            ShownSample(tuple(row.items()), number)
            for row, number, there in zip(rows, value.values[:, 0].tolist(), value.present[:, 0].tolist(), strict=True)
            if there
        ]

    def _same(self, expected: Sequence[ShownSample], got: Sequence[ShownSample]) -> bool:
        if len(expected) != len(got):
            return False
        pairs = zip(sorted(expected, key=_labels), got, strict=True)
        return all(one.labels == other.labels and self._equal(one.value, other.value) for one, other in pairs)

    def _equal(self, one: float, other: float) -> bool:
        if not self._file.fuzzy_compare:
            return one == other
        return one == other or math.nextafter(one, -math.inf) == other or math.nextafter(one, math.inf) == other

    def _rule_failed(self, error: RuleError) -> None:
        rule = error.rule.rule
        when = format_duration(error.time_ms - self._test.start_ms)
        place = rule.place.of("expr")
        details = [f"  at {error.rule.group.file}:{place.line}:{place.column}: {' '.join(rule.expr.split())}"]
        self._fail("rule-failed", self._test.span, f"rule {rule.name} fails at {when}: {error.message}", details)

    def _fail(
        self,
        code: str,
        span: TextSpan,
        message: str,
        details: Sequence[str] = (),
        hint: str = "",
        sides: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
    ) -> None:
        diagnostic = Diagnostic(code, Severity.ERROR, message, self._file.name, span, hint)
        self._failures.append(Failure(diagnostic, tuple(details), *sides))


def _shown(each: InputSeries) -> str:
    """What to call an input series in a message."""
    return each.series if len(each.series) <= 60 else each.series[:57] + "..."


def _pointed(text: str, error: PromQLError) -> list[str]:
    if error.span is None or "\n" in text:
        return []
    start, end = error.span
    return [f"  {text}", "  " + " " * start + "^" * max(end - start, 1)]


def _labels(sample: ShownSample) -> tuple[tuple[str, str], ...]:
    return sample.labels
