"""Late samples: only the rules that they touch are evaluated again, and what comes of it is what comes of all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rules.evaluation.groups import Evaluator
from rules.evaluation.outcome import Outcome
from rules.promql.values import Times
from schemas import batch as batches
from tests.transforms.alerts.logs import Log, log_of
from tests.transforms.alerts.streams import Sent, batch_of
from tests.transforms.alerts.test_local import BEGIN, LENGTH, MINUTE, events, labels_of, settings_of
from transforms.alerts.groups.state import GroupState
from transforms.alerts.live.affected import Affected
from transforms.alerts.local import LocalPipeline
from transforms.alerts.messages import RuleFiles
from transforms.alerts.settings import EVENTS, SAMPLES
from transforms.machines.machine import Out

RULES = """
groups:
- name: chain
  rules:
  - {record: 'job:x:sum', expr: 'sum by (job) (x)'}
  - {record: 'job:x:double', expr: '2 * job:x:sum'}
  - {alert: Double, expr: 'job:x:double > 6', for: 1m, keep_firing_for: 1m}
  - {record: 'double:alerts', expr: 'count by (alertname) (ALERTS{alertname="Double"})'}
  - {alert: Long, expr: 'max_over_time(double:alerts[2m]) > 0', annotations: {n: '{{ $value }}'}}
- name: apart
  interval: 40s
  rules:
  - {alert: X, expr: 'x > 1', for: 40s}
  - {alert: Y, expr: 'y > 1', annotations: {sum: '{{ query "job:x:sum" | first | value }}'}}
  - {alert: Z, expr: 'z > 1', labels: {n: '{{ with query "job:x:double" }}{{ . | first | value }}{{ end }}'}}
  - {alert: Alone, expr: 'z > 2', for: 80s}
  - {alert: Many, expr: 'count(z) > 1'}
  - {alert: Gone, expr: 'absent(y{instance="h0"})'}
- name: backward
  query_offset: 45s
  rules:
  - {record: late, expr: 'count_over_time(early[3m])'}
  - {record: early, expr: 'topk(1, y)'}
  - {record: 'z:sum', expr: 'sum(z)'}
- name: mixed
  rules:
  - {record: kept, expr: 'sum by (instance) (z)'}
  - {alert: Kept, expr: 'kept > 1'}
  - {alert: Any, expr: 'count({__name__=~"kept|late"}) > 2'}
  - {alert: Peak, expr: 'max_over_time(sum(y)[3m:1m]) > 4'}
"""
TURNS = {"late", "early", "Any"}
"""Rules that are evaluated evaluation time by evaluation time, and so together: `Any` reads what is dated back."""

SERIES = [labels_of(name, instance) for instance in ("h0", "h1") for name in ("x", "y", "z")]
SERIES.append(labels_of("kept", "h0"))


def play(log: Log, seed: int, *, change: RuleFiles | None = None) -> tuple[list[Out], dict[str, int]]:
    """A log with its late samples, read in some order; what came of it, and what the groups counted."""
    stage, outs = LocalPipeline(settings_of(RULES)), list[Out]()
    if change is not None:
        stage.rules(change)
    for step in log.read(seed):
        for batch in step.batches:
            stage.add(batch)
        outs += stage.advance(step.watermark)
    outs += stage.advance(BEGIN + LENGTH + 10 * MINUTE)
    return outs, stage.groups.machine.counted


def plain(outs: Sequence[Out]) -> tuple[list[bytes], list[tuple[Any, ...]]]:
    """Events in their order, and the samples that were written, with their places in the log."""
    wrote = set()
    for out in outs:
        if out.tag == SAMPLES:
            batch = batches.decode(out.data)
            columns = batch.target.tolist(), batch.metric.tolist(), batch.ts.tolist(), batch.seq.tolist()
            for target, metric, when, seq, value in zip(*columns, batch.value.tolist(), strict=True):
                wrote.add((batch.targets[target], batch.metrics[metric], when, seq, value.hex()))
    return [out.data for out in outs if out.tag == EVENTS], sorted(wrote)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32), st.booleans())
@example(1, 1, True)
def test_what_late_samples_touch_is_all_that_they_change(log_seed: int, seed: int, changes: bool) -> None:
    log = log_of(log_seed, SERIES, LENGTH, BEGIN)
    other = RULES.replace("sum by (job) (x)", "max by (job) (x)").replace("interval: 40s", "interval: 30s")
    change = RuleFiles(BEGIN + 5 * MINUTE, {"r.yml": other}) if changes else None
    outs, counted = play(log, seed, change=change)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Affected, "rules", lambda self, fragments: frozenset(self._together))
        expected, all_counted = play(log, seed, change=change)
    assert plain(outs) == plain(expected)
    if "rules.rules_again" in all_counted:
        assert counted.get("rules.rules_again", 0) <= all_counted["rules.rules_again"]


def again(monkeypatch: pytest.MonkeyPatch, late: Sequence[Sent], rules: str = RULES) -> tuple[set[str], list[Out]]:
    """The rules that are evaluated again when samples come late into a stream where all is at 2, and what is reported then."""
    found: set[str] = set()
    evaluate = Evaluator.evaluate_schedule

    def spied(
        self: Evaluator,
        schedule: Sequence[Times],
        snapshots: Collection[int] = (),
        *,
        only: Collection[int] | None = None,
    ) -> Outcome:
        found.update(self.program.rules[position].rule.name for position in only or ())
        return evaluate(self, schedule, snapshots, only=only)

    monkeypatch.setattr(Evaluator, "evaluate_schedule", spied)
    stage = LocalPipeline(settings_of(rules))
    for when in range(BEGIN + 10_000, BEGIN + 4 * MINUTE, 20_000):
        # Their last samples are seen for minutes.
        samples = [Sent(labels, when, 2.0, when) for labels in SERIES]
        stage.add(batch_of(samples if when < BEGIN + 150_000 else []))
        stage.extent(when)
        stage.advance(when)
    assert found == set()
    stage.add(replace(batch_of(late), overtaken=when))
    return found, stage.advance(when + 2 * MINUTE)


def late(name: str, value: float) -> Sent:
    return Sent(labels_of(name, "h1"), BEGIN + 3 * MINUTE - 1_000, value, 0)


def test_rules_that_read_what_others_write_are_touched_through_them(monkeypatch: pytest.MonkeyPatch) -> None:
    found, outs = again(monkeypatch, [late("x", 5.0)])
    assert found == {"job:x:sum", "job:x:double", "Double", "double:alerts", "Long", "X", "Y", "Z"}
    assert any(event.correction for event in events(outs))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("z", 5.0, {"Z", "Alone", "z:sum", "kept", "Kept", *TURNS}),
        # Not another vector of `z > 2`.
        ("z", 1.0, {"Z", "z:sum", "kept", "Kept", *TURNS}),
        ("kept", 1.0, {"kept", "Kept", *TURNS}),
        ("y", 5.0, {"Y", "Peak", *TURNS}),
        ("y", 2.0, set()),
    ],
)
def test_other_rules_are_left_alone(
    name: str, value: float, expected: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = again(monkeypatch, [late(name, value)])
    assert found == expected


def test_a_steady_trickle_lets_neither_the_base_nor_the_work_fall_behind() -> None:
    """Every sample is late, of one host or the other: no snapshot has the states of all rules for long."""
    stage = LocalPipeline(replace(settings_of(RULES), late_ms=200_000))
    horizon = 200_000 + 5_000 + 45_000
    for number, when in enumerate(range(BEGIN, BEGIN + 40 * MINUTE, 20_000)):
        host = f"h{number % 2}"
        sent = [Sent(labels_of(name, host), when - 150_000, float(number % 5), number) for name in "xyz"]
        stage.add(replace(batch_of(sent), overtaken=when))
        stage.extent(when)
        stage.advance(when)
        state = stage.groups_state()
        if state.done is not None:
            assert state._snapshots.base.time_ms >= state.done - 2 * horizon - MINUTE
    assert isinstance(state, GroupState)
    assert stage.groups.machine.counted["rules.rules_again"] > 0
