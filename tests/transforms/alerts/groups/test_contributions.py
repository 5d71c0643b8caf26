"""Contributions of shards: first reports count at once, revisions from the evaluation time at which they are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schemas.times import LONG_AGO
from transforms.alerts.fragments.partials import HISTORY, Partials, PartialsBuilder
from transforms.alerts.groups.contributions import ReceivedContributions
from transforms.alerts.messages import BEGINNING_MS, Contribution, Part


def part(effective_ms: int, *times: int, shard: int = 0, revision: int = 0) -> Part:
    return Part(effective_ms, PartialsBuilder(shard, np.array(times, np.int64), revision).build())


def contribution(until_ms: int, *parts: Part, shard: int = 0, newest_ms: int = 0) -> Contribution:
    return Contribution(shard, BEGINNING_MS, until_ms, 0, newest_ms, parts)


def described(partials: Sequence[Partials]) -> list[tuple[int, list[int]]]:
    return [(each.revision, each.times.tolist()) for each in partials]


def places(parts: Sequence[Part]) -> list[tuple[int, int, int]]:
    return [(each.effective_ms, each.partials.shard, each.partials.revision) for each in parts]


def test_first_reports_and_history_count_at_once_and_revisions_wait() -> None:
    received = ReceivedContributions(1)
    parts = part(60, 60), part(60, 30, revision=1), part(60, 10, 20, revision=HISTORY)
    assert described(received.take_up(contribution(60, *parts), begun=True)) == [(0, [60]), (HISTORY, [10, 20])]
    assert places(received.waiting) == [(60, 0, 1)]


def test_revisions_count_in_one_order_whatever_the_order_in_which_they_come() -> None:
    late = [
        part(60, 10, shard=0, revision=2),
        part(60, 10, shard=0, revision=3),
        part(60, 10, shard=1, revision=1),
        part(90, 10, shard=0, revision=1),
    ]
    for order in (late, late[::-1]):
        received = ReceivedContributions(2)
        for each in order:
            received.take_up(contribution(each.effective_ms, each, shard=each.partials.shard), begun=True)
        assert places(received.waiting) == places(late)
        assert received.known(59) == []
        # Those of the very evaluation time are known at it, and wait no longer.
        assert places(received.known(60)) == places(late[:3])
        assert received.known(60) == []
        assert places(received.known(1_000)) == places(late[3:])


def test_the_newest_time_is_that_of_any_shard() -> None:
    received = ReceivedContributions(2)
    assert received.newest_ms == LONG_AGO
    for newest_ms in (50, 70, 60):
        received.take_up(contribution(60, newest_ms=newest_ms), begun=False)
    assert received.newest_ms == 70


def test_the_first_reported_time_is_the_least_of_all_first_reports() -> None:
    received = ReceivedContributions(2)
    assert received.first_reported_ms is None
    received.take_up(contribution(90, part(90, 80, 90), part(90, 20, revision=1)), begun=False)
    assert received.first_reported_ms == 80
    # It has no values at any evaluation time up to this one.
    received.take_up(contribution(70, shard=1), begun=False)
    assert received.first_reported_ms == 70
    received.take_up(contribution(95, shard=1), begun=False)
    assert received.first_reported_ms == 70
    # What comes when evaluation has begun moves its beginning no more.
    received.take_up(contribution(40), begun=True)
    assert received.first_reported_ms == 70


def test_what_was_changed_by_the_first_evaluation_time_counts_for_the_earliest_time() -> None:
    received = ReceivedContributions(1)
    assert received.earliest_ms(None) == 0
    received.take_up(contribution(90, part(90, 30, 80, revision=1), part(100, 20, revision=2)), begun=False)
    assert received.earliest_ms(None) == 90
    assert received.earliest_ms(89) == 90
    assert received.earliest_ms(90) == 30
    assert received.earliest_ms(100) == 20


def test_progress_is_restored_from_its_plain_form() -> None:
    received = ReceivedContributions(2)
    received.take_up(contribution(60), begun=True)
    assert received.complete_ms == LONG_AGO
    received.take_up(contribution(70, shard=1), begun=True)
    assert received.complete_ms == 60
    again = ReceivedContributions(2, received.progress())
    assert again.complete_ms == 60
    again.take_up(Contribution(0, 60, 80, 0, 0, []), begun=True)
    assert again.complete_ms == 70
    # Of three shards one has not reported yet.
    assert ReceivedContributions(3, received.progress()).complete_ms == LONG_AGO
