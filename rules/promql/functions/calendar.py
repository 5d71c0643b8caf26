"""The time of evaluation, and the parts of a date: all in UTC.

Semantics: ``dateWrapper`` of Prometheus 3's ``promql/functions.go`` and Go's ``time``, which holds for every 64-bit number of seconds;
the calendar is computed as in "chrono-Compatible Low-Level Date Algorithms" (H. Hinnant).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rules.promql.context import Context
from rules.promql.functions.arguments import Function, vector
from rules.promql.functions.elementwise import mapped
from rules.promql.labels import LabelFrame
from rules.promql.syntax import ast
from rules.promql.values import Floats, InstantVector, Scalar, Value

Ints = NDArray[np.int64]

DAY = 86_400
ERA_DAYS = 146_097
ERA_YEARS = 400
# Whole eras before year 0 that make every 64-bit second a positive number; Go counts from the same year.
_ERAS = 730_692_556
_EPOCH = (719_468 + _ERAS * ERA_DAYS) * DAY


def _seconds(values: Floats) -> Ints:
    # What a conversion gives on x86 for a number that does not fit, and so in Prometheus.
    fits = np.abs(values) < 2.0**63
    return np.where(fits, np.where(fits, values, 0.0).astype(np.int64), np.iinfo(np.int64).min)


def _split(seconds: Ints) -> tuple[Ints, Ints]:
    """Days since the 1st of March of the first year of an era, and seconds of the day."""
    absolute = seconds.view(np.uint64) + np.uint64(_EPOCH)
    return (absolute // np.uint64(DAY)).view(np.int64), (absolute % np.uint64(DAY)).view(np.int64)


def _date(seconds: Ints) -> tuple[Ints, Ints, Ints]:
    """Year, month and day of the month."""
    days, _ = _split(seconds)
    era, day = np.divmod(days, ERA_DAYS)
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    of_year = day - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    month = np.where(shifted < 10, shifted + 3, shifted - 9)
    return (era - _ERAS) * ERA_YEARS + year + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def _leap(year: Ints) -> NDArray[np.bool_]:
    leap: NDArray[np.bool_] = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    return leap


_LENGTHS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_BEFORE = np.cumsum(_LENGTHS) - _LENGTHS


def _minute(seconds: Ints) -> Ints:
    return _split(seconds)[1] % 3600 // 60


def _hour(seconds: Ints) -> Ints:
    return _split(seconds)[1] // 3600


def _day_of_week(seconds: Ints) -> Ints:
    # The 1st of March of the first year of an era is a Wednesday.
    return (_split(seconds)[0] + 3) % 7


def _day_of_month(seconds: Ints) -> Ints:
    return _date(seconds)[2]


def _day_of_year(seconds: Ints) -> Ints:
    year, month, day = _date(seconds)
    found: Ints = _BEFORE[month] + day + ((month > 2) & _leap(year))
    return found


def _days_in_month(seconds: Ints) -> Ints:
    year, month, _ = _date(seconds)
    found: Ints = _LENGTHS[month] + ((month == 2) & _leap(year))
    return found


def _month(seconds: Ints) -> Ints:
    return _date(seconds)[1]


def _year(seconds: Ints) -> Ints:
    return _date(seconds)[0]


def _of_date(part: Callable[[Ints], Ints]) -> Function:
    def call(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
        if not args:
            results = part(_seconds(context.times / 1000.0)).astype(np.float64)[None, :]
            return InstantVector(LabelFrame(1, {}), results, np.ones(results.shape, np.bool_))
        values = vector(expr, args)
        return mapped(values, part(_seconds(values.values)).astype(np.float64), context)

    return call


def _time(expr: ast.Call, args: Sequence[Value], context: Context) -> Scalar:
    return Scalar(context.times / 1000.0)


def _timestamp(expr: ast.Call, args: Sequence[Value], context: Context) -> InstantVector:
    """Of anything but a selector, which the engine sees to: what is computed has the time of its evaluation."""
    values = vector(expr, args)
    return mapped(values, np.broadcast_to(context.times / 1000.0, values.values.shape).copy(), context)


FUNCTIONS: dict[str, Function] = {
    "minute": _of_date(_minute),
    "hour": _of_date(_hour),
    "day_of_week": _of_date(_day_of_week),
    "day_of_month": _of_date(_day_of_month),
    "day_of_year": _of_date(_day_of_year),
    "days_in_month": _of_date(_days_in_month),
    "month": _of_date(_month),
    "year": _of_date(_year),
    "time": _time,
    "timestamp": _timestamp,
}
