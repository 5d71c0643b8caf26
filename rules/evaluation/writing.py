"""Writing what rules yield: the samples, the staleness markers of series that vanished, and what a store of samples refuses.

Semantics: ``Group.Eval`` of Prometheus 3 (``rules/group.go``) and the appender of its store: a sample that is dated before its series' newest,
or changes it, is refused and is the rule's error; a staleness marker that is refused is no error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rules.evaluation.alerts import Labels, label_set
from rules.evaluation.recorded import Recorded, Writer
from rules.promql.labels import METRIC_NAME
from rules.promql.storage import Storage
from rules.promql.syntax.ast import Matcher, MatchOp
from rules.promql.values import STALE, Floats, Mask, Times
from schemas.times import LONG_AGO


@dataclass(frozen=True, slots=True)
class Block:
    """The series of one metric name over some evaluation times: ``values[n, T]`` where ``mask[n, T]``.

    Attributes:
        whole: all the series, if whoever yields them has them at hand: the same object as long as they are the same.
    """

    name: str
    series: Sequence[Labels]
    values: Floats
    mask: Mask
    whole: frozenset[Labels] | None = None


def append(
    recorded: Recorded, writer: Writer, block: Block, times: Times, before: frozenset[Labels]
) -> frozenset[Labels]:
    """Write a block, whose series nobody else writes, and the markers of series that are gone; gives the series of its last evaluation time.

    Args:
        recorded: where to.
        writer: the rule.
        block: what it yields at the evaluation times at which it succeeded.
        times: ``[T]``, the evaluation times.
        before: its series at the last success before them.
    """
    if not len(times) or not (block.series or before):
        return before
    if before is block.whole and block.mask.all():
        # Nothing begins, and nothing ends.
        recorded.append(writer, block.name, block.series, times - writer.query_offset_ms, block.values, block.mask)
        return before
    gone = sorted(before.difference(block.series)) if before else []
    series = [*block.series, *gone] if gone else block.series
    mask, values = block.mask, block.values
    if gone:
        mask = np.concatenate((mask, np.zeros((len(gone), len(times)), np.bool_)))
        values = np.concatenate((values, np.zeros((len(gone), len(times)))))
    earlier = np.empty_like(mask)
    earlier[:, 0] = [labels in before for labels in series]
    earlier[:, 1:] = mask[:, :-1]
    stale = earlier & ~mask
    if stale.any():
        values = np.where(stale, STALE, values)
    recorded.append(writer, block.name, series, times - writer.query_offset_ms, values, mask | stale)
    if block.whole is not None and not gone and mask[:, -1].all():
        return block.whole
    return _chosen(series, mask[:, -1], before)


class Source:
    """The samples that came in under names that rules write too."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._series: dict[str, dict[Labels, tuple[Times, Floats]]] = {}

    def has(self, name: str, end_ms: int) -> bool:
        """Whether there are samples of a metric; they are read once."""
        if name not in self._series:
            matchers = (Matcher(METRIC_NAME, MatchOp.EQUAL, name),)
            found = self._storage.select(matchers, LONG_AGO, end_ms, stale=True)
            bounds = zip(found.begin.tolist(), found.end.tolist(), strict=True)
            columns = [(found.timestamps[low:high], found.values[low:high]) for low, high in bounds]
            self._series[name] = {label_set(row): each for row, each in zip(found.labels.rows(), columns, strict=True)}
        return bool(self._series[name])

    def knows(self, name: str) -> bool:
        """Whether samples of a metric were found when they were read."""
        return bool(self._series.get(name))

    def last(self, name: str, labels: Labels, until_ms: int) -> tuple[int, float] | None:
        """The newest sample of a series at or before a time."""
        times, values = self._series.get(name, {}).get(labels, (np.empty(0, np.int64), np.empty(0)))
        count = int(np.searchsorted(times, until_ms, side="right"))
        return (int(times[count - 1]), float(values[count - 1])) if count else None


def append_checked(
    recorded: Recorded, source: Source, writer: Writer, block: Block, time_ms: int, before: frozenset[Labels]
) -> tuple[frozenset[Labels], str]:
    """Write one evaluation time of series that others may write too; what the store refuses is left out.

    Gives the series that were written, and the refusal in Prometheus' words, or an empty text.
    """
    dated = time_ms - writer.query_offset_ms
    present = block.mask[:, 0]
    times, values = _newest(recorded, source, block.name, block.series, time_ms)
    later, repeated = _compared((times, values), dated, block.values[:, 0])
    refused = present & ~repeated & (later | (times == dated))
    error = ""
    if refused.any():
        # The order of series is an accident: of several refused ones, report the one whose labels sort last.
        row = max(np.flatnonzero(refused).tolist(), key=lambda each: block.series[each])
        error = _refusal(bool(later[row]), dated, float(values[row]), float(block.values[row, 0]))
    written = _chosen(block.series, present & ~refused, before)
    _append_one(recorded, writer, block.name, block.series, dated, block.values, present & ~refused & ~repeated)
    gone = sorted(before.difference(written)) if written is not before else []
    if gone:
        markers = np.full((len(gone), 1), STALE)
        newest = _newest(recorded, source, block.name, gone, time_ms)
        _append_one(recorded, writer, block.name, gone, dated, markers, newest[0] < dated)
    return written, error


def _chosen(series: Sequence[Labels], chosen: Mask, before: frozenset[Labels]) -> frozenset[Labels]:
    """Some of the series; the very set of before if they are the same."""
    picked = series if chosen.all() else [series[row] for row in np.flatnonzero(chosen).tolist()]
    if len(picked) == len(before) and all(map(before.__contains__, picked)):
        return before
    return frozenset(picked)


def _append_one(
    recorded: Recorded,
    writer: Writer,
    name: str,
    series: Sequence[Labels],
    dated: int,
    values: Floats,
    chosen: Mask,
) -> None:
    if chosen.any():
        recorded.append(writer, name, series, np.array([dated], np.int64), values, chosen[:, None])


def _newest(
    recorded: Recorded, source: Source, name: str, series: Sequence[Labels], time_ms: int
) -> tuple[Times, Floats]:
    """The newest samples of series, whoever they are from."""
    times, values = recorded.newest(name, series)
    if source.knows(name):
        for row, labels in enumerate(series):
            found = source.last(name, labels, time_ms)
            if found is not None and found[0] > times[row]:
                times[row], values[row] = found
    return times, values


def _compared(newest: tuple[Times, Floats], dated: int, values: Floats) -> tuple[Mask, Mask]:
    """Of which series the newest sample is dated later, and of which it is the very same."""
    times, known = newest
    same = known.view(np.uint64) == np.ascontiguousarray(values).view(np.uint64)
    return times > dated, (times == dated) & same


def _refusal(later: bool, dated: int, known: float, value: float) -> str:
    """Why a sample is refused."""
    if later:
        return "out of order sample"
    text = f"duplicate sample for timestamp {dated}; overrides not allowed: existing {known:g}, new value {value:g}"
    return text.replace("nan", "NaN")
