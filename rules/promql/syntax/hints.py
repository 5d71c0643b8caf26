"""What the author of an expression probably meant, for errors that say more than what is unexpected."""

from __future__ import annotations

from typing import Final

from rules.promql import dialects
from rules.promql.syntax.ast import Binary, Expr, NumberLiteral, VectorSelector
from rules.promql.syntax.lexer import AGGREGATORS, DURATION, END, IDENTIFIER, NUMBER
from rules.promql.syntax.signatures import FUNCTIONS
from rules.promql.syntax.tokens import TokenStream

EQUALS: Final = 'comparison is written "=="'
_BETWEEN: Final = frozenset(["^", "*", "/", "%", "+", "-", "==", "!=", "<", "<=", ">", ">=", "</", ">/", "atan2"])


def instead_of_operand(tokens: TokenStream) -> str:
    """The hint for a token where an operand should begin."""
    token, before = tokens.current, tokens.before
    texts = [each.text for each in before]
    if texts[-1:] == ["<"] and token.kind == ">":
        return 'what differs is written "!="'
    if texts[-1:] == ["%"] and len(before) == 2 and before[0].kind in (NUMBER, DURATION):
        return dialects.PERCENT
    if texts[-1:] == ["("] and token.kind == "*":
        return "name the metric: count(up)"
    if token.kind == "=":
        return EQUALS
    if token.kind in _BETWEEN:
        return f"{token.text} needs an expression on its left"
    if token.kind is END or token.kind == ")":
        return "an operand is missing"
    return ""


def after_expression(tokens: TokenStream, expr: Expr | None = None) -> str:
    """The hint for a token that cannot go on an expression; ``expr`` is what stands before it, if that is a complete one."""
    token = tokens.current
    kind = token.kind
    if kind == "=":
        other = tokens.following.kind
        return f'comparison is written "{other}="' if other in ("<", ">") else EQUALS
    first = _first_name(expr)
    if first and (hint := dialects.first_word(first)):
        return hint
    if _is_percentage(expr):
        return dialects.FOR if token.text.lower() == "for" else dialects.PERCENT
    if kind in (IDENTIFIER, "group"):
        before = tokens.before[-1:]
        if (
            before
            and before[0].kind in (NUMBER, DURATION)
            and (hint := dialects.unit(f"{before[0].text} {token.text}"))
        ):
            return hint
        if hint := dialects.word(token.text):
            return hint
        if before and before[0].text.lower() == "distinct":
            return dialects.function("distinct")
        if isinstance(expr, VectorSelector) and first and (first in FUNCTIONS or first in AGGREGATORS):
            return f"write {first}(...)"
    if kind == "," and tokens.before and tokens.before[-1].kind == NUMBER and tokens.following.kind == NUMBER:
        return f"digits are not separated: write {tokens.before[-1].text}{tokens.following.text}"
    if kind in ("by", "without"):
        return f"{kind} (labels) belongs to an aggregation such as sum, and only once"
    if kind == "(" and isinstance(expr, VectorSelector):
        return f"{expr.name} is no function or aggregation here"
    if kind == "{":
        return "labels stand right after a metric name"
    if kind in ("bool", "on", "ignoring", "group_left", "group_right"):
        return f"{kind} stands right after an operator"
    return ""


def _first_name(expr: Expr | None) -> str:
    """The metric that an expression begins with."""
    while isinstance(expr, Binary):
        expr = expr.lhs
    return (expr.name or "") if isinstance(expr, VectorSelector) else ""


def _is_percentage(expr: Expr | None) -> bool:
    """Whether an expression ends with a number, a percent sign right after it, and a word that was taken for a metric."""
    while isinstance(expr, Binary):
        if expr.op == "%" and isinstance(expr.lhs, NumberLiteral) and isinstance(expr.rhs, VectorSelector):
            return expr.op_span.start == expr.lhs.span.end
        expr = expr.rhs
    return False


def unknown_function(tokens: TokenStream) -> str:
    """The hint for a name before a parenthesis that is none of a function."""
    name = tokens.current.text
    ahead = tokens.ahead(4)
    if len(ahead) == 4 and ahead[2].kind == IDENTIFIER and ahead[3].kind == "=":
        return f"labels stand in braces: {name}{{{ahead[2].text}=...}}"
    return dialects.function(name) or similar_function(name)


def similar_function(name: str) -> str:
    """The hint for an unknown function."""
    # Costs 5 ms to import, and most expressions need none of it.
    from difflib import get_close_matches

    close = get_close_matches(name[:60].lower(), [*FUNCTIONS, *sorted(AGGREGATORS)], n=1)
    return f"did you mean {close[0]}?" if close else "the function may be misspelt, or newer than Prometheus 3.14"
