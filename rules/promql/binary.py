"""Binary operators on scalars and vectors.

Semantics: "Operators" of Prometheus' documentation. A comparison filters: it keeps the vector's own value (the left one's, of two
vectors), or with ``bool`` gives 0 and 1; arithmetic and ``bool`` drop the metric name. ``%`` is C's ``fmod``, ``^`` C's ``pow``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.promql.context import Context, without_name
from rules.promql.matching import joined, set_operation
from rules.promql.syntax import ast
from rules.promql.syntax.errors import EvaluationError
from rules.promql.values import Floats, InstantVector, Mask, Scalar, Value


def _power(base: Any, exponent: Any) -> NDArray[Any]:
    """C's ``pow``; numpy takes a square root for an exponent of one half, which is another number for -Inf and -0."""
    powers: NDArray[Any] = np.power(base, exponent)
    return np.where((exponent == 0.5) & (np.isneginf(base) | (base == 0)), np.abs(base), powers)


ARITHMETIC: dict[str, Callable[[Any, Any], NDArray[Any]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": _power,
    "atan2": np.arctan2,
}
COMPARISONS: dict[str, Callable[[Any, Any], NDArray[Any]]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}
SET_OPERATORS = frozenset({"and", "or", "unless"})


def binary(expr: ast.Binary, lhs: Value, rhs: Value, context: Context) -> Value:
    """The value of a binary operation.

    Raises:
        EvaluationError: the series of the two sides do not match as the modifiers say.
    """
    match lhs, rhs:
        case Scalar(), Scalar():
            values, kept = elementwise(expr.op, lhs.values, rhs.values)
            return Scalar(values if kept is None else kept.astype(np.float64))
        case InstantVector(), Scalar():
            return _with_scalar(expr, lhs, *elementwise(expr.op, lhs.values, rhs.values), context)
        case Scalar(), InstantVector():
            values, kept = elementwise(expr.op, lhs.values, rhs.values)
            return _with_scalar(expr, rhs, values if kept is None else rhs.values, kept, context)
        case InstantVector(), InstantVector():
            matching = expr.matching or ast.Matching()
            if expr.op in SET_OPERATORS:
                return set_operation(expr.op, matching, lhs, rhs, context)
            return joined(expr, matching, lhs, rhs, context, elementwise)
        case _:
            raise EvaluationError(f"operator {expr.op} works on scalars and instant vectors only", expr.op_span)


def elementwise(op: str, lhs: Floats, rhs: Floats) -> tuple[Floats, Mask | None]:
    """The result and, for a comparison, where it holds; a comparison's result is its left side."""
    if op in ARITHMETIC:
        return ARITHMETIC[op](lhs, rhs), None
    return lhs, COMPARISONS[op](lhs, rhs)


def _with_scalar(
    expr: ast.Binary, vector: InstantVector, values: Floats, kept: Mask | None, context: Context
) -> InstantVector:
    if kept is None:
        return without_name(InstantVector(vector.labels, values, vector.present, vector.drop_name), context)
    if expr.return_bool:
        truth = kept.astype(np.float64)
        return without_name(InstantVector(vector.labels, truth, vector.present, vector.drop_name), context)
    return InstantVector(vector.labels, values, vector.present & kept, vector.drop_name)
