"""Building a columnar batch from decoded records: interned series parts, and runs of samples that share target and event time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

import numpy as np

from schemas.batch import Float64, Int32, Int64, SampleBatch
from schemas.series import DEFAULT_TARGET_LABELS, MEASUREMENT_ORIGIN

INTERNED_PARTS_LIMIT = 1_000_000
"""Distinct target or metric parts kept between batches, before the tables are begun anew (some 200 MB)."""


MOST_SHARED = 100
"""Texts named by several measurements that are remembered, between two times that they are asked for."""


class Shared(NamedTuple):
    """A text of a metric that two measurements have in common."""

    text: str
    origin: str
    other: str


class Interner:
    """Texts numbered in order of first sight, each once for every origin (:attr:`schemas.batch.SampleBatch.origins`) that it has.

    Ids are valid until :meth:`clear`.

    Attributes:
        texts, origins: by id.
        shared: texts that were found to be of another measurement than before, :data:`MOST_SHARED` at most; the code that reports them empties it.
    """

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.texts: list[str] = []
        self.origins: list[str] = []
        self.shared: list[Shared] = []
        self._with_origin: dict[tuple[str, str], int] = {}
        self._origin_of: dict[str, str] = {}

    def id(self, text: str) -> int:
        """The text's id, a new one at first sight."""
        found = self.ids.get(text)
        if found is None:
            found = self.ids[text] = self._new(text, "")
        return found

    def id_from(self, text: str, origin: str) -> int:
        """The id of a text that stands for something of this origin, which is not empty."""
        found = self._with_origin.get((text, origin))
        if found is None:
            found = self._with_origin[text, origin] = self._new(text, origin)
            if origin.startswith(MEASUREMENT_ORIGIN):
                first = self._origin_of.setdefault(text, origin)
                if first != origin and len(self.shared) < MOST_SHARED:
                    self.shared.append(Shared(text, first, origin))
        return found

    @property
    def has_origins(self) -> bool:
        """Whether any text has an origin."""
        return bool(self._with_origin)

    def _new(self, text: str, origin: str) -> int:
        self.texts.append(text)
        self.origins.append(origin)
        return len(self.texts) - 1

    def clear(self) -> None:
        """Forget everything; ids begin at 0 again."""
        self.ids, self._with_origin, self._origin_of = {}, {}, {}
        self.texts, self.origins = [], []


class BatchBuilder:
    """Collects the samples of many records; codecs write to it, one run at a time.

    A *run* is samples that share one target and one event time: a scrape, a line. A codec first decodes a whole record (or line), then adds its
    runs, so that a bad record adds nothing. ``targets`` and ``metrics`` stay interned between batches; a codec keeps its caches of interned
    ids in dicts made by :meth:`cache`, which are emptied together with the tables they point into.
    """

    def __init__(self, target_labels: frozenset[str] = DEFAULT_TARGET_LABELS, earliest_ts: int = 0) -> None:
        """``earliest_ts``: codecs refuse event times (ms) before it; not negative."""
        self.target_labels = target_labels
        self.earliest_ts = earliest_ts
        self.targets = Interner()
        self.metrics = Interner()
        self._caches: list[Callable[[], None]] = [self.targets.clear, self.metrics.clear]
        self._reset()

    def _reset(self) -> None:
        # Four numbers a run, flat: target, event time, record, length.
        self._runs: list[int] = []
        self._metric: list[Int32] = []
        self._value: list[float] = []
        # Of runs whose time has nanoseconds beyond the millisecond: where they stand among all, and how many.
        self._fine: list[tuple[int, int]] = []
        self._record = 0
        self.skipped = 0

    def cache(self) -> dict[object, object]:
        """A dict for a codec's interned ids, emptied whenever the ids become invalid."""
        table: dict[object, object] = {}
        self._caches.append(table.clear)
        return table

    def begin_record(self, index: int) -> None:
        """All runs added from now on come from the record with this index in its block."""
        self._record = index

    def add_run(self, target: int, ts: int, metrics: Int32, values: Collection[float], fine: int = 0) -> None:
        """Add samples of one target at one event time (ms): ``metrics`` are interned ids, ``values`` floats or ints, of one length.

        ``fine`` are the nanoseconds of the event time beyond its millisecond.
        """
        if fine:
            self._fine.append((len(self._runs) // 4, fine))
        self._runs += (target, ts, self._record, len(values))
        self._metric.append(metrics)
        self._value.extend(values)

    def add_samples(self, target: Int64, ts: Int64, metrics: Int32, values: Float64) -> None:
        """Add samples as columns, each with its own target (interned id) and event time (ms): runs of one."""
        runs = np.ones((len(values), 4), np.int64)
        runs[:, 0], runs[:, 1], runs[:, 2] = target, ts, self._record
        self._runs += runs.ravel().tolist()
        self._metric.append(metrics)
        self._value += values.tolist()

    def skip(self, count: int) -> None:
        """Count values that were read and carry no number; ``skipped`` is their sum since the last build."""
        self.skipped += count

    def __len__(self) -> int:
        return len(self._value)

    def build(self) -> tuple[SampleBatch, Int64]:
        """The samples added since the last build, in order, and for each the index of its record; begins a new batch.

        The batch's dictionaries are the interner's whole tables: :meth:`SampleBatch.compact` what is kept or sent on. ``seq`` is 0 throughout;
        the source, which knows positions, sets it.
        """
        runs = np.array(self._runs, np.int64).reshape(-1, 4)
        target, ts, record, length = (np.ascontiguousarray(column) for column in runs.T)
        batch = SampleBatch(
            targets=self.targets.texts,
            metrics=self.metrics.texts,
            target=np.repeat(target.astype(np.int32), length),
            metric=np.concatenate(self._metric) if self._metric else np.empty(0, np.int32),
            ts=np.repeat(ts, length),
            value=np.array(self._value, np.float64),
            seq=np.zeros(len(self._value), np.int64),
            origins=self.metrics.origins if self.metrics.has_origins else (),
            fine=self._fine_of(length),
        )
        origin = np.repeat(record, length)
        self._reset()
        if max(len(self.targets.texts), len(self.metrics.texts)) > INTERNED_PARTS_LIMIT:
            for clear in self._caches:
                clear()
        return batch, origin

    def _fine_of(self, length: Int64) -> Int32 | None:
        if not self._fine:
            return None
        fine = np.zeros(len(length), np.int32)
        places, nanoseconds = np.array(self._fine, np.int64).T
        fine[places] = nanoseconds
        return np.repeat(fine, length)
