"""The syntax tree of an expression: immutable, comparable, each node with its place in the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from rules.promql.syntax.errors import Span

NOWHERE = Span(0, 0)


class ValueType(str, Enum):
    """What an expression yields, in Prometheus' own words."""

    SCALAR = "scalar"
    VECTOR = "instant vector"
    MATRIX = "range vector"
    STRING = "string"


class MatchOp(str, Enum):
    """How a matcher compares a label; patterns are anchored RE2."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


class Cardinality(str, Enum):
    """How many series of either side may share a match group."""

    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"
    ONE_TO_MANY = "one-to-many"
    MANY_TO_MANY = "many-to-many"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label; an absent label has the empty value."""

    name: str
    op: MatchOp
    value: str


@dataclass(frozen=True, slots=True)
class NumberLiteral:
    """A number, or a duration in seconds where a number may stand.

    Attributes:
        duration: it was written as a duration, and prints as one.
    """

    value: float
    duration: bool = field(default=False, compare=False)
    span: Span = field(default=NOWHERE, compare=False)

    type = ValueType.SCALAR


@dataclass(frozen=True, slots=True)
class StringLiteral:
    """A string, unescaped."""

    value: str
    span: Span = field(default=NOWHERE, compare=False)

    type = ValueType.STRING


@dataclass(frozen=True, slots=True)
class VectorSelector:
    """Series by name and labels; ``matchers`` holds the name's own matcher too.

    Attributes:
        name: the metric name written before the braces (or quoted inside), if any.
        offset_ms: how far back to look; negative looks ahead.
        at: the instant of an ``@`` modifier in ms, or which end of the query's range it names.
    """

    name: str | None
    matchers: tuple[Matcher, ...]
    offset_ms: int = 0
    at: int | Literal["start", "end"] | None = None
    span: Span = field(default=NOWHERE, compare=False)

    type = ValueType.VECTOR


@dataclass(frozen=True, slots=True)
class MatrixSelector:
    """The samples of a selector over ``(t - range, t]``; offset and ``@`` are the inner selector's."""

    selector: VectorSelector
    range_ms: int
    span: Span = field(default=NOWHERE, compare=False)

    type = ValueType.MATRIX


@dataclass(frozen=True, slots=True)
class Subquery:
    """An expression evaluated every ``step_ms`` (the default interval when None), at multiples of it, over ``(t - range, t]``."""

    expr: Expr
    range_ms: int
    step_ms: int | None
    offset_ms: int = 0
    at: int | Literal["start", "end"] | None = None
    span: Span = field(default=NOWHERE, compare=False)

    type = ValueType.MATRIX


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments."""

    func: str
    args: tuple[Expr, ...]
    returns: ValueType
    span: Span = field(default=NOWHERE, compare=False)

    @property
    def type(self) -> ValueType:
        return self.returns


@dataclass(frozen=True, slots=True)
class Aggregate:
    """``op by/without (grouping) (param, expr)``; without a clause all series are one group (``by ()``)."""

    op: str
    expr: Expr
    param: Expr | None = None
    grouping: tuple[str, ...] = ()
    without: bool = False
    span: Span = field(default=NOWHERE, compare=False)

    type = ValueType.VECTOR


@dataclass(frozen=True, slots=True)
class Matching:
    """How the series of two vectors find each other.

    Attributes:
        on: match on ``labels`` only; otherwise on all but ``labels``.
        include: labels taken over from the "one" side (``group_left(...)``).
    """

    card: Cardinality = Cardinality.ONE_TO_ONE
    on: bool = False
    labels: tuple[str, ...] = ()
    include: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binary:
    """``lhs op rhs``; ``matching`` is None unless both sides are vectors."""

    op: str
    lhs: Expr
    rhs: Expr
    return_bool: bool = False
    matching: Matching | None = None
    span: Span = field(default=NOWHERE, compare=False)
    op_span: Span = field(default=NOWHERE, compare=False)

    @property
    def type(self) -> ValueType:
        scalars = self.lhs.type is ValueType.SCALAR and self.rhs.type is ValueType.SCALAR
        return ValueType.SCALAR if scalars else ValueType.VECTOR


@dataclass(frozen=True, slots=True)
class Unary:
    """``+x`` or ``-x``."""

    op: Literal["+", "-"]
    expr: Expr
    span: Span = field(default=NOWHERE, compare=False)

    @property
    def type(self) -> ValueType:
        return self.expr.type


@dataclass(frozen=True, slots=True)
class Paren:
    """Parentheses as written."""

    expr: Expr
    span: Span = field(default=NOWHERE, compare=False)

    @property
    def type(self) -> ValueType:
        return self.expr.type


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of an expression that shards have evaluated; its value is the union of theirs. Made by a planner, never parsed.

    Attributes:
        number: what the store is asked for.
        original: the part as it was written, which ``absent`` takes its labels from.
    """

    number: int
    original: Expr = field(compare=False)
    span: Span = field(default=NOWHERE, compare=False)

    type = ValueType.VECTOR


Expr = (
    NumberLiteral
    | StringLiteral
    | VectorSelector
    | MatrixSelector
    | Subquery
    | Call
    | Aggregate
    | Binary
    | Unary
    | Paren
    | Fragment
)


def children(expr: Expr) -> tuple[Expr, ...]:
    """The direct parts of a node, in the order they are written."""
    match expr:
        case MatrixSelector():
            return (expr.selector,)
        case Subquery() | Unary() | Paren():
            return (expr.expr,)
        case Call():
            return expr.args
        case Aggregate():
            return (expr.expr,) if expr.param is None else (expr.param, expr.expr)
        case Binary():
            return (expr.lhs, expr.rhs)
        case _:
            return ()


def walk(expr: Expr) -> Iterator[Expr]:
    """The node and everything below it, parents first."""
    yield expr
    for child in children(expr):
        yield from walk(child)


def unwrap(expr: Expr) -> Expr:
    """The expression inside any parentheses."""
    while isinstance(expr, Paren):
        expr = expr.expr
    return expr
