"""What a shard contributes is a function of the log: of no order, no bundles, no restarts, no failures."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.stream import messages
from rules.stream.live import Ready
from rules.stream.local import LocalMachine
from rules.stream.messages import Contribution
from rules.stream.rule_set import RuleSet
from rules.stream.shard import ShardState
from rules.stream.shard_machine import ShardMachine, key_of
from rules.stream.stage import Memory, Out, StageSettings
from rules.stream.tasks import Task, due
from schemas import batch as batches
from schemas.batch import SampleBatch
from tests.rules.stream.logs import LATE, log_of
from tests.rules.stream.streams import Answer, Row, batch_of, bits, said

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


def settings_of(text: str = RULES, **given_: object) -> StageSettings:
    return replace(StageSettings({"r.yml": text}, grace_ms=5_000, late_ms=LATE), **given_)


def ready_of(stage: StageSettings) -> Ready:
    return Ready(RuleSet.load(stage.files), stage)


@dataclass
class Driver:
    """A machine and one shard; and all that it contributed, as the second stage would unite it."""

    settings: StageSettings
    told: list[Contribution] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.local = LocalMachine(lambda: ShardMachine(self.settings, Memory()))

    def run(self, given_: Iterable[SampleBatch | bytes], watermark: int, breaks: bool = False) -> list[Contribution]:
        elements = [each if isinstance(each, bytes) else messages.of_samples(batches.encode(each)) for each in given_]
        outs = self.local.run([(KEY, each) for each in elements], watermark, breaks=breaks)
        found = [decoded(out) for out in outs]
        self.told += found
        return found

    def parts(self) -> list[messages.Part]:
        return [part for contribution in self.told for part in contribution.parts]

    def answers(self, tasks: Sequence[Task]) -> dict[tuple[int, int], Answer]:
        """What counts in the end of each vector at each instant."""
        found: dict[tuple[int, int], tuple[int, Answer]] = {}
        for part in self.parts():
            for task in tasks:
                if task.id in part.partials.evaluated and task.spec.kind == "vector":
                    for when in part.partials.times.tolist():
                        answer = found.get((task.id, when))
                        if answer is None or answer[0] <= part.partials.revision:
                            found[task.id, when] = part.partials.revision, said(part.partials, task, when)
        return {key: answer for key, (_, answer) in found.items()}

    def words(self, tasks: Sequence[Task]) -> dict[tuple[int, int, int], Answer]:
        """All that was said of vectors, with the instant from which it is known; first words that say nothing left out."""
        found = {}
        for part in self.parts():
            revised = part.partials.revision
            for task in tasks:
                if task.id in part.partials.evaluated and task.spec.kind == "vector":
                    for when in part.partials.times.tolist():
                        answer = said(part.partials, task, when)
                        if answer or revised:
                            found[task.id, when, part.known_ms if revised else 0] = answer
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


def play(stage: StageSettings, log_seed: int, seed: int, *, length: int = 8 * MINUTE, trouble: bool = True) -> Driver:
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
            known = len(driver.told)
            driver.run(given_, step.watermark)
            driver.local.lose()
            del driver.told[known:]
        elif trick < 0.4:
            driver.local.restart()
        driver.run(given_, step.watermark)
    driver.run([], 7 * MINUTE + length + 5 * MINUTE)
    return driver


@settings(max_examples=40)
@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32), st.integers(0, 1 << 32), st.sampled_from([0, 5_000, 70_000]))
def test_what_is_said_is_a_function_of_the_log(log_seed: int, one: int, other: int, grace: int) -> None:
    stage = settings_of(grace_ms=grace)
    tasks = ready_of(stage).tasks
    left, right = play(stage, log_seed, one), play(stage, log_seed, other)
    assert left.words(tasks) == right.words(tasks)
    assert left.gathered() == right.gathered()


@settings(max_examples=40)
@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32))
def test_in_the_end_all_is_as_if_all_samples_had_been_there(log_seed: int, seed: int) -> None:
    stage = settings_of()
    ready = ready_of(stage)
    driver = play(stage, log_seed, seed)
    state = ShardState(3, ready.cut.state())
    state.add(batch_of(log_of(log_seed, SERIES, 8 * MINUTE, 7 * MINUTE).samples))
    answers = driver.answers(ready.tasks)
    expected = {}
    first, last = min(when for _, when in answers), driver.told[-1].until_ms
    for run in due([task for task in ready.tasks if task.spec.kind == "vector"], first - 1, last):
        partials = state.evaluate(run.tasks, run.times)
        expected.update(
            {(task.id, when): said(partials, task, when) for task in run.tasks for when in run.times.tolist()}
        )
    assert {key: answer for key, answer in answers.items() if key in expected} == answers
    # Fragments whose first instant lies before the shard's first one are not asked for there.
    missing = [when for key, answer in expected.items() if key not in answers and answer for when in (key[1],)]
    assert not [when for when in missing if when > first + MINUTE]
    whole = state.whole()
    wanted = {name for task in ready.tasks if task.spec.kind == "samples" for name in [task.spec.expr.name]}
    stamps = [int(ts) for ts, at in zip(whole.ts, whole.metric, strict=True) if whole.metrics[at] in wanted]
    assert sorted(when for _, _, when in driver.gathered()) == sorted(stamps)
