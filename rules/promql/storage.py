"""Where an evaluation finds its samples: the interface, and a store in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from rules.promql.labels import LabelFrame
from rules.promql.matchers import predicate
from rules.promql.syntax.ast import Matcher
from rules.promql.syntax.errors import EvaluationError
from rules.promql.values import Floats, Index, InstantVector, Mask, SeriesSet, Times, is_stale

if TYPE_CHECKING:
    from rules.promql.digests.digests import Digests
    from rules.promql.digests.measures import Measure


class Storage(Protocol):
    """What the engine asks of a store."""

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, stale: bool) -> SeriesSet:
        """The series that fit all matchers and may have samples in ``(start_ms, end_ms]``; samples outside may come along.

        ``stale`` keeps staleness markers among the samples (instant selectors need them); ranges are asked for without.
        """
        ...


class FragmentStorage(Protocol):
    """A store that also holds what shards have evaluated of an expression (:class:`rules.promql.syntax.ast.Fragment`)."""

    def fragment(self, number: int, times: Times) -> InstantVector:
        """The union of the shards' vectors of a fragment at ascending instants (ms); of their errors at them the first is raised.

        Raises:
            EvaluationError: evaluating it failed in a shard, or two shards have series of the same labels at one instant.
        """
        ...


@runtime_checkable
class DigestStorage(Protocol):
    """A store that knows the values of long windows without going through their samples (:mod:`rules.promql.digests.digests`)."""

    def digests(
        self, matchers: Sequence[Matcher], starts: Times, ends: Times, measures: Measure
    ) -> tuple[LabelFrame, Digests] | None:
        """The windows ``(starts[t], ends[t]]`` of the series that fit all matchers; None where the store would rather be asked for samples.

        Staleness markers are left out. Digests hold the measures at least. Series without samples in any window may come along.
        """
        ...


def fragment(storage: Storage, number: int, times: Times) -> InstantVector:
    """A fragment of a store, if it holds any.

    Raises:
        EvaluationError: see :meth:`FragmentStorage.fragment`; or the store holds none.
    """
    # Checking for the protocol takes longer than most answers.
    ask: Callable[[int, Times], InstantVector] | None = getattr(storage, "fragment", None)
    if ask is None:
        raise EvaluationError(f"there are no shards to ask for fragment {number}")
    return ask(number, times)


def matching_rows(labels: LabelFrame, matchers: Iterable[Matcher]) -> Mask:
    """Which rows fit all matchers; each distinct label value is looked at once."""
    fits = np.ones(labels.size, np.bool_)
    for matcher in matchers:
        column = labels.column(matcher.name)
        good = np.fromiter(map(predicate(matcher), column.values), np.bool_, len(column.values))
        if good.all():
            continue
        fits &= good[column.codes]
    return fits


class MemoryStorage:
    """Samples in flat columns, sorted by series and then by time."""

    def __init__(self, labels: LabelFrame, timestamps: Times, values: Floats, offsets: Index) -> None:
        """Take over columns.

        Args:
            labels: one row a series, all different.
            timestamps: milliseconds, strictly ascending within a series.
            values: beside ``timestamps``.
            offsets: ``[n + 1]``; series ``i`` is ``[offsets[i], offsets[i + 1])``.
        """
        self.labels = labels
        self.timestamps = timestamps
        self.values = values
        self.offsets = offsets

    @classmethod
    def from_series(cls, series: Iterable[tuple[Mapping[str, str], ArrayLike, ArrayLike]]) -> MemoryStorage:
        """A store of ``(labels, timestamps in ms, values)`` per series.

        Raises:
            ValueError: two series have the same labels, or timestamps do not ascend.
        """
        rows, times, values = [], [], []
        for labels, when, what in series:
            rows.append(labels)
            times.append(np.asarray(when, np.int64))
            values.append(np.asarray(what, np.float64))
            if len(times[-1]) != len(values[-1]) or (times[-1][1:] <= times[-1][:-1]).any():
                raise ValueError(f"timestamps of {dict(labels)} do not ascend, or are not one a value")
        frame = LabelFrame.of(rows)
        if frame.has_duplicates():
            raise ValueError("two series have the same labels")
        offsets = np.concatenate(([0], np.cumsum([len(part) for part in times], dtype=np.int64))).astype(np.int64)
        flat_times = np.concatenate(times) if times else np.empty(0, np.int64)
        flat_values = np.concatenate(values) if values else np.empty(0)
        return cls(frame, flat_times, flat_values, offsets)

    @classmethod
    def from_columns(cls, labels: LabelFrame, series: Index, timestamps: Times, values: Floats) -> MemoryStorage:
        """A store of samples in any order, one a row; of two with the same series and time the later row counts.

        Args:
            labels: a row a series; equal rows are one series.
            series: row of ``labels`` of each sample.
            timestamps: milliseconds.
            values: beside ``timestamps``.
        """
        group, first = labels.groups()
        series = group[series]
        if not _sorted(series, timestamps):
            order = np.lexsort((timestamps, series))
            series, timestamps, values = series[order], timestamps[order], values[order]
        last = np.ones(len(series), np.bool_)
        last[:-1] = (series[1:] != series[:-1]) | (timestamps[1:] != timestamps[:-1])
        series, timestamps, values = series[last], timestamps[last], values[last]
        offsets = np.searchsorted(series, np.arange(len(first) + 1)).astype(np.int64)
        return cls(labels.take(first), timestamps, values, offsets)

    @cached_property
    def _with_stale(self) -> SeriesSet:
        return _series_set(self.labels, self.timestamps, self.values, self.offsets)

    @cached_property
    def _without_stale(self) -> SeriesSet:
        stale = is_stale(self.values)
        if not stale.any():
            return self._with_stale
        kept = ~stale
        before = np.concatenate(([0], np.cumsum(kept, dtype=np.int64)))
        return _series_set(self.labels, self.timestamps[kept], self.values[kept], before[self.offsets])

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, stale: bool) -> SeriesSet:
        """See :class:`Storage`."""
        series = self._with_stale if stale else self._without_stale
        fits = matching_rows(series.labels, matchers) & (series.end > series.begin)
        rows = np.flatnonzero(fits)
        if len(rows):
            first, last = series.timestamps[series.begin[rows]], series.timestamps[series.end[rows] - 1]
            rows = rows[(first <= end_ms) & (last > start_ms)]
        return series if len(rows) == series.size else series.take(rows)


def _sorted(series: Index, timestamps: Times) -> bool:
    """Whether samples come by series, and by time within one; looking takes a twentieth of the time of a sort."""
    rises = series[1:] > series[:-1]
    return bool((rises | ((series[1:] == series[:-1]) & (timestamps[1:] >= timestamps[:-1]))).all())


def _series_set(labels: LabelFrame, timestamps: Times, values: Floats, offsets: Index) -> SeriesSet:
    seen: dict[bytes, int] = {}
    bounds = offsets.tolist()
    clocks = [seen.setdefault(timestamps[low:high].tobytes(), len(seen)) for low, high in pairwise(bounds)]
    return SeriesSet(labels, timestamps, values, offsets[:-1], offsets[1:], np.array(clocks, np.int64))
