"""Functions and matchings that need a label which is not there any more, and quantiles that are percentages."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from rules.lints.finding import Finding
from rules.lints.label_sets import possible_labels
from rules.lints.remedies import how_to_keep
from rules.model import Rule
from rules.promql.regex import compile_pattern
from rules.promql.syntax.ast import (
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    NumberLiteral,
    StringLiteral,
    Unary,
    VectorSelector,
    unwrap,
    walk,
)
from rules.promql.syntax.errors import PromQLError

_BUCKETS = re.compile(r"(?:\A|[^:]*:)*?[^:]*_bucket(?::|\Z)")


def missing_labels(rule: Rule) -> Iterator[Finding]:
    """Labels that a function, a grouping or a matching asks for after they were dropped."""
    for node in walk(rule.ast):
        match node:
            case Call() if node.func in ("histogram_quantile", "histogram_fraction"):
                yield from _buckets(node)
            case Call() if node.func == "label_replace":
                yield from _copied(node)
            case Call() if node.func == "label_join":
                yield from _joined(node)
            case Aggregate() if not node.without:
                yield from _grouped(node)
            case Binary() if node.matching is not None:
                yield from _matched(node)


def quantiles(rule: Rule) -> Iterator[Finding]:
    """Quantiles beyond 0 to 1, which are infinite whatever the data."""
    for node in walk(rule.ast):
        asked: Expr | None = None
        if isinstance(node, Aggregate) and node.op == "quantile":
            asked = node.param
        elif isinstance(node, Call) and node.func in ("histogram_quantile", "quantile_over_time"):
            asked = node.args[0]
        value = _constant(asked)
        if value is None or 0 <= value <= 1 or math.isnan(value):
            continue
        name = node.op if isinstance(node, Aggregate) else node.func  # type: ignore[union-attr]
        message = f"`{name}` of {value:g} is infinite, whatever the data: quantiles are from 0 to 1"
        hint = f"the {value:g}th percentile is {value / 100:g}" if 1 < value < 100 else ""
        yield Finding("quantile-range", message, "expr", getattr(asked, "span", None), hint)


def _buckets(node: Call) -> Iterator[Finding]:
    buckets = node.args[-1]
    names = [each.name for each in walk(buckets) if isinstance(each, VectorSelector)]
    # Native histograms have their buckets within, and need no label.
    if "le" in possible_labels(buckets) or not names or not all(name and _BUCKETS.match(name) for name in names):
        return
    message = f"`{node.func}` needs the label 'le' of the buckets, which its argument does not keep: it yields nothing"
    yield Finding("label-missing", message, "expr", node.span, how_to_keep(buckets, "le"))


def _copied(node: Call) -> Iterator[Finding]:
    source, pattern = (unwrap(arg) for arg in (node.args[3], node.args[4]))
    if not isinstance(source, StringLiteral) or not isinstance(pattern, StringLiteral) or not source.value:
        return
    try:
        idle = compile_pattern(pattern.value).fullmatch("") is None
    except PromQLError:
        return
    if idle and source.value not in possible_labels(node.args[0]):
        message = f"`label_replace` copies from {source.value!r}, which its argument does not keep: it changes nothing"
        yield Finding("label-missing", message, "expr", node.span, how_to_keep(node.args[0], source.value))


def _joined(node: Call) -> Iterator[Finding]:
    kept = possible_labels(node.args[0])
    for source in map(unwrap, node.args[3:]):
        if isinstance(source, StringLiteral) and source.value not in kept:
            message = f"`label_join` takes {source.value!r}, which its argument does not keep"
            yield Finding("label-missing", message, "expr", node.span, how_to_keep(node.args[0], source.value))


def _grouped(node: Aggregate) -> Iterator[Finding]:
    kept = possible_labels(node.expr)
    for name in node.grouping:
        if name not in kept and node.op != "count_values":
            message = f"`by ({name})`: what is aggregated keeps no label {name!r}"
            yield Finding("label-missing", message, "expr", node.span, how_to_keep(node.expr, name))


def _matched(node: Binary) -> Iterator[Finding]:
    matching = node.matching
    if matching is None:
        return
    left, right = possible_labels(node.lhs), possible_labels(node.rhs)
    for name in matching.labels if matching.on else ():
        if (name in left) != (name in right):
            lacking, side = ("left", node.lhs) if name in right else ("right", node.rhs)
            message = f"`on ({name})`: the {lacking} side keeps no label {name!r}: only series without it on the other side match"
            yield Finding("label-missing", message, "expr", node.op_span, how_to_keep(side, name))
    one, side = (right, node.rhs) if matching.card is Cardinality.MANY_TO_ONE else (left, node.lhs)
    for name in matching.include:
        if name not in one:
            group = "group_left" if side is node.rhs else "group_right"
            message = f"`{group} ({name})`: the side that it is taken from keeps no label {name!r}"
            yield Finding("label-missing", message, "expr", node.op_span, how_to_keep(side, name))


def _constant(expr: Expr | None) -> float | None:
    node = unwrap(expr) if expr is not None else None
    if isinstance(node, Unary) and node.op == "-":
        inner = _constant(node.expr)
        return None if inner is None else -inner
    return node.value if isinstance(node, NumberLiteral) else None
