"""The store of what rules write."""

from __future__ import annotations

import numpy as np
import pytest

from rules.evaluation.alerts import Labels
from rules.evaluation.recorded import Recorded, Writer, joined
from rules.promql.syntax.ast import Matcher, MatchOp
from rules.promql.values import STALE
from tests.rules.evaluation.stepping import storage_of

R: Labels = (("__name__", "r"),)
WRITER = Writer(0)


def named(name: str) -> tuple[Matcher, ...]:
    return (Matcher("__name__", MatchOp.EQUAL, name),)


def write(recorded: Recorded, time_ms: int, value: float) -> None:
    recorded.append(WRITER, "r", [R], np.array([time_ms], np.int64), np.array([[value]]), np.ones((1, 1), np.bool_))


def test_a_marker_stays_out_of_sight_when_more_is_written() -> None:
    recorded = Recorded()
    write(recorded, 0, float(STALE))
    write(recorded, 1, 5.0)
    ((found, _),) = recorded.select(named("r"), stale=False)
    assert found.values[found.begin[0] : found.end[0]].tolist() == [5.0]
    ((found, _),) = recorded.select(named("r"), stale=True)
    assert found.end[0] - found.begin[0] == 2


def test_series_of_two_stores_keep_their_own_times() -> None:
    stores = storage_of("x 1 2", interval_ms=60), storage_of("y 1 2", interval_ms=10)
    parts = [store.select(named(name), -1, 100, stale=True) for store, name in zip(stores, "xy", strict=True)]
    found = joined(parts)
    # At 30 ms there has been one sample of x, and two of y.
    assert (found.positions(np.array([30], np.int64))[:, 0] - found.begin).tolist() == [1, 2]


def test_who_goes_on_with_a_series_of_nobody_takes_it_back() -> None:
    recorded = Recorded()
    write(recorded, 0, 1.0)
    recorded.hand_over(lambda name, writer: Writer(-1))
    recorded.rewind(-1, {0})
    assert recorded.last("r", R) == (0, 1.0)
    recorded.append(Writer(3), "r", [R], np.array([1], np.int64), np.array([[2.0]]), np.ones((1, 1), np.bool_))
    recorded.rewind(0, {0})
    assert recorded.last("r", R) == (1, 2.0)
    recorded.rewind(0, {3})
    assert recorded.last("r", R) == (0, 1.0)


@pytest.mark.parametrize("seed", range(30))
def test_what_was_written_metric_by_metric_is_what_was_written_series_by_series(seed: int) -> None:
    rng = np.random.default_rng(seed)
    recorded, now = Recorded(), 0
    before: dict[str, tuple[Labels, ...]] = {}
    for _ in range(12):
        for name in ("a", "b"):
            count = int(rng.integers(1, 4))
            series = [(("__name__", name), ("n", str(number))) for number in rng.permutation(4)[:count].tolist()]
            times = now + np.arange(1, 1 + int(rng.integers(1, 4)), dtype=np.int64)
            mask = rng.random((count, len(times))) < (1.0 if seed % 3 else 0.8)
            writer = Writer(0, 0 if seed % 2 else int(rng.integers(0, 3)))
            recorded.append(writer, name, series, times - 10, rng.random(mask.shape), mask)
        now += 4
        if rng.random() < 0.2:
            recorded.prune(now - 22)
        if rng.random() < 0.2:
            recorded.rewind(now - 5)
        after = now - int(rng.integers(0, 30))
        flat = [
            (labels, when, value)
            for labels, _, times, values in recorded.series(after)
            for when, value in zip(times.tolist(), values.tolist(), strict=True)
        ]
        found = []
        for labels, rows, times, values in recorded.written(after):
            name = dict(labels[0])["__name__"]
            assert before.get(name) is labels or before.get(name) != labels
            before[name] = labels
            found += [
                (labels[row], *each) for row, *each in zip(rows.tolist(), times.tolist(), values.tolist(), strict=True)
            ]
        assert found == flat
