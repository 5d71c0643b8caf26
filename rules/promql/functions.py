"""The functions of PromQL, by name."""

from __future__ import annotations

from collections.abc import Sequence

from rules.promql import ast
from rules.promql.context import Context
from rules.promql.errors import UnsupportedFeature
from rules.promql.values import Value


def call(expr: ast.Call, args: Sequence[Value], context: Context) -> Value:
    """The value of a function call on evaluated arguments.

    Raises:
        PromQLError: the function is not supported, or fails on the data.
    """
    raise UnsupportedFeature(f"function {expr.func}", expr.span)
