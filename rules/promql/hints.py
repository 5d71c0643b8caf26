"""What the author of an expression probably meant, for errors that say more than what is unexpected."""

from __future__ import annotations

from typing import Final

from rules.promql.ast import Expr, VectorSelector
from rules.promql.lexer import AGGREGATORS, END, Token
from rules.promql.signatures import FUNCTIONS

EQUALS: Final = 'comparison is written "=="'
_BETWEEN: Final = frozenset(["^", "*", "/", "%", "+", "-", "==", "!=", "<", "<=", ">", ">=", "</", ">/", "atan2"])


def instead_of_operand(token: Token) -> str:
    """The hint for a token where an operand should begin."""
    if token.kind == "=":
        return EQUALS
    if token.kind in _BETWEEN:
        return f"{token.text} needs an expression on its left"
    if token.kind is END or token.kind == ")":
        return "an operand is missing"
    return ""


def after_expression(token: Token, expr: Expr) -> str:
    """The hint for a token that cannot go on a complete expression."""
    kind = token.kind
    if kind == "=":
        return EQUALS
    if kind in ("by", "without"):
        return f"{kind} (labels) belongs to an aggregation such as sum, and only once"
    if kind == "(" and isinstance(expr, VectorSelector):
        return f"{expr.name} is no function or aggregation here"
    if kind == "{":
        return "labels stand right after a metric name"
    if kind in ("bool", "on", "ignoring", "group_left", "group_right"):
        return f"{kind} stands right after an operator"
    return ""


def similar_function(name: str) -> str:
    """The hint for an unknown function."""
    # Costs 5 ms to import, and most expressions need none of it.
    from difflib import get_close_matches

    close = get_close_matches(name[:60].lower(), [*FUNCTIONS, *sorted(AGGREGATORS)], n=1)
    return f"did you mean {close[0]}?" if close else "the function may be misspelt, or newer than Prometheus 3.14"
