"""A shard sees what a store with all samples in place would, whatever the order, the pieces and the repetitions in which they come."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.planning.plan import State
from rules.promql.context import Options
from rules.promql.syntax.parser import parse
from rules.promql.values import STALE
from tests.transforms.alerts.streams import Row, Sent, answer_of, asked, batch_of, states_of, storage_of, tasks_of
from transforms.alerts.fragments.fragments import FragmentSpec
from transforms.alerts.fragments.long_ranges import Packing
from transforms.alerts.fragments.tasks import Task
from transforms.alerts.shards.chunks import from_chunk, to_chunk
from transforms.alerts.shards.state import ShardState

STEP = 60_000
LATENESS = 150_000
TASKS = tasks_of(
    "x",
    "rate(x[3m])",
    "y",
    'x{dev="a"} > 1',
    "timestamp(y offset 2m)",
    "sum by (instance) (x)",
    "x and on (instance) y",
    "x + on (instance) y",
    "count_over_time(x[90s]) or y",
    'max_over_time((x{dev=~"a|b"} * 2)[4m:1m])',
    "y unless on (instance) absent(x)",
    "last_over_time({__name__=~'x|y', dev!='b'}[2m])",
    'label_replace(x, "dev", "same", "dev", ".*")',
)


def labels_of(name: str, instance: str, dev: str = "") -> Row:
    labels = {"__name__": name, "instance": instance, "job": "j", **({"dev": dev} if dev else {})}
    return tuple(sorted(labels.items()))


SERIES = (
    *(labels_of("x", instance, dev) for instance in ("h0", "h1") for dev in ("a", "b")),
    *(labels_of("y", instance) for instance in ("h0", "h1")),
    labels_of("z", "h0"),
)


def log_of(seed: int) -> list[tuple[int, Sent]]:
    """Samples with the time at which each arrives, within the lateness, in order of arrival."""
    rng = random.Random(seed)
    shared = rng.random() < 0.5
    found = []
    for labels in SERIES:
        when = rng.randrange(STEP)
        while when < 7 * STEP:
            when += 30_000 if shared else rng.choice((10_000, 30_000, 30_000, 200_000))
            value = rng.choice((0.0, 1.0, 2.0, 3.5, float("nan"), float(STALE)))
            for _ in range(rng.choice((1, 1, 1, 1, 2))):
                delay = rng.choice((0, 0, 0, 40_000, LATENESS - 1))
                found.append(
                    (when + delay, Sent(labels, when, value if rng.random() < 0.7 else 9.0, rng.randrange(1 << 40)))
                )
    rng.shuffle(found)
    return sorted(found, key=lambda each: each[0] // 15_000)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(1, 40), st.booleans())
def test_every_evaluation_time_ends_as_if_all_samples_had_been_there(seed: int, size: int, restored: bool) -> None:
    log = log_of(seed)
    state = ShardState(0, states_of(TASKS))
    chunks: list[bytes] = []
    answers: dict[int, list] = {}
    evaluation_times: list[int] = []
    position = 0
    for now in range(STEP, 15 * STEP, STEP // 2):
        while position < len(log) and log[position][0] < now:
            arrived = [sent for when, sent in log[position : position + size] if when < now]
            position += len(arrived)
            arrival = state.add(batch_of(arrived))
            if arrival.samples is not None:
                chunks.append(to_chunk(arrival.samples))
            again = arrival.touched(np.array(evaluation_times, np.int64))
            evaluate(state, answers, again)
        if now % STEP == 0:
            evaluation_times.append(now)
            evaluate(state, answers, np.array([now], np.int64))
            state.prune(now - LATENESS - STEP)
            if restored:
                chunks = state.to_chunks() if now % (3 * STEP) == 0 else chunks
                random.Random(now).shuffle(chunks)
                state = restored_from(chunks, TASKS)
    whole = storage_of(sent for _, sent in log)
    for now in evaluation_times:
        assert answers[now] == [asked(whole, task, now) for task in TASKS]


def restored_from(chunks: Sequence[bytes], tasks: Sequence[Task]) -> ShardState:
    """The state that chunks hold, whatever their order, for these tasks."""
    state = ShardState(0, states_of(tasks))
    state.restore(map(from_chunk, chunks))
    return state


def evaluate(state: ShardState, answers: dict[int, list], times: np.ndarray) -> None:
    if len(times):
        partials = state.evaluate(TASKS, times)
        for now in times.tolist():
            answers[now] = [answer_of(partials, task, now) for task in TASKS]


def scrape(when: int, value: float = 1.0, seq: int = 0, names: tuple[str, ...] = ("x", "y", "z")) -> list[Sent]:
    return [Sent(labels_of(name, "h0"), when, value, seq) for name in names]


def test_only_series_that_rules_select_are_kept() -> None:
    state = ShardState(0, states_of(tasks_of("x{job='j'}", "y{instance='h9'}")))
    arrival = state.add(batch_of(scrape(1_000)))
    assert (state.series, state.samples) == (1, 1)
    assert arrival.samples is not None
    assert arrival.samples.metrics == ["x"]
    assert state.add(batch_of(scrape(2_000, names=("z",)))).samples is None


def test_an_evaluation_time_is_touched_as_long_as_it_sees_the_sample() -> None:
    state = ShardState(0, states_of(tasks_of("rate(x[2m])")))
    state.add(batch_of(scrape(60_000)))
    times = np.arange(0, 600_000, 60_000, dtype=np.int64)
    # The range (t - 2m, t] of 120,000 begins after 0.
    assert state.add(batch_of(scrape(0))).touched(times).tolist() == [0, 60_000]
    assert state.add(batch_of(scrape(1))).touched(times).tolist() == [60_000, 120_000]


@pytest.mark.parametrize(
    ("value", "seq", "touched"), [(1.0, 9, False), (2.0, 9, True), (2.0, 3, False), (2.0, 5, True)]
)
def test_a_repeated_sample_touches_nothing_unless_it_wins_with_another_value(
    value: float, seq: int, touched: bool
) -> None:
    state = ShardState(0, states_of(tasks_of("x")))
    state.add(batch_of(scrape(1_000, seq=5)))
    arrival = state.add(batch_of(scrape(1_000, value, seq)))
    assert bool(len(arrival.touched(np.array([60_000])))) is touched


def test_samples_are_kept_as_long_as_the_longest_selector_needs_them() -> None:
    state = ShardState(0, states_of(tasks_of('rate(x{instance="h0"}[10m])', "x", "y")))
    state.add(batch_of(scrape(0, names=("x", "y")) + scrape(60_000, names=("x", "y"))))
    state.prune(299_999)
    assert state.samples == 4
    state.prune(300_000)
    assert state.samples == 3
    state.prune(600_000)
    assert (state.samples, state.series) == (1, 1)
    state.prune(660_000)
    assert (state.samples, state.series, state.to_chunks()) == (0, 0, [])


def test_a_series_that_was_forgotten_comes_back() -> None:
    (task,) = tasks_of("x")
    state = ShardState(0, states_of([task]))
    state.add(batch_of(scrape(0)))
    state.prune(1_000_000)
    state.add(batch_of(scrape(1_000_000, 7.0)))
    assert list(answer_of(state.evaluate([task], np.array([1_000_000])), task, 1_000_000).values()) == [
        np.float64(7.0).view(np.uint64)
    ]


def test_an_evaluation_time_that_fails_does_not_take_the_others_with_it() -> None:
    (task,) = tasks_of("x + on (instance) y")
    state = ShardState(0, states_of([task]))
    state.add(batch_of(scrape(0)))
    state.add(batch_of([Sent(labels_of("x", "h0", "c"), 120_000, 1.0, 0)]))
    partials = state.evaluate([task], np.arange(0, 240_000, 60_000, dtype=np.int64))
    assert [failure.evaluation_time for failure in partials.failures[task.id]] == [2, 3]
    assert partials.vectors[task.id].present.tolist() == [[True, True, False, False]]


def test_the_lookback_is_that_of_the_options() -> None:
    (task,) = tasks_of("x")
    times = np.array([60_000, 60_001])
    for options, present in ((Options(lookback_ms=60_000), [[True, False]]), (None, [[True, True]])):
        state = ShardState(0, states_of([task]), options)
        state.add(batch_of(scrape(1)))
        assert state.evaluate([task], times).vectors[task.id].present.tolist() == present


def test_samples_are_gathered_since_the_last_time() -> None:
    (task,) = tasks_of(samples=("x",))
    state = ShardState(0, states_of([task]))
    state.add(batch_of([sent for when in (0, 10, 20, 30) for sent in scrape(when, float(STALE))]))
    part = state.evaluate([task], np.array([20]), since_ms=0).samples[task.id]
    assert (part.timestamps.tolist(), part.counts.tolist()) == ([10, 20], [2])
    assert task.id not in state.evaluate([task], np.array([50]), since_ms=30).samples


def test_samples_are_gathered_as_far_back_as_they_are_needed_the_first_time() -> None:
    task = Task.of(FragmentSpec(0, parse("x"), "samples", None, 50_000, False))
    state = ShardState(3, states_of([task]))
    state.add(batch_of([sent for when in (10_000, 10_001, 60_000, 90_000, 90_001) for sent in scrape(when)]))
    # (60 s - 50 s, 90 s]
    partials = state.evaluate([task], np.array([60_000, 90_000]), revision=2)
    assert partials.samples[task.id].timestamps.tolist() == [10_001, 60_000, 90_000]
    assert (partials.shard, partials.revision, partials.evaluated) == (3, 2, {task.id})
    assert (partials.vectors, partials.failures) == ({}, {})


def test_packed_samples_are_gathered_with_the_others() -> None:
    (task,) = tasks_of(samples=("x",))
    packing = Packing(block_ms=10, long_ms=30, open_ms=5)
    state = ShardState(0, [State(task.spec.expr, 100, False, single_ms=5)], packing=packing)
    state.add(batch_of([sent for when in range(0, 60, 4) for sent in scrape(when)]))
    state.prune(50)
    # Blocks, and last what is not packed yet.
    assert [len(from_chunk(chunk)) for chunk in state.to_chunks()] == [1, 2, 3, 2, 3, 4]
    for since, until, expected in ((20, 56, [*range(24, 57, 4)]), (8, 31, [*range(12, 29, 4)])):
        part = state.evaluate([task], np.array([until]), since_ms=since).samples[task.id]
        assert part.timestamps.tolist() == expected


def test_series_without_samples_in_between_are_not_gathered() -> None:
    (task,) = tasks_of(samples=("x",))
    state = ShardState(0, states_of([task]))
    old = [Sent(labels_of("x", f"h{number}"), number, 1.0, 0) for number in range(4)]
    state.add(batch_of([*old, Sent(labels_of("x", "h2"), 9, 2.0, 0), Sent(labels_of("x", "h9"), 8, 3.0, 0)]))
    part = state.evaluate([task], np.array([9]), since_ms=2).samples[task.id]
    assert (part.counts.tolist(), part.timestamps.tolist(), part.values.tolist()) == (
        [1, 1, 1],
        [9, 3, 8],
        [2.0, 1.0, 3.0],
    )


def test_only_selectors_gather() -> None:
    task = Task.of(FragmentSpec(0, parse("sum(x)"), "samples", None, 0, False))
    with pytest.raises(TypeError, match="gathered by a selector"):
        ShardState(0, states_of([task])).evaluate([task], np.array([0]))


def test_each_evaluation_time_that_fails_is_reported_and_no_other() -> None:
    (task,) = tasks_of("x + on (instance) y")
    state = ShardState(0, states_of([task]))
    # y is there all the time; two x at 60, 120, 360 s, which is many to one, and one in between.
    state.add(batch_of([sent for when in range(0, 480_000, 60_000) for sent in scrape(when, names=("x", "y"))]))
    ends = [Sent(labels_of("x", "h0", "c"), when, float(STALE), 0) for when in (180_000, 420_000)]
    state.add(
        batch_of([*ends, *(Sent(labels_of("x", "h0", "c"), when, 1.0, 0) for when in (60_000, 120_000, 360_000))])
    )
    partials = state.evaluate([task], np.arange(0, 480_000, 60_000, dtype=np.int64))
    assert [failure.evaluation_time for failure in partials.failures[task.id]] == [1, 2, 6]
    assert partials.vectors[task.id].present.tolist() == [[True, False, False, True, True, True, False, True]]
    assert all("many" in failure.message for failure in partials.failures[task.id])


def test_what_yields_nothing_is_evaluated_all_the_same() -> None:
    tasks = tasks_of("x > 5", "z")
    state = ShardState(0, states_of(tasks))
    state.add(batch_of(scrape(0, names=("x",))))
    partials = state.evaluate(tasks, np.array([0, 60_000]))
    assert partials.evaluated == {task.id for task in tasks}
    assert partials.times.tolist() == [0, 60_000]
    assert (partials.revision, partials.vectors) == (0, {})


def test_a_selector_that_is_not_kept_is_refused() -> None:
    state = ShardState(0, states_of(tasks_of("x")))
    with pytest.raises(ValueError, match="keeps no samples"):
        state.evaluate(tasks_of("y"), np.array([0]))


@pytest.mark.parametrize("chunk", [b"", b"\x02abc", b"\x01not arrow"])
def test_what_is_no_chunk_is_refused(chunk: bytes) -> None:
    with pytest.raises(ValueError, match=r"chunk|stream|Arrow|IPC|EOF|metadata"):
        from_chunk(chunk)


def test_other_selectors_find_what_is_there_of_them() -> None:
    state = ShardState(0, states_of(tasks_of("x", "y")))
    state.add(batch_of(scrape(0)))
    again = restored_from(state.to_chunks(), tasks_of("y", "z"))
    assert (again.series, again.samples) == (1, 1)


def test_series_that_were_only_looked_at_hold_nothing() -> None:
    tasks = tasks_of("x")
    state = ShardState(0, states_of(tasks))
    state.add(batch_of(scrape(1_000)))
    looked_at = state.wanted(batch_of([Sent(labels_of("x", "h1"), 2_000, 1.0, 0), *scrape(2_000, names=("z",))]))
    assert looked_at.targets == ['{instance="h1",job="j"}']
    times = np.array([60_000], np.int64)
    assert len(answer_of(state.evaluate(tasks, times), tasks[0], 60_000)) == 1
    state.add(looked_at)
    assert len(answer_of(state.evaluate(tasks, times), tasks[0], 60_000)) == 2
