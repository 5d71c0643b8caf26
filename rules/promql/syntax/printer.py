"""Expressions as text: on one line as Prometheus prints them, and laid out over several."""

from __future__ import annotations

import re
from typing import Final, Literal

from rules.golang.durations import format_duration
from rules.golang.floats import decimal
from rules.promql.syntax.ast import (
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    Fragment,
    Matcher,
    Matching,
    MatrixSelector,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    Unary,
    VectorSelector,
)
from rules.promql.syntax.literals import quote

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_INDENT: Final = "  "


def to_text(expr: Expr) -> str:
    """The expression on one line, as Prometheus' ``Expr.String()`` has it: matchers sorted; only a quoted name stays quoted.

    A fragment, which has no notation, is its number: ``sum(<0>)``.
    """
    match expr:
        case NumberLiteral():
            return format_duration(round(expr.value * 1000)) if expr.duration else decimal(expr.value)
        case StringLiteral():
            return quote(expr.value)
        case VectorSelector():
            return _selector(expr) + _time(expr.at, expr.offset_ms)
        case MatrixSelector():
            inner = expr.selector
            return f"{_selector(inner)}[{format_duration(expr.range_ms)}]{_time(inner.at, inner.offset_ms)}"
        case Subquery():
            return to_text(expr.expr) + _subquery(expr)
        case Call():
            return f"{expr.func}({', '.join(map(to_text, expr.args))})"
        case Aggregate():
            return f"{_aggregation(expr)}({', '.join(map(to_text, _arguments(expr)))})"
        case Binary():
            return f"{to_text(expr.lhs)} {_operation(expr)} {to_text(expr.rhs)}"
        case Unary():
            return expr.op + to_text(expr.expr)
        case Paren():
            return f"({to_text(expr.expr)})"
        case Fragment():
            return f"<{expr.number}>"


def prettify(expr: Expr, width: int = 100) -> str:
    """The expression over as many lines as keep each part within ``width`` characters where it can be split; two blanks a level.

    The layout is that of ``promtool promql format``: operators on lines of their own, arguments below their function. Parsing
    the result gives the expression again.
    """
    return _pretty(expr, 0, width)


def _pretty(expr: Expr, level: int, width: int) -> str:
    indent = _INDENT * level
    if isinstance(expr, Unary):
        # The sign stays with its operand: both are one part.
        return indent + expr.op + _pretty(expr.expr, level, width).lstrip()
    line = to_text(expr)
    if len(line) <= width:
        return indent + line
    match expr:
        case Call(func=head, args=parts):
            return _block(head, parts, level, width)
        case Aggregate():
            return _block(_aggregation(expr), _arguments(expr), level, width)
        case Paren(expr=inner):
            return _block("", (inner,), level, width)
        case Binary():
            left, right = (_pretty(side, level + 1, width) for side in (expr.lhs, expr.rhs))
            return f"{left}\n{indent}{_operation(expr)}\n{right}"
        case Subquery(expr=inner):
            return _pretty(inner, level, width) + _subquery(expr)
        case _:
            return indent + line


def _block(head: str, parts: tuple[Expr, ...], level: int, width: int) -> str:
    indent = _INDENT * level
    inside = ",\n".join(_pretty(part, level + 1, width) for part in parts)
    return f"{indent}{head}(\n{inside}\n{indent})"


def _selector(expr: VectorSelector) -> str:
    if expr.name is None:
        return f"{{{_matchers(expr.matchers)}}}"
    inside = _matchers(expr.matchers[1:])
    if _METRIC.match(expr.name):
        return f"{expr.name}{{{inside}}}" if inside else expr.name
    name = quote(expr.name)
    return f"{{{name},{inside}}}" if inside else f"{{{name}}}"


def _matchers(matchers: tuple[Matcher, ...]) -> str:
    texts = list(map(_matcher, matchers))
    # Of a label that is matched twice, absent() heeds the order, which Prometheus' own printing loses.
    return ",".join(sorted(texts) if len({matcher.name for matcher in matchers}) == len(texts) else texts)


def _matcher(matcher: Matcher) -> str:
    name = matcher.name if _LABEL.match(matcher.name) else quote(matcher.name)
    return f"{name}{matcher.op.value}{quote(matcher.value)}"


def _time(at: int | Literal["start", "end"] | None, offset_ms: int) -> str:
    text = ""
    if isinstance(at, str):
        text = f" @ {at}()"
    elif at is not None:
        text = f" @ {at / 1000:.3f}"
    return f"{text} offset {format_duration(offset_ms)}" if offset_ms else text


def _subquery(expr: Subquery) -> str:
    step = "" if expr.step_ms is None else format_duration(expr.step_ms)
    return f"[{format_duration(expr.range_ms)}:{step}]{_time(expr.at, expr.offset_ms)}"


def _arguments(expr: Aggregate) -> tuple[Expr, ...]:
    return (expr.expr,) if expr.param is None else (expr.param, expr.expr)


def _aggregation(expr: Aggregate) -> str:
    if expr.without:
        return f"{expr.op} without ({_labels(expr.grouping)}) "
    return f"{expr.op} by ({_labels(expr.grouping)}) " if expr.grouping else expr.op


def _operation(expr: Binary) -> str:
    text = f"{expr.op} bool" if expr.return_bool else expr.op
    return text + _matching(expr.matching) if expr.matching is not None else text


def _matching(matching: Matching) -> str:
    grouped = matching.card in (Cardinality.MANY_TO_ONE, Cardinality.ONE_TO_MANY)
    text = ""
    if matching.labels or matching.on or grouped:
        text = f" {'on' if matching.on else 'ignoring'} ({_labels(matching.labels)})"
    if grouped:
        side = "left" if matching.card is Cardinality.MANY_TO_ONE else "right"
        text += f" group_{side} ({_labels(matching.include)})"
    return text


def _labels(labels: tuple[str, ...]) -> str:
    return ", ".join(label if _LABEL.match(label) else quote(label) for label in labels)
