"""What the generated expressions are made of: names, numbers and labels, in classes that the generator reports apart."""

from __future__ import annotations

RANGES = ("30s", "47s", "1m", "90s", "2m", "5m", "10m")
OFFSETS = ("15s", "1m", "5m", "7m30s", "-45s", "-2m")
QUANTILES = ("0.5", "0.9", "0", "1", "0.25", "-0.1", "1.5", "NaN")
NUMBERS = ("0", "1", "2", "-1", "0.5", "2.75", "10", "100", "1e3", "-3.125", "NaN", "Inf", "-Inf", "1e-3", "5m")
OVER_TIME = (
    "avg_over_time", "min_over_time", "max_over_time", "sum_over_time", "count_over_time", "stddev_over_time",
    "stdvar_over_time", "last_over_time", "first_over_time", "present_over_time", "changes", "resets", "delta", "idelta",
    "deriv", "rate", "increase", "irate",
)  # fmt: skip
DIFFERENCES = ("std", "delta", "idelta", "deriv", "rate", "increase", "irate")
COUNTING = (
    "count_over_time",
    "changes",
    "resets",
    "last_over_time",
    "first_over_time",
    "min_over_time",
    "max_over_time",
)
SMOOTH = (
    "abs", "exp", "sqrt", "deg", "rad", "asin", "acos", "atan",
    "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
)  # fmt: skip
JUMPING = (
    "sin", "cos", "tan", "ln", "log2", "log10",
    "ceil", "floor", "sgn", "round", "hour", "minute", "month", "year", "day_of_month", "day_of_week", "day_of_year",
    "days_in_month",
)  # fmt: skip
DATES = JUMPING[10:]
AGGREGATES = ("sum", "avg", "count", "min", "max", "group", "stddev", "stdvar")
ARITHMETIC = ("+", "-", "*", "/", "^", "atan2")
ORDERING = (">", "<", ">=", "<=")
EQUALITY = ("==", "!=")
SET = ("and", "or", "unless")
GROUPINGS = (
    "job",
    "instance",
    "job, instance",
    "",
    "dev",
    "code",
    "nosuch",
    "job, le",
    "__name__",
    "version, job",
    "job",
    "instance",
    "job, instance",
)
