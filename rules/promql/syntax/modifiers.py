"""What stands after an operand: ranges and subqueries, ``offset`` and ``@``."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

from rules.promql.syntax.ast import Aggregate, Call, Expr, MatrixSelector, Paren, Subquery, VectorSelector
from rules.promql.syntax.durations import DurationParser, literal
from rules.promql.syntax.errors import PromQLSyntaxError, Span
from rules.promql.syntax.features import Missing
from rules.promql.syntax.lexer import DURATION, NUMBER
from rules.promql.syntax.literals import MS, nanoseconds, round_half_away
from rules.promql.syntax.tokens import TokenStream
from rules.promql.syntax.typecheck import check_subquery

MODIFIERS: Final = frozenset({"[", "offset", "@", "anchored", "smoothed"})
_TIMED = (VectorSelector, MatrixSelector, Subquery)
_Timed = VectorSelector | MatrixSelector | Subquery


@dataclass(slots=True)
class _Time:
    """What has been said about the operand's time; an offset of zero does not count as said, nor does start() before a range."""

    offset_ns: int = 0
    calculated_offset: bool = False
    at: int | Literal["start", "end"] | None = None


class ModifierParser:
    """Reads the modifiers of one operand after another."""

    def __init__(self, tokens: TokenStream, text: str, missing: Missing) -> None:
        self._tokens = tokens
        self._text = text
        self._missing = missing
        self._durations = DurationParser(tokens, missing)

    def apply(self, expr: Expr) -> tuple[Expr, int]:
        """The operand with the modifiers that stand here, and how many subqueries they put around it.

        Raises:
            PromQLSyntaxError: for a modifier that is incomplete, repeated or not allowed on its operand.
        """
        time = _Time()
        subqueries = 0
        while (kind := self._tokens.current.kind) in MODIFIERS:
            if kind == "[":
                expr = self._range(expr, time)
                if isinstance(expr, Subquery):
                    time = _Time()
                    subqueries += 1
            elif kind == "offset":
                expr = self._offset(expr, time)
            elif kind == "@":
                expr = self._at(expr, time)
            else:
                token = self._tokens.advance()
                self._missing.note_flag(
                    f"modifier {kind} is not supported", token.span, "promql-extended-range-selectors"
                )
        return expr, subqueries

    def _range(self, expr: Expr, time: _Time) -> MatrixSelector | Subquery:
        tokens = self._tokens
        bracket = tokens.advance()
        range_ms = nanoseconds(self._durations.positive("range or subquery") or 0) // MS
        if tokens.current.kind == ":":
            tokens.advance()
            step_ms = 0
            if tokens.current.kind != "]":
                step_ms = nanoseconds(self._durations.positive("subquery step") or 0) // MS
            tokens.expect("]", "subquery")
            check_subquery(expr)
            return Subquery(expr, range_ms, step_ms or None, span=Span(expr.span.start, tokens.last_end))
        tokens.expect("]", "range")
        where = Span(bracket.start, tokens.last_end)
        text = self._text[bracket.start : tokens.last_end]
        if not isinstance(expr, VectorSelector):
            hint = f"a subquery takes any expression: write {text[:-1]}:]"
            raise PromQLSyntaxError("ranges only allowed for vector selectors", where, hint)
        hint = f"write {text} right after the selector"
        if time.offset_ns:
            raise PromQLSyntaxError("no offset modifiers allowed before range", where, hint)
        if isinstance(time.at, int):
            raise PromQLSyntaxError("no @ modifiers allowed before range", where, hint)
        return MatrixSelector(expr, range_ms, Span(expr.span.start, tokens.last_end))

    def _offset(self, expr: Expr, time: _Time) -> Expr:
        start = self._tokens.advance().start
        value = self._durations.offset()
        span = Span(start, self._tokens.last_end)
        target = _timed(expr, "offset", span)
        if time.offset_ns or time.calculated_offset:
            raise PromQLSyntaxError("offset may not be set multiple times", span, "keep one offset")
        if value is None:
            time.calculated_offset = True
            return expr
        if math.isnan(value):
            raise PromQLSyntaxError("NaN is no duration", span)
        time.offset_ns = nanoseconds(value)
        offset_ms = abs(time.offset_ns) // MS * (-1 if time.offset_ns < 0 else 1)
        whole = Span(expr.span.start, span.end)
        if isinstance(target, MatrixSelector):
            return replace(target, selector=replace(target.selector, offset_ms=offset_ms), span=whole)
        return replace(target, offset_ms=offset_ms, span=whole)

    def _at(self, expr: Expr, time: _Time) -> Expr:
        start = self._tokens.advance().start
        at = self._instant()
        span = Span(start, self._tokens.last_end)
        target = _timed(expr, "@", span)
        if time.at is not None:
            raise PromQLSyntaxError("@ <timestamp> may not be set multiple times", span, "keep one @")
        time.at = at
        whole = Span(expr.span.start, span.end)
        if isinstance(target, MatrixSelector):
            return replace(target, selector=replace(target.selector, at=at), span=whole)
        return replace(target, at=at, span=whole)

    def _instant(self) -> int | Literal["start", "end"]:
        tokens = self._tokens
        sign = tokens.advance().kind if tokens.current.kind in ("+", "-") else ""
        token = tokens.current
        if token.kind in (NUMBER, DURATION):
            tokens.advance()
            value = literal(token)
            if not abs(value) < 2**63:
                raise PromQLSyntaxError(f"timestamp out of bounds for @ modifier: {value}", token.span)
            return round_half_away((-value if sign == "-" else value) * 1000)
        if token.kind in ("start", "end") and not sign:
            tokens.advance()
            tokens.expect("(", "@", f"write {token.kind}()")
            tokens.expect(")", "@", f"write {token.kind}()")
            return "start" if token.kind == "start" else "end"
        raise tokens.unexpected("@", "timestamp", "write seconds since 1970, start() or end()")


def _timed(expr: Expr, modifier: str, span: Span) -> _Timed:
    if isinstance(expr, _TIMED):
        return expr
    hint = "write it after the selector"
    if isinstance(expr, (Call, Aggregate, Paren)):
        hint += f", inside the parentheses: {modifier} shifts what is read, not what is calculated"
    raise PromQLSyntaxError(
        f"{modifier} modifier must be preceded by an instant vector selector or range vector selector or a subquery",
        span,
        hint,
    )
