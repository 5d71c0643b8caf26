"""What unit tests exercise of the rules: outcomes of each rule, branches of its expression, and parts of its templates.

A rule is covered by points, each seen or not. An alert: it is looked at by a test case, is pending (if it has a ``for``), fires, does not fire,
and resolves. A recording rule: it is looked at (by a case, or by a rule that is), yields series, and yields none. A branch, which is a side of
``and``, ``or`` and ``unless`` or a comparison below the top: it yields something at one evaluation time, and nothing at another. A template:
each label that it names has a value, and each condition is met and not met. What can never be otherwise (``vector(1)``) is no point.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rules.evaluation.alerts import ALERT_NAME, ALERTS, ALERTS_FOR_STATE, Alert, Phase
from rules.evaluation.groups import Evaluator
from rules.evaluation.outcome import Event
from rules.evaluation.program import Prepared
from rules.model import RuleGroup
from rules.promql.labels import METRIC_NAME
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse
from rules.promql.values import InstantVector
from rules.templates import TemplateContext, TemplateError, expand
from rules.unit_tests.coverage_points import (
    FIRES,
    LOOKED_AT,
    PENDING,
    RESOLVES,
    SILENT,
    YIELDS,
    YIELDS_NONE,
    branch_nodes,
    conditions,
    named_labels,
    points,
    templates,
)
from rules.unit_tests.engine import Evaluated

# A test that makes a thousand alerts shows with the first ones what the templates do.
_ALERTS_PER_RULE = 50


@dataclass(slots=True)
class RuleCoverage:
    """The points of one rule.

    Attributes:
        points: whether each was seen, by what it says; the percentage counts these.
        met_no_data: whether it was evaluated while none of its selectors had a series; reported, not counted.
    """

    file: str
    group: str
    name: str
    line: int
    points: dict[str, bool] = field(default_factory=dict)
    met_no_data: bool = False

    @property
    def missing(self) -> list[str]:
        """The points not seen."""
        return [point for point, seen in self.points.items() if not seen]

    def see(self, point: str, seen: bool = True) -> None:
        """Note a point, if it is one of the rule's; once seen, it stays so."""
        if point in self.points:
            self.points[point] = self.points[point] or seen

    def merge(self, other: RuleCoverage) -> None:
        """Add what another run saw of the same rule."""
        for point, seen in other.points.items():
            self.see(point, seen)
        self.met_no_data = self.met_no_data or other.met_no_data


@dataclass(slots=True)
class Coverage:
    """What the tests run so far have seen, by rule."""

    rules: dict[tuple[str, str, int], RuleCoverage] = field(default_factory=dict)

    def declare(self, groups: Iterable[RuleGroup]) -> None:
        """Count in the rules of groups, whether a test reaches them or not."""
        for group in groups:
            for number, rule in enumerate(group.rules):
                key = group.file, group.name, number
                if key in self.rules:
                    continue
                found = RuleCoverage(group.file, group.name, rule.name, rule.place.line)
                found.points = dict.fromkeys(points(rule), False)
                self.rules[key] = found

    def inspect(self, run: Evaluated) -> None:
        """Note what one test saw; its groups have been declared."""
        evaluator = run.evaluator
        looked_at = _looked_at(run)
        for rule in evaluator.program.rules:
            found = self.rules[rule.group.file, rule.group.name, rule.number]
            found.see(LOOKED_AT, rule.position in looked_at)
            whole = self._vector(run, rule, rule.rule.ast)
            if whole is None:
                continue
            some, none = _some_and_none(whole)
            # Only those that are points of the rule count.
            found.see(SILENT, none)
            found.see(YIELDS, some)
            found.see(YIELDS_NONE, none)
            self._branches(run, rule, found)
        self._alerts(run)

    def merge(self, other: Coverage) -> None:
        """Add what another run saw."""
        for key, rule in other.rules.items():
            if key in self.rules:
                self.rules[key].merge(rule)
            else:
                self.rules[key] = rule

    def percent(self, file: str | None = None) -> float:
        """The points seen, of one rule file or of all; 100 where there are none."""
        points = [seen for rule in self.rules.values() if file in (None, rule.file) for seen in rule.points.values()]
        return 100.0 * sum(points) / len(points) if points else 100.0

    def as_plain(self) -> dict[str, Any]:
        """``{"version": 1, "percent", "files": [{"file", "percent", "rules": [{"rule", "points": {...}, ...}]}]}``."""
        files: dict[str, list[RuleCoverage]] = {}
        for rule in self.rules.values():
            files.setdefault(rule.file, []).append(rule)
        return {
            "version": 1,
            "percent": round(self.percent(), 2),
            "files": [
                {
                    "file": name,
                    "percent": round(self.percent(name), 2),
                    "rules": [
                        {
                            "group": rule.group,
                            "rule": rule.name,
                            "line": rule.line,
                            "points": dict(rule.points),
                            "met_no_data": rule.met_no_data,
                        }
                        for rule in found
                    ],
                }
                for name, found in sorted(files.items())
            ],
        }

    def _branches(self, run: Evaluated, rule: Prepared, found: RuleCoverage) -> None:
        for node, text in branch_nodes(rule.rule.ast):
            vector = self._vector(run, rule, node)
            if vector is None:
                continue
            if isinstance(node, ast.Binary) and node.return_bool:
                found.see(f"`{text}` is true", bool((vector.present & (vector.values == 1)).any()))
                found.see(f"`{text}` is false", bool((vector.present & (vector.values == 0)).any()))
                continue
            some, none = _some_and_none(vector)
            found.see(f"`{text}` yields something", some)
            found.see(f"`{text}` yields nothing", none)
        found.met_no_data = found.met_no_data or self._no_data(run, rule)

    def _no_data(self, run: Evaluated, rule: Prepared) -> bool:
        leaves = [node for node in ast.walk(rule.rule.ast) if isinstance(node, ast.VectorSelector)]
        if not leaves:
            return False
        there = np.zeros(len(run.times), np.bool_)
        for leaf in leaves:
            vector = self._vector(run, rule, leaf)
            there |= True if vector is None else vector.present.any(axis=0)
        return not there.all()

    def _vector(self, run: Evaluated, rule: Prepared, expr: ast.Expr) -> InstantVector | None:
        if expr.type not in (ast.ValueType.VECTOR, ast.ValueType.SCALAR):
            return None
        try:
            return run.evaluator.observe(rule, expr, run.times)
        except PromQLError:
            return None

    def _alerts(self, run: Evaluated) -> None:
        by_rule: dict[int, list[Event]] = {}
        for event in run.outcome.events:
            by_rule.setdefault(event.rule.position, []).append(event)
        for events in by_rule.values():
            rule = events[0].rule
            found = self.rules[rule.group.file, rule.group.name, rule.number]
            for event in events:
                before, after = event.transition.before, event.transition.after
                if after is Phase.FIRING:
                    found.see(FIRES)
                if after is Phase.PENDING:
                    found.see(PENDING)
                if before is Phase.FIRING and after is Phase.INACTIVE:
                    found.see(RESOLVES)
            for event in events[:_ALERTS_PER_RULE]:
                _see_templates(found, rule, event.transition.alert, run.evaluator)


def _some_and_none(vector: InstantVector) -> tuple[bool, bool]:
    there = vector.present.any(axis=0)
    return bool(there.any()), not there.all()


def _looked_at(run: Evaluated) -> set[int]:
    """Positions of the rules that a case looks at, and of those that these read."""
    program = run.evaluator.program
    alerts = {case.alertname for case in run.test.alert_cases}
    found = {each.position for each in program.alerts if each.rule.name in alerts}
    names: set[str] = set()
    for case in run.test.expr_cases:
        try:
            expr = parse(case.expr)
        except PromQLError:
            continue
        names |= _metric_names(expr)
        found |= {each.position for each in program.alerts if _alert_selected(expr, each.rule.name)}
    recorded = {each.position: each.rule.name for each in program.recordings}
    for each in reversed(program.rules):
        if recorded.get(each.position) in names:
            found.add(each.position)
        if each.position in found:
            names |= _metric_names(each.rule.ast)
    return found | {position for position, name in recorded.items() if name in names}


def _metric_names(expr: ast.Expr) -> set[str]:
    selectors = [node for node in ast.walk(expr) if isinstance(node, ast.VectorSelector)]
    return {
        each.value
        for selector in selectors
        for each in selector.matchers
        if each.name == METRIC_NAME and each.op is ast.MatchOp.EQUAL
    }


def _alert_selected(expr: ast.Expr, alert: str) -> bool:
    for node in ast.walk(expr):
        if isinstance(node, ast.VectorSelector) and _metric_names(node) & {ALERTS, ALERTS_FOR_STATE}:
            wanted = [each for each in node.matchers if each.name == ALERT_NAME and each.op is ast.MatchOp.EQUAL]
            if all(each.value == alert for each in wanted):
                return True
    return False


def _see_templates(found: RuleCoverage, rule: Prepared, alert: Alert, evaluator: Evaluator) -> None:
    source, name = dict(alert.source), rule.rule.name
    site = evaluator.program.settings.site
    context = TemplateContext(
        source,
        alert.value,
        site.external_labels,
        site.external_url,
        evaluator.query_as(rule, alert.seen_at),
        alert.seen_at,
    )
    for where, text in templates(rule.rule.labels, rule.rule.annotations):
        for label in named_labels(text, name):
            found.see(f"{where}: label {label} has a value", bool(source.get(label)))
        for probe, shown in conditions(text, name):
            met = _met(probe, context, name)
            if met is not None:
                found.see(f"{where}: {shown} is met", met)
                found.see(f"{where}: {shown} is not met", not met)


def _met(probe: str, context: TemplateContext, name: str) -> bool | None:
    """Whether a condition holds; None for one that only has a meaning inside of its template."""
    try:
        return expand(probe, context, name) == "1"
    except TemplateError:
        return None
