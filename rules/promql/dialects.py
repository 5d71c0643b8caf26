"""What people write who come from SQL, InfluxQL, Flux, Graphite, MetricsQL or an older Prometheus, and what it is called here."""

from __future__ import annotations

import re
from typing import Final

QUANTILE: Final = "of series write quantile(0.95, x), of time quantile_over_time(0.95, x[5m]), of a histogram histogram_quantile(0.95, ...)"
PERCENT: Final = "PromQL has no percent sign: compare with the number that the metric has, 5 or 0.05"
LABELS: Final = 'labels are compared between braces: x{job="a"}, x{job!="a"}, x{job=~"a|b"}'
GROUP: Final = "group inside of an aggregation: sum by (host) (x)"
SQL: Final = 'this is no SQL: name the metric, its labels in braces, and aggregate it: avg by (host) (cpu{job="a"})'
FOR: Final = "how long it must hold is a key of the rule, beside `expr:`, such as `for: 5m`"
_OLD_RULE: Final = "rules of Prometheus 1 are not read: write `alert: NAME`, `expr: ...`, `for: 5m` and `labels:`"

_FUNCTIONS: Final = {
    **dict.fromkeys(
        ("percentile", "percentiles", "percentile_cont", "percentile_disc", "approx_percentile", "histogram_percentile", "quantiles"),
        QUANTILE,
    ),
    **dict.fromkeys(("mean", "average", "averageseries"), "write avg(x), or over time avg_over_time(x[5m])"),
    "median": "write quantile(0.5, x), or over time quantile_over_time(0.5, x[5m])",
    "median_over_time": "write quantile_over_time(0.5, x[5m])",
    **dict.fromkeys(("moving_average", "movingaverage", "rolling_avg"), "write avg_over_time(x[5m])"),
    **dict.fromkeys(("derivative", "derive"), "of a gauge write deriv(x[5m]), of a counter rate(x[5m])"),
    **dict.fromkeys(
        ("non_negative_derivative", "nonnegativederivative", "persecond", "rollup_rate"), "write rate(x[5m])"
    ),
    **dict.fromkeys(("difference", "diff", "non_negative_difference"), "of a gauge write delta(x[5m]), of a counter increase(x[5m])"),
    "spread": "write max_over_time(x[5m]) - min_over_time(x[5m])",
    **dict.fromkeys(("first", "first_value"), "write x offset 5m for the value of then"),
    **dict.fromkeys(("last", "last_value", "latest"), "x alone is its last value; of a range write last_over_time(x[5m])"),
    **dict.fromkeys(("distinct", "count_distinct", "countdistinct", "uniq"), "write count(count by (host) (x))"),
    **dict.fromkeys(("cumulative_sum", "integral", "running_sum"), "write sum_over_time(x[1h])"),
    **dict.fromkeys(("variance", "var"), "write stdvar(x), or over time stdvar_over_time(x[5m])"),
    **dict.fromkeys(("std", "stdev", "standard_deviation"), "write stddev(x), or over time stddev_over_time(x[5m])"),
    **dict.fromkeys(("isnull", "is_null", "isempty", "exists", "ismissing"), "write absent(x), or absent_over_time(x[5m])"),
    **dict.fromkeys(("coalesce", "ifnull", "nvl", "fill", "transformnull"), "write x or vector(0)"),
    **dict.fromkeys(("if", "iff", "case"), "there is no case: filter by a comparison, and join by `and`, `or`, `unless`"),
    **dict.fromkeys(("now", "current_timestamp", "unix_timestamp"), "write time()"),
    **dict.fromkeys(("pow", "power"), "write x ^ 2"),
    "mod": "write x % 2",
    "log": "write ln(x), log2(x) or log10(x)",
    **dict.fromkeys(("concat", "join"), 'write label_join(x, "new", "-", "a", "b")'),
    **dict.fromkeys(("replace", "regexp_replace", "regexreplace", "substr", "substring"), 'write label_replace(x, "new", "$1", "old", "(.*)")'),
    **dict.fromkeys(("top", "topn", "highestcurrent"), "write topk(5, x)"),
    **dict.fromkeys(("bottom", "bottomn"), "write bottomk(5, x)"),
    **dict.fromkeys(("group_by", "groupby", "sumseries", "sum_by"), GROUP),
    **dict.fromkeys(("summarize", "aggregatewindow", "date_trunc", "time_bucket"), "write avg_over_time(x[5m]), sum_over_time(x[5m]) and the like"),
    **dict.fromkeys(("maxseries", "greatest"), "write max(x)"),
    **dict.fromkeys(("minseries", "least"), "write min(x)"),
    **dict.fromkeys(("timeshift", "lag"), "write x offset 1h"),
    **dict.fromkeys(("from", "select"), SQL),
    **dict.fromkeys(("regex", "regexp", "match", "contains", "startswith", "like"), 'patterns match labels, between braces: x{job=~"a.*"}'),
    **dict.fromkeys(("not", "isnot"), "write x unless y, or for none at all absent(x)"),
}  # fmt: skip
_NUMBERED: Final = re.compile(r"p(\d{2,3})(?:_over_time)?\Z")

_WORDS: Final = {
    "for": FOR,
    "if": "there is no `if`: the condition is the expression, and `x and y` keeps x where there is y",
    "ifnot": "write x unless y",
    "default": "write x or vector(0)",
    "where": LABELS,
    "from": SQL,
    "group": GROUP,
    "groupby": GROUP,
    "order": "write sort(x) or sort_desc(x)",
    "limit": "write topk(5, x)",
    "having": "compare what is aggregated: sum by (host) (x) > 5",
    "is": "write absent(x) for what is not there",
    "not": "write x unless y, or for none at all absent(x)",
    "between": "write x >= 1 <= 5",
    "in": LABELS,
    "like": LABELS,
    "matches": LABELS,
    "contains": LABELS,
    **dict.fromkeys(("then", "else", "when"), "there is no case: filter by a comparison, and join by `and`, `or`, `unless`"),
    "ago": "write x offset 5m",
    "as": "a recording rule names what it yields: `record: name`",
    "percent": PERCENT,
    "labels": _OLD_RULE,
    "annotations": _OLD_RULE,
}  # fmt: skip
# Words that are read as metrics when something stands after them.
_FIRST: Final = {
    **dict.fromkeys(("select", "show"), SQL),
    **dict.fromkeys(("alert", "if"), _OLD_RULE),
    "not": _WORDS["not"],
    "distinct": _FUNCTIONS["distinct"],
    "case": _WORDS["when"],
}

_UNITS: Final = {
    **dict.fromkeys(("ms", "millis", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
    **dict.fromkeys(("week", "weeks"), "w"),
    **dict.fromkeys(("year", "years", "yr"), "y"),
}
_SIZES: Final = {
    **{f"{prefix}{unit}": f"e{power}" for prefix, power in (("k", 3), ("m", 6), ("g", 9), ("t", 12)) for unit in ("", "b")},
    **{f"{prefix}ib": f" * 1024^{power}" for prefix, power in (("k", 1), ("m", 2), ("g", 3), ("t", 4))},
    **{f"{prefix}i": f" * 1024^{power}" for prefix, power in (("k", 1), ("m", 2), ("g", 3), ("t", 4))},
}  # fmt: skip
_NUMBER_AND_UNIT: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) *([A-Za-z]+)\Z")


def function(name: str) -> str:
    """What a function of another language is here; empty if none is known."""
    percent = _NUMBERED.match(name.lower())
    if percent is not None:
        return QUANTILE.replace("0.95", f"0.{percent[1]}")
    return _FUNCTIONS.get(name.lower(), "")


def word(text: str) -> str:
    """What to write in place of a word of another language that stands after an expression."""
    return _WORDS.get(text.lower(), "")


def first_word(text: str) -> str:
    """What to write in place of a statement that begins with this word."""
    return _FIRST.get(text.lower(), "")


def unit(text: str) -> str:
    """What to write in place of a number with a unit that durations and numbers have not: ``5min``, ``10GB``; empty if it has none."""
    found = _NUMBER_AND_UNIT.match(text)
    if found is None:
        return (
            f"digits are not separated: write {text.replace('.', '')}"
            if text.count(".") > 1 and text.replace(".", "").isdigit()
            else ""
        )
    number, name = found[1], found[2].lower()
    if name in _UNITS:
        return f"write {number}{_UNITS[name]}" if number.isdigit() else "durations are whole numbers, such as 1h30m"
    if name in _SIZES:
        return f"numbers have no unit: write {number}{_SIZES[name]}"
    return "numbers have no unit" if name == "b" or "byte" in name else ""
