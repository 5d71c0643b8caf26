"""The wire form of partials: one Arrow IPC stream of one record batch of a single row, LZ4-compressed.

Its columns are lists of their own lengths; an empty one is left out:

| column | holds |
|---|---|
| texts | label names and values, each once, whatever the number of fragments and series they stand in |
| times | the evaluation times, ms |
| evaluated | ids of all fragments that were evaluated, those too that yielded nothing |
| parts | four numbers a part, vectors first: which of ``evaluated``, kind (0 vector, 1 samples), series, label names |
| names, codes | the label names of each part; for each of its series their values; indices of ``texts`` |
| present | of vectors, which cells ``[series, evaluation times]`` hold a value, a bit each, the cells of all parts in a row |
| values | of vectors, those of the cells present; of samples, theirs; part by part |
| counts, stamps | of samples, how many each series has, and their times in ms |
| failed, messages | two numbers a failure: which of ``evaluated``, and which evaluation time; and what was wrong |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rules.promql.values import Floats, Index, Mask, Times
from schemas.batch import read_ipc, write_ipc
from schemas.forms import table as forms
from schemas.forms.model import VERSION_ATTRIBUTE
from transforms.alerts.fragments.partials import Failure, Partials, Rows, SamplesPart, VectorPart

_VECTOR, _SAMPLES = 0, 1
_COLUMNS = {
    "texts": pa.utf8(),
    "times": pa.int64(),
    "evaluated": pa.int64(),
    "parts": pa.int32(),
    "names": pa.int32(),
    "codes": pa.int32(),
    "present": pa.uint8(),
    "values": pa.float64(),
    "counts": pa.int32(),
    "stamps": pa.int64(),
    "failed": pa.int32(),
    "messages": pa.utf8(),
}


def encode(partials: Partials) -> bytes:
    """The wire form."""
    evaluated = sorted(partials.evaluated)
    places_of = {fragment: place for place, fragment in enumerate(evaluated)}
    parts: list[int] = []
    rows: list[Rows] = []
    present: list[Mask] = []
    values: list[Floats] = []
    counts: list[Index] = []
    stamps: list[Times] = []
    for fragment, vector in partials.vectors.items():
        parts += (places_of[fragment], _VECTOR, *vector.rows.codes.shape)
        rows.append(vector.rows)
        present.append(vector.present.ravel())
        values.append(vector.values[vector.present])
    for fragment, found in partials.samples.items():
        parts += (places_of[fragment], _SAMPLES, *found.rows.codes.shape)
        rows.append(found.rows)
        counts.append(found.counts)
        stamps.append(found.timestamps)
        values.append(found.values)
    failures = [(places_of[fragment], each) for fragment, found in partials.failures.items() for each in found]
    columns: dict[str, Any] = {
        "texts": partials.texts,
        "times": partials.times,
        "evaluated": np.array(evaluated, np.int64),
        "parts": np.array(parts, np.int32),
        "names": np.array([name for each in rows for name in each.names], np.int32),
        "codes": _flat([each.codes.ravel() for each in rows], np.int32),
        "present": np.packbits(_flat(present, np.bool_)),
        "values": _flat(values, np.float64),
        "counts": _flat(counts, np.int64).astype(np.int32),
        "stamps": _flat(stamps, np.int64),
        "failed": np.array([(place, each.evaluation_time) for place, each in failures], np.int32).ravel(),
        "messages": [each.message for _, each in failures],
    }
    filled = {name: pa.array(column, _COLUMNS[name]) for name, column in columns.items() if len(column)}
    lists = {
        name: pa.ListArray.from_arrays(pa.array([0, len(column)], pa.int32()), column)
        for name, column in filled.items()
    }
    attributes = {
        "version": str(forms.PARTIALS.version),
        "shard": str(partials.shard),
        "revision": str(partials.revision),
    }
    return write_ipc(pa.RecordBatch.from_pydict(lists).replace_schema_metadata(attributes))


def decode(data: bytes) -> Partials:
    """The partials of a wire form.

    Raises:
        ValueError: the bytes are none; :class:`schemas.forms.model.VersionError` if another release wrote them.
    """
    batch = read_ipc(data)
    attributes = batch.schema.metadata or {}
    if VERSION_ATTRIBUTE not in attributes:
        raise forms.PARTIALS.refusal(None)
    forms.PARTIALS.check_attribute(attributes)
    written = set(batch.schema.names)
    columns = {
        name: batch.column(name).values if name in written else pa.array([], kind) for name, kind in _COLUMNS.items()
    }
    flat = {name: column.to_numpy() for name, column in columns.items() if column.type != pa.utf8()}
    times, evaluated = flat["times"], flat["evaluated"].tolist()
    taken = dict.fromkeys(_COLUMNS, 0)

    def take(name: str, size: int) -> Any:
        start = taken[name]
        taken[name] = start + size
        return flat[name][start : start + size]

    parts = flat["parts"].reshape(-1, 4).tolist()
    cells = sum(series for _, kind, series, _ in parts if kind == _VECTOR) * len(times)
    everywhere = np.unpackbits(flat["present"], count=cells).view(np.bool_)
    spread = np.zeros(cells)
    spread[everywhere] = take("values", int(np.count_nonzero(everywhere)))
    flat["present"], flat["spread"], taken["spread"] = everywhere, spread, 0
    vectors, samples = {}, {}
    for place, kind, series, labels in parts:
        rows = Rows(tuple(take("names", labels).tolist()), take("codes", series * labels).reshape(series, labels))
        if kind == _VECTOR:
            shape = series, len(times)
            present = take("present", series * len(times)).reshape(shape)
            vectors[evaluated[place]] = VectorPart(rows, take("spread", series * len(times)).reshape(shape), present)
        else:
            counts = take("counts", series).astype(np.int64)
            size = int(counts.sum())
            samples[evaluated[place]] = SamplesPart(rows, counts, take("stamps", size), take("values", size))
    failures: dict[int, list[Failure]] = {}
    failed = flat["failed"].reshape(-1, 2).tolist()
    for (place, evaluation_time), message in zip(failed, columns["messages"].to_pylist(), strict=True):
        failures.setdefault(evaluated[place], []).append(Failure(evaluation_time, message))
    return Partials(
        shard=int(attributes[b"shard"]),
        revision=int(attributes[b"revision"]),
        times=times,
        texts=columns["texts"].to_pylist(),
        evaluated=frozenset(evaluated),
        vectors=vectors,
        samples=samples,
        failures=failures,
    )


def _flat(parts: Sequence[NDArray[Any]], kind: type[Any]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, kind)
