"""Expressions by their shapes: nodes of the same kind over parts of the same shapes, which differ in matchers and constants alone.

``rate(a[5m]) > 1``, ``rate(a[5m]) > 2`` and ``rate(b{x="1"}[5m]) > 3`` have one shape, ``rate(_[5m]) > _``. It has three members, and the shape
below it, ``rate(_[5m])``, has two: a part that several expressions share is one member. :mod:`rules.promql.together` evaluates a shape with all its
members at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from rules.promql.binary import COMPARISONS
from rules.promql.engine import at_instants
from rules.promql.functions import calendar, counters, elementwise, histograms, over_time, regression
from rules.promql.storage import MemoryStorage
from rules.promql.syntax import ast
from rules.promql.values import Floats, Index, Scalar

Matchers = tuple[ast.Matcher, ...]

MEMBER = "\0member"
"""The label that keeps the series of members apart while they are evaluated at once. No series has it: it is no name."""

_FOLDING = frozenset({"sum", "avg", "min", "max", "count", "group"})
"""Aggregations that fold each group by itself, with the same result to the last bit whatever groups are beside it."""

_INEXACT = frozenset(
    {
        *("^", "atan2", "exp", "ln", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan"),
        *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
    }
)
"""Of these numpy gives another last bit, or another NaN, where a value stands at another place of an array."""

_BY_SERIES = frozenset(
    {
        *counters.FUNCTIONS,
        *over_time.FUNCTIONS,
        *regression.FUNCTIONS,
        *(elementwise.FUNCTIONS.keys() - _INEXACT),
        *calendar.FUNCTIONS,
        *histograms.FUNCTIONS,
        "label_replace",
        "label_join",
    }
) - {"pi", "time"}
"""Functions of one vector, or range, whose series, or histograms, do not depend on each other."""

_NOTHING = MemoryStorage.from_series(())


@dataclass(frozen=True, eq=False)
class Selectors:
    """The matchers of some selectors.

    Attributes:
        once: they are not asked for again. Others are, by the same object.
    """

    matchers: tuple[Matchers, ...]
    once: bool = False


@dataclass(eq=False)
class Shape:
    """Nodes that are evaluated at once, its members.

    Attributes:
        expr: the node. Its vector parts are fragments that number ``parts``; its selector, if it has one, selects nothing.
        parts: the shapes of its vector parts.
        leaf: what it reads if it has no parts: ``samples``, of the selectors of the members, or ``fragments``; empty otherwise.
        with_number: one side is a number of each member.
    """

    expr: ast.Expr
    parts: tuple[Shape, ...] = ()
    leaf: str = ""
    with_number: bool = False
    _members: dict[object, int] = field(default_factory=dict)
    _refs: list[tuple[int, ...]] = field(default_factory=list)
    _own: list[object] = field(default_factory=list)

    def member(self, own: object, refs: tuple[int, ...]) -> int:
        """The number of a member, made unless there is one with the same own part, and the same members of the parts."""
        key = (own.hex() if isinstance(own, float) else own), refs
        found = self._members.get(key)
        if found is None:
            found = self._members[key] = len(self._refs)
            self._refs.append(refs)
            self._own.append(own)
        return found

    @property
    def size(self) -> int:
        """How many members it has."""
        return len(self._refs)

    @cached_property
    def refs(self) -> tuple[Index, ...]:
        """For each part ``[members]``, which of its members belongs to each member here."""
        table = np.array(self._refs, np.int64).reshape(self.size, len(self.parts))
        return tuple(np.ascontiguousarray(table[:, place]) for place in range(len(self.parts)))

    @cached_property
    def numbers(self) -> Floats:
        """``[members]``, of a shape ``with_number``."""
        return np.array(self._own, np.float64)

    @cached_property
    def selectors(self) -> Selectors:
        """Of the members of a leaf of samples."""
        return Selectors(tuple(self._own))  # type: ignore[arg-type]

    @cached_property
    def fragments(self) -> dict[int, int]:
        """The members of a leaf of fragments, by what the store is asked for."""
        return {number: place for place, number in enumerate(self._own)}  # type: ignore[misc]

    @cached_property
    def comparison(self) -> str | None:
        """The operator by which the vector is compared with each number, the vector on its left; None if nothing is filtered so."""
        expr = self.expr
        if not (self.with_number and isinstance(expr, ast.Binary) and expr.op in COMPARISONS and not expr.return_bool):
            return None
        return expr.op if isinstance(expr.lhs, ast.Fragment) else expr.op.translate(_TURNED)

    @cached_property
    def folds(self) -> bool:
        """Whether it is an aggregation."""
        return isinstance(self.expr, ast.Aggregate)


_TURNED = str.maketrans("<>", "><")

Node = tuple[Shape, int]
"""A member of a shape."""


class Shapes:
    """The shapes of expressions as they are taken up."""

    def __init__(self) -> None:
        self._found: dict[object, Shape] = {}

    def node(self, expr: ast.Expr) -> Node | None:
        """The node of an expression; None if it has to be evaluated by itself."""
        match expr:
            case ast.Paren() | ast.Unary(op="+"):
                return self.node(expr.expr) if expr.type is ast.ValueType.VECTOR else None
            case ast.Unary():
                return self._above(expr, {"expr": expr.expr})
            case ast.VectorSelector(at=None):
                return self._leaf(_bare(expr), "samples", expr.matchers)
            case ast.Fragment():
                return self._leaf(ast.Fragment(0, ast.NumberLiteral(0.0)), "fragments", expr.number)
            case ast.Aggregate(param=None) if expr.op in _FOLDING:
                kept = expr.grouping if expr.without else (*expr.grouping, MEMBER)
                return self._above(replace(expr, grouping=kept), {"expr": expr.expr})
            case ast.Call() if expr.func in _BY_SERIES:
                return self._call(expr)
            case ast.Binary(type=ast.ValueType.VECTOR) if expr.op not in _INEXACT:
                return self._binary(expr)
        return None

    def _call(self, expr: ast.Call) -> Node | None:
        read = [
            place for place, part in enumerate(expr.args) if part.type in (ast.ValueType.VECTOR, ast.ValueType.MATRIX)
        ]
        if len(read) != 1 or not all(_is_static(part) for place, part in enumerate(expr.args) if place != read[0]):
            return None
        part = ast.unwrap(expr.args[read[0]])

        def over(part: ast.Expr) -> ast.Call:
            return replace(expr, args=(*expr.args[: read[0]], part, *expr.args[read[0] + 1 :]))

        match part:
            case ast.MatrixSelector(selector=ast.VectorSelector(at=None)):
                return self._leaf(over(replace(part, selector=_bare(part.selector))), "samples", part.selector.matchers)
            case ast.VectorSelector(at=None) if expr.func == "timestamp":
                return self._leaf(over(_bare(part)), "samples", part.matchers)
        if part.type is not ast.ValueType.VECTOR:
            return None
        found = self.node(part)
        return None if found is None else self._member(over(_part(0)), [found])

    def _binary(self, expr: ast.Binary) -> Node | None:
        sides = {
            name: side for name, side in (("lhs", expr.lhs), ("rhs", expr.rhs)) if side.type is ast.ValueType.VECTOR
        }
        if len(sides) == 2:
            matching = expr.matching or ast.Matching()
            if matching.on:
                matching = replace(matching, labels=(*matching.labels, MEMBER))
            return self._above(replace(expr, matching=matching), sides)
        (vector,) = sides
        other = expr.rhs if vector == "lhs" else expr.lhs
        if not _is_static(other):
            return None
        number = np.nan if any(isinstance(node, ast.Call) for node in ast.walk(other)) else _constant(other)
        if np.isnan(number):
            # Of two NaNs, numpy gives one for a number and the other for a column of numbers.
            return self._above(expr, sides)
        found = self.node(sides[vector])
        if found is None:
            return None
        shown = ast.NumberLiteral(0.0)
        kept = replace(expr, lhs=_part(0), rhs=shown) if vector == "lhs" else replace(expr, lhs=shown, rhs=_part(0))
        return self._member(kept, [found], number)

    def _above(self, expr: ast.Unary | ast.Aggregate | ast.Binary, sides: dict[str, ast.Expr]) -> Node | None:
        """A node that has vector parts, by the names of its fields."""
        nodes = [self.node(side) for side in sides.values()]
        found = [node for node in nodes if node is not None]
        if len(found) < len(nodes):
            return None
        parts: dict[str, ast.Expr] = {name: _part(place) for place, name in enumerate(sides)}
        return self._member(replace(expr, **parts), found)  # type: ignore[arg-type]

    def _member(self, expr: ast.Expr, found: Sequence[Node], number: float | None = None) -> Node:
        parts = tuple(shape for shape, _ in found)
        key = (expr, _literals(expr), number is None, *map(id, parts))
        shape = self._found.get(key)
        if shape is None:
            shape = self._found[key] = Shape(expr, parts, with_number=number is not None)
        return shape, shape.member(number, tuple(member for _, member in found))

    def _leaf(self, expr: ast.Expr, leaf: str, own: object) -> Node:
        key = (expr, _literals(expr), leaf)
        shape = self._found.get(key)
        if shape is None:
            shape = self._found[key] = Shape(expr, leaf=leaf)
        return shape, shape.member(own, ())


def _part(place: int) -> ast.Fragment:
    return ast.Fragment(place, ast.NumberLiteral(0.0))


def _bare(selector: ast.VectorSelector) -> ast.VectorSelector:
    return replace(selector, name=None, matchers=())


def _is_static(expr: ast.Expr) -> bool:
    """Whether an expression reads nothing: at an evaluation time it is the same wherever it stands."""
    return all(node.type in (ast.ValueType.SCALAR, ast.ValueType.STRING) for node in ast.walk(expr))


def _literals(expr: ast.Expr) -> tuple[str, ...]:
    """The numbers of an expression to the bit: 0 and -0 are equal, and not the same."""
    return tuple(node.value.hex() for node in ast.walk(expr) if isinstance(node, ast.NumberLiteral))


def _constant(expr: ast.Expr) -> float:
    value = at_instants(expr, _NOTHING, np.zeros(1, np.int64)).value
    return float(value.values[0]) if isinstance(value, Scalar) else np.nan
