"""What every store's reader has in common: it answers selectors, as the engine asks them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from rules.promql.labels import LabelFrame
from rules.promql.syntax.ast import Matcher
from rules.promql.values import SeriesSet
from transforms.io.history.notes import Notes
from transforms.io.history.samples import Collected, HistoryError, Samples, Wanted, stored

Progress = Callable[[float, float], None]
"""Called with how much of how much is done."""


class Remarks(Protocol):
    """Where a reader reports what it cannot read."""

    @property
    def notes(self) -> Notes:
        """Where different things become one."""
        ...

    def refuse(self, place: str, reason: str) -> None:
        """A part of the data cannot be read: a line, or a series."""
        ...

    def damage(self, file: str, reason: str) -> None:
        """A file cannot be read, or not to its end."""
        ...


class Strict:
    """Remarks as errors: an answer is whole or there is none."""

    def __init__(self) -> None:
        self.notes = Notes()

    def refuse(self, place: str, reason: str) -> None:
        """See :class:`Remarks`.

        Raises:
            HistoryError: always.
        """
        raise HistoryError(f"{place}: {reason}")

    damage = refuse


class StoreReader(ABC):
    """A store of samples. Implements :class:`rules.promql.storage.Storage`: matchers and times go into the question that the store is asked."""

    @abstractmethod
    def read(self, wanted: Wanted, progress: Progress = lambda done, total: None) -> Iterator[Samples]:
        """The wanted samples, in parts, and others perhaps; of two with one series and time the later one counts.

        A store is asked for what it evaluates as PromQL does; the caller filters the rest.

        Raises:
            HistoryError: the store cannot be read.
            rules.promql.syntax.errors.PromQLSyntaxError: a matcher's pattern is none.
        """

    @abstractmethod
    def labels(self, wanted: Wanted) -> LabelFrame:
        """The labels of series that may have wanted samples, a row each; equal ones may come twice.

        Raises:
            HistoryError: the store cannot be read.
        """

    def extent(self, wanted: Wanted) -> tuple[int, int] | None:
        """Times (ms) of the first and the last of the wanted samples; None if there are none, or to say so all would have to be read.

        A bound of ``wanted`` itself may be passed by as much as a window of the store is long.

        Raises:
            HistoryError: the store cannot be read.
        """
        return None

    @abstractmethod
    def metrics(self) -> list[str]:
        """Names of the store's metrics, to suggest one; none where the store does not say."""

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, stale: bool) -> SeriesSet:
        """See :class:`rules.promql.storage.Storage`; only samples in the range are read.

        Raises:
            HistoryError: the store cannot be read.
            rules.promql.syntax.errors.PromQLSyntaxError: a matcher's pattern is none.
        """
        wanted = Wanted((tuple(matchers),), start_ms=start_ms, end_ms=end_ms)
        found = stored([each.only(wanted) for each in self.read(wanted)])
        return found.select(matchers, start_ms, end_ms, stale=stale)


def collect(reader: StoreReader, wanted: Wanted, collected: Collected, progress: Progress) -> None:
    """Add the wanted samples of a store, and what to know of the metrics that they are of.

    Raises:
        HistoryError: the store cannot be read.
    """
    samples: list[LabelFrame] = []
    for each in reader.read(wanted, progress):
        samples.append(each.labels)
        collected.take(each, wanted)
    by_name = wanted.by_name()
    if by_name != wanted and (wanted.start_ms is None or wanted.end_ms is None):
        # The data begin and end with the metrics, whichever of their series are of use.
        bounds = reader.extent(by_name)
        if bounds is not None:
            collected.spans(*bounds)
    found = LabelFrame.concat([LabelFrame.empty(), *samples])
    missing = wanted.without(found)
    if missing is None:
        return
    with suppress(HistoryError):
        # Not knowing why there is nothing is no reason to fail.
        collected.catalogue.add(reader.labels(missing.by_name()))
    if any(name not in collected.catalogue for name in missing.names() or ()):
        collected.catalogue.add_names(reader.metrics())
