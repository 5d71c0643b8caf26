"""The samples that a shard holds, as they come and go: a millisecond stands for a minute, a block is ten of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from rules.planning.plan import State
from rules.promql.digests.measures import Measure
from rules.promql.syntax import ast
from rules.promql.syntax.parser import parse
from rules.promql.values import STALE
from schemas.batch import SampleBatch
from tests.transforms.alerts.streams import Sent, batch_of
from transforms.alerts.fragments.long_ranges import Packing
from transforms.alerts.shards import shard_samples as held
from transforms.alerts.shards.chunks import from_chunk
from transforms.alerts.shards.shard_samples import Arrival, ShardSamples

PACKING = Packing(block_ms=10, long_ms=30, open_ms=5)
NAN = float("nan")


def selector(text: str) -> ast.VectorSelector:
    found = parse(text)
    assert isinstance(found, ast.VectorSelector)
    return found


def state(text: str, keep: int, single: int | None = None, measures: Measure = Measure.NONE) -> State:
    return State(selector(text), keep, False, single, measures)


# x is packed, y is not: it is gone through sample by sample for as long as it is kept.
STATES = (
    state("x", 100, 5, Measure.SUMS),
    state("y", 100, 100),
    state('{__name__=~"x|y"}', 100, 5, Measure.LOW),
)


def sent(name: str, host: str, when: int, value: float | None = None, seq: int = 0) -> Sent:
    return Sent((("__name__", name), ("host", host)), when, float(when) if value is None else value, seq)


def every(whens: Iterable[int], names: str = "xy", hosts: tuple[str, ...] = ("a", "b")) -> list[Sent]:
    """A sample of each at each time, with the time as its value."""
    return [sent(name, host, when) for when in whens for name in names for host in hosts]


def holding(samples: list[Sent], states: Iterable[State] = STATES, **given: int) -> ShardSamples:
    made = ShardSamples([*states], packing=PACKING, **given)
    made.add(batch_of(samples))
    return made


def found(
    held_samples: ShardSamples, text: str, start: int, end: int, *, stale: bool = False
) -> dict[str, list[tuple[int, float]]]:
    """The samples of a selector in ``(start, end]``, by name and host."""
    series = held_samples.select(selector(text).matchers, start, end, stale=stale)
    samples = {}
    for row, labels in enumerate(series.labels.rows()):
        low, high = series.begin[row], series.end[row]
        pairs = zip(series.timestamps[low:high].tolist(), series.values[low:high].tolist(), strict=True)
        inside = [(when, value) for when, value in pairs if start < when <= end]
        if inside:
            samples[f"{labels['__name__']} {labels['host']}"] = inside
    return samples


@pytest.mark.parametrize(
    ("samples", "touched"),
    [
        ([(10, 30)], [10, 20]),
        ([(11, 31)], [20, 30]),
        ([(11, 20)], []),
        ([(41, 99)], []),
        ([(0, 10)], []),
        ([(9, 11), (38, 99)], [10, 40]),
        ([(20, 31), (10, 41), (30, 31)], [10, 20, 30, 40]),
    ],
)
def test_an_evaluation_time_is_touched_by_samples_from_their_time_on_until_they_are_too_old(
    samples: list[tuple[int, int]], touched: list[int]
) -> None:
    times, until = (np.array(column, np.int64) for column in zip(*samples, strict=True))
    assert Arrival(None, times, until).touched(np.array([10, 20, 30, 40], np.int64)).tolist() == touched


def test_an_arrival_reports_what_it_changed_and_how_long_that_is_seen() -> None:
    made = ShardSamples([state("x", 100), state('x{host="b"}', 150), state("y", 20)])
    arrival = made.add(batch_of([sent("z", "a", 1), sent("x", "b", 5), sent("y", "a", 5), sent("x", "a", 5)]))
    assert arrival.samples is not None
    assert arrival.samples.metrics == ["x", "y"]
    assert sorted(zip(arrival.times.tolist(), arrival.until.tolist(), strict=True)) == [(5, 25), (5, 105), (5, 155)]
    arrival = made.add(batch_of([sent("x", "a", 5, seq=9), sent("x", "a", 4), sent("x", "b", 4, seq=1)]))
    # The value is as it was, but the sample is stored: its position counts from now on.
    assert arrival.samples is not None
    assert len(arrival.samples) == 3
    assert sorted(zip(arrival.times.tolist(), arrival.until.tolist(), strict=True)) == [(4, 104), (4, 154)]
    nothing = made.add(batch_of([sent("z", "a", 1)]))
    assert (nothing.samples, len(nothing.times), len(nothing.until)) == (None, 0, 0)


def test_what_is_only_looked_at_is_not_held() -> None:
    made = holding([])
    looked_at = made.wanted(batch_of([*every([1], "xz", ("a",))]))
    assert (looked_at.metrics, looked_at.ts.tolist()) == (["x"], [1])
    assert (made.series, made.samples, made.to_chunks()) == (0, 0, [])


def test_series_beyond_the_most_are_refused_and_counted_once() -> None:
    made = holding([sent("x", host, 1) for host in "abc"], max_series=2)
    assert (made.series, made.refused) == (2, 1)
    made.add(batch_of([sent("x", host, 2) for host in "abcd"]))
    assert (made.series, made.samples, made.refused) == (2, 4, 2)
    # Stored ones are taken all the same, and no further one after them.
    again = ShardSamples(STATES, max_series=1, packing=PACKING)
    again.restore([made.whole()])
    assert (again.series, again.refused) == (2, 0)
    again.add(batch_of([sent("x", "e", 3)]))
    assert (again.series, again.refused) == (2, 1)


def test_series_that_ended_make_room_early_where_new_ones_are_refused() -> None:
    hosts = "abcdefgh"
    made = holding([sent("x", host, 10 + 10 * place) for place, host in enumerate(hosts)], max_series=8)
    made.prune(110)
    # Seven of eight is not worth the work.
    made.add(batch_of([sent("x", "i", 111)]))
    assert (made.series, made.refused) == (7, 1)
    made.prune(120)
    made.add(batch_of([sent("x", host, 121) for host in "jkl"]))
    assert (made.series, made.refused) == (8, 2)


@pytest.mark.parametrize(("before", "names"), [(110, {"a", "b", "c", "d"}), (120, {"a", "b", "c", "d"}), (130, {"d"})])
def test_series_are_forgotten_when_more_than_half_of_them_have_ended(before: int, names: set[str]) -> None:
    made = ShardSamples([state('{host="h"}', 100)])
    made.add(batch_of([sent(name, "h", 10 + 10 * place) for place, name in enumerate("abcd")]))
    made.prune(before)
    assert made.names == names


def test_what_nobody_wants_is_forgotten_when_there_is_much_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "_FORGOTTEN", 4)
    made = ShardSamples([state("x", 100)])
    # A target, a series, and a name for each.
    made.add(batch_of([sent("x", "h", 10), sent("u1", "h", 10)]))
    made.prune(20)
    assert made.names == {"x", "u1"}
    made.add(batch_of([sent("u2", "h", 20)]))
    made.prune(30)
    assert made.names == {"x"}
    # What is left, three of them, is what twice may come of.
    for number in range(7):
        made.add(batch_of([sent(f"v{number}", "h", 30)]))
    made.prune(30)
    assert len(made.names) == 8
    made.add(batch_of([sent("w", "h", 30)]))
    made.prune(30)
    assert made.names == {"x"}
    assert (made.series, made.samples) == (1, 1)


def test_selectors_see_the_same_whether_samples_are_packed_or_not() -> None:
    samples = every(range(1, 60))
    made = holding(samples)
    made.prune(45)
    # Until 40, two series of x.
    assert [int(from_chunk(chunk).ts.max()) for chunk in made.to_chunks()] == [10, 20, 30, 40, 59]
    assert (made.series, made.samples) == (4, 4 * 59)
    for start in (0, 5, 10, 35, 39, 40, 41, 55):
        for end in (start + 1, 12, 40, 41, 47, 59):
            for text, names in (("x", "x"), ("y", "y"), ('{__name__=~"x|y"}', "xy")):
                whens = [(when, float(when)) for when in range(start + 1, end + 1) if when < 60]
                wanted = {f"{name} {host}": whens for name in names for host in "ab"} if whens else {}
                assert found(made, text, start, end) == wanted, (text, start, end)


def test_late_samples_go_where_the_others_of_their_series_are() -> None:
    made = holding(every([5, 15, 25, 45]))
    made.prune(36)
    assert len(made.to_chunks()) == 4
    mixed = made.add(batch_of([sent("x", "a", 30, seq=1), sent("y", "a", 30, seq=1), sent("x", "b", 31, seq=1)]))
    assert sorted(zip(mixed.times.tolist(), mixed.until.tolist(), strict=True)) == [(30, 130), (30, 130), (31, 131)]
    alone = made.add(batch_of([sent("x", "b", 5, 7.0, 2), sent("x", "b", 6, seq=2), sent("x", "b", 15, seq=3)]))
    assert sorted(zip(alone.times.tolist(), alone.until.tolist(), strict=True)) == [(5, 105), (6, 106)]
    beside = made.add(batch_of([sent("y", "b", 6, seq=2)]))
    assert (beside.times.tolist(), beside.until.tolist()) == ([6], [106])
    # The blocks of 10, 20 and 30 are made anew; 31 is not packed yet.
    ends = [[int(when) for when in np.unique(from_chunk(chunk).ts)] for chunk in made.to_chunks()]
    assert ends == [[5, 6], [15], [25, 30], [5, 6, 15, 25, 30, 31, 45]]
    assert found(made, "x", 0, 50) == {
        "x a": [(5, 5.0), (15, 15.0), (25, 25.0), (30, 30.0), (45, 45.0)],
        "x b": [(5, 7.0), (6, 6.0), (15, 15.0), (25, 25.0), (31, 31.0), (45, 45.0)],
    }
    assert found(made, "y", 0, 30) == {
        "y a": [(5, 5.0), (15, 15.0), (25, 25.0), (30, 30.0)],
        "y b": [(5, 5.0), (6, 6.0), (15, 15.0), (25, 25.0)],
    }


def test_staleness_markers_are_left_out_where_they_are_not_asked_for() -> None:
    made = holding([sent("y", "a", 1), sent("y", "a", 2, float(STALE)), sent("y", "b", 2, NAN)])
    assert [len(found(made, "y", 0, 9, stale=stale)["y a"]) for stale in (True, False, True)] == [2, 1, 2]
    assert len(found(made, "y", 0, 9)["y b"]) == 1


def test_what_was_asked_for_is_kept_until_something_changes() -> None:
    made = holding(every([1, 2]))
    matchers = selector("x").matchers
    first = made.select(matchers, 0, 9, stale=False)
    assert made.select(matchers, 0, 9, stale=False) is first
    assert not made.is_empty(selector("x"))
    made.add(batch_of([sent("x", "c", 3)]))
    assert found(made, "x", 0, 9)["x c"] == [(3, 3.0)]
    made.prune(200)
    assert made.is_empty(selector("x"))
    assert found(made, "x", 0, 9) == {}
    made.add(batch_of([sent("x", "c", 150)]))
    assert not made.is_empty(selector("x"))
    assert made.is_empty(selector("y"))


def test_packed_samples_count_as_well() -> None:
    made = holding(every([5], "x"))
    made.prune(15)
    assert len(made.to_chunks()) == 1
    assert not made.is_empty(selector("x"))
    assert made.seen(0) == 0


def test_selectors_that_are_not_kept_are_refused() -> None:
    made, other, times = holding(every([5])), selector("z"), np.array([0], np.int64)
    with pytest.raises(ValueError, match="keeps no samples for"):
        made.select(other.matchers, 0, 9, stale=False)
    with pytest.raises(ValueError, match="keeps no samples for"):
        made.digests(other.matchers, times, times + 10, Measure.NONE)
    with pytest.raises(ValueError, match="keeps no samples for"):
        made.is_empty(other)


def counts_and_sums(
    made: ShardSamples, text: str, windows: list[tuple[int, int]]
) -> dict[str, list[tuple[int, float]]] | None:
    starts, ends = (np.array(column, np.int64) for column in zip(*windows, strict=True))
    answer = made.digests(selector(text).matchers, starts, ends, Measure.SUMS)
    if answer is None:
        return None
    labels, digests = answer
    shape = labels.size, len(windows)
    counts, sums = np.broadcast_to(digests.count, shape), np.broadcast_to(digests.total, shape)
    return {
        f"{row['__name__']} {row['host']}": list(zip(counts[place].tolist(), sums[place].tolist(), strict=True))
        for place, row in enumerate(labels.rows())
    }


def test_digests_are_those_of_all_samples_of_a_window_packed_or_not() -> None:
    made = holding(every(range(1, 60)))
    made.prune(45)
    # (5, 15]: 6 + ... + 15; (12, 52]: 13 + ... + 52, partly not packed yet.
    both = [(10, 105.0), (40, 1300.0)]
    assert counts_and_sums(made, "x", [(5, 15), (12, 52)]) == {"x a": both, "x b": both}
    assert counts_and_sums(made, '{__name__=~"x|y"}', [(5, 15), (12, 52)]) == dict.fromkeys(
        ("x a", "x b", "y a", "y b"), both
    )


def test_digests_are_the_same_to_the_last_bit_whatever_is_packed_by_now() -> None:
    samples = [
        sent("x", host, when, 0.1 * when * (1 + place)) for when in range(1, 100) for place, host in enumerate("ab")
    ]
    windows = [(5, 95), (7, 97), (8, 98), (10, 100), (30, 40), (31, 45), (88, 98)]
    starts, ends = (np.array(column, np.int64) for column in zip(*windows, strict=True))
    answers = []
    for before in (0, 25, 45, 99, 105):
        made = holding(samples)
        made.prune(before)
        answer = made.digests(selector("x").matchers, starts, ends, Measure.SUMS | Measure.LOW)
        assert answer is not None
        digests, shape = answer[1], (2, len(windows))
        parts = (digests.count, digests.total, digests.lost, digests.low, digests.first, digests.last, digests.last_at)
        answers.append([np.broadcast_to(part, shape).tolist() for part in parts])
    assert answers[1:] == answers[:1] * 4
    count, _, _, low, first, last, last_at = answers[0]
    assert count[0] == [90, 90, 90, 90 - 1, 10, 14, 10]
    assert last_at[0] == [95, 97, 98, 99, 40, 45, 98]
    assert first[1] == low[1] == [0.1 * (start + 1) * 2 for start, _ in windows]
    assert last[0] == [0.1 * when for when in last_at[0]]


def test_windows_of_very_many_blocks_hold_the_few_samples_that_there_are() -> None:
    made = holding(
        [sent("x", "a", when) for when in (15, 45, 700, 710, 711, 1_999, 2_001)], [state("x", 9_000, 5, Measure.SUMS)]
    )
    made.prune(25)
    assert counts_and_sums(made, "x", [(5, 2_000), (15, 2_001), (16, 710)]) == {
        "x a": [
            (6, 15.0 + 45 + 700 + 710 + 711 + 1_999),
            (6, 45.0 + 700 + 710 + 711 + 1_999 + 2_001),
            (3, 45.0 + 700 + 710),
        ]
    }


def test_series_that_a_block_has_no_sample_of_have_none_there() -> None:
    made = holding(
        [*every([5], "x", ("b",)), *every([15], "x", ("a", "c")), *every([25, 32], "x", ("c",))], max_series=9
    )
    made.prune(35)
    assert len(made.to_chunks()) == 4
    nothing = (0, 0.0)
    assert counts_and_sums(made, "x", [(0, 10), (2, 18), (12, 32)]) == {
        "x b": [(1, 5.0), (1, 5.0), nothing],
        "x a": [nothing, (1, 15.0), (1, 15.0)],
        "x c": [nothing, (1, 15.0), (3, 72.0)],
    }
    assert found(made, "x", 12, 26) == {"x a": [(15, 15.0)], "x c": [(15, 15.0), (25, 25.0)]}


def test_a_block_stays_unpacked_until_nobody_has_asked_for_a_while() -> None:
    made = holding(every(range(1, 60), "x"))
    made.prune(45)
    packed = made.nbytes
    assert counts_and_sums(made, "x", [(5, 40)]) is not None
    made.prune(45)
    opened = made.nbytes
    assert opened >= packed + 20 * 24
    for _ in range(9):
        made.prune(45)
    assert made.nbytes == opened
    made.prune(45)
    # What the blocks in between come to is kept until one of them changes.
    assert packed < made.nbytes <= opened - 20 * 24


def test_samples_are_asked_for_where_digests_are_not_to_be_had() -> None:
    made = holding(every(range(1, 60)))
    made.prune(45)
    matchers = selector("x").matchers
    starts, ends = np.array([0, 10], np.int64), np.array([20, 20], np.int64)
    assert made.digests(matchers, starts, ends, Measure.SUMS | Measure.LOW) is not None
    # One window is shorter than a block.
    assert made.digests(matchers, starts, ends - 1, Measure.SUMS) is None
    # No selector was said to need this.
    assert made.digests(matchers, starts, ends, Measure.SUMS | Measure.RESETS) is None
    # Nothing of it is ever packed.
    assert made.digests(selector("y").matchers, starts, ends, Measure.SUMS) is None


def test_digests_are_kept_until_something_changes_if_they_are_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    made = holding(every(range(1, 60)))
    made.prune(45)
    matchers = selector("x").matchers
    starts, ends = np.array([0, 10], np.int64), np.array([20, 30], np.int64)
    first = made.digests(matchers, starts, ends, Measure.SUMS)
    assert made.digests(matchers, starts, ends, Measure.SUMS) is first
    for others in ((starts + 1, ends + 1), (starts, ends + 1)):
        assert made.digests(matchers, *others, Measure.SUMS) is not first
    assert made.digests(matchers, starts, ends, Measure.LOW) is not first
    assert made.digests(selector('{__name__=~"x|y"}').matchers, starts, ends, Measure.SUMS) is not first
    made.add(batch_of([sent("x", "a", 15, 100.0, 1)]))
    # 1 + ... + 20, with 100 in the place of 15.
    found_now = counts_and_sums(made, "x", [(0, 20), (10, 30)])
    assert found_now is not None
    assert found_now["x a"] == [(20, 295.0), (20, 495.0)]
    # Two series at two evaluation times are four.
    for most, kept in ((4, True), (3, False)):
        monkeypatch.setattr(held, "_SHARED_CELLS", most)
        made.add(batch_of([sent("x", "a", 58, seq=most)]))
        again = made.digests(matchers, starts, ends, Measure.SUMS)
        assert (made.digests(matchers, starts, ends, Measure.SUMS) is again) is kept


@pytest.mark.parametrize(
    ("time", "seen"), [(-9, 7), (7, 7), (8, 8), (56, 56), (57, 70), (69, 70), (70, 70), (119, 119), (120, None)]
)
def test_samples_are_seen_from_their_time_on_as_long_as_they_are_needed(time: int, seen: int | None) -> None:
    made = ShardSamples([state("x", 50)])
    made.add(batch_of([sent("x", "a", 70), sent("x", "b", 7)]))
    assert made.seen(time) == seen


def test_of_packed_and_other_samples_what_is_seen_first_counts() -> None:
    made = holding([*every([15], "x"), *every([70], "y")])
    made.prune(25)
    assert [made.seen(time) for time in (0, 10, 11, 119, 120, 169, 170)] == [10, 10, 11, 119, 120, 169, None]
    assert holding([]).seen(0) is None


def test_samples_are_forgotten_and_packed_up_to_the_last_whole_block() -> None:
    for before, packed in ((14, 0), (15, 10), (24, 10), (25, 20), (34, 20), (35, 30)):
        made = holding(every([1, 10, 11, 20, 21, 30, 31], "x", ("a",)))
        made.prune(before)
        chunks = [from_chunk(chunk).ts.tolist() for chunk in made.to_chunks()]
        blocks = [[1, 10], [11, 20], [21, 30]]
        rest = [when for when in (1, 10, 11, 20, 21, 30, 31) if when > packed]
        assert chunks == [*blocks[: packed // 10], rest], before
    made.prune(101)
    # A block is forgotten as a whole, when no evaluation time from 101 on sees any of it: (0, 10] is seen until 110.
    assert made.samples == 7
    made.prune(110)
    assert made.samples == 5
    made.prune(200)
    assert (made.samples, made.to_chunks()) == (0, [])


def test_time_does_not_go_back() -> None:
    made = holding(every([1, 10, 11, 20], "x", ("a",)))
    made.prune(25)
    made.prune(15)
    made.add(batch_of(every([12], "x", ("a",))))
    # 12 is packed beside 11 and 20.
    assert [from_chunk(chunk).ts.tolist() for chunk in made.to_chunks()] == [[1, 10], [11, 12, 20]]


def test_stored_samples_are_packed_while_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "_TAKEN_UP", 8)
    parts = [batch_of(every([when], "x")) for when in range(1, 60)]
    made = ShardSamples(STATES, packing=PACKING)
    taken, blocks = list[int](), list[int]()

    def watched() -> Iterator[SampleBatch]:
        for part in parts:
            # Two series, so at five times there are more than eight samples.
            taken.append(made.samples)
            blocks.append(len(made.to_chunks()))
            yield part

    made.restore(watched(), 45)
    assert [int(from_chunk(chunk).ts.max()) for chunk in made.to_chunks()] == [10, 20, 30, 40, 59]
    assert made.samples == 2 * 59
    assert taken[:12] == [0] * 5 + [10] * 5 + [20] * 2
    # (0, 10] and half of (10, 20] after three times five.
    assert blocks[15] == 2
    plain = ShardSamples(STATES, packing=PACKING)
    plain.restore(parts)
    assert len(plain.to_chunks()) == 1
    assert plain.samples == 2 * 59


def test_another_state_is_taken_over_as_far_as_it_is_asked_for() -> None:
    before = holding(every(range(1, 60)))
    before.prune(45)
    after = ShardSamples([state("x", 100, 5, Measure.SUMS), state("z", 100)], packing=PACKING)
    after.take_over(before)
    assert (after.series, after.samples, after.names) == (2, 2 * 59, {"x", "y"})
    assert [int(from_chunk(chunk).ts.max()) for chunk in after.to_chunks()] == [10, 20, 30, 40, 59]
    assert [[each.value for each in matchers] for matchers in after.found] == [["x"]]
    assert [[each.value for each in matchers] for matchers in after.unfound] == [["z"]]
    assert [row["host"] for row in after.labels_of("x").rows()] == ["a", "b"]
    assert sorted(zip(after.whole().ts.tolist(), after.whole().value.tolist(), strict=True)) == [
        (when, float(when)) for when in range(1, 60) for _ in "ab"
    ]


def test_packed_samples_take_memory_too() -> None:
    made = holding(every(range(1, 1001), "x"), [state("x", 10_000, 5)])
    before = made.nbytes
    assert before >= 2 * 1000 * 24
    # The columns are as large as they were until more samples come.
    made.prune(900)
    assert made.nbytes > before
