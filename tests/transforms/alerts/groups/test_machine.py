"""The second stage: what it tells is what one evaluator over all samples tells, in any bundles, after any restart, and after late samples."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.evaluation.groups import Evaluator, aligned
from rules.evaluation.program import Program, Settings
from rules.events.corrections import History
from rules.events.events import EventMaker
from rules.promql.values import STALE
from schemas.alert_event import AlertEvent, decode
from schemas.batch import decode as decode_batch
from schemas.series import series_text
from tests.rules.evaluation.stepping import MINUTE, groups_of
from tests.transforms.alerts.streams import Row, Sent, batch_of, bits, storage_of
from transforms.alerts import messages
from transforms.alerts.fragments.partials import PartialsBuilder
from transforms.alerts.fragments.tasks import due
from transforms.alerts.groups.machine import GroupMachine
from transforms.alerts.live.live import LiveRules
from transforms.alerts.messages import BEGINNING_MS, Contribution, Part, RuleFiles, of_contribution, of_rules
from transforms.alerts.settings import EVENTS, SAMPLES, EvaluationSettings
from transforms.alerts.shards.state import ShardState
from transforms.machines.machine import Memory, Out, Timer

# Past the first base, and some instants more.
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


class Cells:
    """State in memory."""

    def __init__(self) -> None:
        self.cells: dict[str, bytes] = {}
        self.bags: dict[str, list[bytes]] = {}

    def read(self, cell: str) -> bytes | None:
        return self.cells.get(cell)

    def write(self, cell: str, data: bytes) -> None:
        self.cells[cell] = data

    def read_bag(self, bag: str) -> list[bytes]:
        return list(self.bags.get(bag, []))

    def append(self, bag: str, data: bytes) -> None:
        self.bags.setdefault(bag, []).append(data)

    def replace(self, bag: str, data: Iterable[bytes]) -> None:
        self.bags[bag] = list(data)


class Timers:
    def __init__(self) -> None:
        self.times: set[int] = set()

    def at(self, time_ms: int, tag: str = "") -> None:
        self.times.add(time_ms)


class Late(NamedTuple):
    """A sample, and the minute from which on it is known; None if it came in order."""

    sent: Sent
    known: int | None = None


@dataclass
class Shards:
    """Two shards that say at each minute what their samples make of it; ``said[t]`` are the elements of minute ``t``."""

    config: EvaluationSettings
    contributed: dict[int, list[bytes]] = field(default_factory=dict)

    def feed(self, log: Sequence[Late], last: int = LAST) -> None:
        ready = LiveRules(self.config).current
        for number in range(2):
            state = ShardState(number, ready.cut.state())
            mine = [each for each in log if int(dict(each.sent.labels)["instance"]) % 2 == number]
            state.add(batch_of([each.sent for each in mine if each.known is None]))
            for minute in range(last + 1):
                now, parts = minute * MINUTE, []
                late = [each.sent for each in mine if each.known == minute]
                if late:
                    arrival = state.add(batch_of(late))
                    for run in due(ready.tasks, -MINUTE, now - MINUTE):
                        touched = arrival.touched(run.times)
                        if len(touched):
                            parts.append(
                                Part(now, state.evaluate(run.tasks, touched, since_ms=-1, revision=minute + 1))
                            )
                for run in due(ready.tasks, now - MINUTE, now):
                    parts.append(Part(now, state.evaluate(run.tasks, run.times, since_ms=now - MINUTE)))
                self.contributed.setdefault(minute, []).append(contribution(number, minute, parts))


def contribution(shard: int, minute: int, parts: Sequence[Part] = ()) -> bytes:
    """What a shard that speaks every minute says at one."""
    now = minute * MINUTE
    return of_contribution(Contribution(shard, now - MINUTE if minute else BEGINNING_MS, now, 0, now, parts))


def config(rules: str = RULES, shards: int = 8) -> EvaluationSettings:
    """Of eight shards, of which these tests have two, groups cannot know that they have heard all; of two they can."""
    return EvaluationSettings({"rules.yml": rules}, late_ms=LAST * MINUTE, shards=shards)


class Run:
    """The machine on bundles; ``outs`` is all that was committed."""

    def __init__(self, settings: EvaluationSettings) -> None:
        self.settings = settings
        self.cells, self.timers, self.outs = Cells(), Timers(), list[Out]()
        self.restart()

    def restart(self) -> None:
        self.machine = GroupMachine(self.settings, Memory())

    def bundle(self, elements: Sequence[bytes], until_minute: int, *, lost: bool = False) -> None:
        """Elements, then all timers up to a minute; a lost bundle leaves no trace but in the machine's memory."""
        saved = copy.deepcopy((self.cells, self.timers))
        self.machine.begin()
        outs: list[Out] = []
        for element in elements:
            outs += self.machine.arrive(KEY, element, self.cells, self.timers)
        while self.timers.times and min(self.timers.times) <= until_minute * MINUTE + 1:
            time_ms = min(self.timers.times)
            self.timers.times.remove(time_ms)
            outs += self.machine.fire(KEY, Timer(time_ms, str(time_ms)), self.cells, self.timers)
        outs += self.machine.finish()
        if lost:
            self.cells, self.timers = saved
        else:
            self.outs += outs

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
    """What one evaluator over all samples tells, and writes."""
    program = Program(groups_of(rules), Settings())
    # A stream has nothing from before its beginning, so what looks back by an offset begins later.
    offset = max(rule.turn.query_offset_ms for rule in program.rules)
    begin = -MINUTE + offset
    evaluator = Evaluator(program, storage_of([each.sent for each in log]))
    schedule = [aligned(program.interval_ms(n), begin, LAST * MINUTE) for n in range(len(program.groups))]
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
    """What stands, without how it came to be told: traces name fragments where an evaluator of the whole names selectors."""
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
    chosen = config(shards=data.draw(st.sampled_from((2, 8))))
    shards = Shards(chosen)
    shards.feed(log)
    steady, shaken = Run(chosen), Run(config(shards=2))
    for minute in range(LAST + 1):
        steady.bundle(shards.contributed[minute], minute)
    minute = 0
    while minute <= LAST:
        size = data.draw(st.integers(1, 5))
        some = range(minute, min(minute + size, LAST + 1))
        elements = [shards.contributed[one][shard] for one in some for shard in data.draw(st.permutations((0, 1)))]
        if data.draw(st.booleans()):
            shaken.bundle(elements, some[-1], lost=True)
        if data.draw(st.booleans()):
            shaken.restart()
        shaken.bundle(elements, some[-1])
        minute = some[-1] + 1
    assert [decode_id(each) for each in shaken.events] == [decode_id(each) for each in steady.events]
    assert shaken.written == steady.written
    events, written = in_order(log)
    assert plain(History(steady.events).events()) == plain(events)
    late = any(each.known is not None for each in log)
    assert late or not any(each.correction for each in steady.events)
    for series, points in written.items():
        stands = steady.written[series]
        assert {when: stands.get(when) for when in points} == points
        assert late or stands == points


def decode_id(event: AlertEvent) -> tuple[str, int]:
    return event.id, event.evaluated_at


def series(instance: int, values: Sequence[float | None]) -> list[Late]:
    labels: Row = (("__name__", "x"), ("instance", str(instance)))
    return [
        Late(Sent(labels, minute * MINUTE, value, minute)) for minute, value in enumerate(values) if value is not None
    ]


def sent(events: Iterable[AlertEvent]) -> list[str]:
    return [f"{each.evaluated_at // MINUTE} {each.rule} {each.state.value} ({each.reason})" for each in events]


def test_other_rules_count_from_their_instant_on_and_keep_what_stayed() -> None:
    old = "groups: [{name: g, rules: [{alert: High, expr: 'x > 2', for: 3m}, {alert: Old, expr: 'x > 2'}]}]"
    new = "groups: [{name: g, rules: [{alert: New, expr: 'x > 2'}, {alert: High, expr: 'x > 2', for: 3m}]}]"
    settings_ = config(old)
    shards = Shards(settings_)
    shards.feed(series(0, [3.0] * (LAST + 1)))
    run = Run(settings_)
    for minute in range(LAST + 1):
        elements = list(shards.contributed[minute])
        if minute == 1:
            elements.append(of_rules(RuleFiles(MINUTE + MINUTE // 2, {"rules.yml": new})))
        run.bundle(elements, minute)
        run.restart()
    assert sent(run.events) == [
        "0 High pending (condition_met)",
        "0 Old firing (condition_met)",
        "2 Old resolved (rule_removed)",
        "2 New firing (condition_met)",
        "3 High firing (held)",
    ]


def test_a_broken_file_leaves_its_rules_and_raises_an_alert_about_itself() -> None:
    settings_ = config("groups: [{name: g, rules: [{alert: High, expr: 'x > 2', for: 3m}]}]")
    shards = Shards(settings_)
    shards.feed(series(0, [3.0] * (LAST + 1)))
    run = Run(settings_)
    for minute in range(LAST + 1):
        elements = list(shards.contributed[minute])
        if minute == 1:
            elements.append(
                of_rules(RuleFiles(MINUTE, {"rules.yml": "groups: [{name: g, rules: [{alert: High, expr: 'x >'"}))
            )
        if minute == 6:
            elements.append(of_rules(RuleFiles(6 * MINUTE, settings_.files)))
        run.bundle(elements, minute)
    assert sent(run.events) == [
        "0 High pending (condition_met)",
        "1 TidemarkRulesBroken firing (condition_met)",
        "3 High firing (held)",
        "6 TidemarkRulesBroken resolved (rule_removed)",
    ]
    broken = run.events[1]
    assert broken.labels["file"] == "rules.yml"
    assert "its last good version stays in force" in broken.annotations["summary"]


def test_what_a_shard_has_not_evaluated_yet_changes_no_alert() -> None:
    """Of two shards one hears of the new rule three minutes late: its part is missing, which is not the same as nothing."""
    old = "groups: [{name: g, rules: [{alert: Few, expr: 'count(x > 2) < 2'}]}]"
    new = "groups: [{name: g, rules: [{alert: Few, expr: 'count(x > 1) < 2'}]}]"
    settings_, later = config(old), config(new)
    log = series(0, [3.0] * (LAST + 1)) + series(1, [3.0] * (LAST + 1))
    before, after = Shards(settings_), Shards(later)
    before.feed(log)
    after.feed(log)
    run = Run(settings_)
    for minute in range(LAST + 1):
        first = after if minute >= 2 else before
        second = after if minute >= 5 else before
        elements = [first.contributed[minute][0], second.contributed[minute][1]]
        if minute == 1:
            elements.append(of_rules(RuleFiles(2 * MINUTE, later.files)))
        run.bundle(elements, minute)
    assert sent(run.events) == []
    assert run.machine.counted["rules.failures"] == 3
    assert set(run.machine.complaints) == {
        "rules.yml: group g: rule Few failed: shard 1 has not evaluated a part of the expression"
    }


def test_state_does_not_grow_with_time() -> None:
    rules = "groups: [{name: g, rules: [{record: y, expr: sum(x)}, {alert: High, expr: 'max_over_time(y[3m]) > 3'}]}]"
    settings_ = EvaluationSettings({"rules.yml": rules}, late_ms=2 * MINUTE)
    last = 120
    shards = Shards(settings_)
    shards.feed(series(0, [float(minute % 5) for minute in range(last + 1)]), last)
    run, contributions, bases = Run(settings_), [], []
    for minute in range(last + 1):
        run.bundle(shards.contributed[minute], minute)
        contributions.append(len(run.cells.bags["contributions"]))
        bases.append(len(run.cells.cells.get("base", b"")))
    assert max(contributions[35:]) <= max(contributions[:35])
    assert 0 < max(bases[60:]) < 1.2 * max(bases[:60])


def test_no_rules_at_all() -> None:
    run = Run(EvaluationSettings({}))
    run.bundle([contribution(0, 0)], 5)
    assert run.outs == []


def test_constants_need_no_samples() -> None:
    settings_ = config("groups: [{name: g, rules: [{alert: Always, expr: vector(1)}]}]")
    run = Run(settings_)
    for minute in range(3):
        run.bundle([contribution(0, minute)], minute)
    assert sent(run.events) == ["0 Always firing (condition_met)"]


def test_times_of_timers_are_behind_those_of_shards() -> None:
    settings_ = EvaluationSettings({"rules.yml": RULES}, grace_ms=7_000)
    machine, cells, timers = GroupMachine(settings_, Memory()), Cells(), Timers()
    machine.begin()
    list(machine.arrive(KEY, contribution(0, 3), cells, timers))
    assert timers.times == {3 * MINUTE + 7_001}


def test_nothing_is_waited_for_once_all_shards_have_spoken() -> None:
    settings_ = config("groups: [{name: g, rules: [{alert: High, expr: x > 2}]}]", shards=2)
    shards = Shards(settings_)
    shards.feed(series(0, [3.0] * (LAST + 1)))
    run = Run(settings_)
    run.bundle(shards.contributed[0][:1], -1)
    assert sent(run.events) == []
    run.bundle(shards.contributed[0][1:], -1)
    assert sent(run.events) == ["0 High firing (condition_met)"]


def test_what_no_shard_has_anything_of_is_not_evaluated() -> None:
    rules = "groups: [{name: g, rules: [{alert: High, expr: x > 2}, {alert: Few, expr: count(x > 2) < 1}, {alert: None, expr: absent(x > 2)}]}]"
    settings_ = config(rules, shards=2)
    shards = Shards(settings_)
    shards.feed(series(0, [0.0] * (LAST + 1)))
    run = Run(settings_)
    run.bundle(shards.contributed[0], 0)
    state = run.machine.look(KEY, run.cells)
    quiet = [
        rule.rule.name
        for rule in state.live.current.program.rules
        if state._is_known_empty(rule.rule.ast, np.array([0]))
    ]
    assert quiet == ["High", "Few"]
    assert sent(run.events) == ["0 None firing (condition_met)"]


def test_what_comes_of_a_bounded_input_may_come_in_any_order() -> None:
    settings_ = EvaluationSettings(
        {"rules.yml": "groups: [{name: g, rules: [{alert: High, expr: x > 2, for: 3m}]}]"}, shards=2, bounded=True
    )
    shards = Shards(settings_)
    shards.feed(series(0, [3.0] * 6), 5)
    run = Run(settings_)
    for minute in reversed(range(6)):
        assert sent(run.events) == []
        run.bundle(shards.contributed[minute], -1)
    assert sent(run.events) == ["0 High pending (condition_met)", "3 High firing (held)"]


# Step by step, without shards.

MINUTELY = "groups: [{name: g, rules: [{alert: High, expr: x > 2}]}]"
SECONDLY = "groups: [{name: g, interval: 1s, rules: [{alert: High, expr: x > 2}]}]"


def part_of(effective_ms: int, *times: int, revision: int = 0) -> Part:
    """What a shard says at instants that has nothing to say."""
    return Part(effective_ms, PartialsBuilder(0, np.array(times, np.int64), revision).build())


def report(until_ms: int, *parts: Part, after_ms: int = BEGINNING_MS) -> bytes:
    return of_contribution(Contribution(0, after_ms, until_ms, 0, until_ms, parts))


@pytest.mark.parametrize(
    ("until_ms", "parts", "expected"),
    [
        (3 * MINUTE, [part_of(3 * MINUTE, 2 * MINUTE, 3 * MINUTE)], [2, 3]),
        # Of an instant that is not yet over nothing can be evaluated.
        (4 * MINUTE - 1, [part_of(3 * MINUTE, 2 * MINUTE, 3 * MINUTE)], [2, 3]),
        # Late samples touched an earlier one.
        (3 * MINUTE, [part_of(3 * MINUTE, MINUTE, revision=1), part_of(3 * MINUTE, 3 * MINUTE)], [1, 2, 3]),
        # The last word, when the input has ended: what is known by an instant counts at it.
        (2 * MINUTE, [part_of(9 * MINUTE, 2 * MINUTE, revision=1)], [2, 9]),
        # So many timers are set, and no more: the last instant stands for all.
        (258 * MINUTE, [part_of(258 * MINUTE, 3 * MINUTE)], [*range(3, 259)]),
        (259 * MINUTE, [part_of(259 * MINUTE, 3 * MINUTE)], [259]),
    ],
)
def test_a_timer_is_set_for_each_instant_that_a_shard_speaks_of(
    until_ms: int, parts: list[Part], expected: list[int]
) -> None:
    machine = GroupMachine(EvaluationSettings({"rules.yml": MINUTELY}, grace_ms=7_000), Memory())
    cells, timers = Cells(), Timers()
    machine.begin()
    list(machine.arrive(KEY, report(until_ms, *parts), cells, timers))
    assert sorted(timers.times) == [minute * MINUTE + 7_001 for minute in expected]


def test_no_timer_is_set_for_instants_that_are_due() -> None:
    machine = GroupMachine(EvaluationSettings({"rules.yml": MINUTELY}, grace_ms=7_000), Memory())
    cells, timers = Cells(), Timers()
    machine.begin()
    list(machine.arrive(KEY, report(2 * MINUTE), cells, timers))
    list(machine.fire(KEY, Timer(2 * MINUTE + 7_001, ""), cells, timers))
    later = Timers()
    list(machine.arrive(KEY, report(4 * MINUTE, part_of(4 * MINUTE, MINUTE), after_ms=2 * MINUTE), cells, later))
    assert sorted(later.times) == [3 * MINUTE + 7_001, 4 * MINUTE + 7_001]


class Based(Cells):
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
        # Sixteen instants, the first at 0.
        (MINUTELY, MINUTE, [15, 31]),
        # A minute at least.
        (SECONDLY, 1_000, [15, 75]),
    ],
)
def test_a_base_is_taken_after_a_minute_and_sixteen_instants(rules: str, step_ms: int, expected: list[int]) -> None:
    machine = GroupMachine(EvaluationSettings({"rules.yml": rules}, shards=1, late_ms=2 * step_ms), Memory())
    cells, found = Based(), []
    for number in range(expected[-1] + 1):
        before, now = cells.bases, number * step_ms
        machine.begin()
        after_ms = now - step_ms if number else BEGINNING_MS
        list(machine.arrive(KEY, report(now, part_of(now, now), after_ms=after_ms), cells, Timers()))
        list(machine.finish())
        if cells.bases > before:
            found.append(number)
            # What late samples may still touch is kept, and no more.
            kept = [messages.until(each) // step_ms for each in cells.read_bag("contributions")]
            assert kept == [number - 2, number - 1, number]
    assert found == expected


class Unread(Cells):
    """Cells whose bags are not to be read."""

    def read_bag(self, bag: str) -> list[bytes]:
        raise AssertionError(bag)


def test_state_in_memory_is_gone_on_with_and_what_was_lost_is_read_again() -> None:
    settings_ = config(MINUTELY, shards=1)
    machine, cells = GroupMachine(settings_, Memory()), Unread()

    def bundle(number: int, cells: Cells) -> int | None:
        machine.begin()
        now = number * MINUTE
        list(machine.arrive(KEY, report(now, after_ms=now - MINUTE if number else BEGINNING_MS), cells, Timers()))
        list(machine.finish())
        return machine.look(KEY, cells).done

    assert [bundle(number, cells) for number in range(3)] == [0, MINUTE, 2 * MINUTE]
    saved = Cells()
    saved.cells, saved.bags = copy.deepcopy((cells.cells, cells.bags))
    bundle(3, cells)
    # The bundle was lost: what is in memory is ahead of the state.
    assert machine.look(KEY, saved).done == 2 * MINUTE
    assert bundle(3, saved) == 3 * MINUTE
    # A bundle that failed before its end leaves what it opened behind.
    machine.begin()
    list(machine.arrive(KEY, report(4 * MINUTE, after_ms=3 * MINUTE), copy.deepcopy(saved), Timers()))
    machine.begin()
    assert list(machine.finish()) == []
    assert machine.look(KEY, saved).done == 3 * MINUTE


def test_state_of_another_format_is_refused() -> None:
    machine, cells = GroupMachine(config(MINUTELY), Memory()), Cells()
    machine.begin()
    list(machine.arrive(KEY, report(0), cells, Timers()))
    cells.cells["meta"] = b"\2" + cells.cells["meta"][1:]
    with pytest.raises(ValueError, match="meta of the groups of version 2; this release reads version 3: an older"):
        GroupMachine(config(MINUTELY), Memory()).look(KEY, cells)


def test_files_that_are_heard_of_late_count_from_the_next_instant_on() -> None:
    machine, cells = GroupMachine(config(MINUTELY, shards=1), Memory()), Cells()
    machine.begin()
    list(machine.arrive(KEY, report(2 * MINUTE), cells, Timers()))
    list(machine.arrive(KEY, of_rules(RuleFiles(MINUTE, {"rules.yml": SECONDLY})), cells, Timers()))
    list(machine.arrive(KEY, of_rules(RuleFiles(5 * MINUTE, {"rules.yml": SECONDLY})), cells, Timers()))
    list(machine.finish())
    # What is no change is not kept.
    assert [messages.rules(each).effective_ms for each in cells.read_bag("announced")] == [2 * MINUTE + 1]
    other = GroupMachine(config(MINUTELY, shards=1), Memory())
    for each in (machine, other):
        assert each.look(KEY, cells).live.change_ms == 2 * MINUTE + 1


def test_what_was_counted_and_complained_of_adds_up_until_it_is_taken_away() -> None:
    rules = "groups: [{name: g, rules: [{alert: A, expr: vector(1), labels: {}}, {record: y, expr: vector(2)}]}]"
    machine, cells = GroupMachine(config(rules, shards=1), Memory()), Cells()
    for number in range(3):
        machine.begin()
        now = number * MINUTE
        list(machine.arrive(KEY, report(now, after_ms=now - MINUTE if number else BEGINNING_MS), cells, Timers()))
        list(machine.finish())
        assert machine.counted["rules.instants"] == number + 1
        assert machine.counted["rules.evaluations"] == 2 * (number + 1)
    assert machine.counted["alerts.firing"] == 1
    assert machine.complaints == []
