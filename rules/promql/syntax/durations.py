"""Durations after ``[``, ``:`` and ``offset``: literals, and the arithmetic on them which Prometheus calls experimental."""

from __future__ import annotations

from typing import Final

from rules.golang.durations import seconds
from rules.promql.syntax.errors import PromQLSyntaxError, Span
from rules.promql.syntax.features import Missing
from rules.promql.syntax.lexer import DURATION, NUMBER, Token
from rules.promql.syntax.literals import parse_number
from rules.promql.syntax.tokens import MAX_NESTING, TokenStream
from schemas.times import parse_duration

_LONGEST: Final = 2**63 / 1e9
_PRECEDENCE: Final = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 3}
_UNARY: Final = 3


class DurationParser:
    """Reads durations from a stream of tokens, and notes those that are calculated as missing."""

    def __init__(self, tokens: TokenStream, missing: Missing) -> None:
        self._tokens = tokens
        self._missing = missing
        self._depth = 0

    def positive(self, where: str) -> float | None:
        """A range or step in seconds, greater than zero; None if it is calculated."""
        start = self._tokens.current.start
        value = self._expression(1, where)
        if value is not None and not value > 0:
            raise PromQLSyntaxError(
                "duration must be greater than 0", Span(start, self._tokens.last_end), "write a range such as [5m]"
            )
        return value

    def offset(self) -> float | None:
        """An offset in seconds, of either sign; None if it is calculated.

        Unlike a range it ends with its first operand: ``x offset 5m + 1`` adds one to the shifted x.
        """
        first = self._tokens.current
        if first.kind in ("+", "-"):
            following = self._tokens.following.kind
            if following in ("+", "-"):
                return self._expression(1, "offset")
            self._tokens.advance()
            if following == "(":
                self._tokens.advance()
                value = self._expression(1, "offset")
                self._tokens.expect(")", "offset")
            else:
                value = self._operand("offset")
            return -value if value is not None and first.kind == "-" else value
        if first.kind == "(":
            return self._expression(1, "offset")
        return self._operand("offset")

    def _expression(self, least: int, where: str) -> float | None:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise PromQLSyntaxError(
                f"duration nested deeper than {MAX_NESTING} levels", self._tokens.current.span, "write it out"
            )
        start = self._tokens.current.start
        value: float | None
        sign = self._tokens.current
        if sign.kind in ("+", "-"):
            self._tokens.advance()
            value = self._expression(_UNARY, where)
            if value is not None and sign.kind == "-":
                value = -value
        else:
            value = self._operand(where)
        while (precedence := _PRECEDENCE.get(self._tokens.current.kind, 0)) >= least:
            operator = self._tokens.advance()
            right = self._expression(precedence if operator.kind == "^" else precedence + 1, where)
            if operator.kind in ("/", "%") and right == 0:
                what = "division" if operator.kind == "/" else "modulo"
                raise PromQLSyntaxError(f"{what} by zero", operator.span)
            self._calculated(start)
            value = None
        self._depth -= 1
        return value

    def _operand(self, where: str) -> float | None:
        token = self._tokens.current
        if token.kind in (NUMBER, DURATION):
            self._tokens.advance()
            value = literal(token)
            if abs(value) > _LONGEST:
                raise PromQLSyntaxError("duration out of range", token.span, "the longest is about 292 years")
            return value
        if token.kind == "(":
            self._tokens.advance()
            value_inside = self._expression(1, where)
            self._tokens.expect(")", where)
            self._calculated(token.start)
            return value_inside
        if token.kind in ("step", "range", "max_of", "min_of"):
            self._tokens.advance()
            self._tokens.expect("(", where)
            if token.kind in ("max_of", "min_of"):
                self._expression(1, where)
                self._tokens.expect(",", where)
                self._expression(1, where)
            self._tokens.expect(")", where)
            self._calculated(token.start)
            return None
        raise self._tokens.unexpected(where, "number or duration", "durations look like 30s, 5m, 1h30m, 7d")

    def _calculated(self, start: int) -> None:
        self._missing.note_duration("calculated durations are not supported", Span(start, self._tokens.last_end))


def literal(token: Token) -> float:
    """The value of a number, or of a duration in seconds.

    Raises:
        PromQLSyntaxError: if it is neither after all, or out of range.
    """
    try:
        return parse_number(token.text) if token.kind == NUMBER else seconds(parse_duration(token.text))
    except ValueError as error:
        hint = "durations are whole numbers, such as 1h30m" if "." in token.text else ""
        raise PromQLSyntaxError(str(error), token.span, hint) from error
