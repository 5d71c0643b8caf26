"""The second stage: with the first one it reports what one evaluator over all samples reports, in any bundles, after restarts and late samples."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.evaluation.groups import Evaluator
from rules.evaluation.program import Program, Settings
from rules.events.corrections import History
from rules.events.events import EventMaker
from rules.promql.values import STALE
from schemas.alert_event import AlertEvent, decode
from schemas.batch import decode as decode_batch
from schemas.batch import encode as encode_batch
from schemas.series import series_text, shard_of
from tests.rules.evaluation.stepping import MINUTE, groups_of
from tests.transforms.alerts.streams import Row, Sent, batch_of, bits, storage_of
from transforms.alerts import messages
from transforms.alerts.fragments.partials import PartialsBuilder
from transforms.alerts.groups.machine import GroupMachine
from transforms.alerts.local import LocalPipeline
from transforms.alerts.messages import BEGINNING_MS, Contribution, Part, RuleFiles, of_contribution, of_rules
from transforms.alerts.settings import EVENTS, SAMPLES, EvaluationSettings
from transforms.alerts.shards.machine import ShardMachine, key_of
from transforms.machines.local import LocalKey, LocalMachine
from transforms.machines.machine import Memory, Out, Timer

# Past the first base, and some evaluation times more.
LAST = 20
KEY = b"rules"
RULES = """
groups:
- name: first
  rules:
  - record: pool:x:sum
    expr: sum by (pool) (x)
  - alert: High
    expr: x > 2
    for: 2m
    keep_firing_for: 1m
    annotations: {summary: '{{ $labels.instance }} at {{ $value }} of {{ query "sum(x)" | first | value }}'}
- name: second
  interval: 2m
  rules:
  - alert: PoolHigh
    expr: max_over_time(pool:x:sum[3m]) > 4
  - alert: Gone
    expr: absent(x{instance="0"})
    for: 1m
- name: third
  query_offset: 1m
  rules:
  - alert: Wavering
    expr: max_over_time(sum(x)[3m:1m]) - min_over_time(sum(x)[3m:1m]) > 2
"""


class Late(NamedTuple):
    """A sample, and the minute from which on it is known; None if it came in order."""

    sent: Sent
    known: int | None = None


def config(rules: str = RULES, shards: int = 2) -> EvaluationSettings:
    return EvaluationSettings({"rules.yml": rules}, late_ms=LAST * MINUTE, shards=shards)


class Run:
    """Both stages on a log, minute by minute; ``outs`` is all that was committed."""

    def __init__(self, settings: EvaluationSettings, log: Sequence[Late]) -> None:
        self.stage, self._log, self.outs = LocalPipeline(settings), log, list[Out]()
        # All shards begin at minute 0, whichever have samples.
        self.stage.extent(0)
        self.stage.advance(-1)

    def bundle(self, minutes: range) -> list[Out]:
        """The samples of some minutes, and those that are known late in them, up to the last one's evaluation."""
        for sent, known in self._log:
            if known is None and -(-sent.ts // MINUTE) in minutes:
                self.stage.add(batch_of([sent]))
            elif known in minutes:
                self.stage.add(replace(batch_of([sent]), overtaken=(known - 1) * MINUTE))
        return self.stage.advance(minutes[-1] * MINUTE + 1)

    def shaken(self, data: st.DataObject) -> Run:
        """Bundles of some minutes each, which are lost, and processes that restart."""
        minute = 0
        while minute <= LAST:
            minutes = range(minute, min(minute + data.draw(st.integers(1, 5)), LAST + 1))
            if data.draw(st.booleans()):
                self.stage.checkpoint()
                self.bundle(minutes)
                self.stage.lose()
            if data.draw(st.booleans()):
                self.stage.restart()
            self.outs += self.bundle(minutes)
            minute = minutes.stop
        return self

    @property
    def events(self) -> list[AlertEvent]:
        return [decode(out.data) for out in self.outs if out.tag == EVENTS]

    @property
    def written(self) -> dict[str, dict[int, int]]:
        """What a store holds that was sent the samples: by series and time, the bits."""
        found: dict[str, dict[int, int]] = {}
        for out in self.outs:
            if out.tag == SAMPLES:
                batch = decode_batch(out.data)
                names = [
                    series_text(batch.targets[t], batch.metrics[m])
                    for t, m in zip(batch.target, batch.metric, strict=True)
                ]
                for name, when, value in zip(names, batch.ts.tolist(), batch.value.tolist(), strict=True):
                    found.setdefault(name, {})[when] = bits(value)
        return found


def in_order(log: Sequence[Late], rules: str = RULES) -> tuple[list[AlertEvent], dict[str, dict[int, int]]]:
    """What one evaluator over all samples reports, and writes."""
    program = Program(groups_of(rules), Settings())
    # A stream has nothing from before its beginning, so what looks back by an offset begins later.
    offset = max(rule.turn.query_offset_ms for rule in program.rules)
    begin = -MINUTE + offset
    evaluator = Evaluator(program, storage_of([each.sent for each in log]))
    schedule = program.due(begin, LAST * MINUTE)
    outcome = evaluator.evaluate_schedule(schedule)
    events = EventMaker(program).make(evaluator, outcome.events)
    written = {
        series_text(*_parts(labels)): dict(zip(times.tolist(), map(bits, values.tolist()), strict=True))
        for labels, _, times, values in evaluator.recorded.series()
    }
    return events, written


def _parts(labels: Row) -> tuple[str, str]:
    [batch] = [batch_of([Sent(labels, 0, 0.0, 0)])]
    return batch.targets[0], batch.metrics[0]


def plain(events: Iterable[AlertEvent]) -> list[tuple[Any, ...]]:
    """What stands, without how it came to be reported: traces name fragments where an evaluator of the whole names selectors."""
    return sorted(
        (
            each.evaluated_at,
            each.alert,
            each.state.value,
            each.reason,
            repr((each.active_since, each.starts_at, each.ends_at)),
            bits(each.value),
            sorted(each.annotations.items()),
        )
        for each in events
    )


VALUES = st.sampled_from([0.0, 1.0, 3.0, 5.0, float(STALE)])


@st.composite
def logs(draw: st.DrawFn) -> list[Late]:
    """Three series with a sample in most minutes, some of them late."""
    log: list[Late] = []
    for instance in range(3):
        labels: Row = (("__name__", "x"), ("instance", str(instance)), ("pool", "ab"[instance % 2]))
        for minute in range(LAST + 1):
            if not draw(st.integers(0, 4)):
                continue
            sent = Sent(labels, minute * MINUTE - (instance if minute else 0), draw(VALUES), len(log))
            known = draw(st.integers(minute + 1, LAST)) if minute < LAST and not draw(st.integers(0, 5)) else None
            log.append(Late(sent, known))
    # The stream begins at minute 0 whatever comes.
    return [Late(Sent((("__name__", "x"), ("instance", "9")), 0, 0.0, len(log))), *log]


@settings(max_examples=25, deadline=None)
@given(logs(), st.data())
def test_history_is_that_of_a_run_in_order_whatever_the_bundles_and_restarts(
    log: list[Late], data: st.DataObject
) -> None:
    run = Run(config(shards=data.draw(st.sampled_from((1, 2, 3)))), log).shaken(data)
    events, written = in_order(log)
    assert plain(History(run.events).events()) == plain(events)
    late = any(each.known is not None for each in log)
    assert late or not any(each.correction for each in run.events)
    for series, points in written.items():
        stands = run.written[series]
        assert {when: stands.get(when) for when in points} == points
        assert late or stands == points


def series(instance: int, values: Sequence[float | None]) -> list[Late]:
    labels: Row = (("__name__", "x"), ("instance", str(instance)))
    return [
        Late(Sent(labels, minute * MINUTE, value, minute)) for minute, value in enumerate(values) if value is not None
    ]


def sent(events: Iterable[AlertEvent]) -> list[str]:
    return [f"{each.evaluated_at // MINUTE} {each.rule} {each.state.value} ({each.reason})" for each in events]


def test_a_shard_that_gets_new_rules_late_changes_no_alert() -> None:
    """Of two shards one gets the new rule three minutes late: its part is missing, which is not the same as nothing."""
    old = "groups: [{name: g, rules: [{alert: Few, expr: 'count(x > 2) < 2'}]}]"
    new = "groups: [{name: g, rules: [{alert: Few, expr: 'count(x > 1) < 2'}]}]"
    run = Run(config(old), series(0, [3.0] * (LAST + 1)) + series(1, [3.0] * (LAST + 1)))
    assert {shard_of(f'{{instance="{number}"}}', 2) for number in range(2)} == {0, 1}
    change = of_rules(RuleFiles(2 * MINUTE, {"rules.yml": new}))
    for minute in range(LAST + 1):
        if minute == 1:
            run.stage.groups.run([(KEY, change)])
        if minute in (1, 5):
            run.stage.shards.run([(key_of(minute // 5), change)])
        run.outs += run.bundle(range(minute, minute + 1))
    assert sent(run.events) == []
    assert run.stage.groups.machine.counted["rules.failures"] == 3
    assert set(run.stage.groups.machine.complaints) == {
        "rules.yml: group g: rule Few failed: shard 1 has not evaluated a part of the expression"
    }


def test_no_rules_at_all() -> None:
    assert Run(EvaluationSettings({}), series(0, [3.0])).bundle(range(5)) == []


def test_what_no_shard_has_anything_of_is_not_evaluated() -> None:
    rules = "groups: [{name: g, rules: [{alert: High, expr: x > 2}, {alert: Few, expr: count(x > 2) < 1}, {alert: None, expr: absent(x > 2)}]}]"
    run = Run(config(rules), series(0, [0.0] * (LAST + 1)))
    run.outs += run.bundle(range(1))
    state = run.stage.groups_state()
    quiet = [
        rule.rule.name
        for rule in state.live.current.program.rules
        if state._is_known_empty(rule.rule.ast, np.array([0]))
    ]
    assert quiet == ["High", "Few"]
    assert sent(run.events) == ["0 None firing (condition_met)"]


def test_what_comes_of_a_bounded_input_may_come_in_any_order() -> None:
    settings_ = replace(config("groups: [{name: g, rules: [{alert: High, expr: x > 2, for: 3m}]}]"), bounded=True)
    shards = LocalMachine(lambda: ShardMachine(settings_, Memory()))
    groups = LocalMachine(lambda: GroupMachine(settings_, Memory()))
    contributed = []
    for sample, _ in series(0, [3.0] * 6):
        elements = [(key_of(0), messages.of_samples(encode_batch(batch_of([sample]))))]
        elements += [(key_of(number), messages.of_extent(sample.ts)) for number in range(2)]
        contributed.append([(KEY, out.data) for out in shards.run(elements, sample.ts)])
    outs: list[Out] = []
    for each in reversed(contributed):
        assert outs == []
        outs += groups.run(each, -1)
    events = [decode(out.data) for out in outs if out.tag == EVENTS]
    assert sent(events) == ["0 High pending (condition_met)", "3 High firing (held)"]


# Step by step, without shards.

MINUTELY = "groups: [{name: g, rules: [{alert: High, expr: x > 2}]}]"
SECONDLY = "groups: [{name: g, interval: 1s, rules: [{alert: High, expr: x > 2}]}]"


def part_of(effective_ms: int, *times: int, revision: int = 0) -> Part:
    """What a shard says at evaluation times that has nothing to say."""
    return Part(effective_ms, PartialsBuilder(0, np.array(times, np.int64), revision).build())


def report(until_ms: int, *parts: Part, after_ms: int = BEGINNING_MS) -> bytes:
    return of_contribution(Contribution(0, after_ms, until_ms, 0, until_ms, parts))


def test_times_of_timers_are_behind_those_of_shards() -> None:
    machine, key = GroupMachine(EvaluationSettings({"rules.yml": RULES}, grace_ms=7_000), Memory()), LocalKey()
    machine.begin()
    list(machine.arrive(KEY, report(3 * MINUTE), key, key))
    assert list(key.timers.values()) == [3 * MINUTE + 7_001]


@pytest.mark.parametrize(
    ("until_ms", "parts", "expected"),
    [
        (3 * MINUTE, [part_of(3 * MINUTE, 2 * MINUTE, 3 * MINUTE)], [2, 3]),
        # Of an evaluation time that is not yet over nothing can be evaluated.
        (4 * MINUTE - 1, [part_of(3 * MINUTE, 2 * MINUTE, 3 * MINUTE)], [2, 3]),
        # Late samples touched an earlier one.
        (3 * MINUTE, [part_of(3 * MINUTE, MINUTE, revision=1), part_of(3 * MINUTE, 3 * MINUTE)], [1, 2, 3]),
        # The last word, when the input has ended: what is known by an evaluation time counts at it.
        (2 * MINUTE, [part_of(9 * MINUTE, 2 * MINUTE, revision=1)], [2, 9]),
        # So many timers are set, and no more: the last evaluation time stands for all.
        (258 * MINUTE, [part_of(258 * MINUTE, 3 * MINUTE)], [*range(3, 259)]),
        (259 * MINUTE, [part_of(259 * MINUTE, 3 * MINUTE)], [259]),
    ],
)
def test_a_timer_is_set_for_each_evaluation_time_that_a_shard_reports(
    until_ms: int, parts: list[Part], expected: list[int]
) -> None:
    machine = GroupMachine(EvaluationSettings({"rules.yml": MINUTELY}, grace_ms=7_000), Memory())
    cells, timers = LocalKey(), LocalKey()
    machine.begin()
    list(machine.arrive(KEY, report(until_ms, *parts), cells, timers))
    assert sorted(timers.timers.values()) == [minute * MINUTE + 7_001 for minute in expected]


def test_no_timer_is_set_for_evaluation_times_that_are_due() -> None:
    machine = GroupMachine(EvaluationSettings({"rules.yml": MINUTELY}, grace_ms=7_000), Memory())
    cells, timers = LocalKey(), LocalKey()
    machine.begin()
    list(machine.arrive(KEY, report(2 * MINUTE), cells, timers))
    list(machine.fire(KEY, Timer(2 * MINUTE + 7_001, ""), cells, timers))
    later = LocalKey()
    list(machine.arrive(KEY, report(4 * MINUTE, part_of(4 * MINUTE, MINUTE), after_ms=2 * MINUTE), cells, later))
    assert sorted(later.timers.values()) == [3 * MINUTE + 7_001, 4 * MINUTE + 7_001]


class Based(LocalKey):
    """Cells that note when a base is written."""

    def __init__(self) -> None:
        super().__init__()
        self.bases = 0

    def write(self, cell: str, data: bytes) -> None:
        self.bases += cell == "base"
        super().write(cell, data)


@pytest.mark.parametrize(
    ("rules", "step_ms", "expected"),
    [
        # Sixteen evaluation times, the first at 0.
        (MINUTELY, MINUTE, [15, 31]),
        # A minute at least.
        (SECONDLY, 1_000, [15, 75]),
    ],
)
def test_a_base_is_taken_after_a_minute_and_sixteen_evaluation_times(
    rules: str, step_ms: int, expected: list[int]
) -> None:
    machine = GroupMachine(EvaluationSettings({"rules.yml": rules}, shards=1, late_ms=2 * step_ms), Memory())
    cells, found = Based(), []
    for number in range(expected[-1] + 1):
        before, now = cells.bases, number * step_ms
        machine.begin()
        after_ms = now - step_ms if number else BEGINNING_MS
        list(machine.arrive(KEY, report(now, part_of(now, now), after_ms=after_ms), cells, LocalKey()))
        list(machine.finish())
        if cells.bases > before:
            found.append(number)
            # What late samples may still touch is kept, and no more.
            kept = [messages.until(each) // step_ms for each in cells.read_bag("contributions")]
            assert kept == [number - 2, number - 1, number]
    assert found == expected


class Unread(LocalKey):
    """Cells whose bags are not to be read."""

    def read_bag(self, bag: str) -> list[bytes]:
        raise AssertionError(bag)


def test_state_in_memory_is_gone_on_with_and_what_was_lost_is_read_again() -> None:
    settings_ = config(MINUTELY, shards=1)
    machine, cells = GroupMachine(settings_, Memory()), Unread()

    def bundle(number: int, cells: LocalKey) -> int | None:
        machine.begin()
        now = number * MINUTE
        list(machine.arrive(KEY, report(now, after_ms=now - MINUTE if number else BEGINNING_MS), cells, LocalKey()))
        list(machine.finish())
        return machine.look(KEY, cells).done

    assert [bundle(number, cells) for number in range(3)] == [0, MINUTE, 2 * MINUTE]
    saved = LocalKey()
    saved.cells, saved.bags = copy.deepcopy((cells.cells, cells.bags))
    bundle(3, cells)
    # The bundle was lost: what is in memory is ahead of the state.
    assert machine.look(KEY, saved).done == 2 * MINUTE
    assert bundle(3, saved) == 3 * MINUTE
    # A bundle that failed before its end leaves what it opened behind.
    machine.begin()
    list(machine.arrive(KEY, report(4 * MINUTE, after_ms=3 * MINUTE), copy.deepcopy(saved), LocalKey()))
    machine.begin()
    assert list(machine.finish()) == []
    assert machine.look(KEY, saved).done == 3 * MINUTE


def test_state_of_another_format_is_refused() -> None:
    machine, cells = GroupMachine(config(MINUTELY), Memory()), LocalKey()
    machine.begin()
    list(machine.arrive(KEY, report(0), cells, LocalKey()))
    cells.cells["meta"] = b"\2" + cells.cells["meta"][1:]
    with pytest.raises(ValueError, match="meta of the groups of version 2; this release reads version 3: an older"):
        GroupMachine(config(MINUTELY), Memory()).look(KEY, cells)


def test_files_that_are_found_late_count_from_the_next_evaluation_time_on() -> None:
    machine, cells = GroupMachine(config(MINUTELY, shards=1), Memory()), LocalKey()
    machine.begin()
    list(machine.arrive(KEY, report(2 * MINUTE), cells, LocalKey()))
    list(machine.arrive(KEY, of_rules(RuleFiles(MINUTE, {"rules.yml": SECONDLY})), cells, LocalKey()))
    list(machine.arrive(KEY, of_rules(RuleFiles(5 * MINUTE, {"rules.yml": SECONDLY})), cells, LocalKey()))
    list(machine.finish())
    # What is no change is not kept.
    assert [messages.rules(each).effective_ms for each in cells.read_bag("announced")] == [2 * MINUTE + 1]
    other = GroupMachine(config(MINUTELY, shards=1), Memory())
    for each in (machine, other):
        assert each.look(KEY, cells).live.change_ms == 2 * MINUTE + 1


def test_what_was_counted_and_complained_of_adds_up_until_it_is_taken_away() -> None:
    rules = "groups: [{name: g, rules: [{alert: A, expr: vector(1), labels: {}}, {record: y, expr: vector(2)}]}]"
    machine, cells = GroupMachine(config(rules, shards=1), Memory()), LocalKey()
    for number in range(3):
        machine.begin()
        now = number * MINUTE
        list(machine.arrive(KEY, report(now, after_ms=now - MINUTE if number else BEGINNING_MS), cells, LocalKey()))
        list(machine.finish())
        assert machine.counted["rules.instants"] == number + 1
        assert machine.counted["rules.evaluations"] == 2 * (number + 1)
    assert machine.counted["alerts.firing"] == 1
    assert machine.complaints == []
