"""Rule groups made ready to be evaluated: the rules in their order, and what may be evaluated for many times at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from rules.evaluation.alert_text import Site
from rules.evaluation.alerts import Policy
from rules.evaluation.dependencies import Component, Turn, components, looks_ahead
from rules.evaluation.kinds import AlertingKind, RecordingKind, RuleKind, kind_of
from rules.evaluation.recorded import Writer
from rules.evaluation.schedule import EvaluationTimes, Schedule
from rules.model import Rule, RuleGroup
from rules.promql.context import Options
from rules.promql.syntax.ast import Expr, VectorSelector, walk
from rules.promql.syntax.printer import to_text
from rules.promql.together import Together
from rules.promql.values import Index, Times

_KEPT_TOGETHER = 8
"""Of which rules are due at once there are few kinds."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the rules do not say themselves.

    Attributes:
        options: of the engine.
        site: what templates know of the installation.
        interval_ms: between evaluations of a group that names none.
        query_offset_ms: how far behind its evaluation times a group that does not say looks.
    """

    options: Options = field(default_factory=Options)
    site: Site = field(default_factory=Site)
    interval_ms: int = 60_000
    query_offset_ms: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One rule, ready.

    Attributes:
        position: in the order of evaluation of all rules.
        number: the rule's place in its group.
        group_number: the group's place among the groups.
        ahead: whether it may read what is dated after the evaluation time.
        kind: what depends on whether it alerts or records.
    """

    position: int
    rule: Rule
    number: int
    group: RuleGroup = field(repr=False)
    group_number: int
    turn: Turn = field(repr=False)
    writer: Writer
    ahead: bool
    kind: RuleKind = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics that it writes."""
        return self.kind.names

    @property
    def policy(self) -> Policy:
        """What it says of its alerts, and how many series it may have."""
        return self.kind.policy

    @property
    def key(self) -> str:
        """The unique key of the rule, for messages and checkpoints. It survives changes of other groups."""
        return f"{self.group.file};{self.group.name};{self.number};{self.rule.name}"


class Program:
    """Groups in the order in which they are evaluated at a time; it holds no state and may be shared."""

    def __init__(
        self,
        groups: Sequence[RuleGroup],
        settings: Settings | None = None,
        queries: Mapping[str, Expr] | None = None,
    ) -> None:
        """Make groups ready.

        Args:
            groups: in the order of evaluation.
            settings: the defaults, unless given.
            queries: what to evaluate for the expressions that templates query, by their text; those not named are parsed.
        """
        self.groups = tuple(groups)
        self.settings = settings or Settings()
        self.queries = queries or {}
        self.rules: tuple[Prepared, ...] = tuple(self._prepared())
        self._together: dict[bytes, Together] = {}

    @cached_property
    def alerts(self) -> tuple[Prepared, ...]:
        """The alerting rules, by position."""
        return tuple(rule for rule in self.rules if isinstance(rule.kind, AlertingKind))

    @cached_property
    def recordings(self) -> tuple[Prepared, ...]:
        """The recording rules, by position."""
        return tuple(rule for rule in self.rules if isinstance(rule.kind, RecordingKind))

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """The rules in an order that evaluates each after all it reads, those that need each other together."""
        found = components([each.turn for each in self.rules])
        return tuple(
            replace(each, stepped=True, contested=False)
            if any(self.rules[position].ahead for position in each.positions)
            else each
            for each in found
        )

    @cached_property
    def component_of(self) -> Index:
        """``[rules]``: the place of each rule's component among the components."""
        found = np.empty(len(self.rules), np.int64)
        for number, component in enumerate(self.components):
            found[list(component.positions)] = number
        return found

    @cached_property
    def group_numbers(self) -> Index:
        """``[rules]``: of the group of each rule."""
        return np.array([rule.group_number for rule in self.rules], np.int64)

    @cached_property
    def expressions(self) -> Index:
        """``[rules]``: a number of its own for each expression, and offset, that reads no samples itself; -1 for the others."""
        known: dict[tuple[str, int], int] = {}
        found = [
            -1
            if rule.ahead or any(isinstance(node, VectorSelector) for node in walk(rule.rule.ast))
            else known.setdefault((to_text(rule.rule.ast), rule.turn.query_offset_ms), len(known))
            for rule in self.rules
        ]
        return np.array(found, np.int64)

    @cached_property
    def offsets_ms(self) -> Index:
        """``[rules]``: how far behind its evaluation time the expression of each is evaluated."""
        return np.array([rule.turn.query_offset_ms for rule in self.rules], np.int64)

    def together(self, numbers: Index) -> Together:
        """The expressions of some numbers, ascending, to be evaluated together; kept for those asked for last."""
        key = numbers.tobytes()
        found = self._together.pop(key, None)
        if found is None:
            exprs = {int(number): rule.rule.ast for number, rule in zip(self.expressions, self.rules, strict=True)}
            found = Together([exprs[number] for number in numbers.tolist()])
        self._together[key] = found
        if len(self._together) > _KEPT_TOGETHER:
            del self._together[next(iter(self._together))]
        return found

    def interval_ms(self, group_number: int) -> int:
        """The time between evaluations of a group."""
        return self.groups[group_number].interval_ms or self.settings.interval_ms

    @cached_property
    def schedules(self) -> tuple[Schedule, ...]:
        """The evaluation times of each group."""
        return tuple(Schedule(self.interval_ms(number)) for number in range(len(self.groups)))

    @cached_property
    def times(self) -> EvaluationTimes:
        """The evaluation times of all groups."""
        return EvaluationTimes(each.interval_ms for each in self.schedules)

    def due(self, after_ms: int, until_ms: int) -> list[Times]:
        """The evaluation times of each group in ``(after, until]``, as :class:`rules.evaluation.groups.Evaluator` takes them."""
        found = {each: each.times(after_ms, until_ms) for each in set(self.schedules)}
        return [found[each] for each in self.schedules]

    def _prepared(self) -> list[Prepared]:
        found: list[Prepared] = []
        for group_number, group in enumerate(self.groups):
            offset = group.query_offset_ms
            offset = self.settings.query_offset_ms if offset is None else offset
            for place, rule in enumerate(group.rules):
                labels = {**group.labels, **rule.labels}
                kind = kind_of(rule, labels, group.limit, self.settings.site)
                found.append(
                    Prepared(
                        position=len(found),
                        rule=rule,
                        number=place,
                        group=group,
                        group_number=group_number,
                        turn=Turn(rule.ast, kind, labels, offset),
                        writer=Writer(len(found), offset),
                        ahead=looks_ahead(rule.ast),
                        kind=kind,
                    )
                )
        return found


@dataclass(slots=True)
class Programs:
    """Rule groups made ready, shared by the tests that use the same in the same order."""

    ready: dict[tuple[object, ...], tuple[Sequence[RuleGroup], Program]] = field(default_factory=dict)

    def get(self, groups: Sequence[RuleGroup], settings: Settings) -> Program:
        """The program of the groups; made once."""
        site = settings.site
        step = settings.options.default_step_ms
        key = (*map(id, groups), step, site.external_url, *sorted(site.external_labels.items()))
        if key not in self.ready:
            # The groups are kept too: an id means nothing once its object is gone.
            self.ready[key] = groups, Program(groups, settings)
        return self.ready[key][1]


def ordered(groups: Sequence[RuleGroup], order: Sequence[str]) -> list[RuleGroup]:
    """Groups in their order of evaluation: those not named are with the first named one; ties stay as loaded."""
    places = {name: place for place, name in enumerate(order)}
    distinct = {(group.file, group.name): group for group in groups}
    return sorted(distinct.values(), key=lambda group: places.get(group.name, 0))
