"""Progress of shards: the least evaluation time that each has reported without a gap, in whatever order contributions arrive."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import LONG_AGO
from transforms.alerts import messages
from transforms.alerts.groups.progress import ShardProgress
from transforms.alerts.messages import BEGINNING_MS, Contribution, contribution, of_contribution

SHARDS = 2


def chain(shard: int, steps: Sequence[int]) -> list[Contribution]:
    """A shard's contributions: each goes on by a step, or is an amendment if that is nothing."""
    found, until, amendments = [Contribution(shard, BEGINNING_MS, 10, 0, 0, [])], 10, 0
    for step in steps:
        amendments += not step
        found.append(Contribution(shard, until, until + step, amendments, 0, []))
        until += step
    return found


@st.composite
def shuffled(draw: st.DrawFn) -> tuple[list[list[Contribution]], list[Contribution]]:
    """The contributions of each shard, and all of them in some order, some twice."""
    chains = [chain(shard, draw(st.lists(st.integers(0, 3), max_size=8))) for shard in range(SHARDS)]
    every = [each for one in chains for each in one]
    again = draw(st.lists(st.sampled_from(every), max_size=4))
    return chains, draw(st.permutations([*every, *again]))


@given(shuffled(), st.data())
def test_a_front_is_where_the_first_gap_is(
    drawn: tuple[list[list[Contribution]], list[Contribution]], data: st.DataObject
) -> None:
    chains, order = drawn
    fronts, received = ShardProgress(SHARDS), list[Contribution]()
    for each in order:
        if data.draw(st.booleans()):
            fronts = ShardProgress.from_plain(fronts.as_plain(), SHARDS)
        fronts.update(each)
        received.append(each)
        reached = []
        for one in chains:
            count = next((place for place, each in enumerate(one) if each not in received), len(one))
            reached.append(one[count - 1].until_ms if count else LONG_AGO)
        assert fronts.complete_ms == min(reached)
    assert fronts.as_plain()["beyond"] == []


def test_an_amendment_that_is_missing_is_a_gap() -> None:
    first, amendment, last = chain(0, [0, 5])
    fronts = ShardProgress(1)
    fronts.update(first)
    fronts.update(last)
    assert fronts.complete_ms == first.until_ms
    fronts.update(amendment)
    assert fronts.complete_ms == last.until_ms


def test_contributions_travel_as_bytes() -> None:
    for each in chain(3, [0, 5, 0]):
        assert contribution(of_contribution(each)) == each
        assert messages.until(of_contribution(each)) == each.until_ms


@pytest.mark.parametrize(
    ("element", "message"),
    [
        # As it was once: the evaluation time, the newest event time, no parts.
        (
            b"C" + (1_700_000_000_000).to_bytes(8, "big") * 2 + bytes(4),
            "contribution of version 0; this release reads version 2: it is damaged",
        ),
        (b"S", "no contribution, but an element of the kind b'S'"),
    ],
)
def test_what_is_no_contribution_of_now_is_refused(element: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contribution(element)
    with pytest.raises(ValueError, match=message):
        messages.until(element)


def test_each_goes_on_where_the_one_before_it_ended() -> None:
    chains = chain(0, [2, 0, 0, 1])
    ends = [(each.until_ms, each.amendments) for each in chains]
    begins = [(each.after_ms, each.amendments - each.is_amendment) for each in chains[1:]]
    assert begins == ends[:-1]
    assert all(one < other for one, other in pairwise(ends))
