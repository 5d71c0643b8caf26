"""Diagnostics for people: the place, the line itself, what is underlined in it, and what to do."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

import orjson

from rules.diagnostics.model import Diagnostic, Severity, TextSpan

_WIDTH = 140
_COLOURS = {Severity.ERROR: "1;31", Severity.WARNING: "1;33", Severity.INFO: "1;36"}
_BOLD, _DIM, _HINT = "1", "2", "32"


def text_of(diagnostic: Diagnostic, source: str | None = None, *, colour: bool = False) -> str:
    """One diagnostic as ``file:line:column: error: message [code]``, with its line of ``source`` underlined below.

    ``colour`` adds a terminal's escape sequences.
    """

    def paint(text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if colour and text else text

    span = diagnostic.span
    place = paint(f"{_printable(diagnostic.file)}:{span.line}:{span.column}:", _BOLD)
    kind = paint(f"{diagnostic.severity.value}:", _COLOURS[diagnostic.severity])
    head = f"{place} {kind} {_printable(diagnostic.message)} {paint(f'[{diagnostic.code}]', _DIM)}"
    lines = [head]
    shown = _excerpt(source, span) if source is not None else None
    gutter = len(str(span.line)) + 3
    if shown:
        line, before, marks = shown
        lines.append(f"{paint(f'{span.line:>{gutter}} |', _DIM)} {line}")
        lines.append(f"{paint(' ' * gutter + ' |', _DIM)} {before}{paint(marks, _COLOURS[diagnostic.severity])}")
    if diagnostic.hint:
        lines.append(f"{' ' * (gutter - 1)} {paint('hint:', _HINT)} {_printable(diagnostic.hint)}")
    return "\n".join(lines)


def json_of(diagnostics: Iterable[Diagnostic], files: int, rules: int) -> bytes:
    """A JSON document: ``{"version": 1, "files", "rules", "diagnostics": [{code, severity, message, file, line, ...}]}``."""
    found = [
        {
            "code": each.code,
            "severity": each.severity.value,
            "message": each.message,
            "file": each.file,
            "line": each.span.line,
            "column": each.span.column,
            "end_line": each.span.end_line,
            "end_column": each.span.end_column,
            "rule": each.rule,
            "hint": each.hint,
        }
        for each in diagnostics
    ]
    document = {"version": 1, "files": files, "rules": rules, "diagnostics": found}
    return orjson.dumps(_clean(document), option=orjson.OPT_INDENT_2)


def summary(diagnostics: Iterable[Diagnostic], files: int, rules: int) -> str:
    """``3 files, 40 rules: 1 error, 2 warnings``; ``... : no faults`` where there are none, or ``nothing to check`` without a rule."""
    counts = Counter(each.severity for each in diagnostics)
    parts = [_count(counts[severity], severity.value) for severity in Severity if counts[severity]]
    return f"{_count(files, 'file')}, {_count(rules, 'rule')}: {', '.join(parts) or ('no faults' if rules else 'nothing to check')}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 or what == 'info' else 's'}"


def _excerpt(source: str, span: TextSpan) -> tuple[str, str, str] | None:
    """The first line of a span, the white space under it, and the marks; a long line is cut around the marks."""
    lines = _lines(source)
    if span.line > len(lines) or not lines[span.line - 1].strip():
        return None
    line = lines[span.line - 1]
    start = min(span.column - 1, len(line))
    end = min(span.end_column - 1, len(line)) if span.end_line == span.line else len(line.rstrip())
    first = max(0, min(start - 40, len(line) - _WIDTH)) if len(line) > _WIDTH else 0
    last = first + _WIDTH
    before, marked = line[first:start], line[start : min(max(end, start), last)]
    shown = ("..." if first else "") + line[first:last] + ("..." if len(line) > last else "")
    pad = (3 if first else 0) + _width(before)
    return _printable(shown), " " * pad, "^" * max(_width(marked), 1)


@lru_cache(maxsize=4)
def _lines(source: str) -> list[str]:
    """The lines of a file that many diagnostics may be about."""
    return source.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _width(text: str) -> int:
    """Columns of a terminal: ideographs take two, combining marks none."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)


def _printable(text: str) -> str:
    """A file's text cannot steer the terminal: control characters show as blanks."""
    return "".join(" " if unicodedata.category(each) in ("Cc", "Cf", "Cs") else each for each in text)


def _clean(value: object) -> object:
    """Lone surrogates stand for bytes that were no text; JSON has no place for them."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {key: _clean(each) for key, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, list) else value
