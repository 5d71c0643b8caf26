"""Samples as the state of a shard stores them: chunks, each a batch in wire form behind a byte for the version."""

from __future__ import annotations

import numpy as np

from schemas import batch as batches
from schemas.batch import SampleBatch
from schemas.forms import table as forms
from transforms.alerts.shards.samples import Samples
from transforms.alerts.shards.series_index import SeriesIndex

_HEAD = bytes([forms.CHUNK.version])


def to_chunk(samples: SampleBatch) -> bytes:
    """Samples as a state keeps them."""
    return _HEAD + batches.encode(samples)


def from_chunk(chunk: bytes) -> SampleBatch:
    """The samples of a chunk.

    Raises:
        schemas.forms.model.VersionError: another release wrote it.
    """
    forms.CHUNK.check(chunk[0] if chunk else None)
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
