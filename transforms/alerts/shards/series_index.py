"""The series of a shard that rules select, a row each: from the parts of a batch to rows, by numbers alone once a series is known."""

from __future__ import annotations

import numpy as np

from rules.promql.labels import Column, LabelFrame
from rules.promql.shapes import Selectors
from rules.promql.values import Index
from schemas.batch import SampleBatch
from schemas.series import parse_metric
from transforms.alerts.shards.selection import UNWANTED, Matchers, Selection, label_frame

_UNKNOWN = -2
_SPREAD = 1 << 32
_NO_ROWS = np.empty(0, np.int64)
_MOST_MANY = 4_096


class SeriesIndex:
    """Rows are numbered in the order in which series are first seen, and never again.

    Attributes:
        keep_ms: ``[rows]``, how long before an evaluation time the samples of each are needed.
        single_ms: ``[rows]``, the longest window of each that is gone through sample by sample.
        parts: ``[rows]``, what :meth:`split` makes target and metric of.
        room: how many series it takes.
        refused: how many series were not given a row for want of room.
        names: of the metrics that came, wanted or not.
    """

    def __init__(self, selection: Selection, room: int) -> None:
        """An index of no series, with room for so many."""
        self.selection = selection
        self.refused = 0
        self.room = room
        self.names: set[str] = set()
        self._looked_at, self._looked = 0, dict[str, LabelFrame]()
        self.keep_ms = np.empty(0, np.int64)
        self.single_ms = np.empty(0, np.int64)
        self.parts = np.empty(0, np.int64)
        self._targets: dict[str, int] = {}
        # The names of metrics that nobody wants are not looked at twice either: they have the number UNWANTED.
        self._metrics: dict[str, int] = {}
        self._pairs = np.empty(0, np.int64)
        self._pair_rows = np.empty(0, np.int64)
        self._labels = LabelFrame.empty()
        self._members: dict[int, Index] = {}
        self._frames: dict[int, LabelFrame] = {}
        self._many: dict[Selectors, tuple[Index, Index, LabelFrame]] = {}

    @property
    def known(self) -> int:
        """How much is remembered: texts and series, unwanted ones too."""
        return len(self._targets) + len(self._metrics) + len(self._pairs)

    def rows_of(self, batch: SampleBatch) -> Index:
        """The row of each sample, made where there is none; :data:`UNWANTED` where no selector finds the series.

        Raises:
            ValueError: a text of the batch is no series'.
        """
        metric = np.array([self._metric(text) for text in batch.metrics], np.int64)[batch.metric]
        wanted = np.flatnonzero(metric != UNWANTED)
        rows = np.full(len(batch), UNWANTED, np.int64)
        if not len(wanted):
            return rows
        target = batch.target[wanted]
        numbers = np.zeros(len(batch.targets), np.int64)
        for place in np.unique(target).tolist():
            numbers[place] = self._targets.setdefault(batch.targets[place], len(self._targets))
        pairs = numbers[target] * _SPREAD + metric[wanted]
        found = self._look_up(pairs)
        if (found == _UNKNOWN).any():
            self._learn(np.unique(pairs[found == _UNKNOWN]))
            found = self._look_up(pairs)
        rows[wanted] = found
        return rows

    @property
    def unfound(self) -> list[Matchers]:
        """The selectors that have found none."""
        return [each for number, each in enumerate(self.selection.matchers) if number not in self._members]

    @property
    def found(self) -> list[Matchers]:
        """The selectors that have found series."""
        return [self.selection.matchers[number] for number in self._members]

    def labels_of(self, name: str) -> LabelFrame:
        """The labels of all series of a metric that came and that a selector may have wanted."""
        if self._looked_at != len(self._pairs):
            self._looked_at, self._looked = len(self._pairs), {}
        if name not in self.names:
            return LabelFrame.empty()
        found = self._looked.get(name)
        if found is None:
            numbers = [at for text, at in self._metrics.items() if at != UNWANTED and parse_metric(text)[0] == name]
            metric = self._pairs % _SPREAD
            found = self._looked[name] = self._frame(self._pairs[np.isin(metric, np.array(numbers, np.int64))])
        return found

    def members(self, number: int) -> Index:
        """The rows that a selector finds."""
        return self._members.get(number, _NO_ROWS)

    def labels(self, number: int) -> LabelFrame:
        """The labels of those rows."""
        found = self._frames.get(number)
        if found is None:
            rows = self.members(number)
            columns = {name: _reduced(column.take(rows)) for name, column in self._labels.columns.items()}
            columns = {name: column for name, column in columns.items() if column.values != ("",)}
            found = self._frames[number] = LabelFrame(len(rows), columns)
        return found

    def many(self, selectors: Selectors) -> tuple[Index, Index, LabelFrame] | None:
        """The rows that some selectors find, one selector after the other; which of them each is of; their labels. None if one is not selected."""
        found = self._many.get(selectors)
        if found is None:
            numbers = [self.selection.number(each) for each in selectors.matchers]
            members = [self.members(number) for number in numbers if number is not None]
            if len(members) < len(numbers):
                return None
            rows = np.concatenate([_NO_ROWS, *members])
            owners = np.repeat(np.arange(len(members)), [len(each) for each in members])
            columns = {name: _reduced(column.take(rows)) for name, column in self._labels.columns.items()}
            columns = {name: column for name, column in columns.items() if column.values != ("",)}
            found = rows, owners, LabelFrame(len(rows), columns)
            if not selectors.once:
                if len(self._many) >= _MOST_MANY:
                    self._many.clear()
                self._many[selectors] = found
        return found

    def texts(self) -> tuple[list[str], list[str]]:
        """The targets and the metrics that :meth:`split` numbers."""
        return list(self._targets), list(self._metrics)

    def split(self, rows: Index) -> tuple[Index, Index]:
        """The numbers of the target and the metric part of each row."""
        target, metric = np.divmod(self.parts[rows], _SPREAD)
        return target, metric

    def _metric(self, text: str) -> int:
        found = self._metrics.get(text)
        if found is None:
            name, _ = parse_metric(text)
            self.names.add(name)
            found = len(self._metrics) if self.selection.may_want(name) else UNWANTED
            self._metrics[text] = found
        return found

    def _look_up(self, pairs: Index) -> Index:
        if not len(self._pairs):
            return np.full(len(pairs), _UNKNOWN, np.int64)
        at = np.minimum(np.searchsorted(self._pairs, pairs), len(self._pairs) - 1)
        return np.where(self._pairs[at] == pairs, self._pair_rows[at], _UNKNOWN)

    def _frame(self, pairs: Index) -> LabelFrame:
        """The labels of series."""
        target, metric = np.divmod(pairs, _SPREAD)
        used_targets, target = np.unique(target, return_inverse=True)
        used_metrics, metric = np.unique(metric, return_inverse=True)
        targets, metrics = self.texts()
        return label_frame(
            [targets[number] for number in used_targets.tolist()],
            target,
            [metrics[number] for number in used_metrics.tolist()],
            metric,
        )

    def _learn(self, pairs: Index) -> None:
        """Match series that were not seen before, and give rows to those that are wanted."""
        labels = self._frame(pairs)
        match = self.selection.match(labels)
        first = len(self.keep_ms)
        wanted = np.flatnonzero(match.keep_ms != UNWANTED)
        room = max(0, self.room - first)
        self.refused += max(0, len(wanted) - room)
        wanted = wanted[:room]
        rows = np.full(len(pairs), UNWANTED, np.int64)
        rows[wanted] = np.arange(first, first + len(wanted))
        at = np.searchsorted(self._pairs, pairs)
        self._pairs, self._pair_rows = np.insert(self._pairs, at, pairs), np.insert(self._pair_rows, at, rows)
        self.parts = np.concatenate((self.parts, pairs[wanted]))
        self.keep_ms = np.concatenate((self.keep_ms, match.keep_ms[wanted]))
        self.single_ms = np.concatenate((self.single_ms, match.single_ms[wanted]))
        added = labels.take(wanted)
        self._many.clear()
        self._labels = LabelFrame.concat([self._labels, added]) if first else added
        for number, members in match.members.items():
            found = rows[members]
            self._members[number] = np.concatenate((self.members(number), found[found != UNWANTED]))
            self._frames.pop(number, None)


def _reduced(column: Column) -> Column:
    """The column without values that are not in use, if they are many."""
    if len(column.values) <= max(2 * len(column.codes), 4) and len(column.values) > 1:
        return column
    used, codes = np.unique(column.codes, return_inverse=True)
    return Column(codes.astype(np.int32), tuple(column.values[code] for code in used.tolist()))
