"""Expressions and templates of a rule, checked: their faults, pointed at in the file that they stand in."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import lru_cache

from rules.diagnostics.model import Diagnostic, Severity
from rules.model import Place
from rules.promql.syntax.ast import Expr
from rules.promql.syntax.errors import PromQLError, Span, UnsupportedFeature
from rules.promql.syntax.parser import parse

# Nine templates in ten hold nothing else; parsing them would take most of the time of a check.
_SIMPLE = re.compile(
    r"\{\{[ \t]*\$(?:labels(?:\.[A-Za-z_][A-Za-z0-9_]*)?|value)"
    r"(?:[ \t]*\|[ \t]*humanize(?:1024|Duration|Percentage|Timestamp)?)?[ \t]*\}\}"
)
_VARIABLES = ("$labels", "$value", "$externalLabels", "$externalURL")
_UNDEFINED = re.compile(r"\$\w+(?=\"?$)")
_UNDEFINED_FUNCTION = re.compile(r'^function "(\w+)" not defined$')
# Prometheus takes calculated durations only under this flag; promtool always does.
_PROMTOOL_TAKES = "promql-duration-expr"


def expression(expr: str, place: Place, file: str, rule: str) -> tuple[Expr | None, list[Diagnostic]]:
    """The tree of a rule's expression; None, and why, where it is none that can be evaluated here."""
    try:
        return _parsed(expr), []
    except UnsupportedFeature as error:
        accepted = _PROMTOOL_TAKES in error.hint
        code, severity = ("unsupported", Severity.WARNING) if accepted else ("experimental", Severity.ERROR)
        fault: PromQLError = error
    except PromQLError as error:
        code, severity, fault = "promql-syntax", Severity.ERROR, error
    where = place.within("expr", fault.span)
    written = place.fields["expr"].scalar if "expr" in place.fields else None
    hint = fault.hint
    if written is not None and "#" in expr and "\n" not in expr.strip() and where.end_line > where.line:
        hint = "YAML joins these lines into one, and a comment runs to its end: write the expression after `|`"
    return None, [Diagnostic(code, severity, fault.message, file, where, hint, rule)]


# A file that repeats a rule by alias a thousand times parses it once.
@lru_cache(maxsize=4096)
def _parsed(expr: str) -> Expr:
    return parse(expr)


def template_faults(
    alert: str, labels: Mapping[str, str], annotations: Mapping[str, str], place: Place, file: str
) -> list[Diagnostic]:
    """What is wrong with the templates of an alert."""
    texts = {
        **{f"labels.{name}": text for name, text in labels.items()},
        **{f"annotations.{name}": text for name, text in annotations.items()},
    }
    found = []
    for field, text in texts.items():
        if _is_simple(text):
            continue
        # Most files are checked without a template in need of these.
        from rules.templates.errors import TemplateError
        from rules.templates.expansion import parse_template

        try:
            parse_template(text, alert)
        except TemplateError as error:
            where = place.within(field, _span(text, error.line, error.column))
            found.append(
                Diagnostic("template-syntax", Severity.ERROR, error.message, file, where, _hint(error.message), alert)
            )
    return found


def _is_simple(text: str) -> bool:
    """Whether every action of a template is one that is surely valid."""
    place = text.find("{{")
    while place >= 0:
        action = _SIMPLE.match(text, place)
        if action is None:
            return False
        place = text.find("{{", action.end())
    return True


def _span(text: str, line: int, column: int) -> Span:
    """From a place in a template to the end of the action it is in, or of the line."""
    start = sum(len(each) + 1 for each in text.split("\n")[: line - 1]) + column - 1
    ends = [end for end in (text.find("}}", start), text.find("\n", start)) if end >= 0]
    # The blanks and the trim marker before the braces are no part of what is wrong.
    end = len(text[: min(ends, default=len(text))].rstrip(" \t-"))
    return Span(start, max(end, start + 1))


def _hint(message: str) -> str:
    """The variable or the function that a misspelt one may be."""
    function = _UNDEFINED_FUNCTION.search(message)
    if function is not None:
        from rules.templates.expansion import FUNCTIONS

        return "".join(f"did you mean {name}?" for name in difflib.get_close_matches(function[1], FUNCTIONS, 1))
    named = _UNDEFINED.search(message)
    if named is None:
        return ""
    close = difflib.get_close_matches(named[0], _VARIABLES, 1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(_VARIABLES)}, and those set by `:=`"
