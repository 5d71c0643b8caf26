"""Vector matching: which series of two instant vectors belong together, and what the pairs are called.

Matching is per instant: two series of one match group that are never present at once do not conflict. So series are joined once by
integer keys, and only groups with more than one series on a side that must have one are looked at instant by instant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from rules.golang.quoting import quote
from rules.promql.context import Context, merged
from rules.promql.folding import Groups
from rules.promql.labels import METADATA, METRIC_NAME, LabelFrame, dense, match_keys
from rules.promql.syntax import ast
from rules.promql.syntax.errors import EvaluationError
from rules.promql.values import Floats, Index, InstantVector, Mask

Elementwise = Callable[[str, Floats, Floats], tuple[Floats, Mask | None]]

_MANY_TO_ONE_IMPLICIT = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
_NOT_UNIQUE = "multiple matches for labels: grouping labels must ensure unique matches"
_ARITHMETIC = frozenset({"+", "-", "*", "/", "%", "^", "atan2"})


def _signatures(matching: ast.Matching, lhs: LabelFrame, rhs: LabelFrame) -> tuple[Index, Index]:
    """A number a series, equal where the matching labels are."""
    if matching.on:
        names = set(matching.labels)
    else:
        names = (set(lhs.columns) | set(rhs.columns)) - set(matching.labels) - {METRIC_NAME}
    return match_keys(lhs, rhs, names)


def _unique(keys: Index) -> bool:
    ordered = np.sort(keys)
    return not (ordered[1:] == ordered[:-1]).any()


def _presence(vector: InstantVector, signatures: Index, total: int) -> Mask:
    """``[total, T]``: whether any series of a match group is present."""
    found = np.zeros((total, vector.present.shape[1]), np.bool_)
    numbers, first = dense(signatures)
    if len(first) == len(signatures):
        found[signatures] = vector.present
    else:
        groups = Groups.of(numbers, first)
        found[signatures[first]] = np.logical_or.reduceat(vector.present[groups.order], groups.starts, axis=0)
    return found


def set_operation(
    op: str, matching: ast.Matching, lhs: InstantVector, rhs: InstantVector, context: Context
) -> InstantVector:
    """``and``, ``or`` and ``unless``: series pass whole, by whether their match group is present on the other side.

    Raises:
        EvaluationError: ``or`` brings together two series of the same labels at one instant.
    """
    numbers, groups = dense(np.concatenate(_signatures(matching, lhs.labels, rhs.labels)))
    left, right, total = numbers[: lhs.size], numbers[lhs.size :], len(groups)
    if op == "or":
        taken = _presence(lhs, left, total)
        rest = InstantVector(rhs.labels, rhs.values, rhs.present & ~taken[right], rhs.drop_name).compact()
        return _together(lhs, rest, context)
    matched = _presence(rhs, right, total)[left]
    kept = lhs.present & (matched if op == "and" else ~matched)
    return InstantVector(lhs.labels, lhs.values, kept, lhs.drop_name).compact()


def _together(lhs: InstantVector, rhs: InstantVector, context: Context) -> InstantVector:
    if not rhs.size:
        return lhs
    if not lhs.size:
        return rhs
    dropped = None
    if lhs.drop_name is not None or rhs.drop_name is not None:
        dropped = np.concatenate(
            [np.zeros(side.size, np.bool_) if side.drop_name is None else side.drop_name for side in (lhs, rhs)]
        )
    both = InstantVector(
        LabelFrame.concat((lhs.labels, rhs.labels)),
        np.concatenate((lhs.values, rhs.values)),
        np.concatenate((lhs.present, rhs.present)),
        dropped,
    )
    if context.options.delayed_name_removal and context.instants == 1:
        # Names still to be dropped may distinguish the series: equal labels are only a fault at the end.
        return both
    return merged(both)


def joined(
    expr: ast.Binary,
    matching: ast.Matching,
    lhs: InstantVector,
    rhs: InstantVector,
    context: Context,
    elementwise: Elementwise,
) -> InstantVector:
    """Arithmetic and comparison of two vectors.

    Raises:
        EvaluationError: more series match than the modifiers allow, at one instant.
    """
    instants = context.instants
    swapped = matching.card is ast.Cardinality.ONE_TO_MANY
    many, one = (rhs, lhs) if swapped else (lhs, rhs)
    if not many.size or not one.size:
        return InstantVector.empty(instants)
    many_signatures, one_signatures = _signatures(matching, many.labels, one.labels)
    # A duplicate matters only at instants at which the other side has anything at all.
    occupied = np.logical_or.reduce(many.present, axis=0)
    _check_one_side(matching, one, one_signatures, occupied, "left" if swapped else "right")
    row, partner = _pairs(many_signatures, one_signatures, lambda pairs: context.reserve(pairs, instants, expr.span))
    if not len(row):
        return InstantVector.empty(instants)
    whole = len(row) == many.size and (row == np.arange(len(row))).all()
    many_values, many_present = (many.values, many.present) if whole else (many.values[row], many.present[row])
    one_values = one.values[partner]
    present = many_present & one.present[partner]
    labels = _result_labels(expr, matching, many.labels.take(row), one.labels, partner, context)
    sides = (one_values, many_values) if swapped else (many_values, one_values)
    values, kept = elementwise(expr.op, *sides)
    _check_many_side(matching, labels, many_signatures[row], present)
    dropped = np.ones(len(row), np.bool_) if expr.return_bool and context.options.delayed_name_removal else None
    if kept is None:
        result = InstantVector(labels, values, present, dropped)
    elif expr.return_bool:
        result = InstantVector(labels, kept.astype(np.float64), present, dropped)
    else:
        result = InstantVector(labels, values, present & kept, dropped)
    if context.options.delayed_name_removal and instants == 1:
        return result
    return merged(result)


def _pairs(many: Index, one: Index, reserve: Callable[[int], None]) -> tuple[Index, Index]:
    """Rows of either side with equal signatures, in the order of the "many" side; their number is reserved first."""
    if np.array_equal(many, one) and _unique(one):
        same = np.arange(len(one))
        return same, same
    order = np.argsort(one, kind="stable")
    ordered = one[order]
    low = np.searchsorted(ordered, many, side="left")
    number = np.searchsorted(ordered, many, side="right") - low
    reserve(int(number.sum()))
    row = np.repeat(np.arange(len(many)), number)
    within = np.arange(len(row)) - np.repeat(np.cumsum(number) - number, number)
    return row, order[low[row] + within]


def _check_one_side(
    matching: ast.Matching, one: InstantVector, signatures: Index, other_present: Mask, side: str
) -> None:
    if _unique(signatures):
        return
    groups = Groups.of(*dense(signatures))
    together = np.add.reduceat(one.present[groups.order].astype(np.int32), groups.starts, axis=0)
    clashes = np.argwhere((together > 1) & other_present)
    if not len(clashes):
        return
    group, instant = clashes[0].tolist()
    rows = np.flatnonzero((groups.ids == group) & one.present[:, instant]).tolist()
    labels, duplicate = sorted((one.labels.row(row) for row in rows), key=lambda row: sorted(row.items()))[:2]
    raise EvaluationError(
        f"found duplicate series for the match group {_braces(_matched(matching, labels))} on the {side} hand-side "
        f"of the operation: [{_braces(labels)}, {_braces(duplicate)}];many-to-many matching not allowed: "
        "matching labels must be unique on one side"
    )


def _check_many_side(matching: ast.Matching, labels: LabelFrame, signatures: Index, present: Mask) -> None:
    if matching.card is ast.Cardinality.ONE_TO_ONE:
        _check_unique(signatures, present, _MANY_TO_ONE_IMPLICIT)
    else:
        within, groups = dense(signatures)
        _check_unique(dense(labels.keys())[0] * len(groups) + within, present, _NOT_UNIQUE)


def _check_unique(keys: Index, present: Mask, message: str) -> None:
    if _unique(keys):
        return
    groups = Groups.of(*dense(keys))
    if (np.add.reduceat(present[groups.order].astype(np.int32), groups.starts, axis=0) > 1).any():
        raise EvaluationError(message)


def _result_labels(
    expr: ast.Binary, matching: ast.Matching, labels: LabelFrame, one: LabelFrame, partner: Index, context: Context
) -> LabelFrame:
    if expr.op in _ARITHMETIC or (expr.return_bool and not context.options.delayed_name_removal):
        labels = labels.drop(METADATA)
    if matching.card is ast.Cardinality.ONE_TO_ONE:
        labels = labels.keep(matching.labels) if matching.on else labels.drop(matching.labels)
    for name in matching.include:
        labels = labels.with_column(name, one.column(name).take(partner))
    return labels


def _matched(matching: ast.Matching, labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that a series is matched by, as Prometheus shows them."""
    if matching.on:
        return {name: value for name, value in labels.items() if name in matching.labels}
    return {name: value for name, value in labels.items() if name not in matching.labels and name != METRIC_NAME}


def _braces(labels: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}={quote(value)}" for name, value in labels.items()) + "}"
