"""Whether two engines agree on a query: the rule, and what it allows for.

The same series with the same labels, present at the same instants, with values equal to 1e-9 of the larger one (sums may be taken in another
order); NaN equals NaN, zero and infinities are exact (but see `NEARLY_INFINITE`). An error on both sides is agreement, whatever its words. Not
compared, because nothing defines it: the order of series, except at the root of an instant ``sort`` or ``sort_desc``, where values (equal ones may
change places) have to be in the same order; and which of equal series a ``topk`` or ``bottomk`` at the root takes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from rules.promql.engine import Result, instant, query_range
from rules.promql.labels import METRIC_NAME
from rules.promql.storage import MemoryStorage
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse
from rules.promql.values import InstantVector, RangeVector, Scalar
from tests.oracle.expressions import Case
from tests.oracle.prometheus import Answer, Client, Floats, Row

TOLERANCE = 1e-9
# Go's exponential overflows a little sooner than C's, and on one processor than on another.
NEARLY_INFINITE = 4e307

Labels = tuple[tuple[str, str], ...]
Sample = tuple[Labels, int, float]


def ask_prometheus(client: Client, case: Case) -> Answer:
    """What Prometheus answers."""
    if case.step_ms:
        return client.query_range(case.expr, case.start_ms, case.end_ms, case.step_ms)
    return client.query(case.expr, case.start_ms)


def ask_engine(storage: MemoryStorage, case: Case) -> Answer:
    """What our engine answers, in the same form; only its own errors are answers, any other is a fault and raised."""
    try:
        if case.step_ms:
            result = query_range(case.expr, storage, case.start_ms, case.end_ms, case.step_ms)
        else:
            result = instant(case.expr, storage, case.start_ms)
    except PromQLError as error:
        return Answer("", [], f"{type(error).__name__}: {error}")
    remarks = tuple(remark.message for remark in result.annotations)
    kind, rows = answer_rows(result, ranged=bool(case.step_ms))
    return Answer(kind, rows, "", remarks)


def answer_rows(result: Result, *, ranged: bool) -> tuple[str, list[Row]]:
    """A result of our engine as the HTTP API would name and lay it out."""
    match result.value:
        case Scalar(values):
            return "matrix" if ranged else "scalar", [Row({}, result.times, values)]
        case InstantVector() as vector:
            labels = vector.labels.rows()
            rows = [
                Row(labels[row], result.times[present], vector.values[row, present])
                for row, present in enumerate(vector.present)
                if present.any()
            ]
            return "matrix" if ranged else "vector", rows
        case RangeVector() as matrix:
            labels = matrix.series.labels.rows()
            return "matrix", [
                Row(labels[row], windows.timestamps[low:high], windows.values[low:high])
                for part, windows in matrix.chunks()
                for row, low, high in zip(
                    range(part.start, part.stop), windows.low[:, 0], windows.high[:, 0], strict=True
                )
                if high > low
            ]
        case _:
            return "string", []


def difference(case: Case, ours: Answer, theirs: Answer) -> str:
    """What the two answers differ in, in a few words; empty when they agree."""
    if bool(ours.error) != bool(theirs.error):
        return f"ours: {ours.error or 'no error'}; theirs: {theirs.error or 'no error'}"
    if ours.error:
        return ""
    if ours.kind != theirs.kind:
        return f"ours is a {ours.kind}, theirs a {theirs.kind}"
    root = ast.unwrap(parse(case.expr))
    if (
        isinstance(root, ast.Call)
        and root.func in ("sort", "sort_desc")
        and not case.step_ms
        and _out_of_order(ours, theirs)
    ):
        return "the order of the values differs"
    only_ours, only_theirs = _unpaired(_samples(ours), _samples(theirs))
    if isinstance(root, ast.Aggregate) and root.op in ("topk", "bottomk"):
        only_ours, only_theirs = _without_ties(only_ours, only_theirs, root)
    if only_ours or only_theirs:
        return f"only ours: {_shown(only_ours)}; only theirs: {_shown(only_theirs)}"
    return ""


def equal_values(left: Floats, right: Floats) -> bool:
    """Whether all values of two columns are equal by the rule."""
    if left.shape != right.shape:
        return False
    left, right = (np.where(np.abs(side) > NEARLY_INFINITE, np.copysign(np.inf, side), side) for side in (left, right))
    with np.errstate(invalid="ignore"):
        near = np.abs(left - right) <= TOLERANCE * np.maximum(np.abs(left), np.abs(right))
    finite = np.isfinite(left) & np.isfinite(right)
    return bool(((left == right) | (np.isnan(left) & np.isnan(right)) | (near & finite)).all())


def _out_of_order(ours: Answer, theirs: Answer) -> bool:
    left, right = (np.array([row.values[0] for row in answer.rows]) for answer in (ours, theirs))
    return left.shape == right.shape and not equal_values(left, right)


def _samples(answer: Answer) -> dict[tuple[Labels, int], float]:
    return {
        (tuple(sorted(row.labels.items())), when): value
        for row in answer.rows
        for when, value in zip(row.times.tolist(), row.values.tolist(), strict=True)
    }


def _unpaired(
    ours: dict[tuple[Labels, int], float], theirs: dict[tuple[Labels, int], float]
) -> tuple[list[Sample], list[Sample]]:
    both = ours.keys() & theirs.keys()
    equal = {key for key in both if equal_values(np.array([ours[key]]), np.array([theirs[key]]))}
    left, right = ([(*key, value) for key, value in side.items() if key not in equal] for side in (ours, theirs))
    return left, right


def _without_ties(ours: list[Sample], theirs: list[Sample], root: ast.Aggregate) -> tuple[list[Sample], list[Sample]]:
    """What remains when, within a group and an instant, series of one value may stand for each other."""
    left: defaultdict[tuple[Labels, int], list[Sample]] = defaultdict(list)
    right: defaultdict[tuple[Labels, int], list[Sample]] = defaultdict(list)
    for groups, samples in ((left, ours), (right, theirs)):
        for sample in samples:
            groups[_group(sample[0], root), sample[1]].append(sample)
    for key in left.keys() & right.keys():
        if equal_values(*(np.sort([value for *_, value in groups[key]]) for groups in (left, right))):
            del left[key], right[key]
    return [one for some in left.values() for one in some], [one for some in right.values() for one in some]


def _group(labels: Labels, root: ast.Aggregate) -> Labels:
    ignored = {*root.grouping, METRIC_NAME}
    return tuple(
        (name, value) for name, value in labels if (name not in ignored if root.without else name in root.grouping)
    )


def _shown(samples: Sequence[Sample], most: int = 4) -> str:
    parts = [
        "{" + ",".join(f'{name}="{text}"' for name, text in labels) + f"}} {value!r} @{when}"
        for labels, when, value in samples
    ]
    more = f" and {len(parts) - most} more" if len(parts) > most else ""
    return "; ".join(parts[:most]) + more or "nothing"
