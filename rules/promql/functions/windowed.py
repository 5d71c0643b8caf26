"""How a function of a range vector is evaluated: a kernel over the windows of some series at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rules.promql.context import SAME_LABELS, Context, without_name
from rules.promql.functions.arguments import Function, ranges
from rules.promql.syntax import ast
from rules.promql.syntax.errors import EvaluationError
from rules.promql.values import Floats, InstantVector, Mask, RangeVector, Value, Windows

# All windows advance by a sample together, and a step of few windows costs as much as one of so many.
_STEP = 500

Kernel = Callable[[Windows], tuple[Floats, Mask]]
"""Values of the windows and where there is one; each ``[n, T]`` or of a shape that broadcasts to it."""


def over_windows(
    expr: ast.Expr,
    windows: RangeVector,
    context: Context,
    kernel: Kernel,
    *,
    cells: int = 1 << 17,
    whole: bool = False,
    scan: int = 0,
    timely: bool = False,
) -> InstantVector:
    """The kernel's values over all series, named as before; series with none are left out.

    Args:
        cells: how many windows to hand to the kernel at a time, so that what it works on stays in the caches.
        whole: the kernel reads but a sample or two of each window: see :meth:`RangeVector.windows`.
        scan: how often the kernel goes through the samples of each window one by one; 0 if it is done with all windows at once.
        timely: the kernel reads more than the windows that differs from instant to instant.

    Raises:
        LimitExceeded: the result would be too large, or the windows hold too many samples to go through.
    """
    instants = len(windows.starts)
    if not windows.size:
        return InstantVector.empty(instants)
    context.reserve(windows.size, instants, expr.span)
    if windows.pinned and not timely:
        first = RangeVector(windows.series, windows.starts[:1], windows.ends[:1], windows.drop_name)
        once = over_windows(expr, first, context, kernel, cells=cells, whole=whole, scan=scan)
        return InstantVector(
            once.labels, once.values.repeat(instants, axis=1), once.present.repeat(instants, axis=1), once.drop_name
        )
    shape = (windows.size, instants)
    if windows.size * instants <= cells:
        part = windows.windows(whole=whole)
        context.spend(_scanned(part, scan), expr.span)
        found, there = kernel(part)
        values = found if found.shape == shape else np.broadcast_to(found, shape).copy()
        present = there if there.shape == shape else np.broadcast_to(there, shape).copy()
    else:
        values, present = np.empty(shape), np.empty(shape, np.bool_)
        for rows, part in windows.chunks_by_clock(cells, whole=whole):
            context.spend(_scanned(part, scan), expr.span)
            values[rows], present[rows] = kernel(part)
    return InstantVector(windows.series.labels, values, present, windows.drop_name).compact()


def _scanned(windows: Windows, scan: int) -> int:
    if not scan:
        return 0
    counts = windows.counts
    return scan * (int(counts.sum()) + _STEP * int(counts.max(initial=0)))


def nameless(expr: ast.Call, vector: InstantVector, context: Context) -> InstantVector:
    """The vector without its metric names.

    Raises:
        EvaluationError: two series differ in nothing but the name, at whatever instants they have values.
    """
    dropped = without_name(vector, context)
    if dropped.size != vector.size:
        raise EvaluationError(SAME_LABELS, expr.span)
    return dropped


def windowed(kernel: Kernel, *, cells: int = 1 << 17, whole: bool = False, scan: int = 0) -> Function:
    """The function of one range vector that has the kernel's values and no metric name."""

    def function(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
        found = over_windows(expr, ranges(expr, args), context, kernel, cells=cells, whole=whole, scan=scan)
        return nameless(expr, found, context)

    return function
