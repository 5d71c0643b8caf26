"""Unit tests that expect nothing and get it for want of data: they pass whatever the rules say, as they would with a typo."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence

from rules.diagnostics.model import Diagnostic, Severity, TextSpan
from rules.evaluation.program import Program
from rules.model import RuleGroup
from rules.planning.catalogue import Catalogue
from rules.planning.no_data import Looked, selectors, unfed_of
from rules.promql.labels import LabelFrame
from rules.promql.notation import parse_series_description
from rules.promql.storage import matching_rows
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse
from rules.unit_tests.model import AlertCase, UnitTest, UnitTestFile

CODE = "no-data"


def vacuous(file: UnitTestFile, tests: Sequence[UnitTest], groups: Sequence[RuleGroup]) -> list[Diagnostic]:
    """Warnings about expectations of nothing that hold for want of data, in the order of the file.

    An alert is named once: if no test of the file expects it to fire, and none of those that look at it gives its rule any data, or if
    there is no rule of its name. An expression is named where it is expected to yield nothing, and its selectors, none of which is of
    what rules write, find nothing.

    Args:
        tests: those of the file that are run.
        groups: of its rule files.
    """
    unexpected = _never_expected(tests)
    exprs = any(not case.expected for test in tests for case in test.expr_cases)
    if not unexpected and not exprs:
        return []
    program = Program(groups)
    data = {test.number: _Data(test, program) for test in tests}
    found = [*_alerts(unexpected, program, data), *_exprs(tests, data)]
    return [
        Diagnostic(CODE, Severity.WARNING, message, file.name, span, hint)
        for span, message, hint in sorted(found, key=lambda each: each[0])
    ]


_Finding = tuple[TextSpan, str, str]


class _Data:
    """The input series of a test, and which selectors of rules find something in them."""

    def __init__(self, test: UnitTest, program: Program) -> None:
        frame = LabelFrame.of(list(_labels(test)))
        self.catalogue = Catalogue()
        self.catalogue.add(frame)
        self.looked = Looked(program, lambda matchers: bool(matching_rows(frame, matchers).any()))


def _labels(test: UnitTest) -> Iterator[dict[str, str]]:
    for each in test.input_series:
        try:
            yield parse_series_description(f"{each.series} {each.values}", 0)[0]
        except PromQLError:
            # Said when the test is run.
            continue


def _never_expected(tests: Iterable[UnitTest]) -> dict[str, list[tuple[UnitTest, AlertCase]]]:
    """The alerts that no test expects to fire, with the cases that look at them."""
    cases: dict[str, list[tuple[UnitTest, AlertCase]]] = {}
    for test in tests:
        for case in test.alert_cases:
            cases.setdefault(case.alertname, []).append((test, case))
    return {name: found for name, found in cases.items() if name and not any(case.expected for _, case in found)}


def _alerts(
    unexpected: dict[str, list[tuple[UnitTest, AlertCase]]], program: Program, data: dict[int, _Data]
) -> Iterator[_Finding]:
    alerts = program.alerts
    for name, cases in unexpected.items():
        span = cases[0][1].span
        rules = [rule for rule in alerts if rule.rule.name == name]
        if not rules:
            near = difflib.get_close_matches(name, {rule.rule.name for rule in alerts}, 1)
            hint = f"did you mean {near[0]!r}?" if near else "look at rule_files"
            yield span, f"that {name!r} does not fire says nothing: no rule is named so", hint
            continue
        looked = [data[test.number] for test, _ in cases]
        if all(each.looked.is_known_empty(rule) for each in looked for rule in rules):
            lacking = unfed_of(rules[0].rule.ast, looked[0].looked, looked[0].catalogue)
            if lacking:
                yield (
                    span,
                    f"that {name!r} does not fire says nothing: no test gives its rule any data",
                    str(lacking[0]),
                )


def _exprs(tests: Iterable[UnitTest], data: dict[int, _Data]) -> Iterator[_Finding]:
    for test in tests:
        for case in test.expr_cases:
            expr = None if case.expected else _parsed(case.expr)
            found = data[test.number]
            # That a rule writes nothing is what its test may want to see.
            if expr is None or any(map(found.looked.writers, selectors(expr))):
                continue
            lacking = unfed_of(expr, found.looked, found.catalogue)
            if lacking and found.looked.yields_nothing(expr):
                yield (
                    case.span,
                    "that this expression yields nothing says nothing: the test gives it no data",
                    str(lacking[0]),
                )


def _parsed(text: str) -> ast.Expr | None:
    try:
        return parse(text)
    except PromQLError:
        # Said when the test is run.
        return None
