"""Rules of one name and the same labels whose results can be one series: proven from their expressions, or not said.

promtool calls all rules of one name and the same labels duplicates. Most of them select what excludes each other (`{env="prod"}` and `{env="dev"}`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rules.lints.conditions import filtered
from rules.lints.label_sets import SETS, WHOLE_SERIES, possible_labels
from rules.lints.label_values import values_of_label
from rules.lints.patterns import Undecided, example
from rules.lints.ranges import Range
from rules.model import Rule, RuleFile
from rules.promql.syntax.ast import (
    Aggregate,
    Binary,
    Call,
    Expr,
    Matcher,
    MatchOp,
    MatrixSelector,
    Subquery,
    Unary,
    ValueType,
    VectorSelector,
    unwrap,
    walk,
)
from rules.promql.syntax.typecheck import COMPARISONS

_ABSENT = ("absent", "absent_over_time")
# These give their argument's series other labels, or choose among them.
_CHANGING = (*_ABSENT, "label_replace", "label_join", "histogram_quantile", "histogram_fraction", "info", "vector")

# Of thousands of rules of one name not all pairs are compared.
_MOST = 50


class Duplicate(NamedTuple):
    """A rule, and an earlier one of the same name and labels that can yield the same series."""

    rule: Rule
    before: Rule


def duplicates(file: RuleFile) -> Iterable[Duplicate]:
    """Each rule that repeats an earlier one, with the first that it repeats."""
    alike: dict[tuple[str, frozenset[tuple[str, str]]], list[Rule]] = {}
    for group, rule in file.rules():
        # An empty label is none.
        labels = {key: value for key, value in {**group.labels, **rule.labels}.items() if value}
        earlier = alike.setdefault((rule.name, frozenset(labels.items())), [])
        before = next((each for each in earlier[:_MOST] if can_coincide(each.ast, rule.ast, labels)), None)
        if before is None:
            earlier.append(rule)
        else:
            yield Duplicate(rule, before)


def can_coincide(one: Expr, other: Expr, labels: Mapping[str, str]) -> bool:
    """Whether two expressions can yield the same series at the same time, for certain, once ``labels`` are added to both."""
    if one == other:
        return True
    for left, right in ((one, other), (other, one)):
        either = unwrap(left)
        if isinstance(either, Binary) and either.op == "or":
            return any(can_coincide(side, right, labels) for side in (either.lhs, either.rhs))
    (base, kept), (base_of_other, kept_of_other) = filtered(one), filtered(other)
    if base == base_of_other:
        return not kept.meet(kept_of_other).empty or Range() in (kept, kept_of_other)
    # Of one series the values may be the same, and then no value may be left out by both.
    if _overlap(base, base_of_other) and not kept.meet(kept_of_other).empty:
        return True
    if any(_depends(each) for each in (base, base_of_other)) or _is_absent(base) != _is_absent(base_of_other):
        return False
    fixed = _fixed_labels(one, labels)
    return fixed is not None and fixed == _fixed_labels(other, labels)


def _overlap(one: Expr, other: Expr) -> bool:
    """Whether some series has a counterpart of the same labels in both, for certain, whatever the values."""
    one, other = _carrier(one), _carrier(other)
    if one == other:
        return True
    match one, other:
        case VectorSelector(), VectorSelector():
            return _selections_overlap(one, other)
        case Aggregate(), Aggregate():
            alike = one.grouping == other.grouping and one.without == other.without
            whole = one.op in (*WHOLE_SERIES, "count_values") or other.op in (*WHOLE_SERIES, "count_values")
            return alike and not whole and _overlap(one.expr, other.expr)
        case Call(), Call():
            same = one.func == other.func and one.func not in _ABSENT and len(one.args) == len(other.args)
            return same and all(map(_arguments_overlap, one.args, other.args))
        case Binary(), Binary() if one.op == other.op and one.matching == other.matching:
            if one.op in SETS:
                return one.rhs == other.rhs and _overlap(one.lhs, other.lhs)
            return _overlap(one.lhs, other.lhs) and _overlap(one.rhs, other.rhs)
    return False


def _carrier(expr: Expr) -> Expr:
    """The part whose labels the result has, the functions and calculations that only change values taken off."""
    while True:
        node = unwrap(expr)
        inner: Expr | None = None
        match node:
            case Unary() | Subquery():
                inner = node.expr
            case MatrixSelector():
                inner = node.selector
            case Call() if node.func not in _CHANGING:
                inner = next((arg for arg in node.args if arg.type in (ValueType.VECTOR, ValueType.MATRIX)), None)
            case Binary() if node.matching is None and (node.return_bool or node.op not in COMPARISONS):
                inner = node.lhs if node.rhs.type is ValueType.SCALAR else node.rhs
        if inner is None or inner.type is ValueType.SCALAR:
            return node
        expr = inner


def _arguments_overlap(one: Expr, other: Expr) -> bool:
    if one.type is ValueType.SCALAR or one.type is ValueType.STRING:
        return one == other
    return _overlap(one, other)


def _selections_overlap(one: VectorSelector, other: VectorSelector) -> bool:
    """Whether a series of one is one of the other too: all of those if it asks for more, else a text for each label that both ask for."""
    conditions = [_by_label(each) for each in (one, other)]
    names, others = (set(each) for each in conditions)
    if names - others and others - names:
        return False
    for name in names & others:
        both = (*conditions[0][name], *conditions[1][name])
        try:
            if len(set(both)) > 1 and example(both) is None:
                return False
        except Undecided:
            return False
    return True


def _by_label(selector: VectorSelector) -> dict[str, tuple[Matcher, ...]]:
    found: dict[str, tuple[Matcher, ...]] = {}
    for each in selector.matchers:
        found[each.name] = (*found.get(each.name, ()), each)
    return found


def _depends(expr: Expr) -> bool:
    """Whether a result is there or not for reasons that exclude each other, such as the hour."""
    return any(isinstance(node, Binary) and node.op in ("and", "unless") for node in walk(expr))


def _is_absent(expr: Expr) -> bool:
    node = _carrier(expr)
    return isinstance(node, Call) and node.func in _ABSENT


def _fixed_labels(expr: Expr, labels: Mapping[str, str]) -> dict[str, str] | None:
    """The labels that every series of a result has, so that there is one at most; None where they are not known."""
    possible = possible_labels(expr)
    if possible.all_but:
        return None
    found = {}
    for name in possible.names - set(labels):
        values = {
            condition.value if condition.op is MatchOp.EQUAL else None
            for conditions in values_of_label(expr, name)
            for condition in conditions or (Matcher(name, MatchOp.NOT_EQUAL, ""),)
        }
        if len(values) != 1 or None in values:
            return None
        found[name] = str(values.pop())
    return {name: value for name, value in found.items() if value}
