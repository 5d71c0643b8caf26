"""Batches as plain rows, and strategies for what they are made of."""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from schemas.batch import SampleBatch
from schemas.builder import BatchBuilder
from schemas.codecs.base import Codec
from schemas.records import BadLine

STALE_BITS = 0x7FF0000000000002
STALE = struct.unpack("<d", struct.pack("<Q", STALE_BITS))[0]


class Row(NamedTuple):
    """One sample; the value as its bits, so that equal means equal."""

    target: str
    metric: str
    ts: int
    bits: int


def bits(value: float) -> int:
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def row(target: str, metric: str, ts: int, value: float) -> Row:
    return Row(target, metric, ts, bits(value))


def rows(batch: SampleBatch) -> list[Row]:
    columns = (batch.target.tolist(), batch.metric.tolist(), batch.ts.tolist(), batch.value.view(np.uint64).tolist())
    return [
        Row(batch.targets[target], batch.metrics[metric], ts, value)
        for target, metric, ts, value in zip(*columns, strict=True)
    ]


def decode(codec: Codec, builder: BatchBuilder, data: bytes, **times: int) -> tuple[list[Row], list[BadLine], int]:
    """What one record gives: rows, bad lines, values skipped."""
    bad = codec.decode(data, **times)
    skipped = builder.skipped
    return rows(builder.build()[0]), bad, skipped


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ['"', "\\", "\n", "a,b", "{", "}", "=", " ", 'x"y', "\\n", "é"]
)
names = text.filter(bool)
labels = st.dictionaries(
    (st.sampled_from(["host", "job", "mode", "le"]) | names).filter(lambda name: name != "__name__"), text, max_size=4
)
times = st.integers(0, 4_000_000_000_000)
values = (
    st.floats(allow_nan=False)
    | st.integers(-(2**53), 2**53).map(float)
    | st.sampled_from([STALE, float("nan"), -0.0, 0.0])
)
