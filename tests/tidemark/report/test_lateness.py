"""Late samples are found by the watermark of their partition, as the job itself decides it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.batch import SampleBatch, sequence
from schemas.tiers import Tier, Tiers
from tidemark.report.lateness import late
from transforms.rollups.cutting import cutter_of

WINDOW, DELAY = 10_000, 5_000


def test_a_table():
    read = [(0, 1_000), (1, 9_000), (2, 16_000), (3, 8_000), (4, 12_000), (5, 31_000), (6, 14_000), (7, 26_000)]
    ts = np.array([time for _, time in read])
    seq = np.array([sequence(0, offset) for offset, _ in read])
    assert late(ts, seq, WINDOW, DELAY).tolist() == [False, False, False, True, False, False, True, False]


def test_partitions_have_watermarks_of_their_own():
    ts = np.array([100_000, 1_000, 2_000])
    seq = np.array([sequence(0, 0), sequence(1, 1), sequence(0, 2)])
    assert late(ts, seq, WINDOW, DELAY).tolist() == [False, False, True]


@given(
    records=st.lists(st.lists(st.integers(0, 100_000), min_size=1, max_size=4), max_size=30),
    order=st.randoms(use_true_random=False),
)
def test_it_agrees_with_the_job_in_any_order_of_rows(records, order):
    ts = np.array([time for record in records for time in record], np.int64)
    offsets = np.array([i for i, record in enumerate(records) for _ in record], np.int64)
    rows = len(ts)
    shuffled = np.array(order.sample(range(rows), rows), np.intp)
    found = np.zeros(rows, np.bool_)
    found[shuffled] = late(ts[shuffled], sequence(3, offsets[shuffled]), WINDOW, DELAY)
    assert sorted(ts[found].tolist()) == job_says_late(ts, offsets)


def job_says_late(ts, offsets):
    """Event times of the samples that the job's own rule calls late."""
    zeros = np.zeros(len(ts), np.int32)
    batch = SampleBatch(["{}"], ["m"], zeros, zeros, ts, ts.astype(float), sequence(3, offsets))
    tiers = Tiers(rollups=(Tier("10s", WINDOW, 0, "b"),), lateness_ms=1_000_000)
    cut = cutter_of(tiers, shards=1, delay_ms=DELAY).cut(batch, offsets)
    return sorted(time for _, piece in cut.pieces if piece.late for time in piece.ts.tolist())
