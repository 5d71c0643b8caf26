"""Which rules read what others write, and so in which order they can be evaluated: each for all evaluation times at once, or some of them in turn.

A rule sees what the rules before it have written at the same evaluation time, and what itself and those after it have written at earlier ones
(groups, and the rules of a group, are evaluated one after another). So a rule that reads only what is written before it can be evaluated
for a whole range of evaluation times at once; rules that read backward take turns, evaluation time by evaluation time. Rules that may write
the same series, two alerts of one name say, and read nothing of each other, are evaluated at once too: only their writing takes turns, and
only if a series is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from rules.evaluation.alerts import ALERT_NAME, ALERTS
from rules.evaluation.kinds import RuleKind
from rules.promql.labels import METRIC_NAME
from rules.promql.matchers import predicate
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse

_ANYTHING: tuple[ast.Matcher, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """One rule in the order of evaluation.

    Attributes:
        expr: the rule's expression.
        kind: what it writes, and what its templates query.
        labels: of the rule and its group.
        query_offset_ms: how far behind the evaluation time its expression is evaluated and its samples are dated.
    """

    expr: ast.Expr
    kind: RuleKind
    labels: Mapping[str, str]
    query_offset_ms: int = 0


@dataclass(frozen=True, slots=True)
class Component:
    """Rules that are evaluated together.

    Attributes:
        positions: of the rules, ascending.
        stepped: whether evaluation time by evaluation time, since they read of each other what was written at earlier evaluation times.
        contested: whether they have nothing in common but that they may write the same series: where they do, they write in turns.
    """

    positions: tuple[int, ...]
    stepped: bool = False
    contested: bool = False


def looks_ahead(expr: ast.Expr) -> bool:
    """Whether an expression may read samples dated after its evaluation time, or means another one by ``start()`` or ``end()`` in a range."""
    return any(
        node.offset_ms < 0 or node.at is not None
        for node in ast.walk(expr)
        if isinstance(node, ast.VectorSelector | ast.Subquery)
    )


class Writes:
    """What rules write, as far as it is known before they are evaluated."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._writes = [turn.kind.written() for turn in turns]
        self._names = _writers(self._writes)
        self._known: dict[tuple[ast.Matcher, ...], bool] = {}

    def may_fit(self, matchers: tuple[ast.Matcher, ...]) -> bool:
        """Whether a selector may select something that one of the rules writes."""
        if matchers not in self._known:
            writers = _written_for([matchers], self._writes, self._names)
            self._known[matchers] = next(writers, None) is not None
        return self._known[matchers]


def components(turns: Sequence[Turn]) -> list[Component]:
    """The rules in an order in which each comes after all that it reads; those that need each other are together."""
    reads = [_reads(turn) for turn in turns]
    writes = [turn.kind.written() for turn in turns]
    names = _writers(writes)
    before: list[set[int]] = [set() for _ in turns]
    backward = False
    for reader, selectors in enumerate(reads):
        for writer in _written_for(selectors, writes, names):
            before[reader].add(writer)
            if writer >= reader or turns[writer].query_offset_ms > turns[reader].query_offset_ms:
                before[writer].add(reader)
                backward = True
    conflicts = list(_conflicts(writes))
    if not backward and not conflicts:
        return [Component((position,)) for position in range(len(turns))]
    together = [set(each) for each in before]
    for one, other in conflicts:
        together[one].add(other)
        together[other].add(one)
    return [_component(sorted(group), before) for group in _strongly_connected(together)]


def _component(group: Sequence[int], before: Sequence[set[int]]) -> Component:
    """Rules that are evaluated together, by which rules each has to be evaluated after or with for what it reads."""
    stepped = not all(before[position].isdisjoint(group) for position in group)
    return Component(tuple(group), stepped, contested=len(group) > 1 and not stepped)


def readers(turns: Sequence[Turn]) -> list[frozenset[int]]:
    """For each rule, those whose expression or templates, annotations too, may read what it writes."""
    writes = [turn.kind.written() for turn in turns]
    names = _writers(writes)
    found: list[set[int]] = [set() for _ in turns]
    for reader, turn in enumerate(turns):
        for writer in _written_for([*_selectors(turn), *_asked(turn.kind.template_queries())], writes, names):
            found[writer].add(reader)
    return [frozenset(each) for each in found]


def _reads(turn: Turn) -> list[tuple[ast.Matcher, ...]]:
    return [*_selectors(turn), *_asked(turn.kind.label_queries())]


def _selectors(turn: Turn) -> list[tuple[ast.Matcher, ...]]:
    return [node.matchers for node in ast.walk(turn.expr) if isinstance(node, ast.VectorSelector)]


def _asked(queries: Iterable[str | None]) -> Iterator[tuple[ast.Matcher, ...]]:
    """What queries select; one that does not parse selects nothing."""
    for query in queries:
        try:
            asked = parse(query) if query is not None else None
        except PromQLError:
            continue
        if asked is None:
            yield _ANYTHING
        else:
            yield from (node.matchers for node in ast.walk(asked) if isinstance(node, ast.VectorSelector))


def _writers(writes: Sequence[list[dict[str, str]]]) -> dict[str, list[int]]:
    """The positions of the rules that write each metric name."""
    names: dict[str, list[int]] = {}
    for position, written in enumerate(writes):
        for labels in written:
            names.setdefault(labels[METRIC_NAME], []).append(position)
    return names


def _written_for(
    selectors: Iterable[tuple[ast.Matcher, ...]], writes: Sequence[list[dict[str, str]]], names: Mapping[str, list[int]]
) -> Iterator[int]:
    for matchers in selectors:
        wanted = [each for each in matchers if each.name == METRIC_NAME]
        exact = next((each.value for each in wanted if each.op is ast.MatchOp.EQUAL), None)
        candidates = [exact] if exact is not None else list(names)
        for name in candidates:
            for writer in names.get(name, ()):
                if any(labels[METRIC_NAME] == name and _may_fit(matchers, labels) for labels in writes[writer]):
                    yield writer


def _may_fit(matchers: Iterable[ast.Matcher], labels: Mapping[str, str]) -> bool:
    return all(predicate(each)(labels[each.name]) for each in matchers if each.name in labels)


def _conflicts(writes: Sequence[list[dict[str, str]]]) -> Iterator[tuple[int, int]]:
    """Rules that may write the same series: the one that comes later fails where both do."""
    alike: dict[tuple[str, str], list[tuple[int, dict[str, str]]]] = {}
    for position, written in enumerate(writes):
        labels = written[0]
        name = labels[METRIC_NAME]
        alike.setdefault((name, labels[ALERT_NAME] if name == ALERTS else ""), []).append((position, labels))
    for members in alike.values():
        for (one, labels), (other, others) in combinations(members, 2):
            if all(others.get(name, value) == value for name, value in labels.items()):
                yield one, other


def _strongly_connected(before: Sequence[set[int]]) -> list[list[int]]:
    """Tarjan's algorithm without recursion; a component comes after all those that it depends on."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    found: list[list[int]] = []
    for root in range(len(before)):
        if root in index:
            continue
        work = [(root, iter(sorted(before[root])))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, edges = work[-1]
            for target in edges:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(sorted(before[target]))))
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    group: list[int] = []
                    while not group or group[-1] != node:
                        group.append(stack.pop())
                        on_stack.discard(group[-1])
                    found.append(group)
    return found
