"""Samples as the state of a shard stores them: chunks, each a batch in wire form behind a byte for the format."""

from __future__ import annotations

import numpy as np

from schemas import batch as batches
from schemas.batch import SampleBatch
from transforms.alerts.shards.samples import Samples
from transforms.alerts.shards.series_index import SeriesIndex

CHUNK_FORMAT = b"\x01"
"""The first byte of a chunk; after it comes the wire form of a batch."""


def to_chunk(samples: SampleBatch) -> bytes:
    """Samples as a state keeps them."""
    return CHUNK_FORMAT + batches.encode(samples)


def from_chunk(chunk: bytes) -> SampleBatch:
    """The samples of a chunk.

    Raises:
        ValueError: it is none, or of a format unknown here.
    """
    if not chunk.startswith(CHUNK_FORMAT):
        raise ValueError(f"not a chunk of format {CHUNK_FORMAT[0]}: it begins with {chunk[:1].hex() or 'nothing'}")
    return batches.decode(chunk[1:])


def scrapes(index: SeriesIndex, samples: Samples) -> SampleBatch:
    """Samples of an index's rows as a batch, scrape by scrape, which is how its wire form is small."""
    target, metric = index.split(samples.rows)
    order = np.lexsort((metric, samples.seqs, samples.times, target))
    targets, metrics = index.texts()
    return SampleBatch(
        targets=targets,
        metrics=metrics,
        target=target[order].astype(np.int32),
        metric=metric[order].astype(np.int32),
        ts=samples.times[order],
        value=samples.values[order],
        seq=samples.seqs[order],
    ).compact()
