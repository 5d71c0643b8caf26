"""``tidemark promql``: run PromQL test scripts, and look at expressions."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from rules.promql.scripts.read import ScriptError
from rules.promql.scripts.run import Outcome, Verdict, run_script
from rules.promql.syntax.ast import Expr, children
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse
from rules.promql.syntax.printer import prettify, to_text
from schemas.errors import FAILURE, UserError
from tidemark.rules.arguments.promql import parser
from tidemark.rules.files import BYTE_ORDER_MARK, sources
from tidemark.rules.placed import placed


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of a script: its evals, or why it cannot be read."""

    name: str
    outcomes: tuple[Outcome, ...] = ()
    fault: str = ""
    line: int = 0

    def count(self, verdict: Verdict) -> int:
        return sum(outcome.verdict is verdict for outcome in self.outcomes)


def main(argv: Sequence[str] | None = None) -> int:
    """Dispatch to a subcommand; returns the exit status that its ``--help`` documents.

    Raises:
        UserError: an expression is none.
    """
    options = parser().parse_args(argv)
    if options.command == "test":
        return _test(options)
    text = sys.stdin.read().removeprefix(BYTE_ORDER_MARK) if options.expr == "-" else options.expr
    try:
        expr = parse(text)
    except PromQLError as error:
        raise UserError(placed(error, text), FAILURE) from None
    print(prettify(expr) if options.command == "fmt" else "\n".join(tree(expr)))
    return 0


def tree(expr: Expr, depth: int = 0) -> Iterator[str]:
    """An expression's nodes, a line each, parts indented below the whole."""
    yield f"{'  ' * depth}{type(expr).__name__} ({expr.type.value}) {expr.span.start}-{expr.span.end}: {to_text(expr)}"
    for child in children(expr):
        yield from tree(child, depth + 1)


def _test(options: argparse.Namespace) -> int:
    reports: list[FileReport] = []
    readable = True
    for name in options.files:
        path = Path(name)
        found = [str(below) for below in sorted(path.rglob("*.test"))] if os.path.isdir(path) else [name]
        if not found:
            print(f"tidemark promql test: no *.test below {name}", file=sys.stderr)
            readable = False
        for source in sources(found):
            if source.text is None:
                print(f"tidemark promql test: {source.name}: {source.fault}", file=sys.stderr)
                readable = False
            else:
                reports.append(run_file(source.name, source.text.removeprefix(BYTE_ORDER_MARK)))
    if options.format == "json":
        sys.stdout.buffer.write(orjson.dumps(json_of(reports), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    else:
        print("\n".join(text_of(reports, verbose=options.verbose)))
    if not readable:
        return 2
    if not any(report.outcomes or report.fault for report in reports):
        print(f"tidemark promql test: nothing was tested: no eval in {', '.join(options.files)}", file=sys.stderr)
        return 1
    return int(any(report.fault or report.count(Verdict.FAILED) for report in reports))


def run_file(name: str, text: str) -> FileReport:
    """Run one script; a script that cannot be read is reported as such."""
    try:
        return FileReport(name, tuple(run_script(text)))
    except ScriptError as error:
        return FileReport(name, fault=error.message, line=error.line)


def text_of(reports: Sequence[FileReport], *, verbose: bool) -> Iterator[str]:
    """The lines of a report: counts per file with its failures, totals, and what was refused by reason."""
    width = max((len(report.name) for report in reports), default=0)
    for report in reports:
        if report.fault:
            yield f"{report.name}:{report.line}: {report.fault}"
            continue
        yield f"{report.name:<{width}}  {_counts([report])}"
        for outcome in report.outcomes:
            if outcome.verdict is Verdict.FAILED:
                yield f"  {report.name}:{outcome.line}: failed: {outcome.expr}"
                yield from (f"    {line}" for line in (outcome.reason, *outcome.diff))
            elif verbose and outcome.verdict is Verdict.REFUSED:
                yield f"  {report.name}:{outcome.line}: refused: {outcome.expr}"
                yield f"    {outcome.reason}"
    yield f"{'total':<{width}}  {_counts(reports)}"
    reasons = _reasons(reports)
    if reasons:
        yield ""
        yield "refused" if verbose else "refused (--verbose lists each)"
        yield from (f"  {number:5}  {reason}" for reason, number in reasons.most_common())


def _counts(reports: Sequence[FileReport]) -> str:
    numbers = {verdict: sum(report.count(verdict) for report in reports) for verdict in Verdict}
    unreadable = sum(bool(report.fault) for report in reports)
    counts = (
        f"{numbers[Verdict.PASSED]:5} passed {numbers[Verdict.FAILED]:5} failed {numbers[Verdict.REFUSED]:5} refused"
    )
    return f"{counts}, {unreadable} cannot be read" if unreadable else counts


def _reasons(reports: Sequence[FileReport]) -> Counter[str]:
    return Counter(
        outcome.reason for report in reports for outcome in report.outcomes if outcome.verdict is Verdict.REFUSED
    )


def json_of(reports: Sequence[FileReport]) -> dict[str, object]:
    """The report as plain values: files with their evals, totals, and refusals by reason."""
    return {
        "files": [
            {
                "file": report.name,
                **({"fault": report.fault, "line": report.line} if report.fault else {}),
                **{verdict.value: report.count(verdict) for verdict in Verdict},
                "evals": [
                    {
                        "line": outcome.line,
                        "expr": outcome.expr,
                        "verdict": outcome.verdict.value,
                        **({"reason": outcome.reason} if outcome.reason else {}),
                        **({"diff": list(outcome.diff)} if outcome.diff else {}),
                    }
                    for outcome in report.outcomes
                ],
            }
            for report in reports
        ],
        "totals": {verdict.value: sum(report.count(verdict) for report in reports) for verdict in Verdict},
        "refused": dict(_reasons(reports).most_common()),
    }
