"""The evaluated arguments of a call, in the types that the parser has made sure of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from rules.promql.context import Context
from rules.promql.syntax import ast
from rules.promql.syntax.errors import EvaluationError
from rules.promql.values import Floats, InstantVector, RangeVector, Scalar, String, Value

Function = Callable[[ast.Call, Sequence[Value], Context], Value]
"""A function of the language: the call as written, its evaluated arguments, the evaluation."""

V = TypeVar("V", InstantVector, RangeVector, Scalar, String)


def _typed(kind: type[V], expr: ast.Call, args: Sequence[Value], place: int) -> V:
    value = args[place]
    if not isinstance(value, kind):
        raise EvaluationError(f"argument {place + 1} of {expr.func}() is of the wrong type", expr.args[place].span)
    return value


def vector(expr: ast.Call, args: Sequence[Value], place: int = 0) -> InstantVector:
    """An instant vector."""
    return _typed(InstantVector, expr, args, place)


def ranges(expr: ast.Call, args: Sequence[Value], place: int = 0) -> RangeVector:
    """A range vector."""
    return _typed(RangeVector, expr, args, place)


def scalar(expr: ast.Call, args: Sequence[Value], place: int) -> Floats:
    """A number at each instant, ``[T]``."""
    return _typed(Scalar, expr, args, place).values


def text(expr: ast.Call, args: Sequence[Value], place: int) -> str:
    """A string literal."""
    return _typed(String, expr, args, place).value
