"""What a real Prometheus makes of rules and samples: it evaluates, :mod:`tests.oracle.rule_lives` takes alerts through their lives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rules.evaluation.program import Prepared, Program
from rules.model import AlertingRule
from tests.oracle.prometheus import Client, Series, prometheus
from tests.oracle.rule_lives import alert_samples, asked, columns, lives, recorded
from tests.parity.verdict import Rule, Verdict, turns


def of_prometheus(directory: Path, program: Program, series: Sequence[Series], start_ms: int, end_ms: int) -> Verdict:
    """Evaluate rules that read only what rules before them write, over samples, at the instants in ``[start, end]``.

    Args:
        directory: for the server's data.
        program: the rules; without limits and without templates in the labels of alerts.
    """
    stepped = [program.rules[each.positions[0]].key for each in program.components if each.stepped]
    assert not stepped, f"rules that read what comes after them, or write the same series: {stepped}"
    with prometheus(directory) as client:
        client.load(series)
        verdict = Verdict()
        for rule in program.rules:
            assert not rule.policy.limit, rule.key
            take(client, program, rule, start_ms, end_ms, verdict)
    return verdict


def take(client: Client, program: Program, rule: Prepared, start_ms: int, end_ms: int, verdict: Verdict) -> None:
    """Evaluate one rule, give the server what it writes, and add it to the verdict."""
    step = program.interval_ms(rule.group_number)
    instants = range(-(-start_ms // step) * step, end_ms + 1, step)
    yielded = asked(client, rule, instants)
    if isinstance(rule.rule, AlertingRule):
        states = list(lives(rule, yielded, instants))
        evaluated = [when for when in instants if when not in yielded.failed]
        verdict.turns.update(turns(Rule(rule.group.file, rule.group.name, rule.rule.name), states, evaluated))
        written = alert_samples(rule, states, yielded.failed, instants)
    else:
        written = recorded(rule, yielded, instants)
    if any(name in each.rule.expr for name in rule.names for each in program.rules[rule.position + 1 :]):
        client.load(columns(written))
    for labels, points in written.items():
        verdict.written.setdefault(labels, {}).update(points)
