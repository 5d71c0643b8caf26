"""The samples of Tidemark's own Parquet store: raw ones, or a tier's rollups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rules.promql.labels import LabelFrame
from rules.promql.values import Index
from schemas.times import parse_duration
from transforms.io.history.options import ROLLUP_VALUES
from transforms.io.history.reader import Progress, Remarks, StoreReader, Strict
from transforms.io.history.samples import (
    HistoryError,
    Samples,
    Wanted,
    by_parts,
    labels_of_parts,
)
from transforms.io.parquet.layout import RAW, kind_of
from transforms.io.parquet.scan import codes
from transforms.io.parquet.store import metrics as metrics_of
from transforms.io.parquet.store import read_raw, read_rollups, read_versions


def tiers_of(directory: Path) -> list[str]:
    """The tiers of a store, the finest first; those whose names are no durations come last."""
    found = {folder.parent.name for folder in directory.glob("*/date=*")}
    lengths = {tier: 0 if tier == RAW else _length(tier) for tier in found}
    return sorted(found, key=lambda tier: (lengths[tier] is None, lengths[tier] or 0, tier))


def _length(tier: str) -> int | None:
    """The length of a tier's windows, ms; None if its name does not say it."""
    try:
        return parse_duration(tier)
    except ValueError:
        return None


class ParquetReader(StoreReader):
    """A tier of a store.

    A rollup of the window ``[start, start + length)`` becomes a sample at the time of the last sample that it holds, so that nothing
    is known before it happened. A row that a later run, or a newer pane, has replaced does not come.

    Args:
        tier: ``raw``, ``1m``, ...; None for the finest there is.
        value: which of a rollup's columns is the sample's value, one of ``ROLLUP_VALUES``; raw samples have their own.
        remarks: is called once for each file that cannot be read, which is then left out; by default such a file is an error.

    Raises:
        HistoryError: no such tier or column, or no store.
    """

    def __init__(
        self, directory: Path, tier: str | None = None, value: str = "last", remarks: Remarks | None = None
    ) -> None:
        tiers = tiers_of(directory)
        if not tiers:
            raise HistoryError(f"{directory} is no Parquet store: a job writes one with --output=parquet:DIR")
        self.tier = tier or tiers[0]
        if self.tier not in tiers:
            raise HistoryError(f"{directory} has no tier {self.tier!r}; it has {', '.join(tiers)}")
        if value not in ROLLUP_VALUES:
            raise HistoryError(f"a rollup has no {value!r}; it has {', '.join(ROLLUP_VALUES)}")
        self._directory = directory
        self._value = value
        self._remarks = remarks or Strict()
        self._damaged: set[Path] = set()

    def read(self, wanted: Wanted, progress: Progress = lambda done, total: None) -> Iterator[Samples]:
        """See :meth:`StoreReader.read`.

        Raises:
            OSError: the store cannot be read.
        """
        needed = ("sum", "count") if self._value == "avg" else (self._value,)
        if self.tier == RAW:
            table = self._rows(wanted, "ts", "value")
            times, values = table.column("ts"), table.column("value")
        else:
            table = self._rows(wanted, "last_ts", *needed)
            times = table.column("last_ts")
            columns = [table.column(name) for name in needed]
            values = pc.divide(*columns) if self._value == "avg" else columns[0]
        if table.num_rows:
            labels, series = _series(table)
            yield Samples(labels, series, times.cast(pa.int64()).to_numpy(), values.cast(pa.float64()).to_numpy())

    def labels(self, wanted: Wanted) -> LabelFrame:
        """See :meth:`StoreReader.labels`."""
        table = self._versions(wanted, *self._bounds(wanted), "target", "metric")
        if not table.num_rows:
            return LabelFrame.empty()
        (targets, target), (metrics, metric) = (codes(table.column(name)) for name in ("target", "metric"))
        labels, _ = by_parts(targets, metrics, target, metric)
        return labels

    def extent(self, wanted: Wanted) -> tuple[int, int] | None:
        """See :meth:`StoreReader.extent`."""
        time = kind_of(self.tier).time
        bounds = pc.min_max(self._versions(wanted, *self._bounds(wanted), time).column(time).cast(pa.int64()))
        first, last = bounds["min"].as_py(), bounds["max"].as_py()
        if first is None or self.tier == RAW:
            return None if first is None else (first, last)
        # Windows do not overlap: the first and the last hold the first and the last sample.
        ends = [
            read_rollups(self._directory, self.tier, at, at + 1, wanted.selectors, self._damage, ("last_ts",))
            for at in (first, last)
        ]
        found = [pc.min_max(table.column("last_ts").cast(pa.int64())) for table in ends]
        return found[0]["min"].as_py(), found[1]["max"].as_py()

    def metrics(self) -> list[str]:
        """See :meth:`StoreReader.metrics`: those of the newest day."""
        return metrics_of(self._directory, self.tier, lambda *_: None)

    def _bounds(self, wanted: Wanted) -> tuple[int | None, int | None]:
        """Bounds of the wanted rows' times, ms: the first one included, the second one not."""
        start = None if wanted.start_ms is None else wanted.start_ms + 1
        end = None if wanted.end_ms is None else wanted.end_ms + 1
        if self.tier == RAW:
            return start, end
        # A window that begins before the bound may hold samples after it.
        length = _length(self.tier)
        return (None if start is None or length is None else start - length), end

    def _rows(self, wanted: Wanted, *columns: str) -> pa.Table:
        needed = ("target", "metric", *columns)
        if self.tier == RAW:
            return read_raw(self._directory, *self._bounds(wanted), wanted.selectors, self._damage, needed)
        return read_rollups(self._directory, self.tier, *self._bounds(wanted), wanted.selectors, self._damage, needed)

    def _versions(self, wanted: Wanted, start: int | None, end: int | None, *columns: str) -> pa.Table:
        return read_versions(self._directory, self.tier, start, end, wanted.selectors, self._damage, columns)

    def _damage(self, path: Path, reason: str) -> None:
        if path not in self._damaged:
            self._damaged.add(path)
            self._remarks.damage(str(path), reason)


def _series(table: pa.Table) -> tuple[LabelFrame, Index]:
    """Of rows that are sorted by series their labels, a row a series, and of each row its series."""
    (targets, target), (metrics, metric) = (codes(table.column(name)) for name in ("target", "metric"))
    first = np.flatnonzero(np.concatenate(([True], (target[1:] != target[:-1]) | (metric[1:] != metric[:-1]))))
    labels = labels_of_parts(targets, metrics, target[first], metric[first])
    lengths = np.diff(np.append(first, len(target)))
    return labels, np.repeat(np.arange(len(first), dtype=np.int64), lengths)
