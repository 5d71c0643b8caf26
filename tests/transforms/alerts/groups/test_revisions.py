"""What counts as something else when a shard reports an evaluation time once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from rules.promql.values import STALE
from tests.transforms.alerts.fragments.test_partials import vector_of
from transforms.alerts.fragments.partials import PartialsBuilder
from transforms.alerts.groups.revisions import Held, changed_fragments

Labels = dict[str, str]
Vector = tuple[list[Labels], list[list[float | None]]]
NAN = float("nan")
H0, H1 = {"instance": "h0"}, {"instance": "h1"}


def held(
    numbers: dict[str, int],
    times: Sequence[int],
    vectors: Mapping[int, Vector],
    failures: Sequence[tuple[int, int, str]] = (),
) -> Held:
    """What a shard says, its texts numbered as they come."""
    builder = PartialsBuilder(0, np.array(times, np.int64))
    for fragment, (rows, columns) in vectors.items():
        builder.add_vector(fragment, 0, vector_of(rows, columns))
    for fragment, evaluation_time, message in failures:
        builder.add_failure(fragment, evaluation_time, message)
    partials = builder.build()
    found = [numbers.setdefault(text, len(numbers)) for text in partials.texts]
    return Held(partials, np.array(found, np.int64))


@pytest.mark.parametrize(
    ("before", "now", "differs"),
    [
        (([H0], [[1.0]]), ([H0], [[1.0]]), False),
        (([H0], [[1.0]]), ([H0], [[1.5]]), True),
        (([H0], [[1.0]]), ([H1], [[1.0]]), True),
        # Another name with the same value.
        (([H0], [[1.0]]), ([{"host": "h0"}], [[1.0]]), True),
        (([H0], [[1.0]]), ([H0 | {"job": "j"}], [[1.0]]), True),
        (([H0], [[1.0]]), ([H0, H1], [[1.0], [1.0]]), True),
        # The order matters to topk.
        (([H0, H1], [[1.0], [1.0]]), ([H1, H0], [[1.0], [1.0]]), True),
        # To the bit, which is no matter of equality.
        (([H0], [[0.0]]), ([H0], [[-0.0]]), True),
        (([H0], [[NAN]]), ([H0], [[NAN]]), False),
        (([H0], [[NAN]]), ([H0], [[float(STALE)]]), True),
        # Series of other evaluation times do not matter, nor do the names that only they have.
        (([H0], [[1.0]]), ([H0, {"host": "h2"}], [[1.0], [None]]), False),
        (([{"dev": "a"}, H0], [[None], [1.0]]), ([H0], [[1.0]]), False),
        (([H0], [[None]]), ([], []), False),
        (([H0], [[None]]), ([H0], [[1.0]]), True),
        (([H0], [[1.0]]), ([H0], [[None]]), True),
    ],
)
def test_values_differ_by_their_bits_their_series_and_the_order_of_them(
    before: Vector, now: Vector, differs: bool
) -> None:
    numbers: dict[str, int] = {"": 0}
    old = held(numbers, [60_000], {5: before} if before[0] else {})
    new = held(numbers, [60_000], {5: now} if now[0] else {})
    assert list(changed_fragments(new, old, {5}, 0, 60_000)) == ([5] if differs else [])
    assert list(changed_fragments(old, new, {5}, 0, 60_000)) == ([5] if differs else [])


def test_an_evaluation_time_is_compared_with_itself_wherever_it_stands() -> None:
    numbers: dict[str, int] = {"": 0}
    old = held(numbers, [0, 60_000, 120_000], {5: ([H0, H1], [[1.0, 2.0, 3.0], [None, 7.0, None]])})
    new = held(numbers, [60_000, 120_000], {5: ([H1, H0], [[7.0, None], [2.0, 4.0]])})
    assert list(changed_fragments(new, old, {5}, 1, 120_000)) == [5]
    same = held(numbers, [60_000, 120_000], {5: ([H0, H1], [[2.0, 4.0], [7.0, None]])})
    assert list(changed_fragments(same, old, {5}, 0, 60_000)) == []
    assert list(changed_fragments(same, old, {5}, 1, 120_000)) == [5]


def test_failures_differ_by_what_they_say_of_the_evaluation_time() -> None:
    numbers: dict[str, int] = {"": 0}
    old = held(
        numbers, [0, 60_000], {}, [(5, 1, "many to many"), (6, 1, "same labels"), (7, 0, "too many"), (8, 1, "x")]
    )
    new = held(numbers, [60_000], {}, [(5, 0, "many to many"), (6, 0, "too many"), (9, 0, "x")])
    # 7 failed at another evaluation time only; 8 does not fail any more, and 9 does now.
    assert sorted(changed_fragments(new, old, {5, 6, 7, 8, 9, 10}, 0, 60_000)) == [6, 8, 9]
    assert sorted(changed_fragments(new, old, {5, 8}, 0, 60_000)) == [8]


def test_a_value_in_the_place_of_a_failure_is_something_else() -> None:
    numbers: dict[str, int] = {"": 0}
    failed, fine = held(numbers, [0], {}, [(5, 0, "x")]), held(numbers, [0], {5: ([H0], [[1.0]])})
    assert list(changed_fragments(fine, failed, {5}, 0, 0)) == list(changed_fragments(failed, fine, {5}, 0, 0)) == [5]
    assert list(changed_fragments(fine, held(numbers, [0], {}), {5}, 0, 0)) == [5]
    assert list(changed_fragments(held(numbers, [0], {}), fine, {5}, 0, 0)) == [5]
