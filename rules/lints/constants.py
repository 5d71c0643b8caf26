"""Conditions of alerts that filter nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rules.lints.conditions import FILTERS, bounds, filtered
from rules.lints.finding import Finding
from rules.lints.label_sets import SETS
from rules.lints.ranges import Range, values_of
from rules.model import AlertingRule, Rule
from rules.promql.syntax.ast import (
    Aggregate,
    Binary,
    Call,
    Expr,
    NumberLiteral,
    Subquery,
    Unary,
    ValueType,
    VectorSelector,
    unwrap,
    walk,
)

_PRESENCE = ("absent", "absent_over_time", "present_over_time", "count_over_time")


def constant_conditions(rule: Rule) -> Iterator[Finding]:
    """Alerts whose whole condition is there whenever their series are, or always.

    A condition that selects nothing (``vector(1)``) is meant so: it fires to show that alerts arrive.
    """
    if isinstance(rule, AlertingRule) and any(isinstance(each, VectorSelector) for each in walk(rule.ast)):
        found = _always(rule.ast)
        if found is not None:
            yield found


def _always(expr: Expr) -> Finding | None:
    node = next(_unfiltered(expr), None)
    if node is not None:
        message = f"`{node.op} bool` yields 0 or 1 and filters nothing: what is false counts too"
        return Finding("always-true", message, "expr", node.span, "leave `bool` out, or compare what comes of it")
    filler = _filler(expr)
    if filler is not None:
        message = "this side of `or` always has a result: the alert fires even if the other side has none"
        return Finding("always-true", message, "expr", filler.span, "compare the whole: `(... or vector(0)) > ...`")
    passed = _all_pass(expr)
    return Finding("always-true", f"nothing is filtered: {passed}", "expr", unwrap(expr).span) if passed else None


def _unfiltered(expr: Expr) -> Iterator[Binary]:
    """Comparisons with ``bool`` that decide, without a filter around them, whether an expression has a result."""
    node = unwrap(expr)
    match node:
        case Binary() if node.return_bool:
            yield node
        case Binary() if node.op in SETS:
            yield from _unfiltered(node.lhs)
            yield from _unfiltered(node.rhs)
        case Binary() if node.op not in (*FILTERS, "!="):
            # A side that filters leaves out what the other would let through.
            sides = [list(_unfiltered(side)) for side in (node.lhs, node.rhs) if side.type is ValueType.VECTOR]
            if all(sides):
                yield from (each for side in sides for each in side)
        case Unary():
            yield from _unfiltered(node.expr)
        case Aggregate():
            yield from _unfiltered(node.expr)
        case Call() if node.func not in ("absent", "absent_over_time", "scalar", "vector"):
            for arg in node.args[:-1] if node.func.startswith("histogram") else node.args[:1]:
                yield from _unfiltered(arg)
        case Subquery():
            yield from _unfiltered(node.expr)


def _all_pass(expr: Expr) -> str:
    """Why a comparison at the root lets every number through, if it does; what only asks whether there is something is meant so."""
    node = unwrap(expr)
    if not isinstance(node, Binary) or any(
        isinstance(each, Binary) and _filters(each)
        for side in (node.lhs, node.rhs)
        for each in walk(side)
        if node.op != "or"
    ):
        return ""
    if node.op == "or":
        return _union(node)
    base, kept = filtered(node)
    if base is node or _asks_for_presence(base):
        return ""
    whole = values_of(base)
    return bounds(whole) if whole != Range() and not whole.empty and whole.within(kept) else ""


def _union(node: Binary) -> str:
    """``x > 5 or x <= 5``, ``x != 1 or x != 2``: two filters of one expression that leave nothing out."""
    (base, kept), (other, bound) = filtered(node.lhs), filtered(node.rhs)
    excluded = [_excluded(side) for side in (node.lhs, node.rhs)]
    if excluded[0] and excluded[1] and excluded[0][0] == excluded[1][0] and excluded[0][1] != excluded[1][1]:
        return "no value is equal to both"
    if (
        base != other
        or Range() in (kept, bound)
        or any(isinstance(each, Binary) and _filters(each) for each in walk(base))
    ):
        return ""
    low, high = sorted((kept, bound), key=lambda each: each.low)
    covers = low.low == -math.inf and high.high == math.inf
    meets = high.low < low.high or (high.low == low.high and not (high.low_open and low.high_open))
    return "every number meets one of the two conditions" if covers and meets else ""


def _excluded(expr: Expr) -> tuple[Expr, float] | None:
    node = unwrap(expr)
    if not isinstance(node, Binary) or node.op != "!=" or node.return_bool:
        return None
    bound = unwrap(node.rhs)
    return (unwrap(node.lhs), bound.value) if isinstance(bound, NumberLiteral) else None


def _filters(node: Binary) -> bool:
    return (node.op in (*FILTERS, "!=") and not node.return_bool) or node.op in SETS


def _asks_for_presence(expr: Expr) -> bool:
    """A count, or a constant 1, somewhere in it: the question is whether something is there at all."""
    return any(
        (isinstance(node, Aggregate) and node.op in ("count", "group", "count_values"))
        or (isinstance(node, Call) and node.func in _PRESENCE)
        for node in walk(expr)
    )


def _filler(expr: Expr) -> Expr | None:
    """The side of an ``or`` that has a result whatever the data, where nothing around it filters."""
    node = unwrap(expr)
    if not isinstance(node, Binary) or node.op != "or":
        return None
    for side in (node.rhs, node.lhs):
        if _is_there(side):
            return side
    return _filler(node.rhs) or _filler(node.lhs)


def _is_there(expr: Expr) -> bool:
    """Whether an expression is a vector with a result whatever the data."""
    node = unwrap(expr)
    match node:
        case Call() if node.func == "vector":
            return True
        case Call() if node.func in ("label_replace", "label_join"):
            return _is_there(node.args[0])
        case Unary():
            return _is_there(node.expr)
        case Binary() if node.op not in (*FILTERS, "!=", *SETS) or node.return_bool:
            sides = [side for side in (node.lhs, node.rhs) if side.type is ValueType.VECTOR]
            return len(sides) == 1 and _is_there(sides[0])
    return False
