"""An expression that is passed over for want of samples would have yielded nothing, and not failed either."""

from __future__ import annotations

import pytest

from rules.evaluation.known_empty import is_known_empty, needs_samples
from rules.promql.context import Options
from rules.promql.syntax import ast
from rules.promql.syntax.parser import parse


@pytest.mark.parametrize(
    ("expr", "silent"),
    [
        ("gone", True),
        ("here", False),
        ("sum by (a) (rate(gone[5m]))", True),
        ("-(gone) * 2 > bool 1", True),
        ("2 / gone", True),
        ("max_over_time((gone > 1)[1h:1m])", True),
        ("gone or gone", True),
        ("gone or here", False),
        ("here and gone", False),
        ("gone * here", False),
        ("gone + vector(1)", False),
        ("absent(gone)", False),
        ("absent_over_time(gone[5m])", False),
        ("sum(absent(gone))", False),
        ("vector(1)", False),
        ("time()", False),
        ("vector(scalar(gone))", False),
        ("clamp_max(gone, scalar(here))", True),
        ("hour()", False),
        ("hour(gone)", True),
        # What fails whatever the data has to be evaluated to fail.
        ('count_values("not a label", gone)', False),
        ('label_replace(gone, "not a label", "", "", "")', False),
    ],
)
def test_what_is_silent(expr: str, silent: bool) -> None:
    assert is_known_empty(parse(expr), lambda selector: selector.name == "gone") is silent


WHOLE = parse("x > 1")


@pytest.mark.parametrize(
    ("expr", "needs"),
    [
        (ast.Fragment(0, WHOLE), True),
        (
            ast.Call(
                "label_replace",
                (ast.Fragment(0, WHOLE), *parse('label_replace(x, "a", "b", "c", "d")').args[1:]),
                WHOLE.type,
            ),
            True,
        ),
        (ast.Call("absent", (ast.Fragment(0, WHOLE),), WHOLE.type), False),
        (ast.Call("scalar", (ast.Fragment(0, WHOLE),), ast.ValueType.SCALAR), False),
    ],
)
def test_what_shards_evaluated_counts_as_samples(expr: ast.Expr, needs: bool) -> None:
    assert needs_samples(expr, Options()) is needs


@pytest.mark.parametrize(
    "func",
    ["time", *["day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month", "year"]],
)
def test_what_reports_the_time_may_say_something_at_another(func: str) -> None:
    expr = parse(f"x > 1 or vector({func}()) < 0" if func == "time" else f"x > 1 or {func}() < 0")
    assert not needs_samples(expr, Options())
    if func != "time":
        assert needs_samples(parse(f'label_join({func}(x) < 0, "a", ",", "b")'), Options())
