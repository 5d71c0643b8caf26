"""Aggregation over series: sum, topk, quantile and the others."""

from __future__ import annotations

from rules.promql import ast
from rules.promql.context import Context
from rules.promql.errors import UnsupportedFeature
from rules.promql.values import InstantVector, Value


def aggregate(expr: ast.Aggregate, vector: InstantVector, param: Value | None, context: Context) -> InstantVector:
    """The value of an aggregation.

    Raises:
        PromQLError: the parameter is not valid.
    """
    raise UnsupportedFeature(f"aggregation {expr.op}", expr.span)
