"""Functions whose value is finished from the digests of their windows, instead of from the samples."""

from __future__ import annotations

from rules.promql.digests import Measure

NEEDS: dict[str, Measure] = {
    "absent_over_time": Measure.NONE,
    "count_over_time": Measure.NONE,
    "present_over_time": Measure.NONE,
    "first_over_time": Measure.NONE,
    "last_over_time": Measure.NONE,
    "min_over_time": Measure.EXTREMES,
    "max_over_time": Measure.EXTREMES,
    "sum_over_time": Measure.SUMS,
    "avg_over_time": Measure.SUMS,
    "stddev_over_time": Measure.SUMS | Measure.EXTREMES | Measure.SQUARES,
    "stdvar_over_time": Measure.SUMS | Measure.EXTREMES | Measure.SQUARES,
    "rate": Measure.STEPS,
    "increase": Measure.STEPS,
    "delta": Measure.NONE,
    "irate": Measure.PREVIOUS,
    "idelta": Measure.PREVIOUS,
    "resets": Measure.STEPS,
    "changes": Measure.STEPS,
    "deriv": Measure.SUMS | Measure.EXTREMES | Measure.LINE,
    "predict_linear": Measure.SUMS | Measure.EXTREMES | Measure.LINE,
}
"""What digests must hold for a function, by its name."""

DIGESTED = frozenset(NEEDS)
"""The functions that can be finished from digests."""
