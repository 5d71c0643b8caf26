"""Conditions that no data can meet."""

from __future__ import annotations

from collections.abc import Iterator

from rules.golang.quoting import quote
from rules.lints.finding import Finding
from rules.lints.label_values import can_meet, contradictions, is_possible, named_labels, values_of_label
from rules.lints.ranges import Range, mirrored, passing, values_of
from rules.model import Rule
from rules.promql.syntax.ast import Aggregate, Binary, Expr, Matcher, MatchOp, ValueType, VectorSelector, unwrap, walk
from rules.promql.syntax.errors import Span

FILTERS = (">", ">=", "<", "<=", "==")


def impossible_conditions(rule: Rule) -> Iterator[Finding]:
    """Selectors, comparisons and matches that are empty for certain, the innermost ones."""
    for node in walk(rule.ast):
        found = None
        if isinstance(node, VectorSelector):
            found = _selection(node)
        elif isinstance(node, Binary):
            found = _comparison(node) or _intersection(node) or _match(node)
        if found:
            yield Finding("never-true", found[0], "expr", _place(node), found[1])


def _place(node: Expr) -> Span | None:
    return node.span if node.span != (0, 0) else None


def _comparison(node: Binary) -> tuple[str, str] | None:
    if node.op not in FILTERS or node.return_bool:
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
    return f"never true: {bounds(values_of(side))}", ""


def _one_to_itself(node: Binary) -> bool:
    matching = node.matching
    plain = matching is not None and not (matching.on or matching.labels or matching.include)
    return plain and unwrap(node.lhs) == unwrap(node.rhs)


def _is_count(expr: Expr) -> bool:
    inner = unwrap(expr)
    return isinstance(inner, Aggregate) and inner.op == "count"


def bounds(found: Range) -> str:
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
    base, kept = filtered(node.lhs)
    other, bound = filtered(node.rhs)
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


def filtered(expr: Expr) -> tuple[Expr, Range]:
    """An expression without the filters around it, and the values that they let through."""
    node = unwrap(expr)
    if not isinstance(node, Binary) or node.op not in FILTERS or node.return_bool:
        return node, Range()
    left_is_scalar, right_is_scalar = (side.type is ValueType.SCALAR for side in (node.lhs, node.rhs))
    if left_is_scalar == right_is_scalar:
        return node, Range()
    if right_is_scalar:
        inner, passed = node.lhs, passing(node.op, values_of(node.rhs))
    else:
        inner, passed = node.rhs, passing(mirrored(node.op), values_of(node.lhs))
    base, before = filtered(inner)
    return base, passed.meet(before).meet(values_of(base))


def _selection(node: VectorSelector) -> tuple[str, str] | None:
    for conditions in contradictions(node):
        shown = " and ".join(f"{each.op.value}{quote(each.value)}" for each in conditions)
        hint = 'for one or the other match a pattern: {name=~"a|b"}'.replace("name", conditions[0].name)
        only_equal = all(each.op is MatchOp.EQUAL for each in conditions)
        at_once = " at once" if len(conditions) > 1 else ""
        message = f"no series is selected: {conditions[0].name!r} would have to be {shown}{at_once}"
        return message, hint if only_equal else ""
    return None


def _match(node: Binary) -> tuple[str, str] | None:
    """Two sides that no series can match by: a label by which they are matched has no value on both."""
    matching = node.matching
    if matching is None or node.op == "or":
        return None
    names = (
        set(matching.labels)
        if matching.on
        else (named_labels(node.lhs) | named_labels(node.rhs)) - set(matching.labels)
    )
    for name in sorted(names):
        left, right = (
            [each for each in values_of_label(side, name) if is_possible(each)] for side in (node.lhs, node.rhs)
        )
        if left and right and not can_meet(left, right):
            values = f"{name!r} is {_values(left)} on the left and {_values(right)} on the right"
            if node.op == "unless":
                return f"`unless` takes nothing away: {values}", _how(name, matching.on)
            return f"no series of one side matches one of the other: {values}", _how(name, matching.on)
    return None


def _how(name: str, on: bool) -> str:
    other = (
        f"match on other labels than {name!r}"
        if on
        else f"match `ignoring ({name})` or `on (...)` the labels that both have"
    )
    return f"{other}, or aggregate both sides alike"


def _values(found: list[tuple[Matcher, ...]]) -> str:
    shown = [
        "not there"
        if all(each.op is MatchOp.EQUAL and not each.value for each in conditions)
        else " and ".join(f"{each.op.value}{quote(each.value)}" for each in conditions)
        for conditions in found[:3]
    ]
    return " or ".join(dict.fromkeys(shown)) + (" or ..." if len(found) > 3 else "")
