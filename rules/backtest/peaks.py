"""The values that alerts had, and the furthest of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from rules.evaluation.alerts import Labels
from rules.evaluation.program import Prepared
from rules.promql.syntax import ast
from rules.promql.values import Floats, Index, InstantVector, Times


class ValueLog:
    """The values of the alerts' expressions where there are any, as the evaluator reports them."""

    def __init__(self, alerts: Iterable[Prepared]) -> None:
        """Log the values of these rules."""
        self._logged = frozenset(rule.position for rule in alerts)
        self._series: dict[int, dict[Labels, int]] = {}
        self._parts: dict[int, list[tuple[Index, Times, Floats]]] = {}

    def observe(self, rule: Prepared, times: Times, vector: InstantVector) -> None:
        """An :data:`rules.evaluation.groups.Observer`."""
        if rule.position not in self._logged:
            return
        rows, columns = np.nonzero(vector.present)
        if not len(rows):
            return
        known = self._series.setdefault(rule.position, {})
        alive, places = np.unique(rows, return_inverse=True)
        numbers = [known.setdefault(tuple(vector.labels.row(row).items()), len(known)) for row in alive.tolist()]
        self._parts.setdefault(rule.position, []).append(
            (np.array(numbers, np.int64)[places], times[columns], vector.values[rows, columns])
        )

    def peaks(self) -> Peaks:
        """What has been seen, ready to be asked."""
        columns = {}
        for position, parts in self._parts.items():
            series, times, values = (np.concatenate(each) for each in zip(*parts, strict=True))
            order = np.lexsort((times, series))
            columns[position] = series[order], times[order], values[order]
        return Peaks(self._series, columns)


@dataclass(frozen=True, slots=True)
class Peaks:
    """By position of the rule: numbers of its series, and samples sorted by series and time."""

    series: Mapping[int, Mapping[Labels, int]]
    columns: Mapping[int, tuple[Index, Times, Floats]]

    def of(self, rule: Prepared, sources: Iterable[Labels], start_ms: int, end_ms: int) -> float:
        """The value of some series in ``[start_ms, end_ms]`` that lies furthest where the rule looks: see :func:`looks_down`; NaN if none."""
        position = rule.position
        if position not in self.columns:
            return float("nan")
        series, times, values = self.columns[position]
        found = []
        for source in sources:
            number = self.series[position].get(source)
            if number is None:
                continue
            low, high = np.searchsorted(series, (number, number + 1)).tolist()
            first = low + int(np.searchsorted(times[low:high], start_ms))
            last = low + int(np.searchsorted(times[low:high], end_ms, side="right"))
            found.append(values[first:last])
        alive = np.concatenate(found) if found else np.empty(0)
        alive = alive[~np.isnan(alive)]
        if not len(alive):
            return float("nan")
        return float(alive.min() if looks_down(rule.rule.ast) else alive.max())


def looks_down(expr: ast.Expr) -> bool:
    """Whether the values of an expression are kept for being small: ``x < 5``, also as the left side of ``and``, ``or`` and ``unless``."""
    match expr:
        case ast.Paren():
            return looks_down(expr.expr)
        case ast.Binary(op="and" | "or" | "unless"):
            return looks_down(expr.lhs)
        case ast.Binary(op="<" | "<="):
            return not expr.return_bool and expr.lhs.type is ast.ValueType.VECTOR
        case ast.Binary(op=">" | ">="):
            return not expr.return_bool and expr.lhs.type is ast.ValueType.SCALAR
        case _:
            return False
