"""What shards said, as it is asked for again: revised, empty or not, seen until when, and forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from rules.promql.syntax.ast import Matcher, MatchOp
from rules.promql.syntax.errors import EvaluationError
from rules.promql.syntax.parser import parse
from tests.transforms.alerts.fragments.test_partials import asked, one, series_of, task_of, vector_of
from transforms.alerts.fragments.fragments import SHARD_LABEL, FragmentSpec
from transforms.alerts.fragments.partials import HISTORY, Partials, PartialsBuilder
from transforms.alerts.fragments.tasks import Task
from transforms.alerts.groups import partial_store
from transforms.alerts.groups.partial_store import PartialStore

A, B = {"i": "a"}, {"i": "b"}
ROW_A, ROW_B = (("i", "a"),), (("i", "b"),)
X, Y, Z = task_of("x"), task_of("y", 1), task_of("z", 2)
GATHERED = (Matcher("__name__", MatchOp.EQUAL, "w"),)


def partials_of(
    times: Sequence[int],
    given: Mapping[Task, Sequence[float | None]],
    *,
    failed: Mapping[Task, int] | None = None,
    shard: int = 0,
    revision: int = 0,
) -> Partials:
    """What a shard says of fragments at evaluation times: the values of one series, none if it is an empty list, or at which place it failed."""
    builder = PartialsBuilder(shard, np.array(times, np.int64), revision)
    for task, values in given.items():
        builder.begin(task.id)
        if values:
            builder.add_vector(task.id, 0, vector_of([A], [list(values)]))
    for task, place in (failed or {}).items():
        builder.begin(task.id)
        builder.add_failure(task.id, place, "too many")
    return builder.build()


def gathering(task: Task, when: int, samples: list[tuple[int, float]], **of: int) -> Partials:
    """Samples that a shard brings at an evaluation time."""
    builder = PartialsBuilder(of.get("shard", 0), np.array([when], np.int64), of.get("revision", 0))
    builder.begin(task.id)
    builder.add_samples(task.id, series_of([{"__name__": "w"}], [samples]))
    return builder.build()


def test_revised_is_what_a_shard_says_otherwise_than_before() -> None:
    store = PartialStore([X, Y, Z])
    store.add(partials_of([10, 20], {X: [1.0, 2.0], Y: [3.0, 4.0]}))
    # Z is new, x is another at 20 only.
    again = partials_of([10, 20], {X: [1.0, 5.0], Y: [3.0, 4.0], Z: []}, revision=1)
    assert store.revise(again) == {X.id, Z.id}
    assert asked(store, 10, 20) == {(ROW_A, 10): 1.0, (ROW_A, 20): 5.0}
    # It is compared with what it said last, not with its first word.
    assert store.revise(partials_of([20], {X: [5.0], Y: [4.0]}, revision=2)) == set()
    assert store.revise(partials_of([20], {X: [2.0], Y: [4.0]}, revision=3)) == {X.id}
    # Another shard has said nothing of these evaluation times, and nobody of 30.
    assert store.revise(partials_of([20], {X: [2.0]}, shard=1, revision=1)) == {X.id}
    assert store.revise(partials_of([20, 30], {X: [2.0, 7.0]}, revision=4)) == {X.id}


def test_what_was_said_of_a_fragment_counts_though_others_were_reported_since() -> None:
    store = PartialStore([X, Y])
    store.add(partials_of([10], {X: [1.0], Y: [3.0]}))
    store.add(partials_of([10], {Y: [4.0]}, revision=1))
    assert store.revise(partials_of([10], {X: [1.0], Y: [4.0]}, revision=2)) == set()
    assert store.revise(partials_of([10], {X: [2.0], Y: [3.0]}, revision=3)) == {X.id, Y.id}


def test_samples_that_come_once_more_are_always_something_else() -> None:
    task = task_of("w", kind="samples", history_ms=50)
    store = PartialStore([task])
    store.add(gathering(task, 10, [(10, 1.0)]))
    assert store.revise(gathering(task, 10, [(10, 1.0)], revision=1)) == {task.id}
    assert store.revise(partials_of([10], {task: []}, revision=2)) == set()


def test_the_later_revision_of_a_sample_counts_whatever_comes_first() -> None:
    task = task_of("w", kind="samples", history_ms=50)
    store = PartialStore([task])
    for revision, value in ((2, 7.0), (0, 5.0), (1, 6.0)):
        store.add(gathering(task, 10, [(10, value)], revision=revision))
    assert store.select(GATHERED, 0, 10, stale=True).values.tolist() == [7.0]


@pytest.mark.parametrize(
    ("given", "times", "empty"),
    [
        ([], [10], True),
        ([partials_of([10], {X: []})], [10], True),
        ([partials_of([10], {X: [1.0]})], [10], False),
        ([partials_of([10], {X: [1.0]})], [20], True),
        ([partials_of([10], {X: [1.0]})], [5, 10, 15], False),
        # It has a series at another of the evaluation times that were reported together.
        ([partials_of([10, 20], {X: [1.0, None]})], [20], False),
        ([partials_of([10], {}, failed={X: 0})], [10], False),
        # A shard does not know the fragment yet.
        ([partials_of([10], {X: []}), partials_of([10], {Y: []}, shard=1)], [10], False),
        ([partials_of([10], {X: []}), partials_of([10], {X: [1.0]}, shard=1)], [10], False),
        # The last word counts, and of a shard that has not reported it since the one before.
        ([partials_of([10], {X: [1.0]}), partials_of([10], {X: []}, revision=1)], [10], True),
        ([partials_of([10], {X: []}), partials_of([10], {X: [1.0]}, revision=1)], [10], False),
        ([partials_of([10], {X: []}), partials_of([10], {Y: [1.0]}, revision=1)], [10], True),
    ],
)
def test_a_fragment_is_empty_where_no_shard_has_a_series_or_a_failure(
    given: list[Partials], times: list[int], empty: bool
) -> None:
    store = PartialStore([X, Y])
    for each in given:
        store.add(each)
    assert store.is_empty(0, np.array(times, np.int64)) is empty


def test_what_a_subquery_asks_for_is_never_taken_to_be_empty() -> None:
    task = Task.of(FragmentSpec(0, parse("x"), "vector", 60, 100, False))
    assert not PartialStore([task]).is_empty(0, np.array([10], np.int64))


def test_a_failure_counts_at_the_evaluation_times_that_are_asked_for() -> None:
    store = PartialStore([X])
    store.add(partials_of([10, 20, 30], {X: [1.0, None, 3.0]}, failed={X: 1}))
    assert asked(store, 10, 30) == {(ROW_A, 10): 1.0, (ROW_A, 30): 3.0}
    assert asked(store, 30, 40) == {(ROW_A, 30): 3.0}
    with pytest.raises(EvaluationError, match="too many"):
        asked(store, 20, 30)


def test_a_shard_that_has_only_reported_before_does_not_have_to_know_every_fragment() -> None:
    store = PartialStore([X, Y])
    store.add(partials_of([10], {X: [1.0]}, revision=HISTORY))
    assert asked(store, 10, number=1) == {}
    store.add(partials_of([10], {X: [1.0]}))
    with pytest.raises(EvaluationError, match="shard 0 has not evaluated"):
        asked(store, 10, number=1)


def test_series_are_in_the_order_of_their_shards_whichever_was_received_first() -> None:
    store = PartialStore([X])
    # Instants of shard 1 were reported one by one, those of shard 0 together.
    store.add(one(X, [A], [[1.0]], [10], shard=1))
    store.add(one(X, [{"i": "c"}], [[4.0]], [20], shard=1))
    store.add(one(X, [B], [[2.0, 3.0]], [10, 20], shard=0))
    found = store.fragment(0, np.array([10, 20], np.int64))
    assert [row["i"] for row in found.labels.rows()] == ["b", "a", "c"]
    assert found.present.tolist() == [[True, True], [True, False], [False, True]]
    assert found.values[found.present].tolist() == [2.0, 3.0, 1.0, 4.0]


def test_a_label_that_only_one_shard_has_is_empty_elsewhere() -> None:
    store = PartialStore([X])
    store.add(one(X, [{"b": "2", "a": "1"}], [[1.0]], [10], shard=0))
    store.add(one(X, [{"c": "3", "b": "4"}], [[2.0]], [10], shard=1))
    assert asked(store, 10) == {((("a", "1"), ("b", "2")), 10): 1.0, ((("b", "4"), ("c", "3")), 10): 2.0}


@pytest.mark.parametrize("many", [3, 40])
def test_many_series_of_many_shards_have_their_labels(many: int) -> None:
    task = task_of("x", shard_label=True)
    store = PartialStore([task])
    for shard in (2, 11):
        rows = [{"i": f"h{number}", "n": str(number % 3)} for number in range(many)]
        store.add(one(task, rows, [[float(number)] for number in range(many)], [10], shard=shard))
    wanted = {
        (((SHARD_LABEL, shard), ("i", f"h{number}"), ("n", str(number % 3))), 10): float(number)
        for shard in ("2", "11")
        for number in range(many)
    }
    assert asked(store, 10) == wanted


def test_labels_go_with_the_evaluation_times_that_are_asked_for() -> None:
    task = task_of("x", shard_label=True)
    store = PartialStore([task])
    store.add(one(task, [A, B], [[1.0], [2.0]], [10]))
    store.add(one(task, [B, A], [[1.0], [2.0]], [20]))
    store.add(one(task, [B, A], [[1.0], [2.0]], [30]))
    store.add(one(task, [B, A], [[1.0], [2.0]], [40], shard=1))
    store.add(one(task, [{"j": "b"}, {"j": "a"}], [[1.0], [2.0]], [50], shard=1))
    found = [
        [(row[SHARD_LABEL], row.get("i"), row.get("j")) for row in store.fragment(0, np.array([when])).labels.rows()]
        for when in (10, 20, 30, 40, 50)
    ]
    assert found == [
        [("0", "a", None), ("0", "b", None)],
        [("0", "b", None), ("0", "a", None)],
        [("0", "b", None), ("0", "a", None)],
        [("1", "b", None), ("1", "a", None)],
        [("1", None, "b"), ("1", None, "a")],
    ]


def test_an_answer_is_shared_until_something_comes() -> None:
    store = PartialStore([X, Y])
    store.add(partials_of([10, 20], {X: [1.0, 2.0], Y: [3.0, 4.0]}))
    times = np.array([10, 20], np.int64)
    first = store.fragment(0, times)
    assert store.fragment(0, times) is first
    assert not first.values.flags.writeable
    assert not first.present.flags.writeable
    assert asked(store, 10) == {(ROW_A, 10): 1.0}
    assert asked(store, 10, 20, number=1) == {(ROW_A, 10): 3.0, (ROW_A, 20): 4.0}
    store.add(partials_of([20], {X: [7.0]}, revision=1))
    assert asked(store, 10, 20) == {(ROW_A, 10): 1.0, (ROW_A, 20): 7.0}
    store.prune(30)
    assert asked(store, 10, 20) == {}
    assert (store.shards_at(10), store.shards_at(20)) == (set(), set())


@pytest.mark.parametrize(
    ("time", "offset", "seen"),
    [(0, 0, 10), (15, 0, 15), (20, 0, 20), (21, 0, 50), (25, 5, 25), (26, 5, 50), (149, 0, 149), (150, 0, None)],
)
def test_an_evaluation_time_is_seen_as_long_as_rules_ask_for_it(time: int, offset: int, seen: int | None) -> None:
    lasting = task_of("y", 1, history_ms=100)
    store = PartialStore([X, lasting])
    store.add(partials_of([10, 20], {X: [1.0, 1.0]}))
    # (t - 100, t] of 149 still holds 50.
    store.add(partials_of([50], {X: [], lasting: []}))
    assert store.seen(time, offset) == seen


@pytest.mark.parametrize(("time", "seen"), [(0, 10), (20, 20), (80, 80), (81, None)])
def test_samples_are_seen_from_the_first_one_until_the_last_is_too_old(time: int, seen: int | None) -> None:
    task = task_of("w", kind="samples", history_ms=50)
    store = PartialStore([task])
    assert store.seen(0, 0) is None
    store.add(gathering(task, 30, [(10, 1.0), (30, 1.0)]))
    assert store.seen(time, 0) == seen


def test_samples_are_forgotten_when_no_range_holds_the_newest_of_their_part() -> None:
    task, brief = task_of("w", kind="samples", history_ms=50), task_of("x", 1, history_ms=500)
    store = PartialStore([task, brief])
    store.add(gathering(task, 30, [(10, 1.0), (25, 1.0)]))
    store.add(gathering(task, 40, [(26, 2.0)]))
    for before, left in ((74, [10, 25, 26]), (75, [26]), (76, [])):
        store.prune(before)
        assert store.select(GATHERED, 0, 99, stale=True).timestamps.tolist() == left


def test_texts_are_forgotten_with_the_evaluation_times_that_had_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial_store, "_FORGOTTEN", 4)
    store = PartialStore([X])
    store.add(one(X, [{"i": f"h{number}"} for number in range(5)], [[1.0]] * 5, [10]))
    store.add(one(X, [A, B], [[1.0], [2.0]], [20]))
    assert asked(store, 20) == {(ROW_A, 20): 1.0, (ROW_B, 20): 2.0}
    # The empty text, the name, five values, and two.
    assert len(store._texts) == 9
    store.prune(20)
    assert set(store._texts) == {"", "i", "a", "b"}
    assert asked(store, 20) == {(ROW_A, 20): 1.0, (ROW_B, 20): 2.0}
    # Of four left 8 and 4 more may come.
    store.add(one(X, [{"i": f"k{number}"} for number in range(8)], [[1.0]] * 8, [30]))
    store.add(one(X, [B], [[3.0]], [40]))
    store.prune(40)
    assert len(store._texts) == 12
    store.add(one(X, [{"i": "k"}], [[1.0]], [30]))
    store.prune(40)
    assert set(store._texts) == {"", "i", "b"}
    assert asked(store, 40) == {(ROW_B, 40): 3.0}


@pytest.mark.parametrize(
    ("given", "values", "owners", "failed"),
    [
        ([], [], [], []),
        ([partials_of([10], {X: [1.0], Y: [2.0], Z: []})], [2.0, 1.0], [0, 2], []),
        ([partials_of([10], {X: [1.0], Z: []}, failed={Y: 0})], [1.0], [2], [0]),
        # A shard has not evaluated a fragment: neither has the fragment no series.
        ([partials_of([10], {X: [1.0], Y: []}), partials_of([10], {X: [], Z: []}, shard=1)], [1.0], [2], [0, 1]),
        # What it said first still counts of what it did not say again.
        (
            [partials_of([10], {X: [1.0], Y: [], Z: []}), partials_of([10], {Y: [4.0]}, revision=1)],
            [4.0, 1.0],
            [0, 2],
            [],
        ),
        ([partials_of([20], {X: [1.0], Y: [], Z: []})], [], [], []),
    ],
)
def test_many_fragments_are_as_each_by_itself(
    given: Sequence[Partials], values: list[float], owners: list[int], failed: list[int]
) -> None:
    store = PartialStore([X, Y, Z])
    for partials in given:
        store.add(partials)
    for _ in range(2):
        vector, whose, failing = store.fragments({0: 2, 1: 0, 2: 1}, np.array([10]))
        assert (vector.values[:, 0].tolist(), whose.tolist(), sorted(failing)) == (values, owners, failed)
        assert vector.labels.rows() == [A] * len(values)
