"""Samples that are packed are seen as they were: by windows of hours, whatever comes late, and through whatever the state goes."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from rules.promql.values import STALE
from tests.transforms.alerts.streams import Row, Sent, answer_of, asked, batch_of, states_of, storage_of, tasks_of
from transforms.alerts.fragments.long_ranges import Packing
from transforms.alerts.shards.chunks import from_chunk, to_chunk
from transforms.alerts.shards.state import ShardState

MINUTE = 60_000
LATENESS = 2 * MINUTE
PACKING = Packing(block_ms=10 * MINUTE, long_ms=30 * MINUTE, open_ms=5 * MINUTE)
TASKS = tasks_of(
    "rate(x[1h])",
    "increase(x[95m])",
    "rate(x[4m])",
    "x",
    "x offset 1h",
    "rate(x[4m] offset 50m)",
    "delta(x[40m] offset 25m)",
    "max_over_time(x[1h])",
    "min_over_time(x[1h]) != 0",
    "avg_over_time(x[50m])",
    "sum_over_time(x[1h])",
    "count_over_time(x[61m])",
    "changes(x[1h])",
    "resets(x[1h])",
    "irate(x[1h])",
    "last_over_time(y[50m])",
    "first_over_time(y[50m])",
    "absent_over_time(y[1h])",
    'sum by (instance) (increase({__name__=~"x|y"}[1h]))',
    "rate(x[1h]) > on (instance) group_right () avg_over_time(y[1h])",
    # These are gone through sample by sample, which keeps what they select from being packed.
    "quantile_over_time(0.5, w[1h])",
    "max_over_time(rate(z[4m])[1h:5m])",
    'rate({__name__=~"x|z"}[1h])',
)


def labels_of(name: str, instance: str) -> Row:
    return tuple(sorted({"__name__": name, "instance": instance, "job": "j"}.items()))


def log_of(seed: int) -> list[tuple[int, Sent]]:
    """Two and a half hours of samples with the time at which each arrives, within the lateness, in order of arrival."""
    rng = random.Random(seed)
    shared = rng.random() < 0.5
    found = []
    for name in "xyzw":
        for instance in ("h0", "h1"):
            when, value = rng.randrange(MINUTE), 0.0
            # Some come and go.
            gone = range(rng.randrange(150), rng.randrange(150))
            while when < 150 * MINUTE:
                when += MINUTE if shared else rng.choice((MINUTE, MINUTE, 20_000, 5 * MINUTE))
                value = rng.choice((value, value + 1, value + 0.5, 0.0))
                sent = rng.choices((value, float("nan"), float(STALE)), (90, 2, 4))[0]
                if when // MINUTE not in gone:
                    delay = rng.choice((0, 0, 0, 40_000, LATENESS - 1))
                    labels = labels_of(name, instance)
                    found += [(when + delay, Sent(labels, when, sent, rng.randrange(1 << 40)))]
    rng.shuffle(found)
    return sorted(found, key=lambda each: each[0] // 15_000)


def evaluated(state: ShardState, times: np.ndarray) -> dict[int, list]:
    partials = state.evaluate(TASKS, times)
    return {now: [answer_of(partials, task, now) for task in TASKS] for now in times.tolist()}


# Each of them goes through some thousand windows.
@pytest.mark.parametrize("way", ["kept", "restored", "taken over"])
@settings(max_examples=3, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(seed=st.integers(0, 1 << 32))
def test_every_evaluation_time_ends_as_if_all_samples_had_been_there(way: str, seed: int) -> None:
    log = log_of(seed)
    state = ShardState(0, states_of(TASKS, PACKING.block_ms), packing=PACKING)
    chunks: list[bytes] = []
    answers: dict[int, list] = {}
    position, packed = 0, 0
    for now in range(5 * MINUTE, 170 * MINUTE, 5 * MINUTE):
        arrived = []
        while position < len(log) and log[position][0] <= now:
            arrived.append(log[position][1])
            position += 1
        arrival = state.add(batch_of(arrived)) if arrived else None
        if arrival is not None and arrival.samples is not None:
            chunks.append(to_chunk(arrival.samples))
            again = arrival.touched(np.array([*answers], np.int64))
            answers |= evaluated(state, again) if len(again) else {}
        if now % (10 * MINUTE) == 0 or now > 140 * MINUTE:
            answers |= evaluated(state, np.array([now - MINUTE, now]))
        state.prune(now - LATENESS - 5 * MINUTE)
        packed += len(state.to_chunks()) - 1
        if now % (15 * MINUTE) == 0 and way != "kept":
            before, state = state, ShardState(0, states_of(TASKS, PACKING.block_ms), packing=PACKING)
            if way == "restored":
                chunks = before.to_chunks() if now % (30 * MINUTE) == 0 else chunks
                random.Random(now).shuffle(chunks)
                state.restore(map(from_chunk, chunks), now - LATENESS - 5 * MINUTE)
            else:
                state.take_over(before)
    assert packed
    whole = storage_of(sent for _, sent in log)
    for now, found in answers.items():
        assert found == [asked(whole, task, now) for task in TASKS], now


def counter(until: int, since: int = 0) -> list[Sent]:
    """Two counters, a sample a minute in ``(since, until]``."""
    whens = range(since // MINUTE * MINUTE + MINUTE, until + 1, MINUTE)
    return [Sent(labels_of("x", host), when, when / MINUTE, when) for when in whens for host in ("h0", "h1")]


def state_of(*expressions: str, samples: list[Sent], packing: Packing = PACKING) -> ShardState:
    state = ShardState(0, states_of(tasks_of(*expressions), packing.block_ms), packing=packing)
    state.add(batch_of(samples))
    return state


def test_what_is_old_is_packed_and_takes_a_fraction_of_the_memory() -> None:
    samples = counter(240 * MINUTE)
    state, plain = state_of("rate(x[1h])", samples=samples), state_of("rate(x[1h])", samples=samples)
    state.prune(180 * MINUTE)
    assert (state.series, state.samples) == (plain.series, 2 * 120)
    # From 170 min on they are as they are; before, in blocks of ten minutes.
    *packed, rest = map(from_chunk, state.to_chunks())
    assert [(int(each.ts.min()), int(each.ts.max())) for each in packed] == [
        (end - 9 * MINUTE, end) for end in range(130 * MINUTE, 171 * MINUTE, 10 * MINUTE)
    ]
    assert int(rest.ts.min()) == 171 * MINUTE


@pytest.mark.parametrize(
    "expression",
    [
        "quantile_over_time(0.5, x[1h])",
        "max_over_time(rate(x[4m])[1h:5m])",
        "rate(x[20m])",
        "avg(x)",
        "deriv(x[1h:5m])",
    ],
)
def test_what_is_gone_through_sample_by_sample_is_not_packed(expression: str) -> None:
    state = state_of(expression, "rate(x[1h])" if "20m" not in expression else "x", samples=counter(240 * MINUTE))
    state.prune(235 * MINUTE)
    assert (len(state.to_chunks()) > 1) is (expression == "avg(x)")


def test_samples_older_than_what_is_packed_are_put_to_it() -> None:
    samples = counter(240 * MINUTE)
    missing = [each for each in samples if each.ts in (150 * MINUTE, 155 * MINUTE, 205 * MINUTE)]
    [task] = tasks_of("count_over_time(x[2h])")
    state = state_of("count_over_time(x[2h])", samples=[each for each in samples if each not in missing])
    state.prune(200 * MINUTE)
    assert len(state.to_chunks()) > 1
    times = np.arange(200 * MINUTE, 340 * MINUTE, MINUTE, dtype=np.int64)
    before = [answer_of(state.evaluate([task], times), task, when) for when in times[:50].tolist()]
    arrival = state.add(batch_of(missing))
    # The window (t - 2h, t] of 325 min begins after 205.
    assert arrival.touched(times).tolist() == [when for when in times.tolist() if when < 325 * MINUTE]
    assert state.add(batch_of(missing)).touched(times).tolist() == []
    after = state.evaluate([task], times[:50])
    whole = storage_of(samples)
    for when, was in zip(times[:50].tolist(), before, strict=True):
        assert was != answer_of(after, task, when) == asked(whole, task, when)


def test_packed_samples_are_forgotten_when_no_window_holds_them() -> None:
    state = state_of("rate(x[1h])", samples=counter(240 * MINUTE))
    sizes = []
    for minute in range(180, 310, 10):
        state.prune(minute * MINUTE)
        sizes.append(state.samples)
    assert sizes == [2 * max(0, 240 - minute + 60) for minute in range(180, 310, 10)]
    assert state.to_chunks() == []
