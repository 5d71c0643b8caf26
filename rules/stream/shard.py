"""One shard of the stream: the samples of the series that rules select, and what the rules' fragments make of them at an instant.

A state machine without a framework. What it holds is a set of samples with their source positions, so it does not matter in which order or in
which pieces they came, and its stored form is simply samples: *chunks*, to which every arrival appends one, and which are made one now and then.
For a rule over ``rate(x[5m])`` evaluated every minute, and a lateness of 5 min::

    w 12:00:05  a scrape arrives: add() keeps the series of x, appended to their columns; the chunk of its samples goes to the store
    w 12:01:00  evaluate(fragments, 12:01): the windows (11:56, 12:01] of x; what comes of it travels to the groups
    w 12:03:10  a sample of 12:00:40 arrives: touched() names 12:01, 12:02 and 12:03, which are evaluated again
    w 12:06:00  prune(12:01): no instant before 12:01 comes again; samples of 11:56 and before are forgotten

What bounds the state: the series seen within the retention of the selectors that find them, a sample each time they are scraped. Raw samples are
kept however long the range is: some 33 bytes a sample in memory and 3 to 6 stored (``python -m benchmarks.stage``), so a series scraped every
15 s and asked for its last day takes 190 kB in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rules.plan import State
from rules.promql import ast
from rules.promql.context import Options
from rules.promql.engine import at_instants
from rules.promql.errors import PromQLError
from rules.promql.values import Index, InstantVector, SeriesSet, Times
from rules.stream.fragments import FragmentSpec
from rules.stream.partials import Partials, PartialsBuilder
from rules.stream.samples import SampleColumns
from rules.stream.selection import UNWANTED, Selection
from rules.stream.series_index import SeriesIndex
from rules.stream.silence import is_silent
from rules.stream.tasks import Task
from schemas import batch as batches
from schemas.batch import SampleBatch

CHUNK_FORMAT = b"\x01"
"""The first byte of a chunk; after it comes the wire form of a batch."""

MAX_SERIES = 1_000_000
_FORGOTTEN = 100_000
_NO_TIMES = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came of a batch.

    Attributes:
        samples: those of it that some rule selects, to be stored (:func:`to_chunk`); None if there are none.
        times: of each sample that changed what the shard holds, ms.
        until: for each, the first instant that does not see it any more, ms.
    """

    samples: SampleBatch | None
    times: Times
    until: Times

    def touched(self, times: Times) -> Times:
        """Which of the given ascending instants, evaluated before the batch came, may come out differently now."""
        first, last = np.searchsorted(times, self.times), np.searchsorted(times, self.until)
        slots = len(times) + 1
        seen = np.cumsum(np.bincount(first, minlength=slots) - np.bincount(last, minlength=slots))
        return times[seen[:-1] > 0]


_NOTHING = Arrival(None, _NO_TIMES, _NO_TIMES)


class ShardState:
    """The samples of one shard; a :class:`rules.promql.storage.Storage` of the selectors that it was made with."""

    def __init__(
        self, shard: int, states: Sequence[State], options: Options | None = None, max_series: int = MAX_SERIES
    ) -> None:
        """A shard without samples.

        Args:
            shard: its number.
            states: the selectors of the fragments that will be evaluated, and how long their samples are needed (``Cut.state``).
            options: of the engine.
            max_series: how many series it keeps; samples of further ones are refused.
        """
        self.shard = shard
        self.refused = 0
        """How many series were refused."""
        self._max_series = max_series
        self._selection = Selection(states)
        self._options = options or Options()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._index = SeriesIndex(self._selection, self._max_series)
        self._columns = SampleColumns()
        self._selected: dict[tuple[int, bool], SeriesSet] = {}
        self._known = 0

    @classmethod
    def from_chunks(
        cls, shard: int, states: Sequence[State], chunks: Iterable[bytes], options: Options | None = None
    ) -> ShardState:
        """The state that chunks hold, whatever their order. The selectors may be others than when it was stored: what is there of them is found.

        Raises:
            ValueError: a chunk is none, or of a format unknown here.
        """
        state = cls(shard, states, options)
        stored = [from_chunk(chunk) for chunk in chunks]
        if stored:
            state.add(batches.concat(stored))
        return state

    @property
    def series(self) -> int:
        """How many series have samples."""
        return int(np.count_nonzero(self._columns.counts))

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return int(self._columns.counts.sum())

    @property
    def nbytes(self) -> int:
        """Memory of the samples in bytes; labels are not counted."""
        return self._columns.nbytes

    def add(self, batch: SampleBatch) -> Arrival:
        """Keep the samples of a batch that some rule selects. Of two with one series and time the one of the higher ``seq`` counts.

        Raises:
            ValueError: a text of the batch is no series'.
        """
        batch, rows = self._wanted(batch)
        if not len(batch):
            return _NOTHING
        changed, times = self._columns.put(rows, batch.ts, batch.value, batch.seq)
        self._selected.clear()
        return Arrival(batch, times, times + self._index.keep_ms[changed])

    def restore(self, batch: SampleBatch) -> None:
        """Keep stored samples. No series of them is refused: some may have ended, and would take the room of those that have not.

        Raises:
            ValueError: a text of the batch is no series'.
        """
        self._index.room = len(self._index.keep_ms) + len(batch)
        self.add(batch)
        self._index.room = self._max_series

    def wanted(self, batch: SampleBatch) -> SampleBatch:
        """The samples of a batch that some rule selects, without keeping them.

        Raises:
            ValueError: a text of the batch is no series'.
        """
        return self._wanted(batch)[0]

    def evaluate(
        self, tasks: Iterable[Task], times: Times, *, since_ms: int | None = None, revision: int = 0
    ) -> Partials:
        """What the shard contributes at some instants.

        Args:
            tasks: the fragments, of the selectors that the shard was made with.
            times: ascending milliseconds, at least one.
            since_ms: samples that are gathered are those after it and up to the last instant; None: as far back as any are needed.
            revision: how often it was asked about these instants before.
        """
        found = PartialsBuilder(self.shard, times, revision)
        for task in tasks:
            found.begin(task.id)
            if task.spec.kind == "samples":
                since = int(times[0]) - task.spec.history_ms if since_ms is None else since_ms
                found.add_samples(task.id, self._gather(task.spec, since, int(times[-1])))
            elif not is_silent(task.spec.expr, self._is_empty):
                self._evaluate(found, task, 0, len(times))
        return found.build()

    def select(self, matchers: Sequence[ast.Matcher], start_ms: int, end_ms: int, *, stale: bool) -> SeriesSet:
        """See :class:`rules.promql.storage.Storage`.

        Raises:
            ValueError: the shard does not keep the selector's samples.
        """
        number = self._selection.number(matchers)
        if number is None:
            raise ValueError(f"the shard keeps no samples for {matchers}")
        found = self._selected.get((number, stale))
        if found is None:
            rows, labels = self._index.members(number), self._index.labels(number)
            filled = self._columns.counts[rows] > 0
            if not filled.all():
                rows, labels = rows[filled], labels.take(np.flatnonzero(filled))
            found = self._selected[number, stale] = self._columns.series(rows, labels, stale=stale)
        return found

    def prune(self, before_ms: int) -> None:
        """Forget what instants from ``before_ms`` on do not see. It costs something for each series: once a minute is often enough."""
        self._columns.trim(before_ms - self._index.keep_ms)
        self._selected.clear()
        series, rows = self.series, len(self._index.keep_ms)
        # Where new series are refused, those that have ended make room for them early.
        crowded = rows >= self._max_series and series < rows - rows // 8
        if crowded or series * 2 < rows or self._index.known > 2 * self._known + _FORGOTTEN:
            whole = self.whole()
            self._begin_anew()
            self.add(whole)
            self._known = self._index.known

    def to_chunks(self) -> list[bytes]:
        """Everything as one chunk, scrape by scrape, which is how the form is small; none if there is nothing."""
        whole = self.whole()
        return [to_chunk(whole)] if len(whole) else []

    def whole(self) -> SampleBatch:
        """All samples, scrape by scrape."""
        rows, times, values, seqs = self._columns.samples(np.flatnonzero(self._columns.counts))
        target, metric = self._index.split(rows)
        order = np.lexsort((metric, seqs, times, target))
        targets, metrics = self._index.texts()
        return SampleBatch(
            targets=targets,
            metrics=metrics,
            target=target[order].astype(np.int32),
            metric=metric[order].astype(np.int32),
            ts=times[order],
            value=values[order],
            seq=seqs[order],
        ).compact()

    def _wanted(self, batch: SampleBatch) -> tuple[SampleBatch, Index]:
        """The samples that some rule selects, and their rows."""
        refused = self._index.refused
        rows = self._index.rows_of(batch)
        self.refused += self._index.refused - refused
        new = len(self._index.keep_ms) - len(self._columns.counts)
        if new:
            self._columns.add_rows(new)
        wanted = np.flatnonzero(rows != UNWANTED)
        if len(wanted) == len(batch):
            return batch, rows
        return batch.take(wanted).compact(), rows[wanted]

    def _is_empty(self, selector: ast.VectorSelector) -> bool:
        return not self.select(selector.matchers, 0, 0, stale=True).size

    def _evaluate(self, found: PartialsBuilder, task: Task, first: int, end: int) -> None:
        """Evaluate at a stretch of the instants; of one that fails, each half by itself, down to the instants that fail."""
        times = found.times[first:end]
        try:
            value = at_instants(task.spec.expr, self, times, self._options).value
        except PromQLError as error:
            if len(times) == 1:
                found.add_failure(task.id, first, error.message)
                return
        else:
            if isinstance(value, InstantVector) and value.size:
                found.add_vector(task.id, first, value)
            return
        middle = (first + end) // 2
        self._evaluate(found, task, first, middle)
        self._evaluate(found, task, middle, end)

    def _gather(self, spec: FragmentSpec, since_ms: int, until_ms: int) -> SeriesSet:
        """The samples that a fragment selects in ``(since, until]``."""
        if not isinstance(spec.expr, ast.VectorSelector):
            raise TypeError(f"{spec.key}: samples are gathered by a selector")
        found = self.select(spec.expr.matchers, since_ms, until_ms, stale=True)
        bounds: Index = found.positions(np.array([since_ms, until_ms], np.int64))
        rows = np.flatnonzero(bounds[:, 1] > bounds[:, 0])
        taken = found.take(rows)
        return SeriesSet(taken.labels, taken.timestamps, taken.values, bounds[rows, 0], bounds[rows, 1], taken.clocks)


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
