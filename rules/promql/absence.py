"""Which labels the series of ``absent`` has: known from the expression alone.

Semantics: ``createLabelsForAbsentFunction`` of Prometheus 3.
"""

from __future__ import annotations

from rules.promql.matchers import predicate
from rules.promql.syntax import ast
from schemas.series import METRIC_NAME


def absent_labels(expr: ast.Expr) -> dict[str, str]:
    """The labels that a selector leaves no choice about: its equality matchers, but none of a name that is matched twice."""
    expr = ast.unwrap(expr)
    if isinstance(expr, ast.Fragment):
        expr = ast.unwrap(expr.original)
    selector = expr.selector if isinstance(expr, ast.MatrixSelector) else expr
    if not isinstance(selector, ast.VectorSelector):
        return {}
    labels: dict[str, str] = {}
    seen = set()
    # Looking the series up, Prometheus puts the matchers last which a missing label satisfies by not being something.
    for matcher in sorted(selector.matchers, key=_subtracts):
        if matcher.name == METRIC_NAME:
            continue
        if matcher.op is ast.MatchOp.EQUAL and matcher.name not in seen:
            labels[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            labels.pop(matcher.name, None)
    return labels


def _subtracts(matcher: ast.Matcher) -> bool:
    return matcher.op in (ast.MatchOp.NOT_EQUAL, ast.MatchOp.NOT_REGEX) and predicate(matcher)("")
