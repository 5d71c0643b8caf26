"""Event time in which nothing comes: what is reported is what an evaluation at each time reports, and the work does not grow with the span."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rules.evaluation.known_empty import needs_samples
from rules.events.corrections import History
from rules.promql.context import Options
from rules.promql.syntax.parser import parse
from schemas import batch as batches
from schemas.series import parse_metric
from tests.transforms.alerts.logs import Log, log_of
from tests.transforms.alerts.streams import batch_of
from tests.transforms.alerts.test_local import MINUTE, RULES, SERIES, events, plain, play, rows, sent, settings_of, x
from transforms.alerts.groups import stretches
from transforms.alerts.groups.stretches import BLOCK, STRIDE
from transforms.alerts.local import END_MS, LocalPipeline
from transforms.alerts.settings import SAMPLES
from transforms.alerts.shards.machine import key_of
from transforms.machines.machine import Out

DAY = 24 * 60 * MINUTE
YEAR = 365 * DAY
ALONE = """
- name: alone
  rules:
  - {alert: Night, expr: 'hour() < 2', for: 10m}
  - {record: 'always', expr: 'sum(y) or vector(7)'}
  - {alert: Read, expr: 'count_over_time(always[5m]) > 4 and on() absent(y)', keep_firing_for: 3m}
  - {alert: Renamed, expr: 'label_replace(x > 1, "to", "$1", "instance", "(.*)")', keep_firing_for: 40m}
  - {alert: Long, expr: 'max_over_time(x[1h]) > 3'}
"""
HIGH = "groups: [{name: g, rules: [{alert: High, expr: 'x > 1', for: 1m}]}]"
BOTH = "groups: [{name: g, rules: [{alert: High, expr: 'x > 1'}, {alert: Gone, expr: 'absent(x)', for: 2m}]}]"


def counted(stage: LocalPipeline, name: str) -> int:
    return {**stage.shards.machine.counted, **stage.groups.machine.counted}.get(name, 0)


def outputs_of(outs: Sequence[Out]) -> tuple[list[bytes], list[tuple[str, str, int, str]]]:
    written = sorted(sample for out in outs if out.tag == SAMPLES for sample in rows(out.data))
    return plain(History(events(outs))), written


def log_with_gaps(seed: int, gaps: Sequence[int]) -> Log:
    """Some minutes of samples, late ones too, then nothing for so many minutes, and so on."""
    logs, begin = [], 7 * MINUTE
    for number, gap in enumerate((*gaps, 0)):
        logs.append(log_of(seed + number, SERIES, 6 * MINUTE, begin))
        begin += (6 + gap) * MINUTE
    return Log([[record for log in logs for record in log.partitions[number]] for number in range(2)])


@settings(max_examples=1)
@given(st.integers(0, 1 << 32), st.lists(st.integers(30, 260), min_size=1, max_size=2), st.integers(0, 1 << 32))
@example(7, [250, 70], 11)
def test_what_is_reported_is_what_every_evaluation_time_evaluated_reports(
    log_seed: int, gaps: list[int], seed: int
) -> None:
    log, rules = log_with_gaps(log_seed, gaps), RULES.rstrip() + ALONE
    end = max(sample.ts for sample in log.samples) + 10 * MINUTE
    every = LocalPipeline(settings_of(rules))
    every.add(batch_of(log.samples))
    outs: list[Out] = []
    # The shortest interval is 40 s: a stretch ends before any is skipped.
    for watermark in range(7 * MINUTE, end, STRIDE // 2 * 40_000):
        outs += every.advance(watermark)
    outs += every.advance(end)
    assert counted(every, "rules.instants_skipped") == 0
    at_once = LocalPipeline(settings_of(rules))
    at_once.add(batch_of(log.samples))
    assert outputs_of(at_once.advance(end)) == outputs_of(outs)
    assert (counted(at_once, "rules.instants_skipped") > 0) == (max(gaps) > 140)
    in_pieces = LocalPipeline(settings_of(rules))
    assert plain(History(events(play(in_pieces, log, seed, until=end)))) == plain(History(events(outs)))


@pytest.mark.parametrize("bounded", [True, False])
@pytest.mark.parametrize("years", [1, 53, 129])
def test_one_sample_of_another_time_costs_no_work_for_the_time_between(years: int, bounded: bool) -> None:
    begin = years * YEAR
    stage = LocalPipeline(settings_of(HIGH, bounded=bounded, sources=frozenset()))
    stage.add(batch_of([x(MINUTE, 2.0)]))
    stage.add(batch_of([x(begin + number * MINUTE, 2.0) for number in range(5)]))
    assert sent(stage.advance(END_MS if bounded else begin + 30 * MINUTE)) == [
        ("pending", MINUTE),
        ("firing", 2 * MINUTE),
        ("resolved", 6 * MINUTE),
        ("pending", begin),
        ("firing", begin + MINUTE),
        *([] if bounded else [("resolved", begin + 9 * MINUTE)]),
    ]
    evaluated = counted(stage, "rules.instants"), counted(stage, "rules.shard_instants")
    assert max(evaluated) < 600, evaluated
    (complaint,) = stage.groups.machine.complaints
    assert "for more than 7 days of event time from 1970-01-01T01:05:00.000Z on there is no sample" in complaint
    assert counted(stage, "rules.instants") + counted(stage, "rules.instants_skipped") == begin // MINUTE + (
        4 if bounded else 29
    )


@pytest.mark.parametrize("behind", [5_000, 30_000, 10 * MINUTE])
def test_behind_a_gap_a_job_is_as_prompt_as_before_it(behind: int) -> None:
    """No source reports how far it is, so that timers alone say when an evaluation time is due."""
    begin = 53 * YEAR
    text = HIGH.replace("name: g", "name: g, interval: 5s").replace("for: 1m", "for: 5s")
    stage = LocalPipeline(settings_of(text, sources=frozenset(), grace_ms=0))
    stage.add(batch_of([x(MINUTE, 2.0)]))
    stage.add(batch_of([x(time_ms, 2.0) for time_ms in range(begin, begin + 20 * MINUTE, 5_000)]))
    outs = stage.advance(begin + 20 * MINUTE - behind + 1)
    assert sent(outs)[-2:] == [("pending", begin), ("firing", begin + 5_000)]
    assert (
        counted(stage, "rules.instants") + counted(stage, "rules.instants_skipped")
        == (begin + 20 * MINUTE - behind - MINUTE) // 5_000 + 1
    )
    due = max(len(stage.shards.key(key_of(number)).timers) for number in range(4))
    assert due < 1_000


def test_what_needs_no_samples_is_reported_every_evaluation_time() -> None:
    begin = 40 * DAY
    stage = LocalPipeline(settings_of(BOTH, bounded=True))
    stage.add(batch_of([x(MINUTE, 2.0), x(begin, 2.0)]))
    outs = stage.advance(END_MS)
    assert [(each.rule, each.state.value, each.evaluated_at // MINUTE) for each in events(outs)] == [
        ("High", "firing", 1),
        ("High", "resolved", 6),
        ("Gone", "pending", 6),
        ("Gone", "firing", 8),
        ("High", "firing", begin // MINUTE),
        ("Gone", "resolved", begin // MINUTE),
    ]
    written = [
        (name, labels.get("alertstate"), when // MINUTE)
        for out in outs
        if out.tag == SAMPLES
        for _, metric, when, _ in rows(out.data)
        for name, labels in [parse_metric(metric)]
        if labels["alertname"] == "Gone"
    ]
    # To the last but one a value, and at the last evaluation time the marker that ends the series.
    assert sorted(when for _, state, when in written if state == "firing") == [*range(8, begin // MINUTE + 1)]
    assert sorted(when for name, _, when in written if name == "ALERTS_FOR_STATE") == [*range(6, begin // MINUTE + 1)]
    assert counted(stage, "rules.instants") < 300


def test_intervals_that_differ_come_to_the_end_of_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretches, "MOST_ALONE", 500)
    monkeypatch.setattr(stretches, "BLOCK", 100)
    begin = 4 * DAY
    other = "{name: h, interval: 40s, rules: [{alert: Two, expr: absent(x)}]}"
    stage = LocalPipeline(settings_of(BOTH.replace("groups: [", f"groups: [{other}, "), bounded=True))
    stage.add(batch_of([x(MINUTE, 2.0), x(begin, 2.0)]))
    assert [(each.rule, each.state.value, each.evaluated_at) for each in events(stage.advance(END_MS))][-3:] == [
        ("Two", "resolved", begin),
        ("High", "firing", begin),
        ("Gone", "resolved", begin),
    ]


def test_a_restart_behind_a_gap_does_not_evaluate_it_again() -> None:
    begin = 53 * YEAR
    stage = LocalPipeline(settings_of(HIGH))
    stage.add(batch_of([x(MINUTE, 2.0)]))
    stage.add(batch_of([x(begin, 2.0)]))
    stage.advance(begin + 5 * MINUTE)
    stage.restart()
    stage.add(batch_of([x(begin + 5 * MINUTE, 2.0)]))
    stage.advance(begin + 7 * MINUTE)
    evaluated = counted(stage, "rules.evaluations"), counted(stage, "rules.shard_instants")
    assert max(evaluated) < 600, evaluated


@pytest.mark.parametrize(
    ("expr", "needs"),
    [
        ("x > 1", True),
        ("sum(rate(x[5m])) / sum(y)", True),
        ('label_replace(x, "a", "$1", "b", "(.*)")', True),
        ('label_replace(x, "a", "$1", "b", "(")', False),
        ("topk(2, x)", True),
        ("x > 1 or vector(0) > 1", True),
        ("max_over_time(x[1h:1m])", True),
        ("absent(x)", False),
        ("vector(1)", False),
        ("x or vector(1)", False),
        ("scalar(x)", False),
        ("x > 1 or hour() > 25", False),
        ("timestamp(vector(1)) > 4e9", False),
        ("vector(time()) > 4e9", False),
        ("count_over_time(vector(1)[5m:2m]) > 2", False),
    ],
)
def test_which_expressions_need_samples(expr: str, needs: bool) -> None:
    assert needs_samples(parse(expr), Options()) is needs


def test_what_needs_no_samples_is_not_reported_decades_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 20_000
    monkeypatch.setattr(stretches, "MOST_ALONE", most)
    begin = 53 * YEAR
    stage = LocalPipeline(settings_of(BOTH, bounded=True))
    stage.add(batch_of([x(MINUTE, 2.0), x(begin, 2.0)]))
    outs = stage.advance(END_MS)
    assert [(each.rule, each.state.value, each.evaluated_at // MINUTE) for each in events(outs)][2:] == [
        ("Gone", "pending", 6),
        ("Gone", "firing", 8),
        ("High", "firing", begin // MINUTE),
        ("Gone", "resolved", begin // MINUTE),
    ]
    assert counted(stage, "rules.instants_skipped") > 27_000_000
    written = [batches.decode(out.data) for out in outs if out.tag == SAMPLES]
    times = np.unique(np.concatenate([each.ts for each in written])) // MINUTE
    gaps = np.flatnonzero(np.diff(times) > 1)
    # The first block of evaluation times, and the last ones.
    assert [(int(times[at]), int(times[at + 1])) for at in gaps] == [(64 + BLOCK, begin // MINUTE - most)]
