"""Which values a label of an expression's series can have, derived from the expression alone. It proves that two sides never match.

Semantics: as for :mod:`rules.lints.label_sets`. A label that a series has not is the empty value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from rules.lints.label_sets import SETS, WHOLE_SERIES
from rules.lints.patterns import Undecided, example
from rules.promql.absence import absent_labels
from rules.promql.syntax.ast import (
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    Fragment,
    Matcher,
    Matching,
    MatchOp,
    MatrixSelector,
    StringLiteral,
    Subquery,
    ValueType,
    VectorSelector,
    unwrap,
    walk,
)
from schemas.series import METRIC_NAME

Conditions = tuple[Matcher, ...]
"""What one value must meet, all of it; none: any value will do."""

_ANY: list[Conditions] = [()]
# Beyond, an expression is taken to yield any value.
_MOST = 16


def values_of_label(expr: Expr, label: str) -> list[Conditions]:
    """Conditions of which each value of the label meets one at least; never too narrow."""
    match expr:
        case VectorSelector():
            return [tuple(each for each in expr.matchers if each.name == label)]
        case MatrixSelector():
            return values_of_label(expr.selector, label)
        case Fragment():
            return _ANY
        case Call():
            return _of_call(expr, label)
        case Aggregate():
            return _of_aggregate(expr, label)
        case Binary():
            return _of_binary(expr, label)
        case _ if expr.type is ValueType.SCALAR or expr.type is ValueType.STRING:
            return _absent(label)
        case Subquery():
            return values_of_label(expr.expr, label)
        case _:
            inner = unwrap(getattr(expr, "expr", expr))
            return _ANY if inner is expr else values_of_label(inner, label)


def named_labels(expr: Expr) -> set[str]:
    """The labels that an expression names, without the metric's name."""
    found: set[str] = set()
    for node in walk(expr):
        match node:
            case VectorSelector():
                found.update(each.name for each in node.matchers)
            case Aggregate():
                found.update(node.grouping)
            case Binary() if node.matching is not None:
                found.update(node.matching.labels)
    return found - {METRIC_NAME}


def can_meet(one: Sequence[Conditions], other: Sequence[Conditions]) -> bool:
    """Whether a value may meet conditions of both; True where it is not known."""
    return any(is_possible((*left, *right)) for left, right in product(one, other))


def is_possible(conditions: Conditions) -> bool:
    """Whether a value may meet all conditions; True where it is not known."""
    if len(conditions) < 2 and not any(each.op is MatchOp.NOT_REGEX for each in conditions):
        return True
    try:
        return example(conditions) is not None
    except Undecided:
        return True


def contradictions(selector: VectorSelector) -> Iterator[Conditions]:
    """The matchers of each label that no value meets."""
    for name in dict.fromkeys(each.name for each in selector.matchers):
        conditions = tuple(each for each in selector.matchers if each.name == name)
        if not is_possible(conditions):
            yield conditions


def _absent(label: str) -> list[Conditions]:
    return [(Matcher(label, MatchOp.EQUAL, ""),)]


def _joint(one: list[Conditions], other: list[Conditions]) -> list[Conditions]:
    if len(one) * len(other) > _MOST:
        return one
    return [tuple(dict.fromkeys((*left, *right))) for left, right in product(one, other)]


def _of_call(expr: Call, label: str) -> list[Conditions]:
    if expr.func in ("absent", "absent_over_time"):
        value = absent_labels(expr.args[0]).get(label, "")
        return [(Matcher(label, MatchOp.EQUAL, value),)]
    if expr.func in ("info", "histogram_quantiles"):
        return _ANY
    if expr.func in ("label_replace", "label_join"):
        target = unwrap(expr.args[1])
        if not isinstance(target, StringLiteral) or target.value == label:
            return _ANY
    if expr.func in ("histogram_quantile", "histogram_fraction") and label == "le":
        return _absent(label)
    vectors = [arg for arg in expr.args if arg.type in (ValueType.VECTOR, ValueType.MATRIX)]
    return values_of_label(vectors[0], label) if vectors else _absent(label)


def _of_aggregate(expr: Aggregate, label: str) -> list[Conditions]:
    if expr.op in WHOLE_SERIES:
        return values_of_label(expr.expr, label)
    if expr.op == "count_values" and expr.param is not None:
        name = unwrap(expr.param)
        if not isinstance(name, StringLiteral) or name.value == label:
            return _ANY
    return values_of_label(expr.expr, label) if (label in expr.grouping) != expr.without else _absent(label)


def _of_binary(expr: Binary, label: str) -> list[Conditions]:
    sides = [side for side in (expr.lhs, expr.rhs) if side.type is not ValueType.SCALAR]
    if len(sides) < 2:
        return values_of_label(sides[0], label) if sides else _absent(label)
    left, right = values_of_label(expr.lhs, label), values_of_label(expr.rhs, label)
    matching = expr.matching or Matching()
    matched = (label in matching.labels) == matching.on
    if expr.op == "or":
        return [*left, *right] if len(left) + len(right) <= _MOST else _ANY
    if expr.op == "unless":
        return left
    if expr.op in SETS:
        return _joint(left, right) if matched else left
    if matching.card is Cardinality.ONE_TO_MANY:
        left, right = right, left
    if label in matching.include:
        return right
    if matching.card is Cardinality.ONE_TO_ONE and not matched:
        return _absent(label)
    return _joint(left, right) if matched else left
