"""Conditions that no data can meet."""

from __future__ import annotations

from collections.abc import Iterator

from rules.lints.finding import Finding
from rules.lints.ranges import Range, mirrored, passing, values_of
from rules.model import Rule
from rules.promql.ast import Aggregate, Binary, Expr, ValueType, VectorSelector, unwrap, walk
from rules.promql.errors import Span

_FILTERS = (">", ">=", "<", "<=", "==")


def impossible_conditions(rule: Rule) -> Iterator[Finding]:
    """Comparisons and intersections that are empty for certain, the innermost ones."""
    for node in walk(rule.ast):
        if isinstance(node, Binary):
            found = _comparison(node) or _intersection(node)
            if found:
                yield Finding("never-true", found[0], "expr", _place(node), found[1])


def _place(node: Binary) -> Span | None:
    return node.span if node.span != (0, 0) else None


def _comparison(node: Binary) -> tuple[str, str] | None:
    if node.op not in _FILTERS or node.return_bool:
        return None
    left, right = values_of(node.lhs), values_of(node.rhs)
    if left.empty or right.empty:
        return None
    if node.op in ("<", ">") and _one_to_itself(node):
        return f"a value is never `{node.op}` itself", ""
    if not left.meet(passing(node.op, right)).empty:
        return None
    counted = next((side for side in (node.lhs, node.rhs) if _is_count(side)), None)
    if counted is not None:
        return (
            "a count is never below 1: of no series there is no count, not a count of 0",
            "use `absent(...)`, or `(... or vector(0))`",
        )
    side = node.lhs if left != Range() else node.rhs
    return f"never true: {_bounds(values_of(side))}", ""


def _one_to_itself(node: Binary) -> bool:
    matching = node.matching
    plain = matching is not None and not (matching.on or matching.labels or matching.include)
    return plain and unwrap(node.lhs) == unwrap(node.rhs)


def _is_count(expr: Expr) -> bool:
    inner = unwrap(expr)
    return isinstance(inner, Aggregate) and inner.op == "count"


def _bounds(found: Range) -> str:
    if found.low == found.high:
        return f"the value is always {found.low:g}"
    above = "" if found.low == float("-inf") else f"{'above' if found.low_open else 'at least'} {found.low:g}"
    below = "" if found.high == float("inf") else f"{'below' if found.high_open else 'at most'} {found.high:g}"
    return f"the value is always {' and '.join(filter(None, (above, below)))}"


def _intersection(node: Binary) -> tuple[str, str] | None:
    """``x > 5 and x < 3``, ``x > 5 unless x > 3``: two filters of one expression, matched by all labels."""
    if node.op not in ("and", "unless"):
        return None
    matching = node.matching
    if matching is not None and (matching.on or matching.labels):
        return None
    base, kept = _filtered(node.lhs)
    other, bound = _filtered(node.rhs)
    if base != other or not any(isinstance(each, VectorSelector) for each in walk(base)):
        return None
    if kept.empty or bound.empty:
        return None
    if node.op == "and" and kept.meet(bound).empty:
        return "no value meets both conditions", "one of them may be meant the other way round, or `or` for `and`"
    # Without a filter, not-a-number passes too.
    if node.op == "unless" and kept != Range() and kept.within(bound):
        return "every series that the left side selects, the right side takes away", ""
    return None


def _filtered(expr: Expr) -> tuple[Expr, Range]:
    """An expression without the filters around it, and the values that they let through."""
    node = unwrap(expr)
    if not isinstance(node, Binary) or node.op not in _FILTERS or node.return_bool:
        return node, Range()
    left_is_scalar, right_is_scalar = (side.type is ValueType.SCALAR for side in (node.lhs, node.rhs))
    if left_is_scalar == right_is_scalar:
        return node, Range()
    if right_is_scalar:
        filtered, passed = node.lhs, passing(node.op, values_of(node.rhs))
    else:
        filtered, passed = node.rhs, passing(mirrored(node.op), values_of(node.lhs))
    base, before = _filtered(filtered)
    return base, passed.meet(before).meet(values_of(base))
