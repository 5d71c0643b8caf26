"""Which rules can have other results when shards revise evaluation times that were evaluated."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from rules.evaluation.dependencies import readers
from rules.evaluation.program import Prepared, Program
from rules.promql.labels import METRIC_NAME
from rules.promql.matchers import predicate
from rules.promql.syntax import ast
from transforms.alerts.fragments.tasks import Task


class Affected:
    """The rules of a program by the fragments that they come from, directly or by way of other rules; it holds no state and may be shared."""

    def __init__(self, program: Program, tasks: Sequence[Task]) -> None:
        """Of a program of remainders and the fragments that shards evaluate for it, by number."""
        self._readers = readers([rule.turn for rule in program.rules])
        self._together = {
            position: component.positions for component in program.components for position in component.positions
        }
        direct: dict[int, set[int]] = {task.id: set() for task in tasks}
        writers: dict[str, set[int]] = {}
        for rule in program.rules:
            for node in _nodes(program, rule):
                if isinstance(node, ast.Fragment):
                    direct[tasks[node.number].id].add(rule.position)
            for name in rule.names:
                writers.setdefault(name, set()).add(rule.position)
        for task in tasks:
            if task.spec.kind == "samples" and isinstance(task.spec.expr, ast.VectorSelector):
                # Whether samples came in under the name that a rule writes decides what it may write. Samples are gathered for what selects
                # among those that rules write, so whoever reads them reads of a writer too.
                fits = [predicate(each) for each in task.spec.expr.matchers if each.name == METRIC_NAME]
                for name, positions in writers.items():
                    if all(test(name) for test in fits):
                        direct[task.id] |= positions
        self._direct = {fragment: frozenset(positions) for fragment, positions in direct.items()}

    def rules(self, fragments: Collection[int]) -> frozenset[int]:
        """The positions of the rules whose outcome may depend on fragments, given by their ids; all rules of a component, or none."""
        return self.with_readers(position for fragment in fragments for position in self._direct.get(fragment, ()))

    def with_readers(self, positions: Iterable[int]) -> frozenset[int]:
        """These rules and those that read what they write, over others too; all rules of a component, or none."""
        found: set[int] = set()
        waiting = [*positions]
        while waiting:
            position = waiting.pop()
            if position in found:
                continue
            found.add(position)
            waiting += self._together[position]
            waiting += self._readers[position]
        return frozenset(found)


def _nodes(program: Program, rule: Prepared) -> Iterator[ast.Expr]:
    """All nodes of what a rule evaluates, the queries of its templates included."""
    yield from ast.walk(rule.rule.ast)
    for text in rule.kind.template_queries():
        tree = program.queries.get(text) if text is not None else None
        if tree is not None:
            yield from ast.walk(tree)
