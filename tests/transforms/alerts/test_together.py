"""Rules of equal shapes, which are evaluated together, report what each reports by itself: events, ids, order, samples, counters and messages."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rules.promql.context import Options
from rules.promql.together import Answers, Together
from rules.promql.values import Times
from schemas.alert_event import decode
from tests.transforms.alerts.logs import Log, log_of
from tests.transforms.alerts.test_local import BEGIN, LENGTH, SERIES, play, rows, settings_of
from transforms.alerts.local import LocalPipeline
from transforms.alerts.settings import EVENTS, SAMPLES
from transforms.machines.machine import Out

SHAPES: Sequence[Callable[[str, str], str]] = (
    lambda vector, number: f"alert: A, expr: '{vector} > {number}'",
    lambda vector, number: f"alert: A, expr: '{number} >= {vector}', for: 1m",
    lambda vector, number: f"alert: A, expr: 'sum by (job) ({vector}) > {number}', for: 1m",
    lambda vector, number: f"alert: A, expr: 'avg without (instance) (rate({vector}[2m])) * 60 <= {number}'",
    lambda vector, number: f"alert: A, expr: 'count({vector} != {number}) > 1'",
    lambda vector, number: f"alert: A, expr: '{vector} / on (instance) y > {number}', keep_firing_for: 1m",
    # Fails where both instances that it selects are there.
    lambda vector, number: f"alert: A, expr: '{vector} * on (job) y > {number}'",
    lambda vector, number: f"alert: A, expr: 'max_over_time({vector}[90s]) - ({vector} or y) == {number}'",
    lambda vector, number: f"alert: A, expr: 'absent({vector} > {number})'",
    lambda vector, number: f"record: 'r', expr: 'max by (instance) ({vector}) > {number}'",
    lambda vector, number: f"record: 'r', expr: 'sum({vector}) + {number}'",
)


def rules_of(rng: random.Random) -> list[str]:
    """Rules of a few shapes, with other constants and matchers, no two of one name."""
    found = []
    for number in range(24):
        vector = rng.choice(("x", "y", 'x{instance="h0"}', 'x{instance="h1"}', 'y{instance!="h2"}', "none"))
        rule = rng.choice(SHAPES)(vector, rng.choice(("0", "1", "2", "3.5", "-1", "-0", "NaN")))
        found.append("{" + rule.replace("A,", f"A{number},").replace("'r'", f"'r{number}'") + "}")
    return found


def text_of(rules: Sequence[str]) -> str:
    return "groups: [{name: g, interval: 30s, rules: [" + ", ".join(rules) + "]}]"


def run(rules: Sequence[str], log: Log, seed: int) -> tuple[LocalPipeline, list[bytes], list[Out]]:
    """What shards contribute, and what the groups report."""
    stage = LocalPipeline(settings_of(text_of(rules)))
    contributed: list[bytes] = []
    to_groups = stage.groups.run

    def noted(elements: Sequence[tuple[bytes, bytes]], *others: Any, **named: Any) -> list[Out]:
        contributed.extend(element for _, element in elements)
        return to_groups(elements, *others, **named)

    stage.groups.run = noted  # type: ignore[method-assign,assignment]
    return stage, contributed, play(stage, log, seed, trouble=False)


def alone(together: Together, storage: object, times: Times, options: Options) -> Answers:
    return Answers({}, together.numbers)


@pytest.mark.parametrize("seed", range(20))
def test_rules_together_as_each_alone(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    rules, log = rules_of(rng), log_of(seed, SERIES, LENGTH, BEGIN)
    stage, contributed, outs = run(rules, log, seed)
    counted = [(each.machine.counted, each.machine.complaints) for each in (stage.shards, stage.groups)]

    # Each rule in a job of its own.
    for rule in rng.sample(rules, 6):
        _, _, its = run([rule], log, seed)
        name = rule.split(": ")[1].split(",")[0].strip("'")
        events = [out.data for out in outs if out.tag == EVENTS and decode(out.data).rule == name]
        assert [out.data for out in its if out.tag == EVENTS] == events
        written = {row for out in outs if out.tag == SAMPLES for row in rows(out.data) if _is_of(row[1], name)}
        assert {row for out in its if out.tag == SAMPLES for row in rows(out.data)} == written

    # All rules in one job that evaluates one after the other: the same bytes.
    monkeypatch.setattr(Together, "evaluate", alone)
    stage, contributed_alone, outs_alone = run(rules, log, seed)
    assert contributed == contributed_alone
    assert outs == outs_alone
    assert counted == [(each.machine.counted, each.machine.complaints) for each in (stage.shards, stage.groups)]


def _is_of(metric: str, name: str) -> bool:
    """Whether a metric is one that the rule of a name writes."""
    return metric.split("{", maxsplit=1)[0] == name or f'alertname="{name}"' in metric
