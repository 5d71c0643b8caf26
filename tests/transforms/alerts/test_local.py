"""Both stages together: what they report follows from the log, and in the end it is what a run in order reports."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rules.events.corrections import History
from schemas import batch as batches
from schemas.alert_event import AlertEvent, decode, encode
from schemas.batch import MIN_WATERMARK
from schemas.series import shard_of
from tests.transforms.alerts.logs import LATE, Log, log_of
from tests.transforms.alerts.streams import Row, Sent, batch_of
from transforms.alerts.local import END_MS, LocalPipeline
from transforms.alerts.messages import RuleFiles
from transforms.alerts.settings import EVENTS, SAMPLES, EvaluationSettings
from transforms.machines.machine import Out
from transforms.machines.watermarks import LAUNCH

MINUTE = 60_000
BEGIN, LENGTH = 7 * MINUTE, 8 * MINUTE
RULES = """
groups:
- name: minutes
  rules:
  - {record: 'x:sum', expr: 'sum(x)'}
  - {alert: High, expr: 'x > 1', for: 1m, annotations: {summary: '{{ $labels.instance }} at {{ $value }}'}}
  - {alert: Sum, expr: 'max_over_time(x:sum[2m]) > 3'}
  - {alert: Gone, expr: 'absent(x{instance="h0"})'}
- name: behind
  interval: 40s
  query_offset: 45s
  rules:
  - {alert: Join, expr: 'sum without (job) (x) > on (instance) y', for: 40s, keep_firing_for: 1m}
  - {alert: Peak, expr: 'max_over_time(sum(y)[3m:1m]) > 4'}
"""
HIGH = "groups: [{name: g, rules: [{alert: High, expr: 'x > 1', for: 1m}]}]"


def labels_of(name: str, instance: str) -> Row:
    return tuple(sorted({"__name__": name, "instance": instance, "job": "j"}.items()))


SERIES = [labels_of(name, instance) for instance in ("h0", "h1", "h2") for name in ("x", "y")]


def settings_of(text: str, **given_: object) -> EvaluationSettings:
    return replace(EvaluationSettings({"r.yml": text}, shards=4, grace_ms=5_000, late_ms=LATE), **given_)


def x(when: int, value: float, instance: str = "h0") -> Sent:
    return Sent(labels_of("x", instance), when, value, when)


def events(outs: Sequence[Out]) -> list[AlertEvent]:
    return [decode(out.data) for out in outs if out.tag == EVENTS]


def sent(outs: Sequence[Out]) -> list[tuple[str, int]]:
    return [(event.state.value, event.evaluated_at) for event in events(outs)]


def play(
    stage: LocalPipeline, log: Log, seed: int, *, trouble: bool = True, until: int = BEGIN + LENGTH + 10 * MINUTE
) -> list[Out]:
    """A log read in some order and pieces, with restarts and failures; what came of bundles that were not lost.

    Where sources report of their partitions, the runner's watermark moves now and then.
    """
    rng = random.Random(seed)
    outs: list[Out] = []
    reporting = bool(stage.settings.sources)
    for step in log.read(seed):
        watermark = MIN_WATERMARK if reporting and rng.random() < 0.8 else step.watermark
        trick = rng.random() if trouble else 1.0
        if trick < 0.2:
            stage.restart()
        for again in range(2 if trick > 0.8 else 1):
            stage.checkpoint()
            for batch in step.batches:
                stage.add(batch)
            if reporting:
                stage.add_watermarks([LAUNCH, *step.marks])
            if not again and trick > 0.8:
                stage.advance(watermark)
                stage.lose()
            else:
                outs += stage.advance(watermark)
    return outs + stage.advance(until)


@settings(max_examples=6)
@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32), st.integers(0, 1 << 32))
# Late samples that came in the same bundle as the first evaluation time counted too early.
@example(2927520389, 3369227072, 380515197)
def test_events_are_a_function_of_the_log(log_seed: int, one: int, other: int) -> None:
    log = log_of(log_seed, SERIES, LENGTH, BEGIN)
    found = []
    for sources, seed in (((), one), ((), other), ((0,), other)):
        outs = play(LocalPipeline(settings_of(RULES, sources=frozenset(sources))), log, seed, trouble=seed == other)
        found.append(
            (
                [encode(event) for event in sorted(events(outs), key=lambda each: (each.evaluated_at, each.id))],
                sorted({sample for out in outs if out.tag == SAMPLES for sample in rows(out.data)}),
            )
        )
    assert found[0] == found[1] == found[2]


def rows(data: bytes) -> list[tuple[str, str, int, str]]:
    batch = batches.decode(data)
    return [
        (batch.targets[target], batch.metrics[metric], when, value.hex())
        for target, metric, when, value in zip(
            batch.target.tolist(), batch.metric.tolist(), batch.ts.tolist(), batch.value.tolist(), strict=True
        )
    ]


@settings(max_examples=6)
@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32))
# Late samples that are known at the first evaluation time have a part in which it is.
@example(3212440059, 2111839985)
@example(2810848591, 914396121)
def test_the_history_ends_as_that_of_a_run_in_order(log_seed: int, seed: int) -> None:
    log = log_of(log_seed, SERIES, LENGTH, BEGIN)
    history = History(events(play(LocalPipeline(settings_of(RULES)), log, seed)))
    in_order = LocalPipeline(settings_of(RULES))
    in_order.add(batch_of(log.samples))
    expected = History(events(in_order.advance(BEGIN + LENGTH + 10 * MINUTE)))
    assert plain(history) == plain(expected)


def plain(history: History) -> list[bytes]:
    return sorted(
        encode(replace(event, id="", correction=False, replaces=None, trace=())) for event in history.events()
    )


def test_every_shard_keeps_up_with_the_newest_event_time_of_all() -> None:
    stage = LocalPipeline(settings_of(HIGH, bounded=True))
    stage.add(batch_of([x(when, 2.0, f"h{n}") for n, when in enumerate((50_000, 50_000, 180_000))]))
    targets = [f'{{instance="h{n}",job="j"}}' for n in range(3)]
    assert len({shard_of(target, 4) for target in targets}) > 1
    assert sent(stage.close()) == [("pending", 60_000)] * 2 + [("firing", 120_000)] * 2 + [("pending", 180_000)]


def test_only_an_input_that_ends_can_be_closed() -> None:
    stage = LocalPipeline(settings_of(HIGH))
    stage.add(batch_of([x(50_000, 2.0)]))
    with pytest.raises(ValueError, match="does not end"):
        stage.close()
    ended = LocalPipeline(settings_of(HIGH, bounded=True))
    ended.add(batch_of([x(50_000, 2.0)]))
    ended.extent(185_000)
    assert sent(ended.close()) == [("pending", 60_000), ("firing", 120_000)]
    assert ended.advance(END_MS) == []


def test_what_is_stored_does_not_grow_with_time() -> None:
    stage = LocalPipeline(settings_of(RULES))
    sizes = []
    for when in range(15_000, 120 * MINUTE, 15_000):
        stage.add(batch_of([Sent(labels, when - 1, float(when % 7), when) for labels in SERIES]))
        stage.advance(when - 5_000)
        sizes.append(stage.shards.stored_bytes + stage.groups.stored_bytes)
    assert max(sizes[len(sizes) // 2 :]) < 1.3 * max(sizes[: len(sizes) // 2])


@pytest.mark.parametrize("seed", [3, 30, 48])
def test_a_change_may_be_found_early_or_at_the_last_moment(seed: int) -> None:
    log = log_of(seed, SERIES, LENGTH, BEGIN)
    change = RuleFiles(BEGIN + 5 * MINUTE, {"r.yml": RULES.replace("interval: 40s", "interval: 30s")})
    found = []
    for early in (1_000, 200_000):
        stage = LocalPipeline(settings_of(RULES))
        outs: list[Out] = []
        announced = False
        for step in log.read(seed):
            if not announced and step.watermark > change.effective_ms - early:
                stage.rules(change)
                announced = True
            for batch in step.batches:
                stage.add(batch)
            outs += stage.advance(step.watermark)
        outs += stage.advance(BEGIN + LENGTH + 10 * MINUTE)
        assert any(event.rule == "Join" and event.evaluated_at % 40_000 for event in events(outs))
        found.append(sorted(map(encode, events(outs))))
    assert found[0] == found[1]


REPLACED = [
    # A recording rule of the alert's name and labels has the ids of its alerts.
    "groups: [{name: g, rules: [{record: High, expr: 'x > 1'}]}]",
    # Of two rules of one name the second becomes the first.
    "groups: [{name: g, rules: [{alert: High, expr: 'x > 2'}]}]",
]


@pytest.mark.parametrize("after", REPLACED)
def test_late_samples_do_not_take_back_that_an_alert_ended_with_its_rule(after: str) -> None:
    before = "groups: [{name: g, rules: [{alert: High, expr: 'x > 1'}, {alert: High, expr: 'x > 2'}]}]"
    stage = LocalPipeline(settings_of(before))
    stage.add(batch_of([x(minute * MINUTE, 2.0) for minute in range(1, 5)]))
    stage.rules(RuleFiles(4 * MINUTE, {"r.yml": after}))
    outs = stage.advance(4 * MINUTE + 6_000)
    assert sent(outs) == [("firing", MINUTE), ("resolved", 4 * MINUTE)]
    stage.add(replace(batch_of([x(4 * MINUTE, 3.0, "h1")]), overtaken=4 * MINUTE + 6_000))
    assert [state for state, _ in sent(stage.advance(5 * MINUTE + 6_000))] == ["firing"] * ("alert" in after)
    assert stage.groups.machine.counted["rules.instants_again"] > 0


def test_what_fails_in_a_shard_is_counted_once_an_evaluation_time() -> None:
    same = 'groups: [{name: g, rules: [{alert: Same, expr: \'label_replace(x, "instance", "one", "job", ".*") > 1\'}]}]'
    stage = LocalPipeline(settings_of(same, shards=1))
    # Alone at 7 minutes; the two of 8 and 9 minutes have one label set.
    stage.add(
        batch_of(
            [
                x(BEGIN, 2),
                x(BEGIN + MINUTE, 2),
                x(BEGIN + MINUTE, 2, "h1"),
                x(BEGIN + 2 * MINUTE, 2),
                x(BEGIN + 2 * MINUTE, 2, "h1"),
            ]
        )
    )
    stage.advance(BEGIN + 2 * MINUTE + 30_000)
    assert stage.shards.machine.counted["rules.fragment_failures"] == 2
