from __future__ import annotations

import pytest
from hypothesis import given

from rules.promql.syntax.parser import parse
from rules.promql.syntax.printer import prettify, to_text
from tests.rules.promql.expressions import corpus_trees, random_expressions


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ('x { b = "2" , a != `1` }', 'x{a!="1",b="2"}'),
        ('x{a="2",a0="1"}', 'x{a0="1",a="2"}'),
        ("x{}", "x"),
        ('{"foo.bar", a="b"}', '{"foo.bar",a="b"}'),
        ('{"x"}', "x"),
        ('{__name__="x"}', '{__name__="x"}'),
        ('{"a b"="c"}', '{"a b"="c"}'),
        ("sum(x) BY (a,)", "sum by (a) (x)"),
        ("sum by () (x)", "sum(x)"),
        ("avg without () (x)", "avg without () (x)"),
        ('sum by ("a.b", c) (x)', 'sum by ("a.b", c) (x)'),
        ("topk(3,x)", "topk(3, x)"),
        ("a+on()group_left b", "a + on () group_left () b"),
        ("a>bool ignoring(x)b", "a > bool ignoring (x) b"),
        ("a or b", "a or b"),
        ("x offset -90s @ 1.5", "x @ 1.500 offset -1m30s"),
        ("x[300] @ end() offset 1w", "x[5m] @ end() offset 1w"),
        ("x[1h:] offset 5m", "x[1h:] offset 5m"),
        ("rate(x[5m])[60m:1m]@start()", "rate(x[5m])[1h:1m] @ start()"),
        ("predict_linear(x[1h], 4h)", "predict_linear(x[1h], 4h)"),
        ("-(x)^-2", "-(x) ^ -2"),
        ("1e21 + 1e-7 - inf", "1000000000000000000000 + 0.0000001 - +Inf"),
        ("'a\"b\\n'", r'"a\"b\n"'),
    ],
)
def test_one_line_as_prometheus_prints_it(text: str, printed: str) -> None:
    assert to_text(parse(text)) == printed


def test_layout_splits_what_is_too_long() -> None:
    text = 'sum by (job) (rate(errors_total{code=~"5.."}[5m])) / sum by (job) (rate(requests_total[5m])) > 0.05'
    assert prettify(parse(text), 48) == (
        "    sum by (job) (\n"
        '      rate(errors_total{code=~"5.."}[5m])\n'
        "    )\n"
        "  /\n"
        "    sum by (job) (rate(requests_total[5m]))\n"
        ">\n"
        "  0.05"
    )


def test_layout_of_arguments_signs_and_subqueries() -> None:
    text = "-clamp(max_over_time(rate(x_total[5m])[1h:1m] offset 1d), 1, 2)"
    assert prettify(parse(text), 30) == (
        "-clamp(\n  max_over_time(\n    rate(x_total[5m])[1h:1m] offset 1d\n  ),\n  1,\n  2\n)"
    )


@pytest.mark.parametrize("width", [20, 60, 100])
def test_the_corpora_read_back(width: int) -> None:
    changed = [
        text
        for text, tree in corpus_trees()
        if "nan" not in text.lower() and not tree == parse(to_text(tree)) == parse(prettify(tree, width))
    ]
    assert changed == []
    assert len(corpus_trees()) > 2000


@given(random_expressions)
def test_random_expressions_read_back(text: str) -> None:
    tree = parse(text)
    assert parse(to_text(tree)) == tree
    for width in (1, 40):
        laid_out = prettify(tree, width)
        assert parse(laid_out) == tree
        assert prettify(parse(laid_out), width) == laid_out
