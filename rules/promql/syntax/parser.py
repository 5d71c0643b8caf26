"""From the text of an expression to its tree.

Grammar, precedence and checks are those of Prometheus 3.14 without feature flags (``promql/parser`` there is the reference):
what it takes is taken, what it refuses is refused. What only its flags allow is an `UnsupportedFeature`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from rules.promql.syntax.ast import (
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    Matching,
    NumberLiteral,
    Paren,
    StringLiteral,
    Unary,
    VectorSelector,
)
from rules.promql.syntax.durations import literal
from rules.promql.syntax.errors import PromQLSyntaxError, Span
from rules.promql.syntax.features import Missing
from rules.promql.syntax.hints import after_expression, instead_of_operand, unknown_function
from rules.promql.syntax.lexer import (
    AGGREGATORS,
    AGGREGATORS_WITH_PARAMETER,
    DURATION,
    END,
    FILLS,
    IDENTIFIER,
    METRIC,
    NUMBER,
    PREPROCESSORS,
    STRING,
    tokenize,
)
from rules.promql.syntax.modifiers import MODIFIERS, ModifierParser
from rules.promql.syntax.selectors import NAMES, grouping_labels, selector, string_value
from rules.promql.syntax.signatures import FUNCTIONS
from rules.promql.syntax.tokens import MAX_NESTING, TokenStream
from rules.promql.syntax.typecheck import check_aggregate, check_binary, check_call, check_unary

# How high a tree may be: a chain of operators makes one as high as it is long.
MAX_HEIGHT: Final = 200
PRECEDENCE: Final = {
    "or": 1,
    **dict.fromkeys(("and", "unless"), 2),
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "</", ">/"), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%", "atan2"), 5),
    "^": 6,
}
# A sign binds like a product: -2 ^ 2 is -(2 ^ 2).
_SIGN: Final = PRECEDENCE["*"] + 1


def parse(text: str, *, experimental: bool = False) -> Expr:
    """The tree of an expression.

    Args:
        text: the expression, comments and line breaks included.
        experimental: take the functions and aggregations that Prometheus calls experimental.

    Raises:
        PromQLSyntaxError: if Prometheus would refuse it, or it nests deeper than `MAX_NESTING` or grows higher than `MAX_HEIGHT`.
        UnsupportedFeature: if only experimental features of Prometheus, or native histograms, could take it.
    """
    return _Parser(text, experimental).parse()


class _Parser:
    def __init__(self, text: str, experimental: bool) -> None:
        self._text = text
        self._experimental = experimental
        self._tokens = TokenStream(tokenize(text))
        self._missing = Missing()
        self._modifiers = ModifierParser(self._tokens, text, self._missing)
        self._nesting = 0
        self._of_info = False
        # Of the tree returned last.
        self._height = 0

    def parse(self) -> Expr:
        if self._tokens.current.kind is END:
            raise PromQLSyntaxError("no expression found in input", Span(0, len(self._text)), "write an expression")
        expr = self._expression(1)
        if self._tokens.current.kind is not END:
            raise self._tokens.unexpected("", "an operator or the end", after_expression(self._tokens, expr))
        self._missing.raise_first()
        return expr

    def _expression(self, least: int) -> Expr:
        """Operands and operators, as far as those bind at least as strongly as ``least``."""
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise PromQLSyntaxError(
                f"expression nested deeper than {MAX_NESTING} levels",
                self._tokens.current.span,
                "record a part of it in a rule of its own",
            )
        left = self._operand()
        while (precedence := PRECEDENCE.get(self._tokens.current.kind, 0)) >= least:
            height = self._height
            left = self._binary(left, precedence)
            self._grow(max(height, self._height), left.span)
        self._nesting -= 1
        return left

    def _grow(self, height: int, span: Span) -> None:
        self._height = height + 1
        if self._height > MAX_HEIGHT:
            raise PromQLSyntaxError(
                f"expression chains or nests more than {MAX_HEIGHT} operations",
                Span(span.end - 1, span.end),
                "match alternatives by a pattern, or record a part of it in a rule of its own",
            )

    def _binary(self, left: Expr, precedence: int) -> Expr:
        tokens = self._tokens
        operator = tokens.advance()
        return_bool = tokens.current.kind == "bool"
        if return_bool:
            tokens.advance()
        matching = self._matching()
        if tokens.current.kind in FILLS:
            self._fill()
        if tokens.current.kind == "=":
            raise tokens.unexpected("", "an operand", 'comparison is written "=="')
        right = self._expression(precedence if operator.kind == "^" else precedence + 1)
        span = Span(left.span.start, right.span.end)
        if operator.kind in ("</", ">/"):
            self._missing.note_native(
                f"operator {operator.kind} cuts native histograms, which are not supported", operator.span
            )
        return check_binary(Binary(operator.kind, left, right, return_bool, matching, span, operator.span))

    def _matching(self) -> Matching:
        tokens = self._tokens
        card = Cardinality.ONE_TO_ONE
        labels: tuple[str, ...] = ()
        include: tuple[str, ...] = ()
        on = tokens.current.kind == "on"
        if on or tokens.current.kind == "ignoring":
            tokens.advance()
            labels = grouping_labels(tokens)
            if tokens.current.kind in ("group_left", "group_right"):
                left = tokens.advance().kind == "group_left"
                card = Cardinality.MANY_TO_ONE if left else Cardinality.ONE_TO_MANY
                if tokens.current.kind == "(":
                    include = grouping_labels(tokens)
        elif tokens.current.kind in ("group_left", "group_right"):
            raise tokens.unexpected(
                "", "on(...) or ignoring(...) before it", "say which labels match: on(job) group_left"
            )
        return Matching(card, on, labels, include)

    def _fill(self) -> None:
        tokens = self._tokens
        seen: list[str] = []
        while tokens.current.kind in FILLS and tokens.current.kind not in seen and "fill" not in seen:
            if seen and tokens.current.kind == "fill":
                break
            modifier = tokens.advance()
            seen.append(modifier.kind)
            tokens.expect("(", modifier.kind)
            if tokens.current.kind in ("+", "-"):
                tokens.advance()
            if tokens.current.kind not in (NUMBER, DURATION):
                raise tokens.unexpected(modifier.kind, "number")
            tokens.advance()
            tokens.expect(")", modifier.kind)
            self._missing.note_flag(
                f"modifier {modifier.kind} is not supported", modifier.span, "promql-binop-fill-modifiers"
            )

    def _operand(self) -> Expr:
        tokens = self._tokens
        token = tokens.current
        if token.kind in ("+", "-"):
            tokens.advance()
            inner = self._expression(_SIGN)
            span = Span(token.start, inner.span.end)
            if isinstance(inner, NumberLiteral):
                return replace(inner, value=-inner.value if token.kind == "-" else inner.value, span=span)
            check_unary(inner, token.span)
            self._grow(self._height, span)
            return Unary("-" if token.kind == "-" else "+", inner, span)
        expr = self._primary()
        if tokens.current.kind in MODIFIERS:
            expr, subqueries = self._modifiers.apply(expr)
            for _ in range(subqueries):
                self._grow(self._height, expr.span)
        return expr

    def _primary(self) -> Expr:
        tokens = self._tokens
        token = tokens.current
        kind = token.kind
        self._height = 1
        if kind == IDENTIFIER or kind in PREPROCESSORS:
            if tokens.following.kind == "(":
                return self._call()
            return selector(tokens)
        if kind in (NUMBER, DURATION):
            tokens.advance()
            return NumberLiteral(literal(token), duration=kind == DURATION, span=token.span)
        if kind in AGGREGATORS and tokens.following.kind in ("(", "by", "without"):
            return self._aggregate()
        if kind in (METRIC, "{") or kind in NAMES:
            return selector(tokens, may_be_empty=self._of_info)
        if kind == "(":
            tokens.advance()
            inner = self._expression(1)
            self._close("expression", inner)
            self._grow(self._height, inner.span)
            return Paren(inner, Span(token.start, tokens.last_end))
        if kind == STRING:
            return StringLiteral(string_value(tokens.advance()), token.span)
        raise tokens.unexpected("", "an expression", instead_of_operand(tokens))

    def _call(self) -> Expr:
        name = self._tokens.current
        signature = FUNCTIONS.get(name.text)
        if signature is None:
            raise PromQLSyntaxError(
                f'unknown function with name "{name.text}"', name.span, unknown_function(self._tokens)
            )
        self._tokens.advance()
        around, self._of_info = self._of_info, name.text == "info"
        args = self._arguments()
        self._of_info = around
        span = Span(name.start, self._tokens.last_end)
        if signature.experimental and not self._experimental:
            self._missing.note_flag(
                f"function {name.text} is not supported", name.span, "promql-experimental-functions"
            )
        call = Call(name.text, args, signature.returns, span)
        check_call(call, signature, self._text)
        if call.func == "info" and len(args) > 1:
            labels = args[1]
            if not isinstance(labels, VectorSelector) or labels.name is not None:
                raise PromQLSyntaxError("expected label selectors only", labels.span, 'write {job="api"}')
        return call

    def _aggregate(self) -> Expr:
        tokens = self._tokens
        operator = tokens.advance()
        op = operator.kind
        clause = self._grouping()
        args = self._arguments()
        if clause is None:
            clause = self._grouping()
        grouping, without = clause or ((), False)
        span = Span(operator.start, tokens.last_end)
        parameter = op in AGGREGATORS_WITH_PARAMETER
        if op in ("limitk", "limit_ratio") and not self._experimental:
            self._missing.note_flag(
                f"aggregation {op} is not supported", operator.span, "promql-experimental-functions"
            )
        wanted = 2 if parameter else 1
        if len(args) != wanted:
            hint = f"write {op}(parameter, expression)" if parameter else f"write {op}(expression)"
            raise PromQLSyntaxError(
                f"wrong number of arguments for aggregate expression provided, expected {wanted}, got {len(args)}"
                if args
                else "no arguments for aggregate expression provided",
                span,
                hint,
            )
        aggregate = Aggregate(op, args[-1], args[0] if parameter else None, grouping, without, span)
        check_aggregate(aggregate, self._text)
        return aggregate

    def _grouping(self) -> tuple[tuple[str, ...], bool] | None:
        if self._tokens.current.kind not in ("by", "without"):
            return None
        without = self._tokens.advance().kind == "without"
        return grouping_labels(self._tokens), without

    def _arguments(self) -> tuple[Expr, ...]:
        tokens = self._tokens
        start = tokens.expect("(", "aggregation", "the expression to aggregate stands in parentheses").start
        args: list[Expr] = []
        height = 0
        if tokens.current.kind != ")":
            args.append(self._expression(1))
            height = self._height
            while tokens.current.kind == ",":
                comma = tokens.advance()
                if tokens.current.kind == ")":
                    raise PromQLSyntaxError(
                        "trailing commas not allowed in function call args", comma.span, "leave the comma out"
                    )
                args.append(self._expression(1))
                height = max(height, self._height)
        self._close("arguments", args[-1] if args else None)
        self._grow(height, Span(start, tokens.last_end))
        return tuple(args)

    def _close(self, where: str, inner: Expr | None = None) -> None:
        if self._tokens.current.kind != ")":
            raise self._tokens.unexpected(where, 'an operator or ")"', after_expression(self._tokens, inner))
        self._tokens.advance()
