"""Samples as a state stores them: which bytes, and in which order."""

from __future__ import annotations

import numpy as np
import pytest

from schemas import batch as batches
from schemas.batch import SampleBatch
from tests.transforms.alerts.streams import Sent, batch_of, states_of, tasks_of
from transforms.alerts.shards.chunks import from_chunk, scrapes, to_chunk
from transforms.alerts.shards.samples import Samples
from transforms.alerts.shards.selection import Selection
from transforms.alerts.shards.series_index import SeriesIndex


def sent(host: str, name: str, when: int, value: float, seq: int) -> Sent:
    return Sent((("__name__", name), ("instance", host)), when, value, seq)


def rows_of(batch: SampleBatch) -> list[tuple[str, str, int, float, int]]:
    """Its samples, in its order."""
    targets = [batch.targets[place] for place in batch.target.tolist()]
    metrics = [batch.metrics[place] for place in batch.metric.tolist()]
    return list(zip(targets, metrics, batch.ts.tolist(), batch.value.tolist(), batch.seq.tolist(), strict=True))


def test_a_chunk_is_a_batch_behind_the_byte_of_its_format() -> None:
    batch = batch_of([sent("h0", "x", 60_000, 1.5, 3)])
    chunk = to_chunk(batch)
    assert chunk == b"\x01" + batches.encode(batch)
    assert rows_of(from_chunk(chunk)) == [('{instance="h0"}', "x", 60_000, 1.5, 3)]


@pytest.mark.parametrize(("chunk", "found"), [(b"\x63abc", "of version 99"), (b"", "without a version")])
def test_what_is_of_another_format_is_reported(chunk: bytes, found: str) -> None:
    with pytest.raises(
        ValueError, match=f"state `chunks` of the step Rules/Shards: chunk {found}; this release reads "
    ):
        from_chunk(chunk)


def test_samples_lie_scrape_by_scrape_and_nothing_else_is_in_the_batch() -> None:
    index = SeriesIndex(Selection(states_of(tasks_of("x", "y", "z"))), room=10)
    came = [
        # A scrape is what came of a target under one number: that of 3 was sent again as 5.
        sent("h1", "x", 60_000, 1.0, 4),
        sent("h0", "y", 60_000, 2.0, 3),
        sent("h0", "x", 60_000, 3.0, 3),
        sent("h0", "x", 0, 4.0, 9),
        sent("h1", "y", 60_000, 5.0, 4),
        sent("h0", "z", 60_000, 6.0, 2),
        sent("h2", "z", 60_000, 7.0, 2),
    ]
    batch = batch_of(came)
    rows = index.rows_of(batch)
    made = scrapes(index, Samples(rows, batch.ts, batch.value, batch.seq).take(np.array([4, 0, 1, 2, 3])))
    # Targets and metrics are numbered as they came: h1, h0, and x, y.
    assert rows_of(made) == [
        ('{instance="h1"}', "x", 60_000, 1.0, 4),
        ('{instance="h1"}', "y", 60_000, 5.0, 4),
        ('{instance="h0"}', "x", 0, 4.0, 9),
        ('{instance="h0"}', "x", 60_000, 3.0, 3),
        ('{instance="h0"}', "y", 60_000, 2.0, 3),
    ]
    assert (made.targets, made.metrics) == (['{instance="h1"}', '{instance="h0"}'], ["x", "y"])
    assert rows_of(from_chunk(to_chunk(made))) == rows_of(made)


def test_of_one_time_the_scrape_that_was_sent_first_comes_first() -> None:
    index = SeriesIndex(Selection(states_of(tasks_of("x", "y"))), room=10)
    batch = batch_of([sent("h0", "x", 0, 1.0, 8), sent("h0", "y", 0, 2.0, 7)])
    made = scrapes(index, Samples(index.rows_of(batch), batch.ts, batch.value, batch.seq))
    assert [(metric, seq) for _, metric, _, _, seq in rows_of(made)] == [("y", 7), ("x", 8)]
