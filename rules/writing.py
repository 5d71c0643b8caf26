"""Writing what rules yield: the samples, the staleness markers of series that vanished, and what a store of samples refuses.

Semantics: ``Group.Eval`` of Prometheus 3 (``rules/group.go``) and the appender of its store: a sample that is dated before its series' newest,
or changes it, is refused and is the rule's error; a staleness marker that is refused is no error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rules.alerts import Labels, label_set
from rules.promql.ast import Matcher, MatchOp
from rules.promql.labels import METRIC_NAME
from rules.promql.storage import Storage
from rules.promql.values import STALE, Floats, Mask, Times
from rules.recorded import Recorded, Writer

_LONG_AGO = -(2**62)


@dataclass(frozen=True, slots=True)
class Block:
    """The series of one metric name over some instants: ``values[n, T]`` where ``mask[n, T]``."""

    name: str
    series: Sequence[Labels]
    values: Floats
    mask: Mask


def append(
    recorded: Recorded, writer: Writer, block: Block, times: Times, before: frozenset[Labels]
) -> frozenset[Labels]:
    """Write a block, whose series nobody else writes, and the markers of series that are gone; gives the series of its last instant.

    Args:
        recorded: where to.
        writer: the rule.
        block: what it yields at the instants at which it succeeded.
        times: ``[T]``, the instants.
        before: its series at the last success before them.
    """
    if not len(times) or not (block.series or before):
        return before
    gone = list(before.difference(block.series)) if before else []
    series = [*block.series, *gone]
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
    return frozenset(labels for labels, last in zip(series, mask[:, -1].tolist(), strict=True) if last)


class Source:
    """The samples that came in under names that rules write too."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._series: dict[str, dict[Labels, tuple[Times, Floats]]] = {}

    def has(self, name: str, end_ms: int) -> bool:
        """Whether there are samples of a metric; they are read once."""
        if name not in self._series:
            matchers = (Matcher(METRIC_NAME, MatchOp.EQUAL, name),)
            found = self._storage.select(matchers, _LONG_AGO, end_ms, stale=True)
            bounds = zip(found.begin.tolist(), found.end.tolist(), strict=True)
            columns = [(found.timestamps[low:high], found.values[low:high]) for low, high in bounds]
            self._series[name] = {label_set(row): each for row, each in zip(found.labels.rows(), columns, strict=True)}
        return bool(self._series[name])

    def last(self, name: str, labels: Labels, until_ms: int) -> tuple[int, float] | None:
        """The newest sample of a series at or before a time."""
        times, values = self._series.get(name, {}).get(labels, (np.empty(0, np.int64), np.empty(0)))
        count = int(np.searchsorted(times, until_ms, side="right"))
        return (int(times[count - 1]), float(values[count - 1])) if count else None


def append_checked(
    recorded: Recorded, source: Source, writer: Writer, block: Block, time_ms: int, before: frozenset[Labels]
) -> tuple[frozenset[Labels], str]:
    """Write one instant of series that others may write too; what the store refuses is left out.

    Gives the series that were written, and the refusal in Prometheus' words, or an empty text.
    """
    dated = time_ms - writer.query_offset_ms
    taken: list[int] = []
    written: set[Labels] = set()
    error = ""
    for row, labels in enumerate(block.series):
        if not block.mask[row, 0]:
            continue
        refusal, repeated = _judge(_last(recorded, source, block.name, labels, time_ms), dated, block.values[row, 0])
        if refusal:
            error = refusal
            continue
        written.add(labels)
        if not repeated:
            taken.append(row)
    values = block.values[taken]
    _append_one(recorded, writer, block.name, [block.series[row] for row in taken], dated, values)
    gone = [
        labels
        for labels in before
        if labels not in written
        and _judge(_last(recorded, source, block.name, labels, time_ms), dated, float(STALE)) == ("", False)
    ]
    _append_one(recorded, writer, block.name, gone, dated, np.full((len(gone), 1), STALE))
    return frozenset(written), error


def _append_one(
    recorded: Recorded, writer: Writer, name: str, series: Sequence[Labels], dated: int, values: Floats
) -> None:
    recorded.append(writer, name, series, np.array([dated], np.int64), values, np.ones(values.shape, np.bool_))


def _last(recorded: Recorded, source: Source, name: str, labels: Labels, time_ms: int) -> tuple[int, float] | None:
    found = [each for each in (recorded.last(name, labels), source.last(name, labels, time_ms)) if each is not None]
    return max(found, key=lambda each: each[0], default=None)


def _judge(last: tuple[int, float] | None, dated: int, value: float) -> tuple[str, bool]:
    """Why a sample is refused, or an empty text; and whether it is there already."""
    if last is None or last[0] < dated:
        return "", False
    if last[0] > dated:
        return "out of order sample", False
    if np.float64(last[1]).view(np.uint64) == np.float64(value).view(np.uint64):
        return "", True
    refusal = (
        f"duplicate sample for timestamp {dated}; overrides not allowed: existing {last[1]:g}, new value {value:g}"
    )
    return refusal.replace("nan", "NaN"), False
