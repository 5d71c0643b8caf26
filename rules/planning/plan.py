"""Where each part of an expression can be evaluated when series are spread over shards, and what state it needs.

A shard holds whole targets (all series that share a target part, schemas/series.py), so whatever combines only series of one target
can be done inside a shard. An aggregation across targets is done in two steps, as map and reduce, where partial results can be
merged; all else above it sees few series and is done in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from rules.planning.varying import one_in_a_group
from rules.promql.digests.measures import Measure
from rules.promql.syntax import ast
from schemas.series import DEFAULT_TARGET_LABELS

DEFAULT_LOOKBACK_MS = 300_000

MERGED_AGGREGATIONS = {
    "sum": "partial sums",
    "min": "partial minima",
    "max": "partial maxima",
    "count": "partial counts",
    "avg": "partial sums and counts",
    "group": "the groups seen",
    "topk": "each shard's own top k",
    "bottomk": "each shard's own bottom k",
    "count_values": "partial counts of each value",
}
"""Aggregations whose partial results merge exactly, and what travels between the steps."""

_SEE_ALL_SERIES = {
    "scalar": "it must see that there is exactly one series in all",
    "sort": "the order is one over all series",
    "sort_desc": "the order is one over all series",
}


_SET_OPERATORS = frozenset({"and", "or", "unless"})


class Placement(str, Enum):
    """Where a node is evaluated."""

    CONSTANT = "anywhere"
    LOCAL = "in the shard"
    SPLIT = "partly in the shard, merged globally"
    GLOBAL = "globally"


@dataclass(frozen=True, slots=True)
class State:
    """What a selector keeps between evaluations.

    Attributes:
        selector: the leaf.
        retention_ms: how far before the evaluation time its oldest sample may lie: ranges, lookback and offsets together.
        fixed: an ``@`` pins it to one evaluation time of the query, and retention counts from there.
        single_ms: the longest window of it that is gone through sample by sample, where longer ones are digested; None if all are gone through.
        measures: what digests of its windows have to hold (:mod:`rules.promql.digests.digests`).
    """

    selector: ast.VectorSelector
    retention_ms: int
    fixed: bool
    single_ms: int | None = None
    measures: Measure = Measure.NONE

    @property
    def gone_through_ms(self) -> int:
        """The longest window of it that is gone through sample by sample."""
        return self.retention_ms if self.single_ms is None else min(self.single_ms, self.retention_ms)


@dataclass(frozen=True, slots=True)
class Step:
    """One node of the plan.

    Attributes:
        expr: the node of the expression.
        placement: where it is evaluated.
        reason: why it is not evaluated in the shard, or what travels; empty when there is nothing to say.
        state: what a selector keeps, for selectors only.
        inputs: the plans of its parts, in the order they are written.
        keeps_target: its series still have the target labels they were selected with, so those of two shards differ.
    """

    expr: ast.Expr
    placement: Placement
    reason: str = ""
    state: State | None = None
    inputs: tuple[Step, ...] = ()
    keeps_target: bool = True

    def walk(self) -> Iterator[Step]:
        """This step and all below it, parents first."""
        yield self
        for step in self.inputs:
            yield from step.walk()

    @property
    def states(self) -> tuple[State, ...]:
        """The state of every selector, in the order they are written."""
        return tuple(step.state for step in self.walk() if step.state is not None)

    @property
    def retention_ms(self) -> int:
        """How long samples must be kept for the whole expression."""
        return max((state.retention_ms for state in self.states), default=0)


@dataclass(frozen=True, slots=True)
class _Planner:
    target: frozenset[str]
    lookback_ms: int
    written: Callable[[ast.VectorSelector], bool]

    def plan(self, expr: ast.Expr, before_ms: int = 0, fixed: bool = False) -> Step:
        """``before_ms``: how far back of the evaluation time the enclosing subqueries reach."""
        match expr:
            case ast.NumberLiteral() | ast.StringLiteral():
                return Step(expr, Placement.CONSTANT)
            case ast.VectorSelector():
                return self._selector(expr, expr, self.lookback_ms, before_ms, fixed)
            case ast.MatrixSelector():
                return self._selector(expr, expr.selector, expr.range_ms, before_ms, fixed)
            case ast.Subquery():
                pinned = expr.at is not None
                reach = expr.range_ms + max(expr.offset_ms, 0) + (0 if pinned else before_ms)
                return self._like(expr, (self.plan(expr.expr, reach, fixed or pinned),))
            case ast.Paren() | ast.Unary():
                return self._like(expr, (self.plan(expr.expr, before_ms, fixed),))
            case ast.Call():
                return self._call(expr, tuple(self.plan(part, before_ms, fixed) for part in expr.args))
            case ast.Aggregate():
                inputs = tuple(self.plan(part, before_ms, fixed) for part in ast.children(expr))
                return self._aggregate(expr, inputs)
            case ast.Binary():
                sides = self.plan(expr.lhs, before_ms, fixed), self.plan(expr.rhs, before_ms, fixed)
                return self._binary(expr, *sides)
            case ast.Fragment():
                return Step(expr, Placement.GLOBAL, "it is the union of all shards")

    def _selector(
        self, expr: ast.Expr, selector: ast.VectorSelector, reach_ms: int, before_ms: int, fixed: bool
    ) -> Step:
        pinned = selector.at is not None
        reach_ms += max(selector.offset_ms, 0) + (0 if pinned else before_ms)
        state = State(selector, reach_ms, fixed or pinned)
        if self.written(selector):
            return Step(expr, Placement.GLOBAL, "it may select what rules write", state=state)
        return Step(expr, Placement.LOCAL, state=state)

    def _like(self, expr: ast.Expr, inputs: tuple[Step, ...], keeps_target: bool = True) -> Step:
        """A node that treats each series by itself: it goes where its inputs are."""
        placements = {step.placement for step in inputs}
        if placements <= {Placement.CONSTANT}:
            return Step(expr, Placement.CONSTANT, inputs=inputs)
        if not all(step.keeps_target for step in inputs):
            # Only where all series are together can two that were made the same be noticed.
            return Step(expr, Placement.GLOBAL, "a target label was rewritten below", inputs=inputs)
        if placements <= {Placement.CONSTANT, Placement.LOCAL}:
            return Step(expr, Placement.LOCAL, inputs=inputs, keeps_target=keeps_target)
        return Step(expr, Placement.GLOBAL, "its input is global", inputs=inputs)

    def _call(self, expr: ast.Call, inputs: tuple[Step, ...]) -> Step:
        if expr.func in ("absent", "absent_over_time"):
            step = self._like(expr, inputs)
            if step.placement is not Placement.LOCAL:
                return step
            return Step(expr, Placement.SPLIT, "whether each shard has a series travels", inputs=inputs)
        if reason := _SEE_ALL_SERIES.get(expr.func):
            return Step(expr, Placement.GLOBAL, reason, inputs=inputs)
        rewritten = _strings(*expr.args[1:2]) if expr.func in ("label_replace", "label_join") else frozenset()
        if expr.func.startswith("histogram_") and "le" in self.target:
            return Step(
                expr, Placement.GLOBAL, "the buckets of a histogram are spread: le is a target label", inputs=inputs
            )
        return self._like(expr, inputs, keeps_target=not rewritten & self.target)

    def _aggregate(self, expr: ast.Aggregate, inputs: tuple[Step, ...]) -> Step:
        step = self._like(expr, inputs)
        if step.placement is not Placement.LOCAL:
            return step
        lost = self.target & set(expr.grouping) if expr.without else self.target - set(expr.grouping)
        # count_values puts the value in the place of the label.
        lost |= self.target & _strings(expr.param)
        if not lost:
            return step
        why = f"a group may span targets, {_names(lost)} not being kept"
        merged = MERGED_AGGREGATIONS.get(expr.op)
        if merged is None:
            return Step(expr, Placement.GLOBAL, f"{why}; {expr.op} needs all values", inputs=inputs)
        return Step(expr, Placement.SPLIT, f"{why}; {merged} travel", inputs=inputs)

    def _binary(self, expr: ast.Binary, lhs: Step, rhs: Step) -> Step:
        step = self._like(expr, (lhs, rhs))
        if step.placement is not Placement.LOCAL or expr.matching is None:
            return step
        if Placement.CONSTANT in (lhs.placement, rhs.placement):
            return Step(expr, Placement.GLOBAL, "one side is no shard's own", inputs=(lhs, rhs))
        matching = expr.matching
        lost = self.target - set(matching.labels) if matching.on else self.target & set(matching.labels)
        if not lost:
            one = expr.lhs if matching.card is ast.Cardinality.ONE_TO_MANY else expr.rhs
            if expr.op in _SET_OPERATORS or one_in_a_group(one, matching):
                return step
            # That fails if any shard has something on the other side.
            why = "several series of one side may match, which concerns all shards"
            return Step(expr, Placement.GLOBAL, why, inputs=(lhs, rhs))
        why = f"series of different targets may match, {_names(lost)} not being compared"
        return Step(expr, Placement.GLOBAL, why, inputs=(lhs, rhs))


def _strings(*parts: ast.Expr | None) -> frozenset[str]:
    """The texts of those parts that are strings."""
    bare = [ast.unwrap(part) for part in parts if part is not None]
    return frozenset(part.value for part in bare if isinstance(part, ast.StringLiteral))


def _names(labels: frozenset[str] | set[str]) -> str:
    shown = sorted(labels)
    return ", ".join(shown[:3]) + (", ..." if len(shown) > 3 else "")


def plan(
    expr: ast.Expr,
    target_labels: frozenset[str] = DEFAULT_TARGET_LABELS,
    lookback_ms: int = DEFAULT_LOOKBACK_MS,
    written: Callable[[ast.VectorSelector], bool] = lambda _: False,
) -> Step:
    """The plan of an expression over shards that hold whole targets.

    A part is placed in the shard only if that is right whatever labels the data carry: ``sum by (instance)`` is merged globally,
    because two jobs may have an instance of the same name; ``sum without (mode)`` stays in the shard.

    Args:
        expr: the expression.
        target_labels: the labels that make up a target part.
        lookback_ms: how old a sample an instant selector still takes.
        written: whether a selector may select what rules write, which no shard has.
    """
    return _Planner(target_labels, lookback_ms, written).plan(expr)
