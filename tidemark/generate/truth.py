"""The oracle: every distinct sample a run generated and its intended fate, as Parquet, for an independent recount.

| column | meaning |
|---|---|
| target, metric | canonical texts, as in :mod:`schemas.series` |
| ts | event time, ms |
| value | |
| fate | one of :data:`FATES` |
| delay_ms | from the event time to the first delivery of this value |
| copies | deliveries of this very value; all but one are duplicates |
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.batch import Float64, Int64, dictionary_array
from tidemark.generate.fleet import Fleet
from tidemark.generate.plan import Scrape

FATES = ("good", "late", "superseded")
"""Delivered on time, it stands; delivered late, it stands unless that is too late for the job; a later record gives its series another value."""

_GOOD, _LATE, _SUPERSEDED = range(3)
_ROWS_PER_GROUP = 1_000_000

SCHEMA = pa.schema(
    [
        ("target", pa.dictionary(pa.int32(), pa.utf8())),
        ("metric", pa.dictionary(pa.int32(), pa.utf8())),
        ("ts", pa.int64()),
        ("value", pa.float64()),
        ("fate", pa.dictionary(pa.int32(), pa.utf8())),
        ("delay_ms", pa.int64()),
        ("copies", pa.int64()),
    ]
)


class Truth:
    """Turns scrapes into the oracle's rows: one for each metric and each distinct value delivered for it."""

    def __init__(self, fleet: Fleet) -> None:
        self._targets = fleet.targets
        self._metrics = [metric.text for metric in fleet.metrics]
        self._reset()

    def _reset(self) -> None:
        self._runs: list[tuple[int, int, int, int, int]] = []
        self._values: list[list[float]] = []

    def __len__(self) -> int:
        return len(self._runs) * len(self._metrics)

    def add(self, scrapes: Iterable[Scrape]) -> None:
        """Take note of scrapes as they are planned."""
        for scrape in scrapes:
            fate = _LATE if scrape.delay_ms else _GOOD
            if scrape.resent is None or scrape.resent == scrape.values:
                self._add(scrape, scrape.values, fate, scrape.delay_ms, 1 if scrape.resent is None else 2)
            else:
                self._add(scrape, scrape.values, _SUPERSEDED, scrape.delay_ms, 1)
                self._add(scrape, scrape.resent, _LATE, scrape.resent_delay_ms, 1)

    def _add(self, scrape: Scrape, values: list[float], fate: int, delay_ms: int, copies: int) -> None:
        self._runs.append((scrape.host, scrape.ts, fate, delay_ms, copies))
        self._values.append(values)

    def take(self) -> pa.RecordBatch:
        """The rows since the last call."""
        metrics = len(self._metrics)
        runs: Int64 = np.array(self._runs, np.int64).reshape(-1, 5)
        values: Float64 = np.array(self._values, np.float64).reshape(-1)
        host, ts, fate, delay_ms, copies = (np.repeat(column, metrics) for column in runs.T)
        metric = np.tile(np.arange(metrics, dtype=np.int32), len(runs))
        self._reset()
        return pa.RecordBatch.from_arrays(
            [
                dictionary_array(self._targets, host.astype(np.int32)),
                dictionary_array(self._metrics, metric),
                pa.array(ts),
                pa.array(values),
                dictionary_array(FATES, fate.astype(np.int32)),
                pa.array(delay_ms),
                pa.array(copies),
            ],
            schema=SCHEMA,
        )


class TruthFile:
    """A Parquet file of the oracle, written as the run goes on.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, fleet: Fleet) -> None:
        self._truth = Truth(fleet)
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")

    def add(self, scrapes: Iterable[Scrape]) -> None:
        """Take note of scrapes as they are planned; see :meth:`Truth.add`."""
        self._truth.add(scrapes)
        if len(self._truth) >= _ROWS_PER_GROUP:
            self._writer.write_batch(self._truth.take())

    def __enter__(self) -> TruthFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.write_batch(self._truth.take())
        self._writer.close()
