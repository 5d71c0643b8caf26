"""What a person should know of archived data beside what cannot be read: where different things become one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from rules.promql.values import Index, Times
from schemas.batch import Int32
from schemas.builder import Shared
from schemas.series import labels_text

KEPT_NOTES = 20


class Notes:
    """Notes, each once, :data:`KEPT_NOTES` at most."""

    def __init__(self) -> None:
        self._texts: dict[str, None] = {}
        self._named: dict[str, list[tuple[str, int, int]]] = {}

    def lines(self) -> list[str]:
        """The notes, in order."""
        return list(self._texts)

    def add(self, text: str) -> None:
        """Note what another part has found."""
        self._note(text)

    def name(self, labels: Mapping[str, str], origin: str, times: Times) -> None:
        """Take up a series of a source; note it if another has it at the same times.

        Args:
            labels: of the series.
            origin: what it is in its source, such as a file or a measurement.
            times: of its samples, ms.
        """
        if not len(times):
            return
        first, last = int(times.min()), int(times.max())
        series = labels_text(labels.items())
        before = self._named.setdefault(series, [])
        other = next((name for name, begin, end in before if name != origin and first <= end and begin <= last), None)
        if other is not None:
            self._note(
                f"{other} and {origin} are both the series {series}: of two samples at one time the later one counts; rename one"
            )
        before.append((origin, first, last))

    def shared(self, place: str, names: Iterable[Shared]) -> None:
        """Note metric names that several measurements make."""
        for text, origin, other in names:
            self._note(
                f"{place}: {text} is of {origin}, and of {other}: where their tags are equal they are one series; rename one"
            )

    def one_time(self, place: str, count: int) -> None:
        """Note how many samples of a place have one time, in ms, with another of their series."""
        if count:
            some = "1 sample has" if count == 1 else f"{count:,} samples have"
            self._note(f"{place}: {some} one time in milliseconds with another of the series: the last of each counts")

    def _note(self, text: str) -> None:
        if len(self._texts) < KEPT_NOTES:
            self._texts[text] = None


def of_one_time(series: Index, ts: Times, fine: Int32) -> int:
    """How many samples have a time in ms that another of their series has, and differ from it in nanoseconds."""
    order = np.lexsort((fine, ts, series))
    same_series, same_ms, same_ns = (column[order][1:] == column[order][:-1] for column in (series, ts, fine))
    return int(np.count_nonzero(same_series & same_ms & ~same_ns))
