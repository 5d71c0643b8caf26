"""Functions of single values: rounding, powers and logarithms, trigonometry, clamping.

Semantics: ``simpleFloatFunc`` and ``clamp`` of Prometheus 3's ``promql/functions.go``, and Go's ``math``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rules.promql.context import Context, without_name
from rules.promql.functions.arguments import Function, scalar, vector
from rules.promql.syntax import ast
from rules.promql.values import Floats, InstantVector, Scalar, Value


def mapped(values: InstantVector, results: Floats, context: Context) -> InstantVector:
    """The vector with other values and without metric names."""
    return without_name(InstantVector(values.labels, results, values.present, values.drop_name), context)


def _each(function: Callable[[Floats], Floats]) -> Function:
    def call(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
        values = vector(expr, args)
        return mapped(values, function(values.values), context)

    return call


def _rad(degrees: Floats) -> Floats:
    return degrees * np.pi / 180


def _deg(radians: Floats) -> Floats:
    return radians * 180 / np.pi


def _sgn(values: Floats) -> Floats:
    return np.where(values < 0, -1.0, np.where(values > 0, 1.0, values))


def _round(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    values = vector(expr, args)
    # A product with the inverse shows fewer digits of noise than a quotient.
    inverse = 1.0 / scalar(expr, args, 1) if len(args) > 1 else np.ones(1)
    return mapped(values, np.floor(values.values * inverse + 0.5) / inverse, context)


def _least(one: Floats, other: Floats) -> Floats:
    # Go's math.Min: -Inf wins even over NaN.
    return np.where((one == -np.inf) | (other == -np.inf), -np.inf, np.minimum(one, other))


def _greatest(one: Floats, other: Floats) -> Floats:
    return np.where((one == np.inf) | (other == np.inf), np.inf, np.maximum(one, other))


def _clamped(values: InstantVector, low: Floats, high: Floats, context: Context) -> InstantVector:
    results = _greatest(low, _least(high, values.values))
    present = values.present & ~(high < low)
    return without_name(InstantVector(values.labels, results, present, values.drop_name), context)


def _clamp(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    return _clamped(vector(expr, args), scalar(expr, args, 1), scalar(expr, args, 2), context)


def _clamp_min(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    low = scalar(expr, args, 1)
    return _clamped(vector(expr, args), low, np.full(len(low), np.inf), context)


def _clamp_max(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    high = scalar(expr, args, 1)
    return _clamped(vector(expr, args), np.full(len(high), -np.inf), high, context)


def _pi(expr: ast.Call, args: Sequence[Value], context: Context) -> Scalar:
    return Scalar(np.full(context.instants, np.pi))


FUNCTIONS: dict[str, Function] = {
    "abs": _each(np.abs),
    "ceil": _each(np.ceil),
    "floor": _each(np.floor),
    "exp": _each(np.exp),
    "sqrt": _each(np.sqrt),
    "ln": _each(np.log),
    "log2": _each(np.log2),
    "log10": _each(np.log10),
    "sgn": _each(_sgn),
    "sin": _each(np.sin),
    "cos": _each(np.cos),
    "tan": _each(np.tan),
    "asin": _each(np.arcsin),
    "acos": _each(np.arccos),
    "atan": _each(np.arctan),
    "sinh": _each(np.sinh),
    "cosh": _each(np.cosh),
    "tanh": _each(np.tanh),
    "asinh": _each(np.arcsinh),
    "acosh": _each(np.arccosh),
    "atanh": _each(np.arctanh),
    "rad": _each(_rad),
    "deg": _each(_deg),
    "pi": _pi,
    "round": _round,
    "clamp": _clamp,
    "clamp_min": _clamp_min,
    "clamp_max": _clamp_max,
}
