"""What the rules of a program read of the samples that come in, and how far back, through all that they record for each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rules.evaluation.program import Prepared, Program
from rules.planning.plan import plan
from rules.promql.labels import METRIC_NAME
from rules.promql.matchers import predicate
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse

Selector = tuple[ast.Matcher, ...]

# What a template asks that puts its query together from data.
_ANYTHING: Selector = ()


@dataclass(frozen=True, slots=True)
class Reach:
    """What one rule, or several together, need.

    Attributes:
        selectors: the matchers of what it reads, and of what the rules read whose records it reads.
        back_ms: how long before an evaluation time the oldest sample may lie that can change what the rule yields there; an alert's ``for`` and
            ``keep_firing_for`` counted.
        bounded: whether ``back_ms`` holds: not with ``@``, nor with a template that puts its query together from data.
    """

    selectors: tuple[Selector, ...]
    back_ms: int
    bounded: bool = True

    def sees(self, metric: str) -> bool:
        """Whether a metric of this name may be read."""
        return any(all(predicate(it)(metric) for it in each if it.name == METRIC_NAME) for each in self.selectors)


def written_names(program: Program) -> frozenset[str]:
    """The names of the metrics that the rules write themselves."""
    return frozenset(name for rule in program.rules for name in rule.names)


def reaches(program: Program) -> list[Reach]:
    """What each rule needs, by position. A rule that reads, over others, what it writes itself counts once."""
    lookback_ms = program.settings.options.lookback_ms
    read = [list(_read(rule, lookback_ms)) for rule in program.rules]
    writers: dict[str, list[int]] = {}
    for rule in program.rules:
        for name in rule.names:
            writers.setdefault(name, []).append(rule.position)
    return [_through(program.rules, read, writers, rule.position, frozenset()) for rule in program.rules]


def together(parts: Iterable[Reach]) -> Reach:
    """What several rules need."""
    found = list(parts)
    selectors = dict.fromkeys(selector for each in found for selector in each.selectors)
    return Reach(
        tuple(selectors), max((each.back_ms for each in found), default=0), all(each.bounded for each in found)
    )


def _read(rule: Prepared, lookback_ms: int) -> Iterator[tuple[Selector, int, bool]]:
    """Each selector of a rule with how far back it reads, and whether that holds."""
    exprs = [rule.rule.ast]
    for query in rule.kind.template_queries():
        if query is None:
            yield _ANYTHING, 0, False
            continue
        try:
            exprs.append(parse(query))
        except PromQLError:
            continue
    for expr in exprs:
        for state in plan(expr, lookback_ms=lookback_ms).states:
            back_ms = state.retention_ms + rule.turn.query_offset_ms
            yield state.selector.matchers, back_ms, not state.fixed


def _through(
    rules: Sequence[Prepared],
    read: Sequence[Sequence[tuple[Selector, int, bool]]],
    writers: dict[str, list[int]],
    position: int,
    on_the_way: frozenset[int],
) -> Reach:
    policy = rules[position].policy
    selectors: dict[Selector, None] = {}
    back_ms, bounded = 0, True
    for selector, own_ms, holds in read[position]:
        tests = [predicate(it) for it in selector if it.name == METRIC_NAME]
        feeding = {at for name, them in writers.items() if all(test(name) for test in tests) for at in them}
        below = together(
            _through(rules, read, writers, at, on_the_way | {position})
            for at in sorted(feeding - on_the_way - {position})
        )
        selectors |= dict.fromkeys((selector, *below.selectors))
        back_ms = max(back_ms, own_ms + below.back_ms)
        bounded = bounded and holds and below.bounded
    return Reach(tuple(selectors), back_ms + policy.for_ms + policy.keep_firing_for_ms, bounded)
