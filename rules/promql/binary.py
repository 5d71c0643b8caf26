"""Binary operators on scalars and vectors, with vector matching."""

from __future__ import annotations

from rules.promql import ast
from rules.promql.context import Context
from rules.promql.errors import UnsupportedFeature
from rules.promql.values import Value


def binary(expr: ast.Binary, lhs: Value, rhs: Value, context: Context) -> Value:
    """The value of a binary operation.

    Raises:
        PromQLError: the sides do not match as the modifiers say.
    """
    raise UnsupportedFeature(f"operator {expr.op}", expr.op_span)
