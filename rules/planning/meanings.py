"""What each part of an expression does, in a sentence: the text of `tidemark rules explain`."""

from __future__ import annotations

from rules.promql.syntax import ast

FUNCTIONS = {
    "abs": "absolute values",
    "absent": "one series of value 1 if the input has no series at all, else nothing",
    "absent_over_time": "one series of value 1 if no sample lies in the range, else nothing",
    "acos": "inverse cosines, in radians",
    "acosh": "inverse hyperbolic cosines",
    "asin": "inverse sines, in radians",
    "asinh": "inverse hyperbolic sines",
    "atan": "inverse tangents, in radians",
    "atanh": "inverse hyperbolic tangents",
    "avg_over_time": "average of each series' samples in the range",
    "ceil": "values rounded up",
    "changes": "how often each series' value changed in the range",
    "clamp": "values held between a minimum and a maximum",
    "clamp_max": "values held at or below a maximum",
    "clamp_min": "values held at or above a minimum",
    "cos": "cosines of radians",
    "cosh": "hyperbolic cosines",
    "count_over_time": "number of each series' samples in the range",
    "day_of_month": "day of the month (1 to 31, UTC) of timestamps",
    "day_of_week": "day of the week (0 is Sunday, UTC) of timestamps",
    "day_of_year": "day of the year (1 to 366, UTC) of timestamps",
    "days_in_month": "days of the month (UTC) of timestamps",
    "deg": "radians as degrees",
    "delta": "difference between the ends of the range of a gauge, extrapolated to the whole range",
    "deriv": "per-second slope of a gauge by least squares over the range",
    "exp": "e to the power of the values",
    "first_over_time": "oldest sample of each series in the range",
    "floor": "values rounded down",
    "histogram_fraction": "share of a histogram's observations between two bounds, interpolated within buckets",
    "histogram_quantile": "quantile of a histogram's observations, interpolated within its buckets (label le)",
    "hour": "hour of the day (0 to 23, UTC) of timestamps",
    "idelta": "difference of the last two samples in the range",
    "increase": "growth of a counter over the range: resets added back, extrapolated to the whole range",
    "irate": "per-second growth of a counter between the last two samples in the range",
    "label_join": "a label set to other labels' values, joined",
    "label_replace": "a label set from another by a regular expression",
    "last_over_time": "newest sample of each series in the range",
    "ln": "natural logarithms",
    "log10": "decimal logarithms",
    "log2": "binary logarithms",
    "max_over_time": "largest of each series' samples in the range",
    "min_over_time": "smallest of each series' samples in the range",
    "minute": "minute of the hour (0 to 59, UTC) of timestamps",
    "month": "month (1 to 12, UTC) of timestamps",
    "pi": "the number pi",
    "predict_linear": "a gauge's value some seconds from now, by least squares over the range",
    "present_over_time": "1 for each series with a sample in the range",
    "quantile_over_time": "quantile of each series' samples in the range",
    "rad": "degrees as radians",
    "rate": "per-second growth of a counter over the range: resets added back, extrapolated to the whole range",
    "resets": "how often a counter was reset in the range",
    "round": "values rounded to the nearest multiple (of 1, if none is given)",
    "scalar": "the value of a one-series vector as a number; NaN if it has not exactly one series",
    "sgn": "signs: 1, 0 or -1",
    "sin": "sines of radians",
    "sinh": "hyperbolic sines",
    "sort": "series in ascending order of their values",
    "sort_desc": "series in descending order of their values",
    "sqrt": "square roots",
    "stddev_over_time": "standard deviation (of the population) of each series' samples in the range",
    "stdvar_over_time": "variance (of the population) of each series' samples in the range",
    "sum_over_time": "sum of each series' samples in the range",
    "tan": "tangents of radians",
    "tanh": "hyperbolic tangents",
    "time": "the instant of evaluation, in seconds since 1970",
    "timestamp": "the time of each sample, in seconds since 1970",
    "vector": "a number as a series without labels",
    "year": "year (UTC) of timestamps",
}

AGGREGATIONS = {
    "sum": "the sum",
    "min": "the smallest value",
    "max": "the largest value",
    "avg": "the average",
    "count": "the number of series",
    "group": "1",
    "stddev": "the standard deviation (of the population)",
    "stdvar": "the variance (of the population)",
    "quantile": "the quantile",
}

OPERATORS = {
    "+": "sum",
    "-": "difference",
    "*": "product",
    "/": "quotient",
    "%": "remainder",
    "^": "power",
    "atan2": "angle (arc tangent of the quotient)",
}

COMPARISONS = {
    "==": "equal to",
    "!=": "not equal to",
    ">": "greater than",
    "<": "less than",
    ">=": "at least",
    "<=": "at most",
}

SETS = {
    "and": "series of the left side that have a match on the right",
    "or": "all series of the left side, and those of the right that have no match on the left",
    "unless": "series of the left side that have no match on the right",
}


def meaning(expr: ast.Expr) -> str:
    """One node's part in the whole, in a sentence without its inputs."""
    match expr:
        case ast.NumberLiteral():
            return "a number"
        case ast.StringLiteral():
            return "a string"
        case ast.VectorSelector():
            return "newest sample of each series, unless it is older than the lookback or the series has ended"
        case ast.MatrixSelector():
            return "all samples in the range, its start excluded"
        case ast.Subquery():
            return "the expression evaluated at every step of the range"
        case ast.Paren():
            return meaning(expr.expr)
        case ast.Unary():
            return "negated values" if expr.op == "-" else "the same values"
        case ast.Call():
            return FUNCTIONS.get(expr.func, f"function {expr.func}")
        case ast.Aggregate():
            return _aggregate(expr)
        case ast.Binary():
            return _binary(expr)
        case ast.Fragment():
            return "what the shards have found, together"


def _aggregate(expr: ast.Aggregate) -> str:
    labels = ", ".join(expr.grouping)
    if expr.without:
        scope = (
            f"of the series that differ only in {labels}" if labels else "of the series with equal labels (names aside)"
        )
    else:
        scope = f"for each {labels}" if labels else "over all series"
    if expr.op in ("topk", "bottomk"):
        return f"the series with the {'largest' if expr.op == 'topk' else 'smallest'} values, {scope}"
    if expr.op == "count_values":
        return f"how many series have each value, {scope}"
    return f"{AGGREGATIONS.get(expr.op, expr.op)} {scope}"


def _binary(expr: ast.Binary) -> str:
    if expr.op in SETS:
        what = SETS[expr.op]
    elif expr.op in COMPARISONS:
        held = f"the left is {COMPARISONS[expr.op]} the right"
        if expr.return_bool:
            what = f"1 where {held}, else 0"
        elif expr.lhs.type is ast.ValueType.SCALAR:
            what = f"series of the right side for which {held}"
        else:
            what = f"series of the left side for which {held}"
    else:
        what = OPERATORS.get(expr.op, expr.op)
    return what + (_matching(expr.matching) if expr.matching is not None else "")


def _matching(matching: ast.Matching) -> str:
    labels = ", ".join(matching.labels)
    if matching.on:
        text = f"; series match on {labels}" if labels else "; all series match"
    else:
        text = f"; series match on all labels but {labels}" if labels else "; series match on all labels"
    if matching.card is ast.Cardinality.MANY_TO_ONE:
        text += ", many on the left to one on the right"
    elif matching.card is ast.Cardinality.ONE_TO_MANY:
        text += ", one on the left to many on the right"
    return text + (f", taking over {', '.join(matching.include)}" if matching.include else "")
