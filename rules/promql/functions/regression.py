"""Least squares over windows: ``deriv`` and ``predict_linear``.

Semantics: ``linearRegression`` of Prometheus 3's ``promql/functions.go``: compensated sums, and a constant series has slope 0 exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rules.promql.compensated import Columns, totals
from rules.promql.context import Context
from rules.promql.functions.arguments import Function, ranges, scalar
from rules.promql.functions.over_time import SCAN_CELLS
from rules.promql.functions.windowed import nameless, over_windows
from rules.promql.kernels import count_steps
from rules.promql.summation import incrementer
from rules.promql.syntax import ast
from rules.promql.values import Floats, InstantVector, Mask, Times, Value, Windows

# Times and values, each in sums of two kinds.
_SCAN = 6


def line(windows: Windows, origins: Times) -> tuple[Floats, Floats, Mask]:
    """Slope per second and value at the origin of the line through each window, and which windows have two samples or more.

    Args:
        origins: where the line is read, ms; ``[C, T]`` of the clocks, or what broadcasts to it.
    """
    shared = windows.of_clocks()
    there: Mask = windows.spread(shared.counts >= 2)
    sum_x, sum_xx = (windows.spread(sums) for sums in _sums_of_time(shared, origins))
    whole_y, whole_xy = _sums_of_values(windows, windows.spread(np.broadcast_to(origins, shared.low.shape)))

    counts = windows.counts
    covariance = whole_xy - sum_x * whole_y / counts
    slope = covariance / (sum_xx - sum_x * sum_x / counts)
    intercept = whole_y / counts - slope * sum_x / counts
    values = windows.values
    first = values.take(windows.low, mode="clip")
    constant = count_steps(windows, values[1:] != values[:-1]) == 0
    undefined = np.isinf(first)
    slope = np.where(constant, np.where(undefined, np.nan, 0.0), slope)
    intercept = np.where(constant, np.where(undefined, np.nan, first), intercept)
    return slope, intercept, there


def _seconds_from(origins: Times, timestamps: Times) -> Floats:
    seconds: Floats = (timestamps - origins) / 1e3
    return seconds


def _reach(windows: Windows, origins: Times) -> float:
    times = windows.timestamps
    if not len(times):
        return 0.0
    return max(abs(int(times.max()) - int(origins.min())), abs(int(times.min()) - int(origins.max()))) / 1e3


def _sums_of_time(windows: Windows, origins: Times) -> tuple[Floats, Floats]:
    columns = Columns(windows)
    origin = columns.arranged(origins)

    def terms(nth: int, holding: int) -> Floats:
        x = _seconds_from(origin[:holding], columns.take(windows.timestamps, nth, holding))
        return _both(x, x * x)

    sums, lost = totals(columns, terms, incrementer(np.empty(0), columns.longest), (2,))
    sums += lost
    return columns.restored(sums[0]), columns.restored(sums[1])


def _both(one: Floats, other: Floats) -> Floats:
    pair = np.empty((2, len(one)))
    pair[0] = one
    pair[1] = other
    return pair


def _sums_of_values(windows: Windows, origins: Times) -> tuple[Floats, Floats]:
    columns = Columns(windows)
    origin = columns.arranged(origins)

    def terms(nth: int, holding: int) -> Floats:
        y = columns.take(windows.values, nth, holding)
        x = _seconds_from(origin[:holding], columns.take(windows.timestamps, nth, holding))
        return _both(y, x * y)

    furthest = max(_reach(windows, origins), 1.0)
    inc = incrementer(windows.values * furthest, columns.longest)
    sums, lost = totals(columns, terms, inc, (2,))
    sums += lost
    return columns.restored(sums[0]), columns.restored(sums[1])


def _deriv(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    def kernel(windows: Windows) -> tuple[Floats, Mask]:
        shared = windows.of_clocks()
        slope, _, there = line(windows, shared.timestamps.take(shared.low, mode="clip"))
        return slope, there

    return nameless(
        expr, over_windows(expr, ranges(expr, args), context, kernel, cells=SCAN_CELLS, scan=_SCAN), context
    )


def _predict_linear(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    ahead = scalar(expr, args, 1)
    pinned = ast.unwrap(expr.args[0])
    if isinstance(pinned, ast.Subquery) and pinned.at is not None:
        # Prometheus takes the samples of one with `@` for a vector at the instant, and finds none.
        return InstantVector.empty(context.instants)

    def kernel(windows: Windows) -> tuple[Floats, Mask]:
        # From the instant of the evaluation, whatever the offset of the range.
        slope, intercept, there = line(windows, context.times[None, :])
        return slope * ahead + intercept, there

    return nameless(
        expr,
        over_windows(expr, ranges(expr, args), context, kernel, cells=SCAN_CELLS, scan=_SCAN, timely=True),
        context,
    )


FUNCTIONS: dict[str, Function] = {"deriv": _deriv, "predict_linear": _predict_linear}
