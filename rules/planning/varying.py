"""In which labels the series of an expression can differ: derived from the expression alone, and never too few.

Of two vectors that match, the "one" side must have at most one series in a match group; whether it does is settled here, where it can be.
"""

from __future__ import annotations

from rules.lints.label_sets import ANY, NONE, LabelSet, only
from rules.promql.labels import METRIC_NAME
from rules.promql.syntax import ast
from rules.promql.syntax.signatures import FUNCTIONS

_NAME = only(METRIC_NAME)
_COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
_KEEPING_THE_NAME = frozenset({"first_over_time", "last_over_time", "sort", "sort_desc"})
_ONE_SERIES = frozenset({"absent", "absent_over_time", "vector"})
_WHOLE_SERIES = frozenset({"topk", "bottomk"})


def one_in_a_group(expr: ast.Expr, matching: ast.Matching) -> bool:
    """Whether no two series of an instant vector can be in one match group, whatever the data."""
    varying = varying_labels(expr)
    compared = only(*matching.labels)
    return varying - compared == NONE if matching.on else varying & (compared | _NAME) == NONE


def varying_labels(expr: ast.Expr) -> LabelSet:
    """The labels in which two series of the expression's value at an evaluation time may differ; in all others they are equal."""
    match expr:
        case ast.VectorSelector():
            return ANY - only(*(each.name for each in expr.matchers if each.op is ast.MatchOp.EQUAL))
        case ast.MatrixSelector():
            return varying_labels(expr.selector)
        case ast.Subquery() | ast.Paren():
            return varying_labels(expr.expr)
        case ast.Unary():
            inner = varying_labels(expr.expr)
            return inner - _NAME if expr.op == "-" else inner
        case ast.Call():
            return _of_call(expr)
        case ast.Aggregate():
            return _of_aggregate(expr)
        case ast.Binary():
            return _of_binary(expr)
        case ast.Fragment():
            return varying_labels(expr.original)
        case _:
            return NONE


def _of_call(expr: ast.Call) -> LabelSet:
    vectors = [each for each in expr.args if each.type in (ast.ValueType.VECTOR, ast.ValueType.MATRIX)]
    if not vectors or expr.func in _ONE_SERIES:
        return NONE
    if expr.func not in FUNCTIONS or FUNCTIONS[expr.func].experimental:
        return ANY
    inner = varying_labels(vectors[0])
    if expr.func in ("label_replace", "label_join"):
        name = ast.unwrap(expr.args[1])
        return inner | only(name.value) if isinstance(name, ast.StringLiteral) else ANY
    if expr.func in ("histogram_quantile", "histogram_fraction"):
        return inner - only("le") - _NAME
    return inner if expr.func in _KEEPING_THE_NAME else inner - _NAME


def _of_aggregate(expr: ast.Aggregate) -> LabelSet:
    inner = varying_labels(expr.expr)
    if expr.op in _WHOLE_SERIES:
        return inner
    kept = inner - only(*expr.grouping) - _NAME if expr.without else inner & only(*expr.grouping)
    if expr.op != "count_values":
        return kept
    name = ast.unwrap(expr.param) if expr.param is not None else None
    return kept | only(name.value) if isinstance(name, ast.StringLiteral) else ANY


def _of_binary(expr: ast.Binary) -> LabelSet:
    drops = _NAME if expr.return_bool or expr.op not in _COMPARISONS else NONE
    if expr.matching is None:
        vector = expr.rhs if expr.lhs.type is ast.ValueType.SCALAR else expr.lhs
        return varying_labels(vector) - drops
    if expr.op in ("and", "unless"):
        return varying_labels(expr.lhs)
    if expr.op == "or":
        # What is equal within each side may differ between them.
        return ANY
    matching = expr.matching
    if matching.card in (ast.Cardinality.MANY_TO_ONE, ast.Cardinality.ONE_TO_MANY):
        many = expr.lhs if matching.card is ast.Cardinality.MANY_TO_ONE else expr.rhs
        return (varying_labels(many) | only(*matching.include)) - (drops - only(*matching.include))
    compared = only(*matching.labels)
    left = varying_labels(expr.lhs) - drops
    return left & compared if matching.on else left - compared
