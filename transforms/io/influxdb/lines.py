"""Columnar batches to InfluxDB line protocol: measurement = metric name, tags = all labels sorted by key, one line a row.

| batch | fields | time |
|---|---|---|
| rollup | all of :data:`schemas.aggregates.AGGREGATES`; counts and times (ms) are integers, the others floats | start of the window, ms |
| samples | ``value`` | event time, ms |

A row carries its full field set, so a repeated or corrected write replaces the whole point; a value that is not finite, which InfluxDB has no
notation for, is left out of its row (the sum of large values may overflow, their maximum does not). Numbers are written shortest round-trip.
Everything is done by column: a row costs no Python call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.aggregates import AGGREGATES
from schemas.batch import Column, SampleBatch
from schemas.rollup import COLUMNS, RollupBatch
from schemas.series import series_text
from transforms.io.influxdb.tags import Part, metric_part, target_part

MAX_LINES = 5_000
"""Lines of one request: InfluxData's own advice for the size of a batch."""

MAX_BYTES = 1_000_000
"""Bytes of one request before compression; a single longer line is a request of its own."""

# The offsets of an Arrow string column are 32-bit: a slice of the longest series there can be must stay under 2 GB.
_SLICE = 16_384

_INTEGERS = frozenset(each.name for each in AGGREGATES if each.kind.is_integer)


class Chunk(NamedTuple):
    """The body of one request: ``lines`` lines, each ended by a line feed."""

    data: bytes
    lines: int


class Unholdable(NamedTuple):
    """A row whose series InfluxDB cannot hold: its series' canonical text, time (ms), values by field, and why."""

    series: str
    time: int
    fields: dict[str, float | int]
    reason: str


@dataclass(frozen=True)
class Lines:
    """A batch as lines: every row is in ``chunks``, in ``unwritable`` or in ``unholdable``.

    Attributes:
        chunks: at most :data:`MAX_LINES` lines and :data:`MAX_BYTES` each.
        unwritable: rows left out whole because none of their values is finite.
        unholdable: rows left out because of their series.
        values_unwritable: values that are not finite, left out of rows in ``chunks``.
    """

    chunks: list[Chunk]
    unwritable: int
    unholdable: list[Unholdable]
    values_unwritable: int = 0


def rollup_lines(batch: RollupBatch) -> Lines:
    """The lines of rollup rows.

    Raises:
        ValueError: a text of the batch's dictionaries is not canonical.
    """
    fields = {name: batch.columns[name] for name in COLUMNS}
    return _lines(batch, fields, np.full(len(batch), batch.window, np.int64))


def sample_lines(batch: SampleBatch) -> Lines:
    """The lines of raw samples.

    Raises:
        ValueError: a text of the batch's dictionaries is not canonical.
    """
    return _lines(batch, {"value": batch.value}, batch.ts)


Mask = npt.NDArray[np.bool_]


def _lines(batch: RollupBatch | SampleBatch, fields: dict[str, Column], time: Column) -> Lines:
    targets = [target_part(text) for text in batch.targets]
    metrics = [metric_part(text) for text in batch.metrics]
    holdable = _holdable(targets)[batch.target] & _holdable(metrics)[batch.metric]
    finite = np.array([np.isfinite(column) for column in fields.values()]).reshape(len(fields), len(batch))
    some, whole = finite.any(axis=0), finite.all(axis=0)
    unholdable = [
        Unholdable(
            series=series_text(batch.targets[batch.target[row]], batch.metrics[batch.metric[row]]),
            time=int(time[row]),
            fields={name: column[row].item() for name, column in fields.items()},
            reason=targets[batch.target[row]].unholdable or metrics[batch.metric[row]].unholdable or "",
        )
        for row in np.flatnonzero(some & ~holdable).tolist()
    ]

    def chunks_of(rows: npt.NDArray[np.intp], names: list[str]) -> Iterator[Chunk]:
        for start in range(0, len(rows), _SLICE):
            part = rows[start : start + _SLICE]
            order, series = _series(targets, metrics, batch.target[part], batch.metric[part])
            part = part[order]
            columns: list[pa.Array | str] = [series]
            for number, name in enumerate(names):
                columns += [f"{',' if number else ' '}{name}=", pa.array(fields[name][part]).cast(pa.utf8())]
                if name in _INTEGERS:
                    columns.append("i")
            columns += [" ", pa.array(time[part]).cast(pa.utf8()), "\n"]
            yield from _chunks(pc.binary_join_element_wise(*columns, ""))

    chunks = list(chunks_of(np.flatnonzero(whole & holdable), list(fields)))
    partial = np.flatnonzero(some & ~whole & holdable)
    if len(partial):
        patterns, pattern_of = np.unique(finite[:, partial], axis=1, return_inverse=True)
        for number, pattern in enumerate(patterns.T):
            names = [name for name, present in zip(fields, pattern.tolist(), strict=True) if present]
            chunks += chunks_of(partial[np.ravel(pattern_of) == number], names)
    left_out = int(np.count_nonzero(~finite[:, partial]))
    return Lines(chunks, int(np.count_nonzero(~some)), unholdable, left_out)


def _holdable(parts: list[Part]) -> Mask:
    return np.fromiter((part.unholdable is None for part in parts), np.bool_, len(parts))


def _series(
    targets: list[Part], metrics: list[Part], target: npt.NDArray[np.int32], metric: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.intp], pa.Array]:
    """Measurement and tags of each row, and the order of rows in which they stand.

    The merged order of two sorted key lists depends on the keys alone, so rows are taken together by their pair of key lists (few), and
    each such group is a join of columns of ready-made pieces.
    """
    target_kind, metric_kind = _kinds(targets), _kinds(metrics)
    pair = target_kind[target].astype(np.int64) * (len(metrics) + 1) + metric_kind[metric]
    order = np.argsort(pair, kind="stable")
    bounds = [0, *(np.flatnonzero(np.diff(pair[order])) + 1).tolist(), len(order)]
    joined = []
    for start, stop in pairwise(bounds):
        rows = order[start:stop]
        t, m = target[rows], metric[rows]
        pieces = []
        for number, run in enumerate(_runs(targets[t[0]].keys, metrics[m[0]].keys)):
            parts, index = (targets, t) if run.is_target else (metrics, m)
            pieces.append(_piece(parts, index, run, leading=number == 0))
        joined.append(pc.binary_join_element_wise(*pieces, "") if len(pieces) > 1 else pieces[0])
    return order, pa.concat_arrays(joined)


def _kinds(parts: list[Part]) -> npt.NDArray[np.int32]:
    """The parts' key lists, numbered."""
    ids: dict[tuple[str, ...], int] = {}
    return np.fromiter((ids.setdefault(part.keys, len(ids)) for part in parts), np.int32, len(parts))


class _Run(NamedTuple):
    is_target: bool
    low: int
    high: int


def _runs(target_keys: tuple[str, ...], metric_keys: tuple[str, ...]) -> list[_Run]:
    """Slices of the two key lists that make the sorted whole; the metric's comes first, empty perhaps: the measurement stands there."""
    runs = [_Run(False, 0, 0)]
    t = m = 0
    while t < len(target_keys) or m < len(metric_keys):
        is_target = m == len(metric_keys) or (t < len(target_keys) and target_keys[t] < metric_keys[m])
        low = t if is_target else m
        if runs[-1].is_target == is_target:
            runs[-1] = runs[-1]._replace(high=low + 1)
        else:
            runs.append(_Run(is_target, low, low + 1))
        t, m = t + is_target, m + (not is_target)
    return runs


def _piece(parts: list[Part], index: npt.NDArray[np.int32], run: _Run, leading: bool) -> pa.Array:
    used, inverse = np.unique(index, return_inverse=True)
    texts = [
        (parts[i].measurement if leading else "") + "".join(parts[i].tags[run.low : run.high]) for i in used.tolist()
    ]
    return pa.array(texts, pa.utf8()).take(pa.array(inverse))


def _chunks(lines: pa.Array) -> Iterator[Chunk]:
    """Cut a column of lines, whose characters already lie end to end, into request bodies."""
    _, offsets, data = lines.buffers()
    ends = np.frombuffer(offsets, np.int32, len(lines) + 1, lines.offset * 4)
    start = 0
    while start < len(lines):
        stop = int(np.searchsorted(ends, ends[start] + MAX_BYTES, side="right")) - 1
        stop = max(start + 1, min(stop, start + MAX_LINES))
        yield Chunk(data[int(ends[start]) : int(ends[stop])].to_pybytes(), stop - start)
        start = stop
