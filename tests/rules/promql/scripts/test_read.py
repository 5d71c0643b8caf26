"""Test scripts: what passes, what fails and how it is reported, what is refused, and what is no script."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.promql import engine
from rules.promql.context import Options
from rules.promql.scripts import run as script_run
from rules.promql.scripts.commands import Clear, Eval, Load
from rules.promql.scripts.compare import almost_equal
from rules.promql.scripts.read import ScriptError, parse_script
from rules.promql.scripts.run import Outcome, Verdict, pinned, run_script
from rules.promql.storage import MemoryStorage
from rules.promql.syntax.ast import Expr, ValueType
from rules.promql.syntax.parser import parse
from rules.promql.syntax.printer import to_text
from rules.promql.values import STALE

QUANTILE = "PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)"
DATA = """
load 1m
  requests{path="/a"} 0+60x10
  requests{path="/b"} 0+120x10
  gauge{path="/a"} 3 _ 5 stale
"""


def run(script: str) -> list[Outcome]:
    return list(run_script(f"{DATA}\n{script}"))


def only(script: str) -> Outcome:
    (outcome,) = run(script)
    return outcome


@pytest.mark.parametrize(
    "script",
    [
        'eval instant at 5m requests\n  requests{path="/b"} 600\n  requests{path="/a"} 300',
        'eval instant at 5m sum by (path) (rate(requests[5m]))\n  {path="/a"} 1\n  {path="/b"} 2.0000000001',
        "eval instant at 5m nosuch",
        "eval instant at 0 1 + 1\n  2",
        "eval instant at 0 NaN\n  NaN",
        "eval instant at 0 -Inf\n  -Inf",
        "eval instant at 0 0x10\n  0x10",
        'eval instant at 0 "text"\n  expect string "text"',
        'eval instant at 0 "a"\n  expect string `a`',
        'eval range from 0 to 3m step 1m gauge\n  gauge{path="/a"} 3 3 5 _',
        "eval range from 0 to 2m step 1m vector(1)\n  {} 1 1 1",
        'eval instant at 2m requests[2m]\n  expect range vector from 1m to 2m step 1m\n  requests{path="/a"} 60 120\n  requests{path="/b"} 120 240',
        'eval instant at 5m topk(2, requests)\n  expect ordered\n  requests{path="/b"} 600\n  requests{path="/a"} 300',
        'eval_ordered instant at 5m topk(2, requests)\n  requests{path="/b"} 600\n  requests{path="/a"} 300',
        "eval_fail instant at 5m requests * on() requests",
        "eval_fail instant at 5m requests * on() requests\n  expected_fail_regexp found duplicate series",
        "eval instant at 5m requests * on() requests\n  expect fail",
        "eval instant at 5m topk(NaN, requests)\n  expect fail msg: Parameter value is NaN",
        "eval range from 0 to 1m step 1m topk(NaN, requests)\n  expect fail regex: is N.N$",
        "eval instant at 5m quantile(2, requests)\n  expect warn\n  {} +Inf",
        "eval instant at 5m quantile(2, requests)\n  expect warn msg: " + QUANTILE + "\n  {} +Inf",
        "eval instant at 5m quantile(2, requests)\n  expect warn regex: got 2\n  expect no_info\n  {} +Inf",
        "eval_warn instant at 5m quantile(2, requests)\n  {} +Inf",
        "eval instant at 5m sum(requests)\n  expect no_warn\n  expect no_info\n  {} 900",
        "clear\n\nload 1m\n  requests 1\n\neval instant at 0 requests\n  requests 1",
        'load 1m\n  requests{path="/c"} 7\n\neval instant at 0 requests{path=~"/[bc]"}\n  requests{path="/b"} 0\n  requests{path="/c"} 7',
    ],
)
def test_passes(script: str) -> None:
    outcome = only(script)
    assert (outcome.verdict, outcome.reason) == (Verdict.PASSED, "")


@pytest.mark.parametrize(
    ("script", "reason", "diff"),
    [
        (
            'eval instant at 5m requests\n  requests{path="/a"} 300\n  requests{path="/c"} 1',
            "the result differs (1 series are as expected)",
            ('- requests{path="/c"} 1', '+ requests{path="/b"} 600'),
        ),
        (
            'eval range from 0 to 2m step 1m gauge\n  gauge{path="/a"} 3 _ 6',
            "the result differs (0 series are as expected)",
            ('- gauge{path="/a"} 3@0s 6@120s', '+ gauge{path="/a"} 3@0s 3@60s 5@120s'),
        ),
        (
            'eval range from 0 to 2m step 1m gauge\n  gauge{path="/a"} 3 _ 5',
            "the result differs (0 series are as expected)",
            ('- gauge{path="/a"} 3@0s 5@120s', '+ gauge{path="/a"} 3@0s 3@60s 5@120s'),
        ),
        (
            "eval instant at 5m quantile(2, requests) + quantile(3, requests)\n  expect warn regex: got 2\n  {} +Inf",
            f"unexpected warning: {QUANTILE.replace('got 2 (1:10)', 'got 3 (1:34)')}",
            (),
        ),
        ("eval instant at 0 1 + 1\n  3", "the scalar differs", ("- 3", "+ 2")),
        ("eval instant at 0 1 + 1\n  {} 2", "expected series, but got the scalar 2", ()),
        ("eval instant at 0 vector(2)\n  2", "expected the scalar 2, but got series", ()),
        ('eval instant at 0 "a"\n  expect string "b"', "the string differs", ('- "b"', '+ "a"')),
        (
            'eval_ordered instant at 5m topk(2, requests)\n  requests{path="/a"} 300\n  requests{path="/b"} 600',
            "the order differs",
            (
                '- requests{path="/a"} 300',
                '- requests{path="/b"} 600',
                '+ requests{path="/b"} 600',
                '+ requests{path="/a"} 300',
            ),
        ),
        ("eval instant at 5m sum(requests)\n  expect fail\n  {} 900", "expected to fail, but yields a result", ()),
        ("eval instant at 5m topk(NaN, requests)", "fails: Parameter value is NaN", ()),
        (
            "eval instant at 5m topk(NaN, requests)\n  expect fail msg: other words",
            "fails as expected, but says something else",
            ("- other words", "+ Parameter value is NaN"),
        ),
        ("eval instant at 5m sum(requests)\n  expect warn\n  {} 900", "expected the warning '', but got: none", ()),
        (
            "eval instant at 5m quantile(2, requests)\n  expect no_warn\n  {} +Inf",
            f"no warning expected, but got: {QUANTILE}",
            (),
        ),
        (
            'eval range from 0 to 1m step 1m gauge\n  gauge{path="/a"} 3 3 5',
            '3 values are expected of gauge{path="/a"}, more than the range has',
            (),
        ),
        (
            "eval range from 0 to 100y step 1ms vector(1)",
            "fails: 1 series at 3,153,600,000,001 instants are more than the 50,000,000 values that an evaluation may hold at once",
            (),
        ),
        ("eval instant at 0 1 +", "fails: unexpected end of input, expected an expression", ()),
    ],
)
def test_fails_and_says_how(script: str, reason: str, diff: tuple[str, ...]) -> None:
    outcome = only(script)
    assert (outcome.verdict, outcome.reason, outcome.diff) == (Verdict.FAILED, reason, diff)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("eval instant at 0 limitk(1, requests)", "aggregation limitk is not supported"),
        ("eval instant at 0 mad_over_time(requests[5m])\n  expect fail", "function mad_over_time is not supported"),
        ("eval instant at 0 requests\n  requests {{schema:0}}", "needs native histograms"),
        ("load 1m\n  native {{schema:0}}\n\neval instant at 0 sum(native)", "needs native histograms"),
        ("load 1m\n  native {{schema:0}}\n\neval instant at 0 {__name__=~'n.*'}", "needs native histograms"),
        (
            "load 1m\n  mixed 1 {{schema:0}} 2\n\neval instant at 2m count_over_time(mixed[5m])",
            "needs native histograms",
        ),
        ('load_with_nhcb 1m\n  h_bucket{le="1"} 1\n  h_count 1\n\neval instant at 0 h', "needs native histograms"),
        ("load 1m\n  started@st -30s\n  started 1\n\neval instant at 0 started", "needs start timestamps of samples"),
    ],
)
def test_what_is_not_supported_is_refused_with_its_reason(script: str, reason: str) -> None:
    outcome = only(script)
    assert (outcome.verdict, outcome.reason) == (Verdict.REFUSED, reason)


@pytest.mark.parametrize(
    "script",
    [
        'load 1m\n  native {{schema:0}}\n\neval instant at 0 gauge\n  gauge{path="/a"} 3',
        "load 1m\n  mixed 1 {{schema:0}} 2\n\neval range from 0 to 2m step 1m abs((mixed))\n  {} 1 _ 2",
        'load_with_nhcb 1m\n  h_bucket{le="1"} 1\n\neval instant at 0 h_bucket\n  h_bucket{le="1"} 1',
    ],
)
def test_numbers_beside_native_histograms_are_seen(script: str) -> None:
    assert only(script).verdict is Verdict.PASSED


def test_a_pinned_query_that_varies_with_time_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(expr: Expr, storage: MemoryStorage, time: int, options: Options) -> engine.Result:
        return engine.instant(expr if time > 0 else "vector(0)", storage, time, options)

    monkeypatch.setattr(script_run, "instant", forgetful)
    outcome = only("eval instant at 5m sum(requests)\n  {} 900")
    assert outcome.reason == "with @ 300, at -3000 s: the result differs (0 series are as expected)"
    assert outcome.diff == ("- {} 900", "+ {} 0")


@pytest.mark.parametrize(("expr", "expected"), [("sum(requests)", "{} 900"), ("1 + 1", "2")])
def test_a_range_query_that_differs_fails(expr: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(expr: Expr, storage: MemoryStorage, *times: int) -> engine.Result:
        return engine.query_range("vector(0)" if expr.type is ValueType.VECTOR else "0", storage, *times[:3])

    monkeypatch.setattr(script_run, "query_range", forgetful)
    outcome = only(f"eval instant at 5m {expr}\n  {expected}")
    assert outcome.verdict is Verdict.FAILED
    assert outcome.reason.startswith("as a range query, ")


def test_a_pinned_expression_must_yield_the_same_at_other_times() -> None:
    expr = parse(
        "sum(-x offset 1m) + max_over_time(rate(x[5m])[5m:1m]) + topk(scalar(y), rate(x[5m] @ 7)) + (x @ start())"
    )
    assert to_text(pinned(expr, 30_000)) == (
        "sum(-x @ 30.000 offset 1m) + max_over_time(rate(x[5m])[5m:1m] @ 30.000)"
        " + topk(scalar(y @ 30.000), rate(x[5m] @ 7.000)) + (x @ 30.000)"
    )


@pytest.mark.parametrize(
    ("script", "line", "message"),
    [
        ("lod 1m", 1, "unknown command 'lod'"),
        ("load", 1, "a load command reads"),
        ("load 1q", 1, "invalid step"),
        ("load 1m\n  x 1 2y", 2, "column 6"),
        ("load 1m\n  x@st 1m\n  {", 3, "label name"),
        ("\n\neval instant at x 1", 3, "invalid time"),
        ("load 1m\n  x 1\neval instant at 0 x", 3, "an empty line ends a block"),
        ("eval 1", 1, "an eval command reads"),
        ("eval range from 5m to 1m step 1m x", 1, "before the start"),
        ("eval range from 0 to 1m step 0 x", 1, "longer than 0"),
        ("eval instant at 0 x\n  x 1 2", 2, "expect range vector"),
        ("eval instant at 0 x\n  expect nothing", 2, "an expect line reads"),
        ("eval instant at 0 x\n  expect warn regex: (", 2, "invalid pattern"),
        ("eval instant at 0 x\n  expect warn\n  expect no_warn", 3, "contradict"),
        ("eval instant at 0 x\n  expect fail\n  expect fail", 3, "one expect fail"),
        ("eval instant at 0 x\n  expect range vector", 2, "from START to END"),
        ("eval instant at 0 x\n  expect string x", 2, "quotes"),
    ],
)
def test_what_is_no_script_is_refused_with_its_line(script: str, line: int, message: str) -> None:
    with pytest.raises(ScriptError, match=message) as fault:
        parse_script(script)
    assert fault.value.line == line


def test_commands_and_their_lines() -> None:
    commands = parse_script("# first\nload 30s\n  x 1\n# ends the block\n\nclear\neval instant at 1m x\n  x 1\n")
    assert [(type(command), command.line) for command in commands] == [(Load, 2), (Clear, 6), (Eval, 7)]


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1.0, 1.0000009, True),
        (1.0, 1.00001, False),
        (math.nan, math.nan, True),
        (math.nan, float(STALE), False),
        (float(STALE), float(STALE), True),
        (math.inf, math.inf, True),
        (math.inf, 1.7e308, False),
        (0.0, -0.0, True),
        (0.0, 1e-300, False),
        (1.7e308, 1.7e308 * (1 - 1e-9), True),
        (5e-324, 1e-323, True),
    ],
)
def test_almost_equal(one: float, other: float, equal: bool) -> None:
    assert almost_equal(one, other) is equal
    assert almost_equal(other, one) is equal


@given(
    st.lists(
        st.sampled_from(["load 1m", "  x 1+1x2", "clear", "eval instant at 1m x", "  x 2", "", "expect fail", "eval"])
        | st.text(),
        max_size=8,
    )
)
def test_any_text_is_run_or_refused_with_a_line(lines: list[str]) -> None:
    try:
        outcomes = list(run_script("\n".join(lines)))
    except ScriptError as fault:
        line = fault.line
        outcomes = []
    else:
        line = 1
    assert line >= 1
    assert all(isinstance(outcome.verdict, Verdict) for outcome in outcomes)
