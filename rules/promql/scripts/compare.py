"""Whether what an expression yielded is what a test script expects; the rules of Prometheus' ``promqltest``."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from rules.golang.floats import decimal
from rules.golang.quoting import quote
from rules.promql.context import Annotation, Severity
from rules.promql.engine import Result
from rules.promql.labels import METRIC_NAME
from rules.promql.scripts.commands import Eval, Series
from rules.promql.values import InstantVector, RangeVector, Scalar, String, is_stale

TOLERANCE = 1e-6
"""How far values may differ, relative to the sum of their sizes."""

_SMALLEST_NORMAL = sys.float_info.min

Key = tuple[tuple[str, str], ...]
Points = dict[int, float]


@dataclass(frozen=True, slots=True)
class Mismatch(Exception):
    """An expectation that does not hold.

    Attributes:
        reason: which one, in a line.
        diff: expected lines led by ``-``, the others by ``+``; empty if there is nothing to lay side by side.
    """

    reason: str
    diff: tuple[str, ...] = ()


def almost_equal(one: float, other: float, tolerance: float = TOLERANCE) -> bool:
    """Equality of values in tests: NaN equals NaN, a staleness marker only itself, zero only what is next to it."""
    stale = is_stale(np.array((one, other)))
    if stale.any():
        return bool(stale.all())
    if (math.isnan(one) and math.isnan(other)) or one == other:
        return True
    total, difference = abs(one) + abs(other), abs(one - other)
    if one == 0 or other == 0 or total < _SMALLEST_NORMAL:
        return difference < tolerance * _SMALLEST_NORMAL
    return difference / min(total, sys.float_info.max) < tolerance


def check_annotations(expected: Eval, annotations: Iterable[Annotation], expr: str) -> None:
    """Compares warnings and infos.

    Raises:
        Mismatch: one that is expected is missing, or one is there that is not expected.
    """
    found: dict[Severity, list[str]] = {Severity.WARNING: [], Severity.INFO: []}
    for annotation in annotations:
        found[annotation.severity].append(annotation_text(annotation, expr))
    for kind, forbidden, severity in (
        ("warn", "no_warn", Severity.WARNING),
        ("info", "no_info", Severity.INFO),
    ):
        texts = found[severity]
        wanted = expected.expects.get(kind, [])  # type: ignore[call-overload]
        if forbidden in expected.expects and texts:
            raise Mismatch(f"no {severity.value} expected, but got: {'; '.join(texts)}")
        for message in wanted:
            if not any(message.fits(text) for text in texts):
                raise Mismatch(f"expected the {severity.value} {str(message)!r}, but got: {'; '.join(texts) or 'none'}")
        for text in texts if wanted else ():
            if not any(message.fits(text) for message in wanted):
                raise Mismatch(f"unexpected {severity.value}: {text}")


def annotation_text(annotation: Annotation, expr: str) -> str:
    """An annotation as Prometheus shows it, with line and column of what it is about."""
    if annotation.span is None:
        return annotation.message
    before = expr[: annotation.span.start].encode()
    return f"{annotation.message} ({before.count(10) + 1}:{len(before) - before.rfind(10)})"


def check_failure(expected: Eval, message: str) -> None:
    """Compares the message of an error that was expected.

    Raises:
        Mismatch: it says something else.
    """
    wanted = expected.expects["fail"][0]
    if not wanted.fits(message):
        raise Mismatch("fails as expected, but says something else", (f"- {wanted}", f"+ {message}"))


def check_result(expected: Eval, result: Result) -> None:
    """Compares values.

    Raises:
        Mismatch: with both sides, series by series.
    """
    value = result.value
    if isinstance(value, String):
        if value.value != (expected.text or ""):
            raise Mismatch("the string differs", (f"- {quote(expected.text or '')}", f"+ {quote(value.value)}"))
        return
    if isinstance(value, Scalar) and not expected.is_range:
        check_scalar(expected, float(value.values[0]))
        return
    if expected.number is not None:
        raise Mismatch(f"expected the scalar {decimal(expected.number)}, but got series")
    found = series_of(result)
    if expected.is_range or isinstance(value, RangeVector):
        if expected.ordered:
            raise Mismatch("expected an order, but a range query has none")
        _compare(_expected_points(expected), found)
    else:
        check_vector(expected, result, result.times[0].item())


def check_scalar(expected: Eval, value: float) -> None:
    """Compares the one value of an instant query of a scalar."""
    if expected.number is None:
        raise Mismatch(f"expected series, but got the scalar {decimal(value)}")
    if not almost_equal(expected.number, value):
        raise Mismatch("the scalar differs", (f"- {decimal(expected.number)}", f"+ {decimal(value)}"))


def check_vector(expected: Eval, result: Result, time_ms: int) -> None:
    """Compares the instant vector at one of the instants of a result."""
    found = {key: {0: points[time_ms]} for key, points in series_of(result).items() if time_ms in points}
    wanted = {_key(series): _points(series.values[:1], series, 0, 1) for series in expected.series}
    _compare(wanted, found)
    if expected.ordered and list(wanted) != list(found):
        raise Mismatch("the order differs", _listing("-", wanted) + _listing("+", found))


def series_of(result: Result) -> dict[Key, Points]:
    """Samples by labels and time, in the order of the result."""
    value = result.value
    if isinstance(value, Scalar):
        return {(): dict(zip(result.times.tolist(), value.values.tolist(), strict=True))}
    if isinstance(value, InstantVector):
        times = result.times
        return {
            tuple(labels.items()): dict(zip(times[there].tolist(), values[there].tolist(), strict=True))
            for labels, values, there in zip(value.labels.rows(), value.values, value.present, strict=True)
        }
    if not isinstance(value, RangeVector) or not value.size:
        return {}
    windows, rows = value.windows(), value.series.labels.rows()
    found: dict[Key, Points] = {}
    for labels, low, high in zip(rows, windows.low[:, 0].tolist(), windows.high[:, 0].tolist(), strict=True):
        if high > low:
            samples = zip(windows.timestamps[low:high].tolist(), windows.values[low:high].tolist(), strict=True)
            found[tuple(labels.items())] = dict(samples)
    return found


def _key(series: Series) -> Key:
    return tuple(sorted(series.labels.items()))


def _points(values: np.ndarray, series: Series, start: int, step: int) -> Points:
    return {start + place * step: value for place, value in enumerate(values.tolist()) if series.present[place]}


def _expected_points(expected: Eval) -> dict[Key, Points]:
    for series in expected.series:
        if expected.start_ms + (len(series.values) - 1) * expected.step_ms > expected.end_ms:
            raise Mismatch(
                f"{len(series.values)} values are expected of {_name(_key(series))}, more than the range has"
            )
    return {
        _key(series): _points(series.values, series, expected.start_ms, expected.step_ms) for series in expected.series
    }


def _compare(wanted: Mapping[Key, Points], found: Mapping[Key, Points]) -> None:
    wrong: list[str] = []
    same = 0
    for key in dict.fromkeys((*wanted, *found)):
        want, got = wanted.get(key), found.get(key)
        if want is not None and got is not None and _agree(want, got):
            same += 1
            continue
        wrong += _listing("-", {} if want is None else {key: want}) + _listing("+", {} if got is None else {key: got})
    if wrong:
        raise Mismatch(f"the result differs ({same} series are as expected)", tuple(wrong))


def _agree(want: Points, got: Points) -> bool:
    return want.keys() == got.keys() and all(almost_equal(value, got[time]) for time, value in want.items())


def _listing(mark: str, series: Mapping[Key, Points]) -> tuple[str, ...]:
    return tuple(f"{mark} {_name(key)} {_values(points)}" for key, points in series.items())


def _values(points: Points) -> str:
    if len(points) == 1:
        return decimal(next(iter(points.values())))
    return " ".join(f"{decimal(value)}@{decimal(time / 1000)}s" for time, value in points.items())


def _name(key: Key) -> str:
    labels = dict(key)
    name = labels.pop(METRIC_NAME, "")
    inside = ", ".join(f"{label}={quote(value)}" for label, value in labels.items())
    return f"{name}{{{inside}}}" if inside or not name else name
