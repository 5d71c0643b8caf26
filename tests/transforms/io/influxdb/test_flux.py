"""Questions in Flux: what of a selector the server is asked for, and what stays with the reader."""

from __future__ import annotations

import pytest

from rules.promql.syntax.ast import Matcher, MatchOp
from rules.promql.syntax.errors import PromQLSyntaxError
from tests.transforms.io.history.given import selectors
from transforms.io.influxdb.flux import flux


def condition(*texts: str, value: str | None = None) -> str | None:
    """The filter of some selectors; None if there is none."""
    lines = [line.strip() for line in flux("b", selectors(*texts), 0, 1, value).splitlines()]
    found = [line for line in lines if "filter" in line and ("_field ==" not in line or "_measurement" in line)]
    assert len(found) < 2
    return found[0].removeprefix("|> filter(fn: (r) => ").removesuffix(")") if found else None


def test_the_query_names_what_is_needed_and_nothing_else() -> None:
    text = flux('odd "bucket" ${x}', selectors("cpu_idle"), 5, 9, None)
    assert text.splitlines() == [
        'from(bucket: "odd \\"bucket\\" \\${x}")',
        "  |> range(start: time(v: 5000000), stop: time(v: 10000000))",
        '  |> filter(fn: (r) => (r._measurement == "cpu_idle" and r._field == "value")'
        ' or (r._measurement == "cpu" and r._field == "idle"))',
    ]
    assert '_measurement == "cpu"' in flux("b", selectors("cpu"), 0, 1, "max")
    assert 'r._field == "max" or r._field == "last_ts"' in flux("b", selectors("cpu"), 0, 1, "max")
    assert "filter" not in flux("b", None, 0, 1, None)
    assert flux("b", (), 0, 1, None).endswith("filter(fn: (r) => false)\n")
    assert flux("b", None, 0, 1, "avg", "last").endswith('filter(fn: (r) => r._field == "last_ts")\n  |> last()\n')


CPU = 'r._measurement == "cpu"'


@pytest.mark.parametrize(
    ("selector", "wanted"),
    [
        ('cpu{host="a"}', f'{CPU} and r["host"] == "a"'),
        ('cpu{host="a\\"b\\\\${c}"}', f'{CPU} and r["host"] == "a\\"b\\\\\\${{c}}"'),
        ('cpu{host=~"a|b-1"}', f'{CPU} and (r["host"] == "a" or r["host"] == "b-1")'),
        ('cpu{host=~"web.*"}', f'{CPU} and r["host"] =~ /^(?s:web.*)$/'),
        ('cpu{host=~"web\\\\.x\\\\d+"}', f'{CPU} and r["host"] =~ /^(?s:web\\.x\\d+)$/'),
        ('cpu{host!=""}', f'{CPU} and exists r["host"]'),
        ('cpu{host!="a"}', f'{CPU} and (not exists r["host"] or r["host"] != "a")'),
        ('{__name__=~"cpu|mem"}', f'{CPU} or r._measurement == "mem"'),
        ('{__name__=~"cpu|mem",host="a"}', f'({CPU} or r._measurement == "mem") and r["host"] == "a"'),
        # The reader filters by these: an absent tag fits, a slash ends a literal, an escape may mean something else.
        ('cpu{host=""}', CPU),
        ('cpu{host=~"a|"}', CPU),
        ('cpu{host=~".*"}', CPU),
        ('cpu{host!~"a"}', CPU),
        ('cpu{host=~"a/b"}', CPU),
        ('cpu{host=~"\\\\x61"}', CPU),
        ('cpu{host=~"\\\\Qa.b\\\\E"}', CPU),
        ('cpu{host=~"é+"}', CPU),
        ('cpu{host="a\\nb"}', CPU),
        ('cpu{table="a",_field="b"}', CPU),
        ('{__name__=~"cpu.+"}', None),
    ],
)
def test_matchers(selector: str, wanted: str | None) -> None:
    assert condition(selector, value="max") == wanted


def test_one_selector_that_cannot_be_asked_for_asks_for_all() -> None:
    assert condition("cpu", 'mem{host="a"}', value="max") == f'{CPU} or r._measurement == "mem" and r["host"] == "a"'
    assert condition("cpu", '{__name__=~"cpu.+"}', value="max") is None


def test_a_pattern_that_is_none() -> None:
    with pytest.raises(PromQLSyntaxError):
        flux("b", [(Matcher("host", MatchOp.REGEX, "("),)], 0, 1, None)
