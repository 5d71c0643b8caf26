"""What is wrong with an expression given on the command line, and where."""

from __future__ import annotations

from rules.promql.syntax.errors import PromQLError


def placed(error: PromQLError, text: str) -> str:
    """An error with the line it is about, underlined."""
    if error.span is None:
        return error.message
    start = text.rfind("\n", 0, error.span.start) + 1
    line = text[start:].split("\n", maxsplit=1)[0]
    width = max(min(error.span.end - start, len(line)) - (error.span.start - start), 1)
    place = f"{text.count(chr(10), 0, start) + 1}:{error.span.start - start + 1}"
    hint = f"\n  {error.hint}" if error.hint else ""
    return f"{place}: {error.message}\n  {line}\n  {' ' * (error.span.start - start)}{'^' * width}{hint}"
