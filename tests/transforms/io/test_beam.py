from __future__ import annotations

import pytest
from apache_beam.io.restriction_trackers import OffsetRange
from hypothesis import given
from hypothesis import strategies as st

from schemas.batch import MAX_OFFSET
from transforms.io.beam import OffsetTracker, RangeCoder

offsets = st.integers(0, MAX_OFFSET)


@given(st.tuples(offsets, offsets).map(sorted))
def test_ranges_keep_their_bounds_in_16_bytes(bounds: list[int]) -> None:
    encoded = RangeCoder().encode(OffsetRange(*bounds))
    assert len(encoded) == 16
    assert RangeCoder().decode(encoded) == OffsetRange(*bounds)


def test_the_form_of_a_range_is_the_same_in_every_release() -> None:
    assert RangeCoder().encode(OffsetRange(1, 258)).hex() == "00000000000000010000000000000102"
    assert RangeCoder().is_deterministic()


def test_a_reader_is_never_cut_ahead_of_itself() -> None:
    tracker = OffsetTracker(OffsetRange(0, 100), bounded=True)
    tracker.try_claim(9)
    assert tracker.try_split(0.5) is None
    assert tracker.try_split(0) == (OffsetRange(0, 10), OffsetRange(10, 100))
    assert not tracker.try_claim(10)


@pytest.mark.parametrize("bounded", [True, False])
def test_a_tracker_says_whether_there_is_an_end(bounded: bool) -> None:
    assert OffsetTracker(OffsetRange(0, 1), bounded).is_bounded() is bounded


@pytest.mark.parametrize("start", [0, 7])
@pytest.mark.parametrize(("claims", "done", "left"), [([], 0, 100), ([4], 5, 95), ([4, 99], 100, 0)])
def test_progress_counts_claimed_offsets(start: int, claims: list[int], done: float, left: float) -> None:
    tracker = OffsetTracker(OffsetRange(start, start + 100), bounded=True)
    for offset in claims:
        tracker.try_claim(start + offset)
    progress = tracker.current_progress()
    assert (progress.completed_work, progress.remaining_work) == (done, left)
