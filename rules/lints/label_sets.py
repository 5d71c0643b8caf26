"""Which labels the result of an expression can have: derived from the expression alone, and never too few.

Semantics: Prometheus' engine: ``resultMetric`` for operators between vectors, ``aggregation`` for grouping, ``createLabelsForAbsentFunction``.
"""

from __future__ import annotations

from dataclasses import dataclass

from rules.promql.absence import absent_labels
from rules.promql.syntax.ast import (
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    Matching,
    MatchOp,
    MatrixSelector,
    StringLiteral,
    Subquery,
    ValueType,
    VectorSelector,
    unwrap,
)

SETS = ("and", "or", "unless")
WHOLE_SERIES = ("topk", "bottomk", "limitk", "limit_ratio")


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Labels that a series may have: those of ``names``, or all but those."""

    names: frozenset[str] = frozenset()
    all_but: bool = False

    def __contains__(self, name: str) -> bool:
        return (name in self.names) != self.all_but

    def __or__(self, other: LabelSet) -> LabelSet:
        return ~(~self & ~other)

    def __and__(self, other: LabelSet) -> LabelSet:
        if self.all_but and other.all_but:
            return LabelSet(self.names | other.names, True)
        if self.all_but:
            return LabelSet(other.names - self.names)
        return LabelSet(self.names - other.names if other.all_but else self.names & other.names)

    def __invert__(self) -> LabelSet:
        return LabelSet(self.names, not self.all_but)

    def __sub__(self, other: LabelSet) -> LabelSet:
        return self & ~other


ANY = LabelSet(all_but=True)
NONE = LabelSet()


def only(*names: str) -> LabelSet:
    """Just these labels."""
    return LabelSet(frozenset(names))


def possible_labels(expr: Expr) -> LabelSet:
    """The labels that series of the expression's value may have; the metric's name always counts as possible."""
    match expr:
        case VectorSelector():
            # A series that matches {pool=""} has no pool.
            return ANY - only(*(each.name for each in expr.matchers if each.op is MatchOp.EQUAL and not each.value))
        case MatrixSelector():
            return possible_labels(expr.selector)
        case Call():
            return _of_call(expr)
        case Aggregate():
            return _of_aggregate(expr)
        case Binary():
            return _of_binary(expr)
        case _ if expr.type is ValueType.SCALAR or expr.type is ValueType.STRING:
            return NONE
        case Subquery():
            return possible_labels(expr.expr)
        case _:
            return possible_labels(unwrap(getattr(expr, "expr", expr)))


def _of_call(expr: Call) -> LabelSet:
    if expr.func in ("absent", "absent_over_time"):
        return only(*(name for name, value in absent_labels(expr.args[0]).items() if value))
    if expr.func in ("info", "histogram_quantiles"):
        return ANY
    vectors = [arg for arg in expr.args if arg.type in (ValueType.VECTOR, ValueType.MATRIX)]
    if not vectors:
        return NONE
    found = possible_labels(vectors[0])
    if expr.func in ("label_replace", "label_join"):
        name = unwrap(expr.args[1])
        return found | only(name.value) if isinstance(name, StringLiteral) else ANY
    return found - only("le") if expr.func in ("histogram_quantile", "histogram_fraction") else found


def _of_aggregate(expr: Aggregate) -> LabelSet:
    inner = possible_labels(expr.expr)
    if expr.op in WHOLE_SERIES:
        return inner
    kept = inner - only(*expr.grouping) if expr.without else inner & only(*expr.grouping)
    if expr.op == "count_values" and expr.param is not None:
        name = unwrap(expr.param)
        return kept | only(name.value) if isinstance(name, StringLiteral) else ANY
    return kept


def _of_binary(expr: Binary) -> LabelSet:
    sides = [side for side in (expr.lhs, expr.rhs) if side.type is not ValueType.SCALAR]
    if len(sides) < 2:
        return possible_labels(sides[0]) if sides else NONE
    left, right = possible_labels(expr.lhs), possible_labels(expr.rhs)
    if expr.op == "or":
        return left | right
    if expr.op in SETS:
        return left
    matching = expr.matching or Matching()
    included = only(*matching.include)
    if matching.card is Cardinality.MANY_TO_ONE:
        return (left - included) | (right & included)
    if matching.card is Cardinality.ONE_TO_MANY:
        return (right - included) | (left & included)
    named = only(*matching.labels)
    return left & named if matching.on else left - named
