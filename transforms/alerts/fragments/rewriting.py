"""How an expression is taken apart: what shards evaluate of it (fragments), and what is left (the remainder), in plain PromQL over fragments.

A fragment is as large a part as is right inside a shard (:mod:`rules.planning.plan`). Above it::

    sum by (job) (rate(x[5m]))      sum by (job) (<0>)                              <0> sum by (job) (rate(x[5m]))
    avg(x) > 3                      (sum(<0>) / sum(<1>)) > 3                       <0> sum(x)      <1> count(x)
    quantile(0.9, x)                quantile(0.9, <0>)                              <0> x
    max_over_time(sum(x)[1h:1m])    max_over_time(sum(<0>)[1h:1m])                  <0> sum(x), every minute
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from rules.evaluation.schedule import Schedule
from rules.planning.plan import Placement, Step
from rules.promql.labels import METADATA, METRIC_NAME
from rules.promql.syntax import ast
from rules.promql.syntax.printer import to_text

SHARD_LABEL = "__shard__"
"""The label that distinguishes the partial aggregates of different shards. Remainders aggregate it away."""


@dataclass(frozen=True, slots=True)
class FragmentSpec:
    """What shards evaluate, or gather, on behalf of rules.

    Attributes:
        number: its index in :attr:`Cut.fragments`, which :class:`rules.promql.syntax.ast.Fragment` names.
        expr: of a vector, the expression, of type instant vector; of samples, a selector without offset.
        kind: ``vector``: shards send its value at each evaluation time. ``samples``: shards send the raw samples, staleness markers too, because
            the remainders select them among what rules write.
        step_ms: of a vector that a subquery asks for: it is evaluated at all multiples of this. None: at the evaluation times of ``schedules``.
        history_ms: how long before an evaluation time of its schedules its values, or samples, may be read; 0: only those at the time itself.
        shard_label: its series of different shards may have the same labels, and :data:`SHARD_LABEL` is added to distinguish them.
        schedules: when the rules that use it are evaluated, distinct, ascending.
    """

    number: int
    expr: ast.Expr
    kind: Literal["vector", "samples"]
    step_ms: int | None
    history_ms: int
    shard_label: bool
    schedules: tuple[Schedule, ...] = ()

    @property
    def key(self) -> str:
        """Identifies the fragment in any program: two with the same key have the same values at the same evaluation times."""
        step = "" if self.step_ms is None else f" every {self.step_ms} ms"
        shard = f" with {SHARD_LABEL}" if self.shard_label else ""
        return f"{self.kind} {to_text(self.expr)}{step}{shard}"


@dataclass(slots=True)
class Fragments:
    """Fragments as they are found, each once however many rules need it.

    Attributes:
        default_step_ms: of a subquery that names none.
    """

    default_step_ms: int
    _found: dict[str, FragmentSpec] = field(default_factory=dict)

    def specs(self) -> tuple[FragmentSpec, ...]:
        """All fragments, by number."""
        return tuple(self._found.values())

    def remainder(self, step: Step, schedule: Schedule, history_ms: int = 0) -> ast.Expr:
        """What is left of a planned expression once shards have evaluated what they can.

        Args:
            step: its plan; a range vector is left as it is, since no rule takes one.
            schedule: when it is evaluated.
            history_ms: for how long before its newest evaluation time it may be evaluated again.
        """
        if step.expr.type not in (ast.ValueType.SCALAR, ast.ValueType.VECTOR):
            return step.expr
        return _Rewriting(self, schedule, history_ms).rewrite(step, _Place(None, history_ms))

    def gather(self, selector: ast.VectorSelector, schedule: Schedule, history_ms: int) -> None:
        """Have the raw samples of a selector gathered, without its offset."""
        bare = ast.VectorSelector(selector.name, selector.matchers)
        self.add(bare, "samples", schedule, _Place(None, history_ms))

    def add(
        self,
        expr: ast.Expr,
        kind: Literal["vector", "samples"],
        schedule: Schedule,
        place: _Place,
        *,
        shard_label: bool = False,
    ) -> int:
        """The number of a fragment, which is made unless there is one of its key."""
        spec = FragmentSpec(len(self._found), expr, kind, place.step_ms, place.history_ms, shard_label, (schedule,))
        known = self._found.get(spec.key)
        if known is not None:
            spec = replace(
                known,
                history_ms=max(known.history_ms, spec.history_ms),
                schedules=tuple(sorted({*known.schedules, schedule})),
            )
        self._found[spec.key] = spec
        return spec.number


class _Place(NamedTuple):
    """The context of a part of an expression: the step of its subquery, if any, and how far before the evaluation time it is evaluated."""

    step_ms: int | None
    history_ms: int


@dataclass(frozen=True, slots=True)
class _Rewriting:
    """The rewriting of one expression, which may be evaluated again for ``history_ms``."""

    fragments: Fragments
    schedule: Schedule
    history_ms: int

    def rewrite(self, step: Step, place: _Place) -> ast.Expr:
        expr = step.expr
        match step.placement:
            case Placement.LOCAL if expr.type is ast.ValueType.VECTOR:
                return self._vector(expr, place)
            case Placement.SPLIT if isinstance(expr, ast.Aggregate):
                return self._merged(expr, place)
            case Placement.SPLIT if isinstance(expr, ast.Call):
                return self._absent(expr, place)
        return self._above(step, place)

    def _vector(self, expr: ast.Expr, place: _Place, *, shard_label: bool = False) -> ast.Fragment:
        expr = ast.unwrap(expr)
        number = self.fragments.add(expr, "vector", self.schedule, place, shard_label=shard_label)
        return ast.Fragment(number, expr, expr.span)

    def _above(self, step: Step, place: _Place) -> ast.Expr:
        """A node that stays, over what is left of its parts."""
        match expr := step.expr:
            case ast.VectorSelector() | ast.MatrixSelector():
                if step.state is not None:
                    reach = self.history_ms + step.state.retention_ms
                    self.fragments.gather(step.state.selector, self.schedule, reach)
                return expr
            case ast.Subquery():
                step_ms = expr.step_ms or self.fragments.default_step_ms
                reach = place.history_ms + expr.range_ms + expr.offset_ms
                return replace(expr, expr=self.rewrite(step.inputs[0], _Place(step_ms, reach)))
            case ast.Paren() | ast.Unary():
                return replace(expr, expr=self.rewrite(step.inputs[0], place))
            case ast.Call():
                return replace(expr, args=tuple(self.rewrite(part, place) for part in step.inputs))
            case ast.Aggregate():
                *param, inner = [self.rewrite(part, place) for part in step.inputs]
                return replace(expr, expr=inner, param=param[0] if param else None)
            case ast.Binary():
                lhs, rhs = (self.rewrite(part, place) for part in step.inputs)
                return replace(expr, lhs=lhs, rhs=rhs)
            case _:
                return expr

    def _merged(self, expr: ast.Aggregate, place: _Place) -> ast.Expr:
        """An aggregation over what each shard has aggregated."""

        def partial(op: str) -> ast.Fragment:
            return self._vector(replace(expr, op=op), place, shard_label=True)

        def total(op: str, parts: ast.Expr, grouping: Sequence[str] = expr.grouping) -> ast.Aggregate:
            kept = (*grouping, SHARD_LABEL) if expr.without else tuple(grouping)
            return ast.Aggregate(op, parts, None, kept, expr.without, expr.span)

        match expr.op:
            case "topk" | "bottomk":
                return replace(expr, expr=self._vector(expr, place))
            case "count":
                return total("sum", partial("count"))
            case "count_values":
                label = ast.unwrap(expr.param) if expr.param is not None else None
                named = [label.value] if isinstance(label, ast.StringLiteral) else []
                if expr.without:
                    # What is not grouped by is gone from the partial counts, but the label that holds the value may have its name.
                    return total("sum", partial("count_values"), ())
                return total("sum", partial("count_values"), tuple(dict.fromkeys((*expr.grouping, *named))))
            case "avg" if expr.without or not set(expr.grouping) & set(METADATA):
                mean = ast.Binary(
                    "/", total("sum", partial("sum")), total("sum", partial("count")), matching=ast.Matching()
                )
                return ast.Paren(mean, expr.span)
            case "avg":
                # A division would drop the names that are grouped by.
                return replace(expr, expr=self._vector(expr.expr, place))
            case _:
                return total(expr.op, partial(expr.op))

    def _absent(self, expr: ast.Call, place: _Place) -> ast.Expr:
        """``absent`` of whether each shard has anything."""
        argument = expr.args[0]
        found = argument if expr.func == "absent" else _vector_call("last_over_time", argument)
        seen = self._vector(ast.Aggregate("group", found), place, shard_label=True)
        return replace(expr, func="absent", args=(replace(seen, original=argument),))


def _vector_call(func: str, argument: ast.Expr) -> ast.Call:
    return ast.Call(func, (argument,), ast.ValueType.VECTOR, argument.span)


def named(name: str) -> ast.VectorSelector:
    """The selector of all series of a metric."""
    return ast.VectorSelector(name, (ast.Matcher(METRIC_NAME, ast.MatchOp.EQUAL, name),))
