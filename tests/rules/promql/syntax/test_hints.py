"""Expressions as people write them who come from elsewhere, and what the error reports them to write."""

from __future__ import annotations

import pytest

from rules.promql import dialects
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse

OLD = "rules of Prometheus 1"
QUANTILES = "quantile(0.95, x)"

HINTS = [
    ("cpu > 5%", dialects.PERCENT),
    ("(cpu > 5%)", dialects.PERCENT),
    ("cpu > 90 %", dialects.PERCENT),
    ("cpu > 5% and up", dialects.PERCENT),
    ("sum(cpu > 5%)", dialects.PERCENT),
    ("a > 1 for 5m", dialects.FOR),
    ("(a > 1 FOR 5m)", dialects.FOR),
    ("a > 5% for 5m", dialects.PERCENT),
    ("IF a > 1 FOR 5m", OLD),
    ('ALERT Foo IF a > 1 FOR 5m LABELS {a="b"}', OLD),
    ("percentile(x, 95)", QUANTILES),
    ("PERCENTILE_CONT(x)", QUANTILES),
    ("p99(x)", "quantile(0.99, x)"),
    ("mean(x)", "avg(x)"),
    ("median(x)", "quantile(0.5, x)"),
    ("median_over_time(x[5m])", "quantile_over_time(0.5, x[5m])"),
    ("non_negative_derivative(x, 1m)", "rate(x[5m])"),
    ("derivative(x)", "deriv(x[5m])"),
    ("count_distinct(x)", "count(count by (host) (x))"),
    ("count(distinct host)", "count(count by (host) (x))"),
    ("coalesce(x, 0)", "x or vector(0)"),
    ("now() - 5", "time()"),
    ("pow(x, 2)", "x ^ 2"),
    ("summarize(x)", "avg_over_time(x[5m])"),
    ('SELECT mean("usage") FROM "cpu" WHERE time > now() - 5m GROUP BY host', "no SQL"),
    ('cpu where host="a"', dialects.LABELS),
    ("cpu group by host", dialects.GROUP),
    ("cpu order by host", "sort(x)"),
    ("cpu limit 5", "topk(5, x)"),
    ("cpu <> 5", '"!="'),
    ("cpu => 5", '">="'),
    ("cpu =< 5", '"<="'),
    ("cpu > 5 && up", '"and"'),
    ("cpu |> sum()", "Flux"),
    ("not up", "x unless y"),
    ("up is null", "absent(x)"),
    ("up between 1 and 5", "x >= 1 <= 5"),
    ('job in ("a")', dialects.LABELS),
    ('up{job like "a%"}', dialects.LABELS),
    ('up{job in ("a")}', dialects.LABELS),
    ('up{job!=~"a"}', '{job!~"a.*"}'),
    ('up{job="a" and host="b"}', "separated by commas"),
    ('up{job="a" && host="b"}', "separated by commas"),
    ('up[job="a"]', dialects.LABELS),
    ('up(job="a")', "braces: up{job=...}"),
    ('job == "a"', dialects.LABELS),
    ("x > 5k", "write 5e3"),
    ("x > 10GB", "write 10e9"),
    ("x > 2 GiB", "write 2 * 1024^3"),
    ("x > 1,000", "write 1000"),
    ("x > 1.000.000", "write 1000000"),
    ("x > 5 seconds", "write 5s"),
    ("rate(x[5min])", "write 5m"),
    ("rate(x[1 hour])", "write 1h"),
    ("rate(x[1.5h])", "1h30m"),
    ("rate(x[$__rate_interval])", "Grafana"),
    ("rate(x, 5m)", "rate(x[5m])"),
    ("avg(x[5m])", "avg_over_time(x[5m])"),
    ("x ago 5m", "x offset 5m"),
    ("x default 0", "x or vector(0)"),
    ("count(*)", "count(up)"),
    ("sum x", "sum(...)"),
    ('up{job=~"*foo"}', "write '.*foo'"),
    ('up{job=~"a|*b"}', "write 'a|.*b'"),
    ('up{job=~"(?foo)"}', "RE2, which has no look-around"),
    ('up{job=~"(+foo)"}', "write '(.+foo)'"),
    ('up{job=~"foo**"}', "write 'foo.*'"),
    ('up{job=~"(?!foo).*"}', "by !~"),
    ('up{job=~"[foo"}', "escaped"),
]


@pytest.mark.parametrize(("expr", "hint"), HINTS)
def test_what_to_write_instead(expr: str, hint: str) -> None:
    with pytest.raises(PromQLError) as caught:
        parse(expr)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "expr", ["a % b", "5 % up and x", "for + if", 'x{for="a"}', "limit > order", "sum(default)", "from", "mean == p95"]
)
def test_words_of_other_languages_are_metrics_all_the_same(expr: str) -> None:
    parse(expr)
