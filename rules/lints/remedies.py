"""Where an expression loses a label, and what to write so that it keeps it."""

from __future__ import annotations

from collections.abc import Iterator

from rules.golang.quoting import quote
from rules.lints.label_sets import SETS, WHOLE_SERIES, possible_labels
from rules.promql.syntax.ast import (
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    Matching,
    MatchOp,
    MatrixSelector,
    Subquery,
    Unary,
    ValueType,
    VectorSelector,
    unwrap,
    walk,
)
from rules.promql.syntax.typecheck import COMPARISONS


def how_to_keep(expr: Expr, label: str) -> str:
    """What to write so that the expression keeps a label, which it cannot have as it is."""
    steps = list(dict.fromkeys(filter(None, (_advice(node, label) for node in _losing(expr, label)))))
    return ", and inside of it ".join(steps[:3])


def _losing(expr: Expr, label: str) -> Iterator[Expr]:
    """The parts that lose the label, outermost first; what is below one that keeps nothing of its argument is not looked at."""
    node: Expr | None = unwrap(expr)
    while node is not None and label not in possible_labels(node):
        source = _source(node, label)
        if source is None or _loses(node, label):
            yield node
        node = source


def _source(expr: Expr, label: str) -> Expr | None:
    """The part that the label of the result comes from, without parentheses."""
    found: Expr | None = None
    match expr:
        case Call() if expr.func not in ("absent", "absent_over_time", "vector", "scalar"):
            found = next((arg for arg in expr.args if arg.type in (ValueType.VECTOR, ValueType.MATRIX)), None)
        case Aggregate() | Subquery() | Unary():
            found = expr.expr
        case MatrixSelector():
            found = expr.selector
        case Binary():
            found = _side(expr, label)
    return None if found is None or found.type is ValueType.SCALAR else unwrap(found)


def _side(expr: Binary, label: str) -> Expr:
    if expr.lhs.type is ValueType.SCALAR:
        return expr.rhs
    if expr.rhs.type is ValueType.SCALAR or expr.op in SETS:
        return expr.lhs
    matching = expr.matching or Matching()
    sides = (expr.lhs, expr.rhs) if matching.card is not Cardinality.ONE_TO_MANY else (expr.rhs, expr.lhs)
    return sides[1] if label in matching.include else sides[0]


def _loses(expr: Expr, label: str) -> bool:
    match expr:
        case Aggregate():
            return expr.op not in WHOLE_SERIES and (label in expr.grouping) == expr.without
        case Binary() if expr.matching is not None and expr.op not in SETS:
            matching = expr.matching
            return matching.card is Cardinality.ONE_TO_ONE and (label in matching.labels) != matching.on
        case Call():
            return label == "le" and expr.func in ("histogram_quantile", "histogram_fraction")
    return False


def _advice(expr: Expr, label: str) -> str:
    match expr:
        case Aggregate() if expr.without:
            return f"take {label!r} out of `without (...)`"
        case Aggregate():
            return f"aggregate `by ({', '.join([*expr.grouping, label])})`"
        case Binary() if expr.matching is not None and expr.matching.on:
            return f"match by it too, or take it over with `group_left ({label})`"
        case Binary():
            return f"`ignoring ({label})` drops it: `group_left` keeps the labels of the left side"
        case Call() if expr.func in ("absent", "absent_over_time"):
            return _of_absent(expr, label)
        case Call() if label == "le":
            return f"`{expr.func}` takes the buckets together, and 'le' with them"
        case Call():
            return f"`{expr.func}(...)` has no labels"
        case VectorSelector():
            return f"its selector asks for series without {label!r}"
    return ""


def _of_absent(expr: Call, label: str) -> str:
    """Why ``absent`` has not the label: it takes labels from a plain selector that compares them once, by ``=``."""
    arg = unwrap(expr.args[0])
    selector = arg.selector if isinstance(arg, MatrixSelector) else arg
    if not isinstance(selector, VectorSelector):
        what = {Aggregate: "an aggregation", Subquery: "a subquery", Call: "a function"}
        kind = what.get(type(selector), "an operation")
        if isinstance(selector, Binary) and selector.op in COMPARISONS:
            kind = "a comparison"
        text = _literal(arg, label)
        return f"`{expr.func}` has labels only of a plain selector, and its argument is {kind}: write {text} in the text itself"
    named = [each for each in selector.matchers if each.name == label]
    if not named:
        return f"`{expr.func}` has only the labels that its selector compares by `=`, and it does not compare {label!r}"
    if len(named) > 1:
        return f"the selector compares {label!r} {len(named)} times, and `{expr.func}` keeps only what is compared once, by `=`"
    if named[0].op is MatchOp.EQUAL:
        return f"its selector asks for series without {label!r}"
    return f"`{expr.func}` has only the labels that its selector compares by `=`, and {label!r} is compared by `{named[0].op.value}`"


def _literal(arg: Expr, label: str) -> str:
    """What a template may say in place of the label."""
    equal = {
        each.value
        for node in walk(arg)
        if isinstance(node, VectorSelector)
        for each in node.matchers
        if each.name == label and each.op is MatchOp.EQUAL
    }
    return quote(next(iter(equal))) if len(equal) == 1 else f"the {label}"
