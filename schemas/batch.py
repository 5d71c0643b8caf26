"""The columnar batch: many samples, their series as two dictionary columns.

Wire form (shuffle, state): one Arrow IPC stream of one record batch, LZ4-compressed. A row is a *run*: neighbouring samples of one target,
event time and position, such as a scrape; so a scrape of 100 samples costs its host, time and offset once.

| column | type | meaning |
|---|---|---|
| target | dictionary<int32, utf8> | canonical text of the target part |
| ts | int64 | event time, milliseconds since the Unix epoch, UTC |
| seq | int64 | position in the source, see :func:`sequence`; among samples of one series and event time the highest wins |
| metric | list<dictionary<int32, utf8>> | canonical texts of the metric parts, one a sample |
| value | list<float64> | one a sample |
| fine | int32 | nanoseconds of the event time after ``ts``, below 1,000,000; the column is left out where all are 0 |

The batch's attributes (``watermark``, ``late``, ``overtaken``) travel as schema metadata, and so do its ``origins`` where it has any.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from schemas.forms import table as forms

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Column = npt.NDArray[Any]
"""The values of an aggregate, one a row, of the type of its kind (:mod:`schemas.aggregates`)."""

MAX_PARTITIONS = 4096
MAX_OFFSET = 1 << 51
PLACES = MAX_OFFSET // MAX_PARTITIONS
"""Records of a partition at most, where partitions come one after the other in the order of records."""
MIN_WATERMARK = -(1 << 62)
"""Watermark of a batch whose source has not said one yet, in milliseconds."""

_DICTIONARY = pa.dictionary(pa.int32(), pa.utf8())
# Arrow's threads, handed a few columns of a small message, cost several times what they save.
_WRITE = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_READ = pa.ipc.IpcReadOptions(use_threads=False)
_READ_TS = pa.ipc.IpcReadOptions(included_fields=[1], use_threads=False)


def sequence(partition: int, offset: int) -> int:
    """Total order of records over all partitions: by offset, then partition. Below :data:`MAX_OFFSET` and :data:`MAX_PARTITIONS`."""
    return offset * MAX_PARTITIONS + partition


@dataclass(frozen=True)
class SampleBatch:
    """Samples in columns of one length; ``target`` and ``metric`` index into ``targets`` and ``metrics``.

    Attributes:
        targets: distinct canonical texts.
        metrics: canonical texts, distinct but for their ``origins``.
        ts: event times in ms.
        seq: source positions, :func:`sequence`.
        watermark: the source partition's watermark in ms when the batch was cut.
        late: every sample of the batch was behind that watermark's window when it was read.
        overtaken: no sample of the batch was ahead of its partition's watermark when its record was read, and this is the watermark, ms, at least;
            :data:`MIN_WATERMARK` if every sample was ahead of it.
        origins: for each of ``metrics`` what its text leaves out of the series as its source named it, so that two series which become one are
            not taken for one that was sent twice: ``measurement disk``, of whose field the rest of the name is, or ``labels {env="a"}``, in
            whose place other values stand. Empty where it leaves out nothing; no origins at all stand for as many empty ones.
        fine: nanoseconds of each event time that ``ts`` cuts off; None if all are 0.
    """

    targets: Sequence[str]
    metrics: Sequence[str]
    target: Int32
    metric: Int32
    ts: Int64
    value: Float64
    seq: Int64
    watermark: int = MIN_WATERMARK
    late: bool = False
    overtaken: int = MIN_WATERMARK
    origins: Sequence[str] = ()
    fine: Int32 | None = None

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, rows: npt.NDArray[np.intp] | slice) -> SampleBatch:
        """The given rows, same dictionaries."""
        return replace(
            self,
            target=self.target[rows],
            metric=self.metric[rows],
            ts=self.ts[rows],
            value=self.value[rows],
            seq=self.seq[rows],
            fine=self.fine if self.fine is None else self.fine[rows],
        )

    def compact(self) -> SampleBatch:
        """The same samples with dictionaries reduced to the entries in use."""
        targets, target = compact_dictionary(self.targets, self.target)
        kept, metric = _in_use(len(self.metrics), self.metric)
        metrics = [self.metrics[entry] for entry in kept]
        origins = [self.origins[entry] for entry in kept] if self.origins else ()
        fine = self.fine if self.fine is not None and self.fine.any() else None
        return replace(
            self,
            targets=targets,
            metrics=metrics,
            target=target,
            metric=metric,
            origins=_without_empty(origins),
            fine=fine,
        )

    def cut_as(self, late: bool, watermark: int, overtaken: int) -> SampleBatch:
        """The same samples with other values of these attributes."""
        return replace(self, late=late, watermark=watermark, overtaken=overtaken)

    def unified(self) -> tuple[list[str], Int32]:
        """``metrics`` and ``metric`` whatever their origins: each text once."""
        return merge_dictionaries([(self.metrics, self.metric)])


def compact_dictionary(entries: Sequence[str], index: Int32) -> tuple[list[str], Int32]:
    """Drop dictionary entries that no row uses; first-use order is not kept, dictionary order is."""
    kept, index = _in_use(len(entries), index)
    return [entries[entry] for entry in kept], index


def _in_use(entries: int, index: Int32) -> tuple[list[int], Int32]:
    """The entries of a dictionary that rows use, and the rows' places among them."""
    used = np.zeros(entries, np.bool_)
    used[index] = True
    kept = np.flatnonzero(used)
    remap = np.empty(entries, np.int32)
    remap[kept] = np.arange(len(kept), dtype=np.int32)
    return kept.tolist(), remap[index]


def _without_empty(origins: Sequence[str]) -> Sequence[str]:
    """The origins, none if all are empty."""
    return origins if any(origins) else ()


_Entry = TypeVar("_Entry", bound=Hashable)


def merge_dictionaries(parts: Sequence[tuple[Sequence[_Entry], Int32]]) -> tuple[list[_Entry], Int32]:
    """One dictionary over several columns, and the concatenated column that indexes it."""
    ids: dict[_Entry, int] = {}
    columns = []
    for entries, index in parts:
        remap = np.fromiter((ids.setdefault(entry, len(ids)) for entry in entries), np.int32, len(entries))
        columns.append(remap[index])
    return list(ids), np.concatenate(columns) if columns else np.empty(0, np.int32)


def concat(batches: Sequence[SampleBatch]) -> SampleBatch:
    """All samples of the batches, in their order; the latest watermark of each kind; ``late`` if all are."""
    targets, target = merge_dictionaries([(batch.targets, batch.target) for batch in batches])
    metrics, metric, origins = _merge_metrics(batches)
    return SampleBatch(
        targets=targets,
        metrics=metrics,
        target=target,
        metric=metric,
        ts=np.concatenate([batch.ts for batch in batches]),
        value=np.concatenate([batch.value for batch in batches]),
        seq=np.concatenate([batch.seq for batch in batches]),
        watermark=max(batch.watermark for batch in batches),
        late=all(batch.late for batch in batches),
        overtaken=max(batch.overtaken for batch in batches),
        origins=origins,
        fine=_merge_fine(batches),
    )


def _merge_metrics(batches: Sequence[SampleBatch]) -> tuple[list[str], Int32, Sequence[str]]:
    if not any(batch.origins for batch in batches):
        return *merge_dictionaries([(batch.metrics, batch.metric) for batch in batches]), ()
    entries = [list(zip(batch.metrics, batch.origins or repeat(""), strict=False)) for batch in batches]
    pairs, metric = merge_dictionaries([(named, batch.metric) for named, batch in zip(entries, batches, strict=True)])
    return [text for text, _ in pairs], metric, [origin for _, origin in pairs]


def _merge_fine(batches: Sequence[SampleBatch]) -> Int32 | None:
    if all(batch.fine is None for batch in batches):
        return None
    return np.concatenate([np.zeros(len(batch), np.int32) if batch.fine is None else batch.fine for batch in batches])


def dictionary_array(entries: Sequence[str], index: Int32) -> pa.DictionaryArray:
    """A dictionary column of Arrow from entries and indices."""
    return pa.DictionaryArray.from_arrays(pa.array(index, pa.int32()), pa.array(entries, pa.utf8()))


def write_ipc(batch: pa.RecordBatch) -> bytes:
    """One record batch as a compressed Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_WRITE) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def read_ipc(data: bytes) -> pa.RecordBatch:
    """The one record batch of an Arrow IPC stream.

    Raises:
        pyarrow.ArrowInvalid: the bytes are no such stream.
    """
    with pa.ipc.open_stream(data, options=_READ) as reader:
        return reader.read_next_batch()


_SCHEMA = pa.schema(
    [
        ("target", _DICTIONARY),
        ("ts", pa.int64()),
        ("seq", pa.int64()),
        ("metric", pa.list_(_DICTIONARY)),
        ("value", pa.list_(pa.float64())),
    ]
)
_SCHEMA_FINE = _SCHEMA.append(pa.field("fine", pa.int32()))


def encode(batch: SampleBatch) -> bytes:
    """The wire form of a batch."""
    starts = _run_starts(batch)
    offsets = pa.array(np.append(starts, len(batch)), pa.int32())
    columns = [
        dictionary_array(batch.targets, batch.target[starts]),
        pa.array(batch.ts[starts]),
        pa.array(batch.seq[starts]),
        pa.ListArray.from_arrays(offsets, dictionary_array(batch.metrics, batch.metric)),
        pa.ListArray.from_arrays(offsets, pa.array(batch.value)),
    ]
    attributes: dict[str, str | bytes] = {
        "watermark": str(batch.watermark),
        "late": "1" if batch.late else "0",
        "overtaken": str(batch.overtaken),
    }
    if any(batch.origins):
        distinct: dict[str, int] = {}
        places = [distinct.setdefault(origin, len(distinct)) for origin in batch.origins]
        attributes["origins"] = orjson.dumps([list(distinct), places])
    schema = _SCHEMA
    if batch.fine is not None:
        columns.append(pa.array(batch.fine[starts]))
        schema = _SCHEMA_FINE
    return write_ipc(pa.RecordBatch.from_arrays(columns, schema=schema.with_metadata(attributes)))


def _run_starts(batch: SampleBatch) -> npt.NDArray[np.intp]:
    new = np.ones(len(batch), np.bool_)
    if len(batch):
        np.not_equal(batch.ts[1:], batch.ts[:-1], out=new[1:])
        new[1:] |= batch.target[1:] != batch.target[:-1]
        new[1:] |= batch.seq[1:] != batch.seq[:-1]
        if batch.fine is not None:
            new[1:] |= batch.fine[1:] != batch.fine[:-1]
    return np.flatnonzero(new)


def decode(data: bytes) -> SampleBatch:
    """The batch of a wire form.

    Raises:
        pyarrow.ArrowInvalid: the bytes are no Arrow IPC stream.
        schemas.forms.model.VersionError: another release wrote them.
    """
    batch = read_ipc(data)
    attributes = batch.schema.metadata
    forms.SAMPLES.check_attribute(attributes)
    target, ts, seq, metric, value, *fine = batch.columns
    lengths = np.diff(metric.offsets.to_numpy())
    return SampleBatch(
        targets=target.dictionary.to_pylist(),
        metrics=metric.values.dictionary.to_pylist(),
        target=np.repeat(target.indices.to_numpy(), lengths),
        metric=metric.values.indices.to_numpy(),
        ts=np.repeat(ts.to_numpy(), lengths),
        value=value.values.to_numpy(),
        seq=np.repeat(seq.to_numpy(), lengths),
        watermark=int(attributes[b"watermark"]),
        late=attributes[b"late"] == b"1",
        overtaken=int(attributes.get(b"overtaken", MIN_WATERMARK)),
        origins=_read_origins(attributes.get(b"origins")),
        fine=np.repeat(fine[0].to_numpy(), lengths) if fine else None,
    )


def _read_origins(stored: bytes | None) -> Sequence[str]:
    if stored is None:
        return ()
    distinct, places = orjson.loads(stored)
    return [distinct[place] for place in places]


def read_newest(data: bytes) -> int:
    """The newest event time of a wire form that is not empty, ms, without decoding its other columns.

    Raises:
        pyarrow.ArrowInvalid: the bytes are no Arrow IPC stream.
    """
    with pa.ipc.open_stream(data, options=_READ_TS) as reader:
        return int(reader.read_next_batch().column(0).to_numpy().max())


def to_arrow(batch: SampleBatch) -> pa.RecordBatch:
    """The samples as an Arrow record batch, a row each: target, metric (dictionaries), ts, value, seq."""
    metrics, metric = batch.unified() if batch.origins else (batch.metrics, batch.metric)
    return pa.RecordBatch.from_pydict(
        {
            "target": dictionary_array(batch.targets, batch.target),
            "metric": dictionary_array(metrics, metric),
            "ts": pa.array(batch.ts),
            "value": pa.array(batch.value),
            "seq": pa.array(batch.seq),
        }
    )


def read_metadata(data: bytes) -> dict[bytes, bytes]:
    """The attributes of an Arrow IPC stream, without reading its rows."""
    with pa.ipc.open_stream(data, options=_READ) as reader:
        return dict(reader.schema.metadata)


def read_attributes(data: bytes) -> tuple[int, bool]:
    """The watermark (ms) and the lateness that a wire form of samples or of rollup rows carries, without reading its rows; rows are never late."""
    attributes = read_metadata(data)
    return int(attributes[b"watermark"]), attributes.get(b"late") == b"1"
