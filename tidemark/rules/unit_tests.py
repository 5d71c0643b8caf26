"""Running a file of unit tests: reads it and the rule files it names, and gives back what came of it, ready to be printed or sent to a parent."""

from __future__ import annotations

import glob
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from rules.diagnostics.model import Diagnostic, Severity
from rules.evaluation.program import Programs
from rules.files.load import Loaded, load_rules
from rules.golang.durations import format_duration
from rules.model import RuleGroup
from rules.promql.values import is_stale
from rules.unit_tests.diff import number_text, series_text
from rules.unit_tests.engine import Engine, Evaluated, NotRun, batch
from rules.unit_tests.file import load_unit_tests
from rules.unit_tests.model import UnitTest, UnitTestFile
from rules.unit_tests.no_data import vacuous
from rules.unit_tests.run import Failure, run_test, vain
from tidemark.rules.files import Source, sources

if TYPE_CHECKING:
    from rules.unit_tests.coverage import Coverage


@dataclass(frozen=True, slots=True)
class Options:
    """How to run files.

    Attributes:
        run: only tests whose names it is found in; a pattern, or empty for all.
        ignore_unknown: leave unknown keys of rule files out.
        coverage: note what the tests exercise.
        debug: report the course of every alert and all samples.
        engine: one of :data:`tidemark.rules.arguments.test.ENGINES`; the others know neither coverage nor the course.
    """

    run: str = ""
    ignore_unknown: bool = False
    coverage: bool = False
    debug: bool = False
    engine: str = "batch"


@dataclass(frozen=True, slots=True)
class TestReport:
    """What came of one test.

    Attributes:
        ran: whether an engine evaluated it.
        not_run: why the stream engine did not, if it was asked to; the batch engine may have.
        left_out: the rules that the stream engine evaluated it without, and why.
    """

    name: str
    seconds: float
    failures: Sequence[Failure] = ()
    debug: Sequence[str] = ()
    ran: bool = True
    not_run: str = ""
    left_out: Sequence[str] = ()


@dataclass(slots=True)
class FileReport:
    """What came of a file.

    Attributes:
        texts: of the files that diagnostics point into.
        refused: errors because of which no test ran.
        warnings: what is worth a look.
        names: of all its tests, whether they were asked for or not.
    """

    name: str
    texts: dict[str, str] = field(default_factory=dict)
    refused: list[Diagnostic] = field(default_factory=list)
    warnings: list[Diagnostic] = field(default_factory=list)
    tests: list[TestReport] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    coverage: Coverage | None = None
    seconds: float = 0.0

    @property
    def ran(self) -> int:
        """How many of its tests an engine evaluated."""
        return sum(test.ran for test in self.tests)

    @property
    def failed(self) -> int:
        """How many of its tests failed."""
        return sum(bool(test.failures) for test in self.tests)

    @property
    def idle(self) -> bool:
        """Whether it has tests, and the engine could evaluate none of them."""
        return bool(self.tests) and not self.ran

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.refused and not self.failed and not self.idle


class Runner:
    """Runs files one after another; rule files that several of them name are read once."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._pattern = re2_pattern(options.run)
        self._loaded: dict[str, tuple[str, Loaded]] = {}
        self._programs = Programs()

    def run(self, name: str) -> FileReport:
        """The report of a file."""
        started = time.perf_counter()
        report = FileReport(name)
        file = self._file(name, report)
        if file is not None:
            groups = self._groups(file, report)
            if not report.refused:
                self._tests(file, groups, report)
        report.seconds = time.perf_counter() - started
        return report

    def _file(self, name: str, report: FileReport) -> UnitTestFile | None:
        source = _source(name)
        if source.text is None:
            report.refused.append(Diagnostic(source.code, Severity.ERROR, source.fault, name))
            return None
        report.texts[name] = source.text
        loaded = load_unit_tests(source.text, name)
        for each in loaded.diagnostics:
            (report.refused if each.severity is Severity.ERROR else report.warnings).append(each)
        return loaded.file

    def _groups(self, file: UnitTestFile, report: FileReport) -> list[RuleGroup]:
        groups: list[RuleGroup] = []
        folder = os.path.dirname(file.name)
        for entry in file.rule_files:
            path = os.path.normpath(os.path.join(folder, entry.pattern)) if entry.pattern else ""
            found = sorted(glob.glob(path)) if path else []
            if not found:
                message = f"no file fits {path or 'an empty name'!r}"
                hint = "paths are relative to the test file"
                report.warnings.append(
                    Diagnostic("no-such-file", Severity.WARNING, message, file.name, entry.span, hint)
                )
            for each in found:
                groups.extend(self._rules(each, report))
        return groups

    def _rules(self, path: str, report: FileReport) -> Sequence[RuleGroup]:
        if path not in self._loaded:
            source = _source(path)
            if source.text is None:
                refusal = Diagnostic(source.code, Severity.ERROR, source.fault, path)
                self._loaded[path] = "", Loaded(None, [refusal])
            else:
                loaded = load_rules(source.text, path, ignore_unknown=self._options.ignore_unknown)
                self._loaded[path] = source.text, loaded
        text, loaded = self._loaded[path]
        if loaded.file is not None:
            return loaded.file.groups
        report.texts[path] = text
        report.refused.extend(loaded.refusals)
        return ()

    def _tests(self, file: UnitTestFile, groups: Sequence[RuleGroup], report: FileReport) -> None:
        report.names = [test.title for test in file.tests]
        tests = [test for test in file.tests if self._pattern is None or self._pattern.search(test.name) is not None]
        report.warnings.extend(vacuous(file, tests, groups))
        coverage = None
        if self._options.coverage:
            from rules.unit_tests.coverage import Coverage

            coverage = report.coverage = Coverage()
            coverage.declare(groups)
        for test in tests:
            debug: list[str] = []

            def inspect(run: Evaluated, lines: list[str] = debug) -> None:
                if coverage is not None:
                    coverage.inspect(run)
                if self._options.debug:
                    lines.extend(course(run))

            started = time.perf_counter()
            left_out: list[str] = []
            failures, not_run = self._failures(file, test, groups, batch(inspect=inspect), left_out.append)
            ran = not not_run or self._options.engine == "both"
            seconds = time.perf_counter() - started
            # The stream engine takes a test twice where a rule of it fails.
            left = tuple(dict.fromkeys(left_out))
            report.tests.append(TestReport(test.title, seconds, failures, debug, ran, not_run, left))
            report.warnings += vain(file, test)

    def _failures(
        self,
        file: UnitTestFile,
        test: UnitTest,
        groups: Sequence[RuleGroup],
        batched: Engine,
        left_out: Callable[[str], None],
    ) -> tuple[list[Failure], str]:
        """What fails, and why the stream engine did not run, if so."""
        if self._options.engine == "batch":
            return run_test(file, test, groups, self._programs, batched), ""
        # Most runs do without, and start sooner.
        from rules.unit_tests.both import run_both
        from transforms.alerts.unit_tests import stream

        streamed = partial(stream, left_out=left_out)

        try:
            if self._options.engine == "both":
                return run_both(file, test, groups, self._programs, batched, streamed), ""
            return run_test(file, test, groups, self._programs, streamed), ""
        except NotRun as error:
            both = self._options.engine == "both"
            return run_test(file, test, groups, self._programs, batched) if both else [], error.reason


def _source(name: str) -> Source:
    if os.path.isdir(name):
        return Source(name, None, "is a directory", code="unreadable")
    (found,) = sources([name])
    return found


def re2_pattern(text: str) -> Any:
    """The pattern of ``--run``, in the syntax that Prometheus uses; None where there is none.

    Raises:
        ValueError: it is none.
    """
    if not text:
        return None
    import re2

    try:
        return re2.compile(text)
    except re2.error as error:
        raise ValueError(f"--run: {error}") from None


def course(run: Evaluated) -> list[str]:
    """What happened in a test: transitions, failed evaluations, and all samples at the end."""
    start = run.test.start_ms
    lines = [f"{len(run.times)} evaluations, the last at {format_duration(int(run.times[-1]) - start)}"]
    for event in run.outcome.events:
        transition = event.transition
        when = format_duration(transition.time_ms - start)
        change = f"{transition.before.value} -> {transition.after.value}"
        lines.append(f"{when:>8}  {change}: {series_text(transition.alert.labels)} ({transition.reason.value})")
    for error in run.outcome.errors:
        lines.append(f"{format_duration(error.time_ms - start):>8}  {error.rule.rule.name} fails: {error.message}")
    lines.append("samples that the rules wrote:")
    for labels, _, times, values in run.evaluator.recorded.series():
        samples = zip(times.tolist(), values.tolist(), is_stale(values).tolist(), strict=True)
        text = " ".join(
            f"{'stale' if stale else number_text(value)}@{format_duration(when - start)}"
            for when, value, stale in samples
        )
        lines.append(f"  {series_text(labels)} {text}")
    return lines


def of_directory(path: str) -> list[str]:
    """The files below a directory that hold unit tests."""
    starts = re.compile(r"^tests[ \t]*:", re.MULTILINE)
    return [source.name for source in sources([path]) if source.text is not None and starts.search(source.text)]
