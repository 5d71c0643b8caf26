"""``tidemark rules test``: unit tests of rules, in promtool's format."""

from __future__ import annotations

import gc
import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rules.diagnostics.text import text_of
from rules.unit_tests.run import Failure
from schemas.errors import FAILURE, UserError
from services.kit import outputs
from tidemark.rules.arguments.test import parser
from tidemark.rules.files import STDIN, colours, counter
from tidemark.rules.unit_tests import FileReport, Options, Runner, of_directory, re2_pattern

# A second process costs what this many small files do.
FILES_PER_PROCESS = 24

_SHOWN = 5


def main(argv: Sequence[str] | None = None) -> int:
    """Run the files; returns the exit status that ``--help`` documents.

    Raises:
        UserError: there are no files.
    """
    words = parser()
    options = words.parse_args(argv)
    covers = options.coverage or options.coverage_threshold is not None
    if options.engine == "stream" and (covers or options.debug):
        words.error("--coverage and --debug need the batch engine: use --engine=batch or --engine=both")
    run = Options("|".join(options.run), options.ignore_unknown_fields, covers, options.debug, options.engine)
    try:
        re2_pattern(run.run)
        names = list(_files(options.files))
        outputs.check_files({"--junit": options.junit}, names)
    except (UserError, ValueError) as error:
        words.error(str(error))
    if not names:
        raise UserError(f"no test files in {', '.join(options.files)}", FAILURE)
    printer = _Printer(options.diff, colours(sys.stdout))
    step = counter(len(names), "tested")
    reports = []
    for report in run_files(names, run, options.jobs):
        printer.report(report)
        reports.append(report)
        step()
    printer.summary(reports)
    good = all(report.passed for report in reports)
    if not any(report.tests or report.refused for report in reports):
        print(f"tidemark rules test: {_nothing(run.run, reports)}", file=sys.stderr)
        good = False
    if options.junit:
        good = _write_junit(options.junit, reports) and good
    if covers:
        good = _coverage(reports, options.coverage_format, options.coverage_threshold) and good
    return 0 if good else 1


def _nothing(pattern: str, reports: Sequence[FileReport]) -> str:
    """Why no test ran."""
    names = [name for report in reports for name in report.names]
    if pattern and names:
        shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
        return f"no test has a name in which {pattern!r} is found (--run); there are {shown}"
    return f"nothing was tested: no test in {', '.join(report.name for report in reports[:_SHOWN])}"


def run_files(names: Sequence[str], options: Options, jobs: int | None = None) -> Iterator[FileReport]:
    """The reports of files, in their order.

    Args:
        names: of test files.
        options: how to run them.
        jobs: processes; as many as pay by default.
    """
    processes = min(jobs or _processes(len(names)), len(names))
    if processes < 2:
        runner = Runner(options)
        yield from map(runner.run, names)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # A child that is forked has everything imported.
    context = get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_start, initargs=(options,)) as pool:
        yield from pool.map(_run, names, chunksize=max(1, len(names) // (processes * 4)))


def _processes(files: int) -> int:
    if hasattr(os, "sched_getaffinity"):
        there = len(os.sched_getaffinity(0))
    else:
        there = os.cpu_count() or 1
    return max(1, min(there, files // FILES_PER_PROCESS))


_runner: Runner | None = None


def _start(options: Options) -> None:
    global _runner
    gc.disable()
    _runner = Runner(options)


def _run(name: str) -> FileReport:
    if _runner is None:
        raise RuntimeError("the process was not started for this")
    return _runner.run(name)


def _files(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if os.path.isdir(name):
            yield from of_directory(name)
        elif name == STDIN or os.path.exists(name) or not glob.has_magic(name):
            yield name
        else:
            found = sorted(glob.glob(name, recursive=True))
            if not found:
                raise ValueError(f"no file fits {name!r}")
            yield from found


class _Printer:
    """Prints the results of files: a line for a file that passes, every failure of one that fails."""

    def __init__(self, diff: bool, colour: bool) -> None:
        self._diff = diff
        self._colour = colour

    def report(self, report: FileReport) -> None:
        for each in (*report.warnings, *report.refused):
            print(text_of(each, report.texts.get(each.file), colour=self._colour))
        for test in report.tests:
            for line in test.debug:
                print(f"debug: {test.name}: {line}")
            for failure in test.failures:
                self._failure(failure, test.name, report)
        tests = _tests(report.ran)
        left = len(report.tests) - report.ran
        also = f", {left} not run" if left else ""
        if report.refused:
            print(f"{report.name}: {self._painted('cannot be run', '1;31')}")
        elif report.idle:
            print(f"{report.name}: {self._painted(f'none of {_tests(left)} was run', '1;31')}")
        elif report.failed:
            print(f"{report.name}: {self._painted(f'{report.failed} of {tests} failed', '1;31')}{also}")
        else:
            print(f"{report.name}: {self._painted(f'{tests} passed', '32')}{also}")

    def summary(self, reports: Sequence[FileReport]) -> None:
        left = [(report.name, test) for report in reports for test in report.tests if test.not_run]
        if left:
            print(f"{_tests(len(left))} not run by the stream engine:")
            for name, test in left:
                print(f"  {name}: {test.name}: {test.not_run}")
        without = {(report.name, rule): None for report in reports for test in report.tests for rule in test.left_out}
        if without:
            print(f"{len(without)} rule{'' if len(without) == 1 else 's'} left out by the stream engine:")
            for name, rule in without:
                print(f"  {name}: {rule}")
        if len(reports) < 2:
            return
        tests = sum(report.ran for report in reports)
        failed = sum(report.failed for report in reports)
        refused = sum(bool(report.refused) or report.idle for report in reports)
        parts = [f"{failed} failed"] if failed else []
        parts += [f"{refused} file{'' if refused == 1 else 's'} cannot be run"] if refused else []
        print(
            f"{len(reports)} files, {_tests(tests)}: {', '.join(parts) or ('all passed' if tests else 'nothing was tested')}"
        )

    def _failure(self, failure: Failure, test: str, report: FileReport) -> None:
        print(text_of(failure.diagnostic, report.texts.get(report.name), colour=self._colour))
        print(f"   test: {test}")
        details = failure.details
        if self._diff and (failure.expected or failure.got):
            details = tuple(self._unified(failure))
        for line in details:
            print("\n".join(f"      {part}" for part in line.split("\n")))

    def _unified(self, failure: Failure) -> Iterator[str]:
        import difflib

        lines = difflib.unified_diff(failure.expected, failure.got, "expected", "got", n=10, lineterm="")
        codes = {"-": "31", "+": "32"}
        for line in lines:
            yield self._painted(line, codes[line[0]]) if line[:1] in codes else line

    def _painted(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


def _tests(count: int) -> str:
    return f"{count} test{'' if count == 1 else 's'}"


def _write_junit(path: Path, reports: Sequence[FileReport]) -> bool:
    from tidemark.rules.junit import junit

    try:
        path.write_text(junit(reports), encoding="utf-8")
    except OSError as error:
        print(f"tidemark rules test: cannot write {path}: {error.strerror}", file=sys.stderr)
        return False
    return True


def _coverage(reports: Sequence[FileReport], form: str, threshold: float | None) -> bool:
    from rules.unit_tests.coverage import Coverage

    whole = Coverage()
    for report in reports:
        if report.coverage is not None:
            whole.merge(report.coverage)
    if form == "json":
        import orjson

        print(orjson.dumps(whole.as_plain(), option=orjson.OPT_INDENT_2).decode())
    else:
        from tidemark.rules.coverage_report import table

        print(table(whole))
    percent = whole.percent()
    if threshold is not None and not whole.rules:
        print("tidemark rules test: the tests name no rules, so nothing is covered", file=sys.stderr)
        return False
    if threshold is not None and percent < threshold:
        print(f"tidemark rules test: coverage is {percent:.1f} %, below {threshold:g} %", file=sys.stderr)
        return False
    return True
