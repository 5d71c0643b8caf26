"""Evaluation of an expression at one instant or a whole range of them at once.

Semantics are Prometheus 3's: a selector takes the newest sample of ``(t - lookback, t]``, a range the samples of ``(t - range, t]``;
a staleness marker ends a series. Sources: "Querying basics", "Operators" and "Functions" of Prometheus' documentation, and the test
scripts of its ``promqltest`` package, all of which this engine runs (``tidemark promql test``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np

from rules.promql.aggregate import aggregate
from rules.promql.binary import binary
from rules.promql.context import SAME_LABELS, Annotation, Annotations, Context, Options, merged, without_name
from rules.promql.digests.functions import NEEDS, DigestedRange, finished
from rules.promql.functions import call
from rules.promql.functions.windowed import over_windows
from rules.promql.storage import DigestStorage, Storage, fragment
from rules.promql.syntax import ast
from rules.promql.syntax.errors import EvaluationError
from rules.promql.syntax.parser import parse
from rules.promql.values import (
    Floats,
    InstantVector,
    Mask,
    RangeVector,
    Scalar,
    SeriesSet,
    String,
    Times,
    Value,
    Windows,
    is_stale,
)

FURTHEST_MS = 1 << 62
"""Instants lie within this many milliseconds of 1970 (146 million years), so that an offset or a range never leads out of int64."""


@dataclass(frozen=True, slots=True)
class Result:
    """What an evaluation yields.

    Attributes:
        times: ``[T]`` instants in ms.
        value: in the type of the expression; series that are present at no instant are left out.
        annotations: remarks in the order they came up.
    """

    times: Times
    value: Value
    annotations: tuple[Annotation, ...]


def instant(expr: str | ast.Expr, storage: Storage, time_ms: int, options: Options | None = None) -> Result:
    """Evaluate at one instant (``/api/v1/query``): ``T`` is 1, and the order of the series means something after ``sort``.

    Raises:
        PromQLError: the expression is wrong, is not supported, or fails on the data.
    """
    _check_instants(time_ms, time_ms)
    return _run(expr, storage, np.array([time_ms], np.int64), options, time_ms)


def query_range(
    expr: str | ast.Expr,
    storage: Storage,
    start_ms: int,
    end_ms: int,
    step_ms: int,
    options: Options | None = None,
) -> Result:
    """Evaluate every ``step_ms`` from ``start_ms`` to ``end_ms`` at most (``/api/v1/query_range``).

    Raises:
        PromQLError: the expression is wrong, is not supported, yields no scalar or instant vector, or fails on the data.
        ValueError: the step is not positive, or the end is before the start.
    """
    if step_ms <= 0 or end_ms < start_ms:
        raise ValueError(f"no instants from {start_ms} to {end_ms} ms every {step_ms} ms")
    (options or Options()).reserve(1, (end_ms - start_ms) // step_ms + 1)
    _check_instants(start_ms, end_ms)
    times = np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64)
    return _run(_ranged(expr), storage, times, options, end_ms)


def at_instants(expr: str | ast.Expr, storage: Storage, times: Times, options: Options | None = None) -> Result:
    """Evaluate at the given ascending instants.

    Raises:
        PromQLError: as :func:`query_range`.
    """
    _check_instants(int(times[0]), int(times[-1]))
    return _run(_ranged(expr), storage, times, options, int(times[-1]))


def _check_instants(first_ms: int, last_ms: int) -> None:
    if not -FURTHEST_MS <= first_ms <= last_ms <= FURTHEST_MS:
        raise EvaluationError(
            f"instants from {first_ms} to {last_ms} ms are out of bounds", None, "they are ms since 1970"
        )


def _ranged(expr: str | ast.Expr) -> ast.Expr:
    tree = parse(expr) if isinstance(expr, str) else expr
    if tree.type not in (ast.ValueType.SCALAR, ast.ValueType.VECTOR):
        raise EvaluationError(
            f'invalid expression type "{tree.type.value}" for range query, must be Scalar or instant Vector', tree.span
        )
    return tree


def _run(expr: str | ast.Expr, storage: Storage, times: Times, options: Options | None, end_ms: int) -> Result:
    tree = parse(expr) if isinstance(expr, str) else expr
    context = Context(storage, times, int(times[0]), end_ms, options or Options(), Annotations())
    with np.errstate(all="ignore"):
        value = _finished(evaluate(tree, context))
    return Result(times, value, tuple(context.annotations.found))


def _finished(value: Value) -> Value:
    match value:
        case InstantVector():
            shown = InstantVector(value.visible_labels(), value.values, value.present)
            return merged(shown.compact())
        case RangeVector():
            labels = InstantVector(
                value.series.labels, np.empty((value.size, 0)), np.empty((value.size, 0), np.bool_), value.drop_name
            ).visible_labels()
            if labels.has_duplicates():
                raise EvaluationError(SAME_LABELS)
            series = value.series
            return RangeVector(
                SeriesSet(labels, series.timestamps, series.values, series.begin, series.end, series.clocks),
                value.starts,
                value.ends,
            )
        case _:
            return value


def evaluate(expr: ast.Expr, context: Context) -> Value:
    """The value of one node of a tree.

    Raises:
        PromQLError: the node is not supported, or fails on the data.
    """
    match expr:
        case ast.NumberLiteral():
            return Scalar(np.full(context.instants, expr.value))
        case ast.StringLiteral():
            return String(expr.value)
        case ast.Paren():
            return evaluate(expr.expr, context)
        case ast.Unary():
            return _unary(expr, context)
        case ast.VectorSelector():
            return select(expr, context)
        case ast.MatrixSelector():
            return _matrix(expr, context)
        case ast.Subquery():
            return _subquery(expr, context)
        case ast.Call(func="timestamp", args=(argument,)) if isinstance(
            selector := ast.unwrap(argument), ast.VectorSelector
        ):
            return without_name(select(selector, context, timestamps=True), context)
        case ast.Call():
            found = _of_digests(expr, context) if expr.func in NEEDS else None
            if found is not None:
                return found
            return call(expr, [evaluate(argument, context) for argument in expr.args], context)
        case ast.Aggregate():
            param = None if expr.param is None else evaluate(expr.param, context)
            return aggregate(expr, _vector(expr.expr, context), param, context)
        case ast.Binary():
            return binary(expr, evaluate(expr.lhs, context), evaluate(expr.rhs, context), context)
        case ast.Fragment():
            return fragment(context.storage, expr.number, context.times)


def _vector(expr: ast.Expr, context: Context) -> InstantVector:
    value = evaluate(expr, context)
    if not isinstance(value, InstantVector):
        raise EvaluationError(f"expected an instant vector, got {expr.type.value}", expr.span)
    return value


def _unary(expr: ast.Unary, context: Context) -> Value:
    value = evaluate(expr.expr, context)
    if expr.op == "+":
        return value
    if isinstance(value, Scalar):
        return Scalar(-value.values)
    if not isinstance(value, InstantVector):
        raise EvaluationError(f"unary minus on {expr.expr.type.value}", expr.span)
    return without_name(InstantVector(value.labels, -value.values, value.present, value.drop_name), context)


def _looked_at(at: int | Literal["start", "end"] | None, offset_ms: int, context: Context) -> Times:
    """The instants that a selector looks at: those of the evaluation, or the one of its ``@``, less its offset."""
    if at is None:
        return context.times - offset_ms
    fixed = context.start_ms if at == "start" else context.end_ms if at == "end" else at
    return np.full(context.instants, min(max(fixed, -FURTHEST_MS), FURTHEST_MS) - offset_ms, np.int64)


def select(selector: ast.VectorSelector, context: Context, *, timestamps: bool = False) -> InstantVector:
    """The newest sample of each series at each instant, no older than the lookback; its time in seconds with ``timestamps``."""
    times = _looked_at(selector.at, selector.offset_ms, context)
    since = times - context.options.lookback_ms
    if timestamps and selector.at is not None:
        # Prometheus' `timestamp` puts the distance to an `@` in the place of the offset, yet reads no more samples than with it.
        times, since = np.minimum(times, times + selector.offset_ms), np.maximum(since, since + selector.offset_ms)
    series = context.storage.select(selector.matchers, int(since.min()), int(times.max()), stale=True)

    def newest(windows: Windows) -> tuple[Floats, Mask]:
        last = windows.high - 1
        values = windows.values.take(last, mode="clip")
        shared = windows.of_clocks()
        present = windows.spread(shared.counts > 0) & ~is_stale(values)
        if timestamps:
            values = windows.spread(shared.timestamps.take(shared.high - 1, mode="clip") / 1000.0)
        return values, present

    return over_windows(selector, RangeVector(series, since, times), context, newest, whole=True)


def _matrix(expr: ast.MatrixSelector, context: Context) -> RangeVector:
    starts, ends = _bounds(expr, context)
    series = context.storage.select(expr.selector.matchers, int(starts.min()), int(ends.max()), stale=False)
    return RangeVector(series, starts, ends)


def _bounds(expr: ast.MatrixSelector, context: Context) -> tuple[Times, Times]:
    ends = _looked_at(expr.selector.at, expr.selector.offset_ms, context)
    return ends - expr.range_ms, ends


def _of_digests(expr: ast.Call, context: Context) -> InstantVector | None:
    """The value of a function of a range whose store has digests of its windows; None if samples have to be asked for."""
    ranged = ast.unwrap(expr.args[0])
    # Checking for the protocol itself takes longer than many answers.
    if not isinstance(ranged, ast.MatrixSelector) or not hasattr(context.storage, "digests"):
        return None
    storage = cast(DigestStorage, context.storage)
    starts, ends = _bounds(ranged, context)
    if ranged.selector.at is not None:
        # One window for all instants.
        starts, ends = starts[:1], ends[:1]
    found = storage.digests(ranged.selector.matchers, starts, ends, NEEDS[expr.func])
    if found is None:
        return None
    numbers = [evaluate(argument, context) for argument in expr.args[1:]]
    return finished(expr, DigestedRange(*found, starts, ends), numbers, context)


def _subquery(expr: ast.Subquery, context: Context) -> RangeVector:
    ends = _looked_at(expr.at, expr.offset_ms, context)
    starts = ends - expr.range_ms
    step = expr.step_ms or context.options.default_step_ms
    first = (int(starts.min()) // step + 1) * step
    last = int(ends.max())
    if last < first:
        return RangeVector(_empty_series(), starts, ends)
    context.reserve(1, (last - first) // step + 1, expr.span)
    times = np.arange(first, last + 1, step, dtype=np.int64)
    inner = replace(context, times=times)
    vector = _vector(expr.expr, inner).compact()
    return RangeVector(_as_series(vector, times), starts, ends, vector.drop_name)


def _as_series(vector: InstantVector, times: Times) -> SeriesSet:
    counts = vector.present.sum(axis=1, dtype=np.int64)
    ends = np.cumsum(counts)
    if (counts == len(times)).all():
        clocks = np.zeros(vector.size, np.int64)
    else:
        clocks = np.arange(vector.size, dtype=np.int64)
    when = np.broadcast_to(times, vector.present.shape)[vector.present]
    return SeriesSet(vector.labels, when, vector.values[vector.present], ends - counts, ends, clocks)


def _empty_series() -> SeriesSet:
    return _as_series(InstantVector.empty(1), np.zeros(1, np.int64))
