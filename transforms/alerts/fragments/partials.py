"""What one shard contributes at a run of evaluation times: the values of its fragments, and the samples that are gathered.

Fragments are named by an id that follows from what they are (``Task.id``) and not by their number, so that shards and groups may take up changed
rules one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rules.promql.context import SAME_LABELS
from rules.promql.labels import LabelFrame
from rules.promql.search import places
from rules.promql.syntax.errors import EvaluationError
from rules.promql.values import Floats, Index, InstantVector, Mask, SeriesSet, Times

Codes = NDArray[np.int32]

HISTORY = -1
_FEW = 16
_SOME = 512
"""Series up to which numpy takes longer than a loop."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Series of a part, their labels as indices of the texts of the whole.

    Attributes:
        names: indices of the label names.
        codes: ``[n, names]``, indices of their values; that of the empty text where a series has no such label.
    """

    names: tuple[int, ...]
    codes: Codes


@dataclass(frozen=True, slots=True)
class VectorPart:
    """A fragment's vector: ``values[n, T]`` where ``present[n, T]``."""

    rows: Rows
    values: Floats
    present: Mask


@dataclass(frozen=True, slots=True)
class SamplesPart:
    """Samples gathered: ``counts[n]`` of each series, in flat columns beside each other, ascending in time."""

    rows: Rows
    counts: Index
    timestamps: Times
    values: Floats


@dataclass(frozen=True, slots=True)
class Failure:
    """The error of a fragment at one evaluation time, by index."""

    evaluation_time: int
    message: str


@dataclass(frozen=True, slots=True)
class Partials:
    """What one shard contributes at a run of evaluation times.

    Attributes:
        shard: its number.
        revision: if a shard reports an evaluation time more than once, the highest revision counts. 0 is the first report; it is more after late
            samples, and less (:data:`HISTORY`) for times before a rule was new.
        times: ``[T]`` ascending, ms.
        texts: of labels; the first is empty.
        evaluated: ids of the fragments that were evaluated at all these times.
        vectors: of those that yielded anything.
        samples: of those that gather samples and found any.
        failures: of those that failed at some of the times, where they have no values.
    """

    shard: int
    revision: int
    times: Times
    texts: Sequence[str]
    evaluated: frozenset[int]
    vectors: Mapping[int, VectorPart]
    samples: Mapping[int, SamplesPart]
    failures: Mapping[int, Sequence[Failure]]


class PartialsBuilder:
    """Collects what a shard contributes, fragment by fragment."""

    def __init__(self, shard: int, times: Times, revision: int = 0) -> None:
        self.times = times
        self._shard = shard
        self._revision = revision
        self._texts: dict[str, int] = {"": 0}
        self._evaluated: list[int] = []
        self._pieces: dict[int, list[tuple[int, InstantVector]]] = {}
        self._samples: dict[int, SamplesPart] = {}
        self._failures: dict[int, list[Failure]] = {}

    def begin(self, *fragments: int) -> None:
        """Mark fragments as evaluated at all the evaluation times; they are empty where nothing is added."""
        self._evaluated += fragments

    def add_vector(self, fragment: int, first: int, vector: InstantVector) -> None:
        """Add its value at the evaluation times from the index ``first`` on."""
        self._pieces.setdefault(fragment, []).append((first, vector))

    def add_failure(self, fragment: int, evaluation_time: int, message: str) -> None:
        """Add a failure at the evaluation time of this index."""
        self._failures.setdefault(fragment, []).append(Failure(evaluation_time, message))

    def add_samples(self, fragment: int, series: SeriesSet) -> None:
        """The samples that it gathers, if there are any."""
        if not series.size:
            return
        counts = series.end - series.begin
        at = places(series.begin, counts)
        rows = self._coded(series.labels)
        self._samples[fragment] = SamplesPart(rows, counts, series.timestamps[at], series.values[at])

    def build(self) -> Partials:
        """All that was added."""
        vectors = {}
        for fragment, pieces in self._pieces.items():
            whole = self._joined(pieces)
            vectors[fragment] = VectorPart(self._coded(whole.labels), whole.values, whole.present)
        return Partials(
            self._shard,
            self._revision,
            self.times,
            list(self._texts),
            frozenset(self._evaluated),
            vectors,
            self._samples,
            self._failures,
        )

    def _joined(self, pieces: Sequence[tuple[int, InstantVector]]) -> InstantVector:
        """Join the vectors of stretches of the evaluation times into one."""
        first, vector = pieces[0]
        if vector.values.shape[1] == len(self.times):
            return vector
        labels = LabelFrame.concat([vector.labels for _, vector in pieces])
        values = np.zeros((labels.size, len(self.times)))
        present = np.zeros(values.shape, np.bool_)
        row = 0
        for first, vector in pieces:
            place = slice(row, row + vector.size), slice(first, first + vector.values.shape[1])
            values[place], present[place] = vector.values, vector.present
            row += vector.size
        return united(InstantVector(labels, values, present))

    def _coded(self, labels: LabelFrame) -> Rows:
        names, columns = [], []
        texts = self._texts
        for name, column in sorted(labels.columns.items()):
            codes = column.codes.tolist() if labels.size <= _SOME else []
            used = codes if labels.size <= _FEW else sorted(set(codes)) if codes else np.unique(column.codes).tolist()
            numbers = {code: texts.setdefault(column.values[code], len(texts)) for code in used}
            if not any(numbers.values()):
                continue
            names.append(texts.setdefault(name, len(texts)))
            if codes:
                columns.append(np.array([numbers[code] for code in codes], np.int32))
            else:
                table = np.zeros(len(column.values), np.int32)
                table[used] = list(numbers.values())
                columns.append(table[column.codes])
        codes = np.stack(columns, axis=1) if columns else np.empty((labels.size, 0), np.int32)
        return Rows(tuple(names), codes)


def united(vector: InstantVector) -> InstantVector:
    """The vector with rows of equal labels made one, values as they are to the bit.

    Raises:
        EvaluationError: two of them are present at the same evaluation time.
    """
    if not vector.labels.has_duplicates():
        return vector
    group, first = vector.labels.groups()
    row, column = np.nonzero(vector.present)
    place = group[row], column
    present = np.zeros((len(first), vector.present.shape[1]), np.bool_)
    present[place] = True
    if np.count_nonzero(present) < len(row):
        raise EvaluationError(SAME_LABELS)
    values = np.zeros(present.shape)
    values[place] = vector.values[row, column]
    return InstantVector(vector.labels.take(first), values, present)
