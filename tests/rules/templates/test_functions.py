"""The functions of templates: Go's and Prometheus'. Results were read off Prometheus 3.14; ``tests/e2e`` compares them with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rules.templates import TemplateContext, TemplateError, expand

Show = Callable[..., str]

NUMBERS = [
    ("humanize 0", "0"),
    ("humanize 1234567", "1.235M"),
    ("humanize -1000", "-1k"),
    ("humanize 999.99", "1000"),
    ("humanize 1e30", "1e+06Y"),
    ("humanize 0.00012", "120u"),
    ("humanize 1e-30", "1e-06y"),
    ("humanize `0x1p4`", "16"),
    ("humanize `+Inf`", "+Inf"),
    ("humanize `NaN`", "NaN"),
    ("humanize1024 1048576", "1Mi"),
    ("humanize1024 1023", "1023"),
    ("humanize1024 0.12", "0.12"),
    ("humanize1024 -2048", "-2ki"),
    ("humanizeDuration 0", "0s"),
    ("humanizeDuration 59.999", "60s"),
    ("humanizeDuration 61.9", "1m 1s"),
    ("humanizeDuration -183845", "-2d 3h 4m 5s"),
    ("humanizeDuration 0.0001", "100us"),
    ("humanizeDuration `3600`", "1h 0m 0s"),
    ("humanizePercentage 0.1234567", "12.35%"),
    ("humanizePercentage 1234567", "1.235e+08%"),
    ("humanizeTimestamp 1435065584.128", "2015-06-23 13:19:44.128 +0000 UTC"),
    ("humanizeTimestamp -1.5", "1969-12-31 23:59:58.5 +0000 UTC"),
    ("humanizeTimestamp `-Inf`", "-Inf"),
]

TEXTS = [
    ("toUpper `aB`", "AB"),
    ("toLower `aB`", "ab"),
    ("title `aa bb CC`", "Aa Bb CC"),
    ("title `don't foo-bar baz_qux a.b 1abc`", "Don't Foo-Bar Baz_qux A.b 1Abc"),
    ("match `a+` `baab`", "true"),
    ("match `^a$` `b`", "false"),
    ("reReplaceAll `(.*):(.*)` `$2-${1}` `a:b`", "b-a"),
    ("reReplaceAll `(?P<n>x)` `[${n}$n$nn$$]` `axb`", "a[xx$]b"),
    ("reReplaceAll `a*` `X` `baaac`", "XbXcX"),
    ("reReplaceAll `` `-` `aé`", "-a-é-"),
    ("stripPort `a:1`", "a"),
    ("stripPort `[::1]:80`", "::1"),
    ("stripPort `a:b:c`", "a:b:c"),
    ("stripDomain `a.b.c:80`", "a:80"),
    ("stripDomain `a.b.c`", "a"),
    ("stripDomain `192.0.2.1:80`", "192.0.2.1:80"),
    ("stripDomain `[2001:db8::1]:80`", "[2001:db8::1]:80"),
    ("graphLink `up == 0`", "/graph?g0.expr=up+%3D%3D+0&g0.tab=0"),
    ('tableLink `up{a="é"}`', "/graph?g0.expr=up%7Ba%3D%22%C3%A9%22%7D&g0.tab=1"),
    ("urlQueryEscape `a b/~`", "a+b%2F~"),
    ("urlquery `a b` 1", "a+b1"),
    ("html `<a href='x'>&\"`", "&lt;a href=&#39;x&#39;&gt;&amp;&#34;"),
    ("js `'<\\`", "\\'\\u003C\\\\"),
    ("safeHtml `<b>`", "<b>"),
    ("parseDuration `1h2m10ms`", "3720.01"),
    ("parseDuration `-5m`", "-300"),
    ("print 1 2 `a` `b` 3 4.5 nil", "1 2ab3 4.5 <nil>"),
    ("println 1 `a`", "1 a\n"),
    ("len `é`", "2"),
    ("len $labels", "3"),
    ("index $labels `job`", "db"),
    ("index $labels `nope`", ""),
    ("index `abc` 1", "98"),
    ("slice `hello` 1 3", "el"),
    ("slice `hello` 3", "lo"),
    ("args 1 `a`", "map[arg0:1 arg1:a]"),
]

COMPARISONS = [
    ("eq 1 2 3 1", "true"),
    ("ne `a` `b`", "true"),
    ("lt 1.5 2.5", "true"),
    ("le `a` `a`", "true"),
    ("gt 2 1", "true"),
    ("ge 1 2", "false"),
    ("eq nil nil", "true"),
    ("eq $value nil", "false"),
]

QUERIES = [
    ("query `vector(1.5)` | first | value", "1.5"),
    ("query `hosts` | first | label `host`", "b"),
    ("query `hosts` | first | strvalue", "v"),
    ("query `hosts` | sortByLabel `host` | first | label `host`", "a"),
    ("(index (query `hosts`) 1).Value", "1"),
    ("(query `hosts` | first).Labels", "map[__value__:v host:b]"),
    ("len (query `nothing`)", "0"),
]

TIMES = [
    ("now", "1.353755652e+09"),
    ("now | toTime", "2012-11-24 11:14:12 +0000 UTC"),
    ("(now | toTime).Format `Mon Jan _2 15:04:05.000 MST 2006`", "Sat Nov 24 11:14:12.000 UTC 2012"),
    ("(now | toTime).Format `Monday, 02-Jan-06 03:04PM -07:00 Z07:00 002`", "Saturday, 24-Nov-12 11:14AM +00:00 Z 329"),
    ("(now | toTime).Format `Janus Mondo 2006`", "Janus Mondo 2012"),
    ("(now | toTime).Month", "November"),
    ("(now | toTime).Weekday", "Saturday"),
    ("printf `%d` (now | toTime).Month", "11"),
    ("(now | toTime).Hour", "11"),
    ("(`-30m` | parseDuration | toDuration | (now | toTime).Add).UnixMilli", "1353753852000"),
    ("(now | toTime).Sub (0 | toTime)", "376043h14m12s"),
    ("((now | toTime).AddDate 0 3 7).Format `2006-01-02`", "2013-03-03"),
    ("((now | toTime).Truncate 3600000000000).Format `15:04:05`", "11:00:00"),
    ("(now | toTime).After (0 | toTime)", "true"),
    ("toDuration 1.5", "1.5s"),
    ("toDuration `-3661`", "-1h1m1s"),
    ("toDuration 0.0000015", "1.5µs"),
    ("(toDuration 100).Minutes", "1.6666666666666665"),
    ("(toDuration 90).Round 60000000000", "2m0s"),
    ("humanizeDuration ((now | toTime).Sub (0 | toTime))", "15668d 11h 14m 12s"),
]


@pytest.mark.parametrize(("call", "expected"), NUMBERS + TEXTS + COMPARISONS + QUERIES + TIMES)
def test_gives(show: Show, call: str, expected: str) -> None:
    assert show(f"{{{{ {call} }}}}") == expected


FAILURES = [
    ("humanize `one`", 'strconv.ParseFloat: parsing "one": invalid syntax'),
    ("humanize `1e999`", 'strconv.ParseFloat: parsing "1e999": value out of range'),
    ("humanize true", "can't convert bool to float"),
    ("humanizeTimestamp 1e300", "1e+300 cannot be represented as a nanoseconds timestamp since it overflows int64"),
    ("toTime `NaN`", "value is NaN or Inf"),
    ("query `nothing` | first", "first() called on vector with no elements"),
    ("query `bad(`", "unclosed left parenthesis"),
    ("label `a` nil", "runtime error: invalid memory address or nil pointer dereference"),
    ("reReplaceAll `(` `` ``", "regexp: Compile(`(`): error parsing regexp: missing closing ): `(`"),
    ("match `a**` ``", "error parsing regexp: invalid nested repetition operator: `**`"),
    ("match `(?=a)` ``", "error parsing regexp: invalid or unsupported Perl syntax: `(?=`"),
    ("parseDuration ``", "empty duration string"),
    ("parseDuration `5x`", 'unknown unit "x" in duration "5x"'),
    ("parseDuration `1m1h`", 'not a valid duration string: "1m1h"'),
    ("parseDuration `300y`", "duration out of range"),
    ("gt $value 5", "incompatible types for comparison: float64 and int"),
    ("lt true false", "invalid type for comparison"),
    ("eq 1", "missing argument for comparison"),
    (
        "eq $labels $labels",
        "non-comparable type map[__name__:up instance:db-1.example.com:9090 job:db]: map[string]string",
    ),
    ("index `abc` 5", "index out of range: 5"),
    ("index $labels 1", "value has type int; should be string"),
    ("slice `abc` 2 1", "invalid slice index: 2 > 1"),
    ("len 3", "len of type int"),
    ("call `x`", "non-function `x` of type string"),
    ("call $value", "non-function $value of type float64"),
]


@pytest.mark.parametrize(("call", "message"), FAILURES)
def test_fails(show: Show, call: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        show(f"{{{{ {call} }}}}")
    assert caught.value.message.endswith(f": {message}")


def test_methods_that_depend_on_the_machine_are_refused_by_name(show: Show) -> None:
    with pytest.raises(TemplateError, match=r"method Local of \*time.Time is not supported"):
        show("{{ (now | toTime).Local }}")


def test_a_query_without_data_says_so() -> None:
    with pytest.raises(TemplateError, match="no query can be run here"):
        expand("{{ query `up` }}", TemplateContext({}, 0.0))


@pytest.mark.parametrize(
    ("value", "expected"), [(float("nan"), "NaN"), (float("inf"), "+Inf"), (-0.0, "-0"), (1e6, "1e+06")]
)
def test_values_print_as_go_prints_them(show: Show, value: float, expected: str) -> None:
    assert show("{{ $value }}", value) == expected
