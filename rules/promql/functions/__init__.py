"""The functions of PromQL, by name."""

from __future__ import annotations

from collections.abc import Sequence

from rules.promql.context import Context
from rules.promql.functions import (
    calendar,
    counters,
    elementwise,
    histograms,
    labelling,
    over_time,
    presence,
    regression,
)
from rules.promql.functions.arguments import Function
from rules.promql.syntax import ast
from rules.promql.syntax.errors import UnsupportedFeature
from rules.promql.syntax.signatures import FUNCTIONS as SIGNATURES
from rules.promql.values import Value

FUNCTIONS: dict[str, Function] = {
    **counters.FUNCTIONS,
    **over_time.FUNCTIONS,
    **regression.FUNCTIONS,
    **elementwise.FUNCTIONS,
    **calendar.FUNCTIONS,
    **labelling.FUNCTIONS,
    **presence.FUNCTIONS,
    **histograms.FUNCTIONS,
}

NATIVE_HISTOGRAMS = frozenset(
    {"histogram_avg", "histogram_count", "histogram_stddev", "histogram_stdvar", "histogram_sum"}
)


def call(expr: ast.Call, args: Sequence[Value], context: Context) -> Value:
    """The value of a function call on evaluated arguments.

    Raises:
        PromQLError: the function is not supported, or fails on the data.
    """
    function = FUNCTIONS.get(expr.func)
    if function is not None:
        return function(expr, args, context)
    if expr.func in NATIVE_HISTOGRAMS:
        raise UnsupportedFeature(
            f"{expr.func}() reads native histograms, which are not supported",
            expr.span,
            "classic histograms have their count and sum in series of their own: name_count, name_sum",
        )
    signature = SIGNATURES.get(expr.func)
    if signature is not None and signature.experimental:
        raise UnsupportedFeature(f"{expr.func}() is experimental in Prometheus and not supported", expr.span)
    raise UnsupportedFeature(f"unknown function {expr.func}()", expr.span)
