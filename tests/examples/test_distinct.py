"""The step of one's own without a runner: late samples, restarts and lost bundles end in the counts of everything at once."""

from __future__ import annotations

import json
from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.distinct import MINUTE, DistinctValues
from schemas import batch as batches
from schemas.batch import MIN_WATERMARK
from schemas.series import series_text
from schemas.tiers import Tiers
from tests.transforms.naive import Sample, batch_of, sample_lists
from transforms.machines.local import LocalMachine
from transforms.machines.machine import Memory, Out
from transforms.rollups.cutting import cutter_of

LATENESS = 2 * MINUTE
END = 1 << 60


def newest(outs: list[Out]) -> dict[tuple[int, str], int]:
    lines = sorted((json.loads(out.data) for out in outs), key=lambda line: line["as_of"])
    return {(line["window"], line["series"]): line["distinct"] for line in lines}


@settings(max_examples=60)
@given(
    samples=sample_lists(length_ms=6 * MINUTE, values=st.integers(0, 3).map(float), max_size=40, grain_ms=5_000),
    data=st.data(),
)
def test_counts_end_as_those_of_all_samples_that_are_not_too_late(samples: list[Sample], data: st.DataObject) -> None:
    cutter, watermark = cutter_of(Tiers(lateness_ms=LATENESS), 2, 5_000), MIN_WATERMARK
    local = LocalMachine(lambda: DistinctValues(LATENESS, Memory()))
    outs: list[Out] = []
    wanted: defaultdict[tuple[int, str], set[float]] = defaultdict(set)
    for sample in samples:
        cut = cutter.cut(batch_of([sample]), np.zeros(1, np.int64), watermark)
        watermark = cut.watermark
        if cut.too_late is None:
            wanted[sample.ts - sample.ts % MINUTE, series_text(*sample.series)].add(sample.value)
        pieces = [(key.encode(), batches.encode(piece)) for key, piece in cut.pieces]
        if data.draw(st.booleans()):
            local.run(pieces, watermark, breaks=True)
        outs += local.run(pieces, watermark)
        if data.draw(st.booleans()):
            local.restart()
    outs += local.run([], END)
    assert newest(outs) == {place: len(values) for place, values in wanted.items()}
    assert local.stored_bytes == 0
