"""Whether the parts of an expression fit together: the checks Prometheus makes once the syntax holds, with what to write instead."""

from __future__ import annotations

from dataclasses import replace

from rules.promql import dialects
from rules.promql.matchers import predicate
from rules.promql.syntax.ast import (
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    Matcher,
    MatrixSelector,
    NumberLiteral,
    Subquery,
    ValueType,
    VectorSelector,
    unwrap,
)
from rules.promql.syntax.errors import PromQLSyntaxError, Span
from rules.promql.syntax.signatures import Signature
from schemas.series import METRIC_NAME

COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
SET_OPERATORS = frozenset({"and", "or", "unless"})
_OPERANDS = (ValueType.SCALAR, ValueType.VECTOR)


def check_call(call: Call, signature: Signature, text: str) -> None:
    """Raises PromQLSyntaxError if number or types of the arguments do not fit."""
    count, most = len(call.args), signature.most
    if count < signature.fewest or (most is not None and count > most):
        if signature.fewest == most:
            expected = f"{most}"
        else:
            expected = f"at least {signature.fewest}" if count < signature.fewest else f"at most {most}"
        second = call.args[1] if count == 2 and signature.args[0] is ValueType.MATRIX else None
        if isinstance(second, NumberLiteral) and call.args[0].type is ValueType.VECTOR:
            raise PromQLSyntaxError(
                f'expected {expected} argument(s) in call to "{call.func}", got {count}',
                call.span,
                f"the range stands in brackets: {call.func}(x[{text[second.span.start : second.span.end]}])",
            )
        takes = ", ".join(kind.value for kind in signature.args) or "nothing"
        raise PromQLSyntaxError(
            f'expected {expected} argument(s) in call to "{call.func}", got {count}',
            call.span,
            f"{call.func} takes: {takes}",
        )
    for index, argument in enumerate(call.args):
        expect(argument, signature.args[min(index, len(signature.args) - 1)], f'call to function "{call.func}"', text)


def expect(argument: Expr, wanted: ValueType, where: str, text: str) -> None:
    """Raises PromQLSyntaxError if an argument has another type than the one wanted."""
    kind = argument.type
    if kind is wanted:
        return
    hint = ""
    source = text[argument.span.start : argument.span.end]
    short = source if len(source) <= 60 else "x"
    if wanted is ValueType.MATRIX and kind is ValueType.VECTOR:
        function = where.rpartition(" ")[2].strip('"')
        selector = isinstance(argument, VectorSelector) and not argument.offset_ms and argument.at is None
        write = f"{short}[5m]" if selector else f"({short})[1h:]" if isinstance(argument, Binary) else f"{short}[1h:]"
        hint = f"{function} needs a range vector: write {write}"
    elif wanted is ValueType.VECTOR and kind is ValueType.MATRIX:
        hint = "take the range away, or give it to a function of ranges such as rate or max_over_time"
        if where == "aggregation expression":
            hint = "an aggregation joins series; over time there are avg_over_time(x[5m]), max_over_time(x[5m]) and the like"
    elif wanted is ValueType.VECTOR and kind is ValueType.SCALAR:
        hint = f"write vector({short})"
    elif wanted is ValueType.SCALAR and kind is ValueType.VECTOR:
        hint = f"write scalar({short}), which needs exactly one series"
    elif wanted is ValueType.STRING:
        hint = f'write it in quotes: "{short}"' if isinstance(argument, VectorSelector) else "write a string in quotes"
    raise PromQLSyntaxError(f"expected type {wanted.value} in {where}, got {kind.value}", argument.span, hint)


def check_aggregate(aggregate: Aggregate, text: str) -> None:
    """Raises PromQLSyntaxError if the types of parameter or expression do not fit."""
    expect(aggregate.expr, ValueType.VECTOR, "aggregation expression", text)
    if aggregate.param is not None:
        wanted = ValueType.STRING if aggregate.op == "count_values" else ValueType.SCALAR
        expect(aggregate.param, wanted, "aggregation parameter", text)


def check_binary(node: Binary) -> Binary:
    """The operation with its matching as it takes effect: none with a scalar, many to many for a set operator.

    Raises:
        PromQLSyntaxError: if operator, operands and modifiers do not fit.
    """
    left, right, matching = node.lhs.type, node.rhs.type, node.matching
    if node.return_bool and node.op not in COMPARISONS:
        raise PromQLSyntaxError(
            "bool modifier can only be used on comparison operators", node.op_span, "leave bool out"
        )
    for operand in (node.lhs, node.rhs):
        if operand.type not in _OPERANDS:
            hint = ""
            if isinstance(unwrap(operand), (MatrixSelector, Subquery)):
                hint = f"give the range to a function first, as in rate(x[5m]) {node.op} ..."
            elif operand.type is ValueType.STRING:
                hint = dialects.LABELS
            raise PromQLSyntaxError(
                "binary expression must contain only scalar and instant vector types", operand.span, hint
            )
    scalars = left is right is ValueType.SCALAR
    if scalars and node.op in COMPARISONS and not node.return_bool:
        raise PromQLSyntaxError(
            "comparisons between scalars must use BOOL modifier", node.op_span, f'write "{node.op} bool"'
        )
    if matching is None:
        return node
    if matching.on:
        both = [label for label in matching.labels if label in matching.include]
        if both:
            raise PromQLSyntaxError(
                f"label {both[0]!r} must not occur in ON and GROUP clause at once",
                node.op_span,
                f"take {both[0]} out of the group clause: the match itself keeps it",
            )
    if ValueType.SCALAR in (left, right):
        if node.op in SET_OPERATORS:
            scalar = node.lhs if left is ValueType.SCALAR else node.rhs
            raise PromQLSyntaxError(
                f'set operator "{node.op}" not allowed in binary scalar expression',
                scalar.span,
                "both sides must be vectors: write vector(...)",
            )
        if matching.labels:
            raise PromQLSyntaxError(
                "vector matching only allowed between instant vectors", node.op_span, "leave the on/ignoring clause out"
            )
        return replace(node, matching=None)
    if node.op in SET_OPERATORS:
        if matching.card is not Cardinality.ONE_TO_ONE:
            raise PromQLSyntaxError(
                f'no grouping allowed for "{node.op}" operation',
                node.op_span,
                "set operators match many to many: leave group_left/group_right out",
            )
        return replace(node, matching=replace(matching, card=Cardinality.MANY_TO_MANY))
    return node


def check_unary(operand: Expr, operator: Span) -> None:
    """Raises PromQLSyntaxError unless the operand is a scalar or an instant vector."""
    if operand.type not in _OPERANDS:
        raise PromQLSyntaxError(
            f"unary expression only allowed on expressions of type scalar or instant vector, got {operand.type.value}",
            Span(operator.start, operand.span.end),
        )


def check_subquery(inner: Expr) -> None:
    """Raises PromQLSyntaxError unless the expression is an instant vector."""
    if inner.type is not ValueType.VECTOR:
        hint = "put a scalar into vector(...)" if inner.type is ValueType.SCALAR else ""
        raise PromQLSyntaxError(
            f"subquery is only allowed on instant vector, got {inner.type.value} instead", inner.span, hint
        )


def check_selector(written_name: str | None, matchers: tuple[Matcher, ...], span: Span) -> None:
    """Raises PromQLSyntaxError if the name is set twice or nothing but empty matchers restricts the selection."""
    if written_name is not None:
        for matcher in matchers:
            if matcher.name == METRIC_NAME:
                raise PromQLSyntaxError(
                    f'metric name must not be set twice: "{written_name}" or "{matcher.value}"',
                    span,
                    "keep one of the two names",
                )
        return
    if all(predicate(matcher)("") for matcher in matchers):
        raise PromQLSyntaxError(
            "vector selector must contain at least one non-empty matcher",
            span,
            'add a metric name, or a matcher that an absent label does not satisfy, such as job!=""',
        )
