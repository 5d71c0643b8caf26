"""What a shard contributes is a function of the log: of no order, no bundles, no restarts, no failures."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import batch as batches
from schemas.batch import SampleBatch
from tests.transforms.alerts.logs import LATE, log_of
from tests.transforms.alerts.streams import Answer, Row, Sent, answer_of, batch_of, bits
from transforms.alerts import messages
from transforms.alerts.fragments.tasks import Task, due
from transforms.alerts.live.live import CompiledRules
from transforms.alerts.live.rule_set import RuleSet
from transforms.alerts.messages import Contribution, RuleFiles
from transforms.alerts.settings import EvaluationSettings
from transforms.alerts.shards.chunks import from_chunk
from transforms.alerts.shards.evaluator import STRIDE
from transforms.alerts.shards.machine import ShardMachine, key_of
from transforms.alerts.shards.state import ShardState
from transforms.machines.local import LocalMachine
from transforms.machines.machine import Memory, Out

KEY = key_of(3)
MINUTE = 60_000
RULES = """
groups:
- name: minutes
  rules:
  - {alert: High, expr: 'rate(x[2m]) > 1'}
  - {record: 'x:sum', expr: 'sum(x)'}
  - {alert: Sum, expr: 'x:sum > 1'}
  - {alert: Peak, expr: 'max_over_time(sum(y)[3m:1m]) > 2'}
- name: behind
  interval: 40s
  query_offset: 45s
  rules:
  - {alert: Absent, expr: 'absent(y)'}
  - {alert: Join, expr: 'x and on (instance) y'}
  - {alert: Read, expr: 'x:sum offset 1m < 0'}
"""
CONSTANT = "groups: [{name: g, rules: [{alert: A, expr: 'vector(1)'}]}]"
PLAIN = "groups: [{name: g, rules: [{alert: A, expr: 'x > 1'}]}]"


def labels_of(name: str, instance: str) -> Row:
    return tuple(sorted({"__name__": name, "instance": instance, "job": "j"}.items()))


SERIES = [labels_of(name, instance) for name in ("x", "y", "x:sum", "z") for instance in ("h0", "h1")]


def settings_of(text: str = RULES, **given_: object) -> EvaluationSettings:
    return replace(EvaluationSettings({"r.yml": text}, grace_ms=5_000, late_ms=LATE), **given_)


def ready_of(stage: EvaluationSettings) -> CompiledRules:
    return CompiledRules(RuleSet.load(stage.files), stage)


@dataclass
class Driver:
    """A machine and one shard; and all that it contributed, as the second stage would unite it."""

    settings: EvaluationSettings
    reported: list[Contribution] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.local = LocalMachine(lambda: ShardMachine(self.settings, Memory()))

    def run(self, given_: Iterable[SampleBatch | bytes], watermark: int, breaks: bool = False) -> list[Contribution]:
        elements = [each if isinstance(each, bytes) else messages.of_samples(batches.encode(each)) for each in given_]
        outs = self.local.run([(KEY, each) for each in elements], watermark, breaks=breaks)
        found = [decoded(out) for out in outs]
        self.reported += found
        return found

    def parts(self) -> list[messages.Part]:
        return [part for contribution in self.reported for part in contribution.parts]

    def answers(self, tasks: Sequence[Task]) -> dict[tuple[int, int], Answer]:
        """What counts in the end of each vector at each evaluation time."""
        found: dict[tuple[int, int], tuple[int, Answer]] = {}
        for part in self.parts():
            for task in tasks:
                if task.id in part.partials.evaluated and task.spec.kind == "vector":
                    for when in part.partials.times.tolist():
                        answer = found.get((task.id, when))
                        if answer is None or answer[0] <= part.partials.revision:
                            found[task.id, when] = part.partials.revision, answer_of(part.partials, task, when)
        return {key: answer for key, (_, answer) in found.items()}

    def reports(self, tasks: Sequence[Task]) -> dict[tuple[int, int, int], Answer]:
        """All that was said of vectors, with the evaluation time from which it is known; first words that say nothing left out."""
        found = {}
        for part in self.parts():
            revised = part.partials.revision
            for task in tasks:
                if task.id in part.partials.evaluated and task.spec.kind == "vector":
                    for when in part.partials.times.tolist():
                        answer = answer_of(part.partials, task, when)
                        if answer or revised:
                            found[task.id, when, part.effective_ms if revised else 0] = answer
        return found

    def gathered(self) -> dict[tuple[int, Row, int], int]:
        """The samples that were gathered, those known last."""
        found = {}
        for part in sorted(self.parts(), key=lambda each: each.partials.revision):
            texts = part.partials.texts
            for task, each in part.partials.samples.items():
                pairs = [
                    tuple(
                        sorted(
                            (texts[name], texts[code]) for name, code in zip(each.rows.names, row, strict=True) if code
                        )
                    )
                    for row in each.rows.codes.tolist()
                ]
                owners = np.repeat(np.arange(len(each.counts)), each.counts).tolist()
                for owner, when, value in zip(owners, each.timestamps.tolist(), each.values.tolist(), strict=True):
                    found[task, pairs[owner], when] = bits(value)
        return found


def decoded(out: Out) -> Contribution:
    found = messages.contribution(out.data)
    assert (out.time_ms, out.tag) == (found.until_ms, "contributions")
    return found


def play(
    stage: EvaluationSettings, log_seed: int, seed: int, *, length: int = 8 * MINUTE, trouble: bool = True
) -> Driver:
    """A log read in some order and pieces, with restarts and failures."""
    rng = random.Random(seed)
    driver = Driver(stage)
    log = log_of(log_seed, SERIES, length, 7 * MINUTE)
    for step in log.read(seed):
        given_ = list(step.batches)
        if given_ and rng.random() < 0.5:
            given_.append(messages.of_extent(max(int(each.ts.max()) for each in given_)))
        trick = rng.random() if trouble else 1.0
        if trick < 0.2:
            driver.run(given_, step.watermark, breaks=True)
        elif trick < 0.3:
            driver.local.checkpoint()
            known = len(driver.reported)
            driver.run(given_, step.watermark)
            driver.local.lose()
            del driver.reported[known:]
        elif trick < 0.4:
            driver.local.restart()
        driver.run(given_, step.watermark)
    driver.run([], 7 * MINUTE + length + 5 * MINUTE)
    return driver


@settings(max_examples=25)
@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32), st.integers(0, 1 << 32), st.sampled_from([0, 5_000, 70_000]))
def test_what_is_said_is_a_function_of_the_log(log_seed: int, one: int, other: int, grace: int) -> None:
    stage = settings_of(grace_ms=grace)
    tasks = ready_of(stage).tasks
    left, right = play(stage, log_seed, one), play(stage, log_seed, other)
    assert left.reports(tasks) == right.reports(tasks)
    assert left.gathered() == right.gathered()


@settings(max_examples=25)
@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32))
def test_in_the_end_all_is_as_if_all_samples_had_been_there(log_seed: int, seed: int) -> None:
    stage = settings_of()
    ready = ready_of(stage)
    driver = play(stage, log_seed, seed)
    state = ShardState(3, ready.cut.state())
    state.add(batch_of(log_of(log_seed, SERIES, 8 * MINUTE, 7 * MINUTE).samples))
    answers = driver.answers(ready.tasks)
    expected = {}
    first, last = min(when for _, when in answers), driver.reported[-1].until_ms
    for run in due([task for task in ready.tasks if task.spec.kind == "vector"], first - 1, last):
        partials = state.evaluate(run.tasks, run.times)
        expected.update(
            {(task.id, when): answer_of(partials, task, when) for task in run.tasks for when in run.times.tolist()}
        )
    assert {key: answer for key, answer in answers.items() if answer} == {
        key: answer for key, answer in expected.items() if answer
    }
    assert answers.keys() <= expected.keys()
    whole = state.whole()
    wanted = {name for task in ready.tasks if task.spec.kind == "samples" for name in [task.spec.expr.name]}
    stamps = [int(ts) for ts, at in zip(whole.ts, whole.metric, strict=True) if whole.metrics[at] in wanted]
    assert sorted(when for _, _, when in driver.gathered()) == sorted(stamps)


def x(when: int, value: float = 1.0, instance: str = "h0", seq: int = 0, name: str = "x") -> Sent:
    return Sent(labels_of(name, instance), when, value, seq)


def overtaken(by: int, *samples: Sent) -> SampleBatch:
    return replace(batch_of(samples), overtaken=by)


def reported(found: Sequence[Contribution]) -> list[tuple[int, list[tuple[int, list[int], list[float]]]]]:
    """Contributions of one fragment: up to when; the evaluation time from which each part is known, its evaluation times and values."""
    shown = []
    for contribution in found:
        parts = []
        for effective_ms, partials in contribution.parts:
            values = [value for part in partials.vectors.values() for value in part.values[part.present].tolist()]
            parts.append((effective_ms, partials.times.tolist(), values))
        shown.append((contribution.until_ms, parts))
    return shown


def test_a_late_sample_counts_from_the_first_evaluation_time_after_the_watermark_that_overtook_it() -> None:
    driver = Driver(settings_of(PLAIN))
    driver.run([batch_of([x(30_000, 2.0)])], 65_000)
    driver.run([batch_of([x(90_000, 3.0)])], 120_000)
    assert reported(driver.reported) == [(60_000, [(60_000, [60_000], [2.0])])]
    # 2:00 is evaluated at 2:05, before 2:09; 2:04 would not have been soon enough for it.
    driver.run([overtaken(129_000, x(50_000, 5.0)), overtaken(124_000, x(110_000, 7.0))], 125_000)
    assert reported(driver.reported[1:]) == [(120_000, [(120_000, [120_000], [7.0])])]
    driver.run([batch_of([x(185_000)])], 185_000)
    revised, first = driver.reported[2].parts
    assert reported(driver.reported[2:]) == [
        (180_000, [(180_000, [60_000, 120_000], [5.0, 7.0]), (180_000, [180_000], [7.0])])
    ]
    assert (revised.partials.revision, first.partials.revision) == (180_000, 0)


def test_what_slips_under_an_evaluated_evaluation_time_is_late_whatever_its_source_says() -> None:
    driver = Driver(settings_of(PLAIN))
    driver.run([batch_of([x(50_000, 2.0)])], 65_000)
    driver.run([batch_of([x(55_000, 4.0)])], 65_000)
    driver.local.restart()
    driver.run([], 125_000)
    assert reported(driver.reported[1:]) == [(120_000, [(120_000, [60_000], [4.0]), (120_000, [120_000], [4.0])])]
    assert driver.reported[1].parts[0].partials.revision


def test_time_goes_on_though_nothing_comes() -> None:
    driver = Driver(settings_of(PLAIN))
    driver.run([batch_of([x(50_000, 2.0)])], 0)
    driver.run([], 605_000)
    driver.local.restart()
    driver.run([], 665_000)
    assert [each.until_ms for each in driver.reported] == [600_000, 660_000]
    assert reported(driver.reported)[1] == (660_000, [(660_000, [660_000], [])])


def test_a_bounded_input_ends_with_its_newest_event_time_wherever_that_was_seen() -> None:
    driver = Driver(settings_of(PLAIN, bounded=True))
    driver.run([batch_of([x(50_000, 2.0)])], 0)
    driver.run([messages.of_extent(125_000)], 1 << 62)
    assert [each.until_ms for each in driver.reported] == [120_000]


def test_a_job_that_catches_up_evaluates_evaluation_times_in_strides() -> None:
    driver = Driver(settings_of(PLAIN, bounded=True))
    found = driver.run([batch_of([x(when) for when in range(30_000, 100 * MINUTE, 30_000)])], 1 << 62)
    assert [each.until_ms for each in found] == [STRIDE * MINUTE, 99 * MINUTE]
    assert [len(part.partials.times) for each in found for part in each.parts] == [STRIDE, 99 - STRIDE]


def test_a_job_that_catches_up_passes_over_no_evaluation_time_that_sees_a_sample() -> None:
    driver = Driver(settings_of(PLAIN, bounded=True))
    found = driver.run([batch_of([x(30_000), x(200 * MINUTE, 3.0)]), messages.of_extent(400 * MINUTE)], 1 << 62)
    # The first ones are evaluated even if they see nothing; the sample is seen for five minutes from its own evaluation time on.
    assert [each.until_ms // MINUTE for each in found] == [STRIDE, 199, 199 + STRIDE, 400]
    assert [each.after_ms // MINUTE for each in found[1:]] == [STRIDE, 199, 199 + STRIDE]
    assert [each.parts for each in found[1::2]] == [[], []]
    ((until, [(_, times, values)]),) = reported(found[2:3])
    assert (until, times[0], values) == ((199 + STRIDE) * MINUTE, 200 * MINUTE, [3.0] * 5)


def test_what_waits_when_the_input_ends_counts_at_its_end() -> None:
    driver = Driver(settings_of(PLAIN, bounded=True))
    driver.run([batch_of([x(30_000, 2.0), x(130_000, 3.0)])], 125_000)
    # 2:00 was evaluated, and 3:00 never is.
    (found,) = driver.run([overtaken(129_000, x(50_000, 5.0))], 1 << 62)
    assert reported([found]) == [(120_000, [(180_000, [60_000, 120_000], [5.0, 5.0])])]
    assert (found.amendments, found.newest_ms) == (1, 130_000)


def test_a_sample_of_long_ago_does_not_set_timers_for_all_time_since() -> None:
    driver = Driver(settings_of(PLAIN, bounded=True))
    driver.run([batch_of([x(0)]), messages.of_extent(10_000_000 * MINUTE)], 0)
    assert len(driver.local.key(KEY).timers) < 1_000
    # Where something comes in between, its evaluation time has a timer of its own.
    driver.run([batch_of([x(9_000 * MINUTE - 1)])], 9_000 * MINUTE + 5_000)
    assert driver.reported[-1].until_ms == 9_000 * MINUTE
    driver.run([messages.of_extent(10_000 * MINUTE)], 10_000 * MINUTE + 5_000)
    assert driver.reported[-1].until_ms == 10_000 * MINUTE
    assert len(driver.local.key(KEY).timers) < 1_000
    driver.run([], 1 << 62)
    assert driver.reported[-1].until_ms == 10_000_000 * MINUTE
    assert driver.local.machine.counted["rules.shard_instants"] < 300


@pytest.mark.parametrize(
    ("newest", "minutes"),
    [
        (0, [0]),
        (3, [0, 1, 2, 3]),
        (4_096, [*range(4_097)]),
        # Each of 256 at both ends; towards the middle each lies twice as far from its end as the one before.
        (4_097, [*range(257), 512, 1_024, 2_048, 2_049, 3_073, 3_585, *range(3_841, 4_098)]),
    ],
)
def test_evaluation_times_have_a_timer_each_unless_they_are_very_many(newest: int, minutes: list[int]) -> None:
    driver = Driver(settings_of(PLAIN, bounded=True))
    driver.run([batch_of([x(0)]), messages.of_extent(newest * MINUTE)], 0)
    assert sorted(driver.local.key(KEY).timers.values()) == [minute * MINUTE + 5_000 for minute in minutes]


def test_rules_of_constants_have_evaluation_times_and_no_rules_have_none() -> None:
    driver = Driver(settings_of(CONSTANT))
    driver.run([batch_of([x(50_000)])], 125_000)
    assert reported(driver.reported) == [(120_000, [(60_000, [60_000, 120_000], [])])]
    assert driver.local.key(KEY).read_bag("chunks") == []
    idle = Driver(settings_of("groups: []"))
    idle.run([batch_of([x(50_000)]), messages.of_extent(90_000)], 1 << 62)
    assert (idle.reported, idle.local.key(KEY).timers, idle.local.stored_bytes) == ([], {}, 0)


def test_only_what_rules_select_is_stored_and_only_what_matters_is_written() -> None:
    driver = Driver(settings_of(PLAIN))
    driver.run([batch_of([x(50_000), x(50_000, name="z")])], 0)
    (chunk,) = driver.local.key(KEY).read_bag("chunks")
    assert from_chunk(chunk).metrics == ["x"]
    before = driver.local.key(KEY).read("meta")
    driver.run([batch_of([x(55_000, name="z")]), messages.of_extent(58_000)], 0)
    assert driver.local.key(KEY).read("meta") == before
    driver.run([messages.of_extent(61_000)], 0)
    assert driver.local.key(KEY).read("meta") != before


def test_chunks_are_made_one_when_they_hold_twice_of_what_is_needed() -> None:
    rules = "groups: [{name: g, interval: 15s, rules: [{alert: A, expr: 'rate(x[1m]) > 1'}]}]"
    stage = settings_of(rules, late_ms=10_000)
    driver, plain = Driver(stage), Driver(stage)
    most = 0
    for when in range(15_000, 60 * MINUTE, 15_000):
        batch = batch_of([x(when - 1, float(when % 7), f"h{n}") for n in range(100)])
        late = overtaken(when + 60_000, x(when - 30_000, 9.0, "h1", when))
        for each in (driver, plain):
            each.run([batch, late], when)
        if when % (20 * MINUTE) == 0:
            driver.local.restart()
        most = max(most, sum(len(from_chunk(chunk)) for chunk in driver.local.key(KEY).read_bag("chunks")))
    # Of the 24,000 samples that there were, some 900 are held at a time.
    assert most < 3_500
    tasks = ready_of(stage).tasks
    assert driver.reports(tasks) == plain.reports(tasks)
    assert len(plain.reported) > 200


def test_series_beyond_what_a_shard_may_keep_are_refused_and_counted() -> None:
    driver = Driver(settings_of(PLAIN, max_series=3))
    driver.run([batch_of([x(50_000, 2.0, f"h{n}") for n in range(5)])], 0)
    driver.run([batch_of([x(55_000, 2.0, f"h{n}") for n in range(7)])], 65_000)
    assert reported(driver.reported) == [(60_000, [(60_000, [60_000], [2.0, 2.0, 2.0])])]
    counted = driver.local.machine.counted
    assert (counted["rules.series_refused"], counted["rules.samples_kept"]) == (4, 6)
    assert all("keeps 3 series" in each for each in driver.local.machine.complaints)
    assert len(driver.local.machine.complaints) == 2


def test_what_a_shard_does_not_know_is_an_error() -> None:
    driver = Driver(settings_of(PLAIN))
    with pytest.raises(ValueError, match="no elements of the kind b'Q'"):
        driver.run([b"Q"], 0)
    driver.run([batch_of([x(50_000)])], 0)
    driver.local.restart()
    cells = driver.local.key(KEY)
    cells.write("meta", b"\x09" + (cells.read("meta") or b"")[1:])
    with pytest.raises(ValueError, match="meta of a rule shard of version 9; this release reads version 2: a newer"):
        driver.run([messages.of_extent(0)], 0)


def rule_file(*exprs: str, interval: str = "1m") -> str:
    rules = ", ".join(f"{{alert: A{n}, expr: '{expr}'}}" for n, expr in enumerate(exprs))
    return f"groups: [{{name: g, interval: {interval}, rules: [{rules}]}}]"


def fragment(stage: EvaluationSettings, text: str) -> Task:
    """The one fragment of a rule file with one rule."""
    tasks = CompiledRules(RuleSet.load({"r.yml": text}), stage).tasks
    return next(task for task in tasks if task.spec.kind == "vector")


def change(at: int, text: str) -> bytes:
    return messages.of_rules(RuleFiles(at, {"r.yml": text}))


def reported_times(driver: Driver, task: Task) -> list[int]:
    return sorted(when for number, when in driver.answers([task]) if number == task.id)


@pytest.mark.parametrize("restart", [False, True])
def test_a_change_that_is_announced_finds_its_rules_warm_and_leaves_the_old_ones_for_a_while(restart: bool) -> None:
    old, new = rule_file("x > 1"), rule_file("sum by (job) (rate(z[2m]))", interval="30s")
    stage = settings_of(old)
    driver = Driver(stage)

    def run(given_: Sequence[SampleBatch | bytes], watermark: int) -> None:
        if restart:
            driver.local.restart()
        driver.run(given_, watermark)

    run([batch_of([x(50_000, 2.0), x(50_000, 1.0, name="z")])], 65_000)
    run([change(210_000, new)], 65_000)
    assert not driver.reported[1:]
    for when in range(70_000, 900_000, 10_000):
        run([batch_of([x(when, 2.0), x(when, when / 1000, name="z")])], when - 10_000)
    first, second = fragment(stage, old), fragment(stage, new)
    assert [when for when in reported_times(driver, second) if when < 300_000] == [210_000, 240_000, 270_000]
    ((_, value),) = driver.answers([second])[second.id, 210_000].items()
    assert value == bits(1.0)
    until = 210_000 + LATE + 120_000
    assert reported_times(driver, first) == list(range(60_000, until + 1, 60_000))
    assert driver.reported[-1].until_ms == 870_000


def test_a_change_that_is_found_too_late_is_made_up_for() -> None:
    old, new = rule_file("x > 1"), rule_file("x > 1", "max_over_time(sum(x)[2m:30s]) > 0", "x > 3")
    stage = settings_of(old)
    driver = Driver(stage)
    driver.run([batch_of([x(when, when / 60_000) for when in range(10_000, 480_000, 10_000)])], 425_000)
    known = len(driver.reported)
    driver.run([change(300_000, new)], 425_000)
    (found_,) = driver.reported[known:]
    assert found_.until_ms == 420_000
    steps, above = (fragment(stage, rule_file(expr)) for expr in ("max_over_time(sum(x)[2m:30s])", "x > 3"))
    found = {
        task.id: [
            (part.partials.revision > 0, part.partials.times.tolist())
            for part in found_.parts
            if task.id in part.partials.evaluated
        ]
        for task in (steps, above)
    }
    assert found[above.id] == [(True, [300_000, 360_000, 420_000])]
    assert found[steps.id] == [
        (False, [180_000 + 30_000 * n for n in range(4)]),
        (True, [300_000 + 30_000 * n for n in range(5)]),
    ]
    assert {part.effective_ms for part in found_.parts} == {480_000}
    same = fragment(stage, old)
    assert not any(same.id in part.partials.evaluated for part in found_.parts)
    driver.local.restart()
    driver.run([], 485_000)
    assert reported_times(driver, above)[-1] == 480_000


def test_files_that_are_as_they_were_change_nothing() -> None:
    driver = Driver(settings_of(PLAIN))
    driver.run([batch_of([x(50_000)])], 65_000)
    before = driver.local.key(KEY).read("meta")
    driver.run([change(70_000, PLAIN)], 65_000)
    assert driver.local.key(KEY).read("meta") == before


def test_rules_may_come_after_there_were_none_and_go_again() -> None:
    driver = Driver(settings_of("groups: []"))
    driver.run([batch_of([x(50_000)]), change(150_000, PLAIN), batch_of([x(100_000, 2.0)])], 100_000)
    driver.run([batch_of([x(200_000, 3.0)])], 305_000)
    assert reported(driver.reported) == [(300_000, [(180_000, [180_000, 240_000, 300_000], [2.0, 3.0, 3.0])])]
    driver.run([change(330_000, "groups: []")], 305_000)
    driver.run([messages.of_extent(4_000_000)], 4_000_000)
    # The old rules are there for the lateness and two minutes more.
    assert driver.reported[-1].until_ms == 600_000
    assert driver.local.key(KEY).timers == {}
    driver.run([change(7_000_000, PLAIN), messages.of_extent(7_030_000)], 7_030_000)
    driver.run([batch_of([x(7_050_000, 4.0)])], 7_080_000)
    assert reported(driver.reported)[-1] == (7_020_000, [(7_020_000, [7_020_000], [])])
