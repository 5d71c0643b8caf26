"""Diagnostics as text, JSON and SARIF."""

from __future__ import annotations

import orjson
import pytest

from rules.diagnostics.codes import CODES
from rules.diagnostics.model import Diagnostic, Severity, TextSpan, in_order, worst
from rules.diagnostics.sarif import sarif_of
from rules.diagnostics.text import json_of, summary, text_of

ERROR = Diagnostic("promql-syntax", Severity.ERROR, "no", "a b.yml", TextSpan(2, 3, 2, 6), "write this", "A")
WARNING = Diagnostic("label-lost", Severity.WARNING, "lost", "a b.yml", TextSpan(1, 1, 1, 2))


def test_text_underlines_what_it_is_about() -> None:
    assert text_of(ERROR, "x\n  foo bar\n") == (
        "a b.yml:2:3: error: no [promql-syntax]\n   2 |   foo bar\n     |   ^^^\n    hint: write this"
    )


@pytest.mark.parametrize("source", [None, "", "x\n\n"])
def test_text_without_a_line_to_show(source: str | None) -> None:
    assert "|" not in text_of(ERROR, source)


def test_marks_stand_below_wide_characters() -> None:
    text = text_of(Diagnostic("unknown-key", Severity.ERROR, "m", "f", TextSpan(1, 3, 1, 4)), "日本x")
    line, marks = (each.partition("| ")[2] for each in text.split("\n")[1:])
    assert line == "日本x"
    assert marks == "    ^"


def test_a_long_line_is_cut_around_the_marks() -> None:
    text = text_of(
        Diagnostic("unknown-key", Severity.ERROR, "m", "f", TextSpan(1, 501, 1, 504)), "a" * 500 + "foo" + "b" * 500
    )
    line, marks = (each.partition("| ")[2] for each in text.split("\n")[1:])
    assert len(line) < 200
    assert line[marks.index("^") :].startswith("foo")


def test_text_of_a_file_cannot_steer_the_terminal() -> None:
    text = text_of(Diagnostic("unknown-key", Severity.ERROR, "\x1b[2J", "f", TextSpan(1, 1, 1, 2)), "\x1b]0;x\x07")
    assert "\x1b" not in text
    assert "\x07" not in text


def test_colour_changes_no_letter() -> None:
    import re

    painted = text_of(ERROR, "x\n  foo bar\n", colour=True)
    assert painted != text_of(ERROR, "x\n  foo bar\n")
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == text_of(ERROR, "x\n  foo bar\n")


def test_json_has_every_part() -> None:
    (found,) = orjson.loads(json_of([ERROR], 1, 2))["diagnostics"]
    assert found == {
        "code": "promql-syntax", "severity": "error", "message": "no", "file": "a b.yml", "line": 2, "column": 3,
        "end_line": 2, "end_column": 6, "rule": "A", "hint": "write this",
    }  # fmt: skip


def test_sarif_points_at_the_place() -> None:
    document = orjson.loads(sarif_of([ERROR, WARNING]))
    (run,) = document["runs"]
    assert document["version"] == "2.1.0"
    assert [each["id"] for each in run["tool"]["driver"]["rules"]] == list(CODES)
    error, warning = run["results"]
    assert run["tool"]["driver"]["rules"][error["ruleIndex"]]["id"] == error["ruleId"] == "promql-syntax"
    assert (error["level"], warning["level"]) == ("error", "warning")
    place = error["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20b.yml"
    assert place["region"] == {"startLine": 2, "startColumn": 3, "endLine": 2, "endColumn": 6}


def test_text_that_is_no_unicode_can_be_reported() -> None:
    odd = Diagnostic("bad-label-value", Severity.ERROR, "\udcff", "\udcff.yml")
    assert orjson.loads(json_of([odd], 1, 0))
    assert orjson.loads(sarif_of([odd]))
    assert text_of(odd).encode()


@pytest.mark.parametrize(
    ("found", "reported"),
    [
        ([], "1 file, 1,200 rules: no faults"),
        ([ERROR], "1 file, 1,200 rules: 1 error"),
        ([ERROR, WARNING, WARNING], "1 file, 1,200 rules: 1 error, 2 warnings"),
    ],
)
def test_the_summary_counts(found: list[Diagnostic], reported: str) -> None:
    assert summary(found, 1, 1_200) == reported


def test_where_there_is_no_rule_nothing_was_checked() -> None:
    assert summary([], 2, 0) == "2 files, 0 rules: nothing to check"


def test_order_is_by_place_and_the_gravest_is_known() -> None:
    assert in_order([ERROR, WARNING]) == [WARNING, ERROR]
    assert worst([WARNING, ERROR]) is Severity.ERROR
    assert worst([]) is None
