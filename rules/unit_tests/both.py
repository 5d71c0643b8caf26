"""Running a unit test by two engines, and saying where they do not agree."""

from __future__ import annotations

from collections.abc import Sequence

from rules.diagnostics.model import Diagnostic, Severity
from rules.evaluation.program import Programs
from rules.model import RuleGroup
from rules.unit_tests.engine import Engine
from rules.unit_tests.model import UnitTest, UnitTestFile
from rules.unit_tests.run import Failure, run_test


def run_both(
    file: UnitTestFile,
    test: UnitTest,
    groups: Sequence[RuleGroup],
    programs: Programs,
    batch: Engine,
    stream: Engine,
) -> list[Failure]:
    """What fails in one test by the batch engine; and, where the stream engine has it otherwise, that it does.

    Raises:
        NotRun: the stream engine cannot evaluate the test.
    """
    other = run_test(file, test, groups, programs, stream)
    found = run_test(file, test, groups, programs, batch)
    return found if found == other else [*found, _disagreement(file, test, found, other)]


def _disagreement(file: UnitTestFile, test: UnitTest, one: Sequence[Failure], other: Sequence[Failure]) -> Failure:
    message = f"the engines disagree: batch has {_counted(one)}, stream has {_counted(other)}"
    details = [
        *_alone("batch", [each for each in one if each not in other]),
        *_alone("stream", [each for each in other if each not in one]),
    ]
    return Failure(Diagnostic("engines-differ", Severity.ERROR, message, file.name, test.span), tuple(details))


def _counted(failures: Sequence[Failure]) -> str:
    return f"{len(failures)} failure{'' if len(failures) == 1 else 's'}"


def _alone(engine: str, failures: Sequence[Failure]) -> list[str]:
    """What only one engine has, with its place."""
    lines = []
    for each in failures:
        lines.append(f"{engine} only, line {each.diagnostic.span.line}: {each.diagnostic.message}")
        lines.extend(f"  {detail}" for detail in each.details)
    return lines
