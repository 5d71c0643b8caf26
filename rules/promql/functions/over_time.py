"""Aggregation of each series over its window: ``avg_over_time`` and its like.

Semantics: ``promql/functions.go`` of Prometheus 3, down to the order of the additions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rules.promql.compensated import Columns
from rules.promql.context import Context
from rules.promql.functions.arguments import Function, ranges, scalar
from rules.promql.functions.quantiles import doubt_quantile, of_sorted
from rules.promql.functions.windowed import nameless, over_windows, windowed
from rules.promql.kernels import _filled, compensated_sum, exact_sum, extreme
from rules.promql.summation import increment, incrementer
from rules.promql.syntax import ast
from rules.promql.values import Floats, InstantVector, Mask, Value, Windows

SCAN_CELLS = 1 << 15
"""Windows at a time for what goes through them sample by sample with several running columns."""


def _count(windows: Windows) -> tuple[Floats, Mask]:
    counts = windows.spread(windows.of_clocks().counts)
    return counts.astype(np.float64), counts > 0


def _present(windows: Windows) -> tuple[Floats, Mask]:
    there = _filled(windows)
    return np.ones(there.shape), there


def _first(windows: Windows) -> tuple[Floats, Mask]:
    return windows.values.take(windows.low, mode="clip"), _filled(windows)


def _last(windows: Windows) -> tuple[Floats, Mask]:
    return windows.values.take(windows.high - 1, mode="clip"), _filled(windows)


def _min(windows: Windows) -> tuple[Floats, Mask]:
    # NaN only where there is nothing else.
    return extreme(windows, np.fmin)


def _max(windows: Windows) -> tuple[Floats, Mask]:
    return extreme(windows, np.fmax)


def _sum(windows: Windows) -> tuple[Floats, Mask]:
    sums = exact_sum(windows)
    if sums is None:
        whole, lost = compensated_sum(windows)
        sums = np.where(np.isinf(whole), whole, whole + lost)
    return sums, _filled(windows)


def _avg(windows: Windows) -> tuple[Floats, Mask]:
    sums = exact_sum(windows)
    if sums is not None:
        return sums / windows.counts, _filled(windows)
    columns = Columns(windows)
    values = windows.values
    if incrementer(values, columns.longest) is increment:
        return columns.restored(_wary_avg(columns, values)), _filled(windows)
    whole, lost = compensated_sum(windows)
    counts = windows.counts
    return whole / counts + lost / counts, _filled(windows)


def _wary_avg(columns: Columns, values: Floats) -> Floats:
    """The mean where a sum may overflow: from there on the mean itself is carried along."""
    sums, lost, mean = np.zeros(columns.size), np.zeros(columns.size), np.zeros(columns.size)
    carried = np.zeros(columns.size, np.bool_)
    for nth, holding in columns:
        value = columns.take(values, nth, holding)
        if not nth:
            sums[:] = 0.0
            sums[:holding] = value
            continue
        some = slice(holding)
        count = nth + 1.0
        new, new_lost = increment(value, sums[some], lost[some])
        overflowing = ~carried[some] & np.isinf(new)
        mean[some] = np.where(overflowing, sums[some] / nth, mean[some])
        lost[some] = np.where(overflowing, lost[some] / nth, lost[some])
        carried[some] |= overflowing
        share = nth / count
        new_mean, mean_lost = increment(value / count, share * mean[some], share * lost[some])
        mean[some] = np.where(carried[some], new_mean, mean[some])
        sums[some] = np.where(carried[some], sums[some], new)
        lost[some] = np.where(carried[some], mean_lost, new_lost)
    counts = columns.counts
    return np.where(carried, mean + lost, sums / counts + lost / counts)


def _variance(windows: Windows) -> tuple[Floats, Mask]:
    """Welford's running mean and sum of squares, both compensated."""
    columns = Columns(windows)
    values = windows.values
    inc = incrementer(values, columns.longest, power=2)
    mean, mean_lost, squares, squares_lost = (np.zeros(columns.size) for _ in range(4))
    for nth, holding in columns:
        value = columns.take(values, nth, holding)
        some = slice(holding)
        delta = value - (mean[some] + mean_lost[some])
        mean[some], mean_lost[some] = inc(delta / (nth + 1.0), mean[some], mean_lost[some])
        delta *= value - (mean[some] + mean_lost[some])
        squares[some], squares_lost[some] = inc(delta, squares[some], squares_lost[some])
    return columns.restored((squares + squares_lost) / columns.counts), _filled(windows)


def _deviation(windows: Windows) -> tuple[Floats, Mask]:
    variance, present = _variance(windows)
    return np.sqrt(variance), present


def _last_over_time(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    return over_windows(expr, ranges(expr, args), context, _last, whole=True)


def _first_over_time(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    return over_windows(expr, ranges(expr, args), context, _first, whole=True)


def _quantile_over_time(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    q = scalar(expr, args, 0)

    def kernel(windows: Windows) -> tuple[Floats, Mask]:
        return of_sorted(windows, q), _filled(windows)

    found = over_windows(expr, ranges(expr, args, 1), context, kernel, cells=SCAN_CELLS, scan=1, timely=True)
    doubt_quantile(q[found.present.any(axis=0)], expr.args[0].span, context)
    return nameless(expr, found, context)


FUNCTIONS: dict[str, Function] = {
    "avg_over_time": windowed(_avg, cells=SCAN_CELLS, scan=1),
    "sum_over_time": windowed(_sum, cells=SCAN_CELLS, scan=1),
    "min_over_time": windowed(_min),
    "max_over_time": windowed(_max),
    "count_over_time": windowed(_count, whole=True),
    "present_over_time": windowed(_present, whole=True),
    "stddev_over_time": windowed(_deviation, cells=SCAN_CELLS, scan=1),
    "stdvar_over_time": windowed(_variance, cells=SCAN_CELLS, scan=1),
    "quantile_over_time": _quantile_over_time,
    # These two act like an offset and keep the metric name.
    "last_over_time": _last_over_time,
    "first_over_time": _first_over_time,
}
