"""What rules wrote, on its way out of the stage: as samples for stores, and as bytes for a checkpoint."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from rules.evaluation.alerts import Labels
from rules.evaluation.recorded import Recorded, Writer
from rules.promql.labels import METRIC_NAME
from rules.promql.values import STALE, Floats, Mask, Times
from schemas.batch import SampleBatch, read_ipc, write_ipc
from schemas.builder import Interner
from schemas.forms import table as forms
from schemas.series import metric_text, split_labels

ROWS_PER_BATCH = 50_000
"""Samples of one batch at most: some 600 kB encoded."""

_KNOWN = 1_000_000
_KNOWN_TABLES = 100_000

Column = tuple[Labels, Times, Floats]


class SampleMaker:
    """Makes batches of what rules wrote; keeps the texts of series."""

    def __init__(self, target_labels: frozenset[str]) -> None:
        self._target_labels = target_labels
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._parts: dict[Labels, tuple[int, int]] = {}
        self._of_tables: dict[Labels, tuple[tuple[Labels, ...], NDArray[np.int32]]] = {}
        self._targets, self._metrics = Interner(), Interner()

    def batches(self, columns: Iterable[Column], effective_ms: int | None = None) -> Iterator[SampleBatch]:
        """The samples of series, in batches of at most :data:`ROWS_PER_BATCH`.

        Args:
            columns: the samples.
            effective_ms: of corrections, the evaluation time from which they are known. As their place in the log it makes stores prefer them.
                None: each is known from its own time on.
        """
        self._refresh()
        found = [(self._place(labels), times, values) for labels, times, values in columns if len(times)]
        if not found:
            return
        counts = [len(times) for _, times, _ in found]
        places = np.repeat(np.array([place for place, _, _ in found], np.int32), counts, axis=0)
        ts = np.concatenate([times for _, times, _ in found])
        yield from self._batches(places, ts, np.concatenate([values for _, _, values in found]), effective_ms)

    def written(self, recorded: Recorded, after_ms: int) -> Iterator[SampleBatch]:
        """What rules wrote at evaluation times after a time, each sample known from its own time on."""
        self._refresh()
        found = [
            (self._places(labels)[rows], times, values) for labels, rows, times, values in recorded.written(after_ms)
        ]
        if found:
            places, times, values = (np.concatenate(column) for column in zip(*found, strict=True))
            yield from self._batches(places, times, values)

    def _batches(
        self, places: NDArray[np.int32], ts: Times, values: Floats, effective_ms: int | None = None
    ) -> Iterator[SampleBatch]:
        whole = SampleBatch(
            targets=self._targets.texts,
            metrics=self._metrics.texts,
            target=places[:, 0],
            metric=places[:, 1],
            ts=ts,
            value=values,
            seq=ts if effective_ms is None else np.full(len(ts), effective_ms, np.int64),
        )
        for first in range(0, len(whole), ROWS_PER_BATCH):
            yield whole.take(slice(first, first + ROWS_PER_BATCH)).compact()

    def _refresh(self) -> None:
        if len(self._parts) > _KNOWN or len(self._of_tables) > _KNOWN_TABLES:
            self._begin_anew()

    def _places(self, labels: tuple[Labels, ...]) -> NDArray[np.int32]:
        """``[series, 2]``: target and metric of each; looked up once for the series of a metric as long as they are the same."""
        known = self._of_tables.get(labels[0])
        if known is None or known[0] is not labels:
            made = np.array([self._place(each) for each in labels], np.int32)
            known = self._of_tables[labels[0]] = labels, made
        return known[1]

    def _place(self, labels: Labels) -> tuple[int, int]:
        place = self._parts.get(labels)
        if place is None:
            rest = dict(labels)
            name = rest.pop(METRIC_NAME)
            target, metric = split_labels(rest, self._target_labels)
            place = self._targets.id(target), self._metrics.id(metric_text(name, metric))
            self._parts[labels] = place
        return place


def written_after(recorded: Recorded, time_ms: int | None, writers: Collection[int] | None = None) -> Iterator[Column]:
    """The samples that rules wrote after a time: the rules at some positions, or all."""
    return ((labels, times, values) for labels, _, times, values in recorded.series(time_ms, writers))


def changed(before: Iterable[Column], after: Iterable[Column]) -> Iterator[Column]:
    """The samples of ``after`` that are others in ``before``, or not there; a staleness marker replaces a sample that is gone."""
    old = {labels: (times, values) for labels, times, values in before}
    for labels, times, values in after:
        was = old.pop(labels, None)
        if was is None:
            yield labels, times, values
            continue
        new = ~_there(was, times, values)
        gone = np.setdiff1d(was[0], times)
        if new.any() or len(gone):
            yield _with_markers(labels, times[new], values[new], gone)
    nothing = np.empty(0, np.int64), np.empty(0)
    for labels, (times, _) in old.items():
        yield _with_markers(labels, *nothing, times)


def _there(was: tuple[Times, Floats], times: Times, values: Floats) -> Mask:
    """Which samples, to the bit, are among others."""
    places = np.minimum(np.searchsorted(was[0], times), len(was[0]) - 1)
    same: Mask = (was[0][places] == times) & (was[1][places].view(np.uint64) == values.view(np.uint64))
    return same


def _with_markers(labels: Labels, times: Times, values: Floats, gone: Times) -> Column:
    every = np.concatenate((times, gone))
    order = np.argsort(every)
    return labels, every[order], np.concatenate((values, np.full(len(gone), STALE)))[order]


def to_bytes(recorded: Recorded, until_ms: int | None) -> bytes:
    """What rules wrote up to an evaluation time, for a checkpoint; nothing if it is None."""
    labels, writers, times, values = [], [], [], []
    for series, writer, when, what in recorded.series():
        if until_ms is None:
            break
        # The end of the series of a removed rule: no evaluation writes it again.
        gone = writer.position < 0
        count = len(when) if gone else int(np.searchsorted(when, until_ms - writer.query_offset_ms, side="right"))
        if count:
            labels.append(orjson.dumps(series).decode())
            writers.append((writer.position, writer.query_offset_ms))
            times.append(when[:count])
            values.append(what[:count])
    bounds = np.cumsum([0, *map(len, times)])
    columns = {
        "labels": pa.array(labels, pa.utf8()),
        "position": pa.array([position for position, _ in writers], pa.int32()),
        "offset": pa.array([offset for _, offset in writers], pa.int64()),
        "times": pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), pa.array(_flat(times, np.int64))),
        "values": pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), pa.array(_flat(values, np.float64))),
    }
    return write_ipc(pa.RecordBatch.from_pydict(columns))


def from_bytes(data: bytes) -> Recorded:
    """What :func:`to_bytes` gave.

    Raises:
        pyarrow.ArrowInvalid: the bytes are no Arrow IPC stream.
        schemas.forms.model.VersionError: another release wrote them.
    """
    batch = read_ipc(data)
    forms.WRITTEN.check_attribute(batch.schema.metadata)
    plain = {name: batch.column(name) for name in batch.schema.names}
    bounds = plain["times"].offsets.to_numpy().tolist()
    times, values = plain["times"].values.to_numpy(), plain["values"].values.to_numpy()
    recorded = Recorded()
    rows = zip(plain["labels"].to_pylist(), plain["position"].to_pylist(), plain["offset"].to_pylist(), strict=True)
    for row, (text, position, offset) in enumerate(rows):
        labels: Labels = tuple((name, value) for name, value in orjson.loads(text))
        some = slice(bounds[row], bounds[row + 1])
        mask = np.ones((1, bounds[row + 1] - bounds[row]), np.bool_)
        recorded.append(
            Writer(position, offset), dict(labels)[METRIC_NAME], [labels], times[some], values[None, some], mask
        )
    return recorded


def _flat(parts: list[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, kind)
