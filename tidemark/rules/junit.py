"""JUnit's XML, which build servers read: a suite a file, a case a test."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from rules.diagnostics.text import text_of
from tidemark.rules.unit_tests import FileReport, TestReport

# XML 1.0 has no way to write these.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(reports: Iterable[FileReport]) -> str:
    """The document; what refused a file is the error of a case named after it."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    for report in reports:
        errors = 1 if report.refused else 0
        lines.append(
            f"<testsuite name={_attribute(report.name)} tests={_attribute(len(report.tests) + errors)} "
            f'failures="{report.failed}" errors="{errors}" skipped="{len(report.tests) - report.ran}" time="{report.seconds:.3f}">'
        )
        if report.refused:
            message = _attribute(report.refused[0].message)
            text = _text("\n".join(text_of(each, report.texts.get(each.file)) for each in report.refused))
            lines.append(f'<testcase name="load" classname={_attribute(report.name)} time="0.000">')
            lines.append(f"<error message={message}>{text}</error></testcase>")
        lines.extend(_case(report, test) for test in report.tests)
        lines.append("</testsuite>")
    lines.append("</testsuites>")
    return "\n".join(lines) + "\n"


def _case(report: FileReport, test: TestReport) -> str:
    head = f'<testcase name={_attribute(test.name)} classname={_attribute(report.name)} time="{test.seconds:.3f}"'
    if not test.ran:
        return f"{head}><skipped message={_attribute(test.not_run)}/></testcase>"
    if not test.failures:
        return f"{head}/>"
    parts = [f"{head}>"]
    for failure in test.failures:
        body = "\n".join([text_of(failure.diagnostic, report.texts.get(report.name)), *failure.details])
        kind, message = _attribute(failure.diagnostic.code), _attribute(failure.diagnostic.message)
        parts.append(f"<failure type={kind} message={message}>{_text(body)}</failure>")
    return "".join([*parts, "</testcase>"])


def _attribute(value: object) -> str:
    return quoteattr(_FORBIDDEN.sub("?", str(value)))


def _text(value: str) -> str:
    return escape(_FORBIDDEN.sub("?", value))
