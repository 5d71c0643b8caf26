"""What of a program's rules shards evaluate, and the program that is left to be evaluated in one place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from rules.evaluation.alerts import RESOLVED_RETENTION_MS
from rules.evaluation.dependencies import Writes
from rules.evaluation.program import Prepared, Program
from rules.evaluation.schedule import Schedule
from rules.golang.quoting import is_text
from rules.model import Rule
from rules.planning.plan import Placement, State, Step, plan
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError, Span
from rules.promql.syntax.parser import parse
from rules.promql.syntax.printer import to_text
from schemas.series import DEFAULT_TARGET_LABELS
from transforms.alerts.fragments.long_ranges import states
from transforms.alerts.fragments.rewriting import SHARD_LABEL, Fragments, FragmentSpec, named

__all__ = ["SHARD_LABEL", "FragmentSpec", "NotStreamable", "Refusal", "SplitProgram", "cut", "refusals"]


class Refusal(NamedTuple):
    """Why a rule cannot be evaluated as a stage of a stream.

    Attributes:
        field: ``expr``, or ``templates`` for what its labels and annotations query.
        span: the part of the field's expression at fault; None for the whole.
    """

    rule: Prepared
    field: str
    reason: str
    span: Span | None = None


class NotStreamable(ValueError):
    """Rules read data that a stream does not have at their evaluation times; ``refusals`` are in the order of the rules."""

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        super().__init__("; ".join(f"{each.rule.key}: {each.reason}" for each in refusals))
        self.refusals = refusals


@dataclass(frozen=True, eq=False)
class SplitProgram:
    """A program cut for shards.

    Attributes:
        program: the rules with remainders in the place of their expressions.
        fragments: what shards evaluate, distinct by key.
        target_labels: the labels that make up a target part; a shard holds whole targets.
    """

    program: Program
    fragments: tuple[FragmentSpec, ...]
    target_labels: frozenset[str]

    def state(self) -> tuple[State, ...]:
        """The selectors whose samples shards keep, distinct by their text without offset, and for how long before an evaluation time."""
        kept: dict[str, State] = {}
        lookback = self.program.settings.options.lookback_ms
        for spec in self.fragments:
            for state in states(spec.expr, self.target_labels, lookback):
                selector = ast.VectorSelector(state.selector.name, state.selector.matchers)
                text = to_text(selector)
                before = kept.get(text, State(selector, 0, False))
                kept[text] = State(
                    selector,
                    max(state.retention_ms, before.retention_ms),
                    False,
                    max(state.gone_through_ms, before.gone_through_ms),
                    state.measures | before.measures,
                )
        return tuple(kept.values())

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the fragments' keys, in hexadecimal: programs with the same need the same of shards."""
        keys = "\n".join(sorted(spec.key for spec in self.fragments))
        return hashlib.blake2b(keys.encode(), digest_size=8).hexdigest()


def cut(program: Program, target_labels: frozenset[str] = DEFAULT_TARGET_LABELS) -> SplitProgram:
    """Cut the expressions of a program's rules, and those that their templates query, for shards that hold whole targets.

    Selectors that may select what rules of the program write are not cut: they are answered by what the rules have written, and by the raw
    samples of the same names, which are gathered.

    Args:
        program: as written.
        target_labels: the labels that make up a target part.

    Raises:
        NotStreamable: rules pin a time with ``@``, look ahead with a negative offset, or put the queries of templates together from data.
        ValueError: the program's options delay the removal of metric names.
    """
    if program.settings.options.delayed_name_removal:
        raise ValueError("names whose removal is delayed do not travel between shards")
    if faults := refusals(program):
        raise NotStreamable(faults)
    writes = Writes([rule.turn for rule in program.rules])
    options = program.settings.options
    fragments = Fragments(options.default_step_ms)
    remainders: dict[int, Rule] = {}
    queries: dict[str, ast.Expr] = {}

    def planned(expr: ast.Expr) -> Step:
        return plan(expr, target_labels, options.lookback_ms, lambda selector: writes.may_fit(selector.matchers))

    for rule in program.rules:
        interval = program.interval_ms(rule.group_number)
        dated = Schedule(interval, rule.turn.query_offset_ms)
        remainders[rule.position] = replace(rule.rule, ast=fragments.remainder(planned(rule.rule.ast), dated))
        # An alert's annotations are what its rule saw when its series was last there.
        since = rule.policy.keep_firing_for_ms + RESOLVED_RETENTION_MS + 2 * interval
        for text, tree in _queried(rule):
            queries[text] = fragments.remainder(_ranked(planned(tree)), Schedule(interval), since)
    for rule in program.rules:
        for name in rule.names:
            # What came in under the name that a rule writes decides whether the rule may write there.
            fragments.gather(named(name), Schedule(program.interval_ms(rule.group_number)), rule.turn.query_offset_ms)
    left = iter(program.rules)
    groups = [
        replace(group, rules=tuple(remainders[next(left).position] for _ in group.rules)) for group in program.groups
    ]
    return SplitProgram(Program(groups, program.settings, queries), fragments.specs(), target_labels)


def refusals(program: Program) -> tuple[Refusal, ...]:
    """Why rules of a program cannot be evaluated in a stream, in the order of the rules; none if all of them can."""
    return tuple(refusal for rule in program.rules for refusal in _refusals(rule))


def _ranked(step: Step) -> Step:
    """The plan of a query whose order means something: that of one shard is not that of all."""
    expr = ast.unwrap(step.expr)
    if step.placement is Placement.LOCAL and isinstance(expr, ast.Aggregate) and expr.op in ("topk", "bottomk"):
        return replace(step, expr=expr, placement=Placement.SPLIT)
    return step


def _queried(rule: Prepared) -> Iterator[tuple[str, ast.Expr]]:
    """The expressions that a rule's templates query; what does not parse fails when it is asked for, as ever."""
    for text in rule.kind.template_queries():
        try:
            tree = parse(text) if text is not None else None
        except PromQLError:
            continue
        if text is not None and tree is not None:
            yield text, tree


def _refusals(rule: Prepared) -> Iterator[Refusal]:
    fault = _unseen(rule.rule.ast)
    if fault is not None:
        yield Refusal(rule, "expr", *fault)
    if None in rule.kind.template_queries():
        yield Refusal(rule, "templates", "a template queries an expression that it puts together from data")
    for text, tree in _queried(rule):
        fault = _unseen(tree)
        if fault is not None:
            yield Refusal(rule, "templates", f"{fault[0]} in the query {text!r}")


def _unseen(expr: ast.Expr) -> tuple[str, Span] | None:
    """Why, and where, an expression reads what a stream does not have at its evaluation time."""
    for node in ast.walk(expr):
        if isinstance(node, ast.StringLiteral) and not is_text(node.value):
            return "a text that is no UTF-8 could become a label, which no event holds", node.span
        timed = node.selector if isinstance(node, ast.MatrixSelector) else node
        if isinstance(timed, ast.VectorSelector | ast.Subquery):
            if timed.at is not None:
                return "@ pins an instant, and a stream does not go back to it", node.span
            if timed.offset_ms < 0:
                return "a negative offset looks ahead of the instant, where a stream has not come yet", node.span
    return None
