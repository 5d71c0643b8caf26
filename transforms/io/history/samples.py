"""What a source of archived data gives, and what is asked of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from rules.planning.catalogue import Catalogue
from rules.promql.labels import LabelFrame
from rules.promql.storage import MemoryStorage, matching_rows
from rules.promql.syntax import ast
from rules.promql.values import Floats, Index, Mask, Times
from schemas.errors import FAILURE, UserError
from schemas.series import METRIC_NAME, parse_labels, parse_metric
from transforms.io.history.notes import Notes

KEPT_PROBLEMS = 20
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[0-9]+")


class HistoryError(UserError):
    """A source that cannot be read; the message says which and what to do."""

    status = FAILURE


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which samples are of use.

    Attributes:
        selectors: the matchers of each selector; a series that fits one is wanted. None wants all.
        recorded: names of metrics that the rules record themselves: what others recorded under them is not wanted.
        start_ms: samples at or before this time are not wanted; None for no bound.
        end_ms: samples after this time are not wanted; None for no bound.
    """

    selectors: tuple[tuple[ast.Matcher, ...], ...] | None = None
    recorded: frozenset[str] = frozenset()
    start_ms: int | None = None
    end_ms: int | None = None

    def names(self) -> list[str] | None:
        """The metric names asked for, if each selector names one; else None."""
        if self.selectors is None:
            return None
        found: dict[str, None] = {}
        for matchers in self.selectors:
            named = [it.value for it in matchers if it.name == METRIC_NAME and it.op is ast.MatchOp.EQUAL]
            if not named:
                return None
            found[named[0]] = None
        return [name for name in found if name not in self.recorded]

    def by_name(self) -> Wanted:
        """The same metrics whatever their other labels; all metrics, if not each selector names one."""
        names = self.names()
        selectors = None if names is None else tuple((name_is(name),) for name in names)
        if self.selectors is not None and selectors is not None and set(selectors) <= set(self.selectors):
            return self
        return replace(self, selectors=selectors)

    def without(self, found: LabelFrame) -> Wanted | None:
        """Only the selectors to ask for that none of these series fits; None if there is none."""
        missing = tuple(each for each in self.asked() if not matching_rows(found, each).any())
        return replace(self, selectors=missing) if missing else None

    def asked(self) -> list[tuple[ast.Matcher, ...]]:
        """The selectors to ask a server for: each once, without those of what the rules record."""
        recorded = {name_is(name) for name in self.recorded}
        everything = (ast.Matcher(METRIC_NAME, ast.MatchOp.REGEX, ".+"),)
        found = [everything] if self.selectors is None else [each or everything for each in self.selectors]
        return [each for each in dict.fromkeys(found) if not recorded & set(each)]

    def rows(self, labels: LabelFrame) -> Mask:
        """Which series are wanted."""
        if self.selectors is None:
            return np.ones(labels.size, np.bool_)
        fits = np.zeros(labels.size, np.bool_)
        for matchers in self.selectors:
            fits |= matching_rows(labels, matchers)
        if self.recorded:
            names = labels.column(METRIC_NAME)
            fits &= np.array([name not in self.recorded for name in names.values], np.bool_)[names.codes]
        return fits

    def times(self, timestamps: Times) -> Mask:
        """Which samples lie within the bounds."""
        fits = np.ones(len(timestamps), np.bool_)
        if self.start_ms is not None:
            fits &= timestamps > self.start_ms
        if self.end_ms is not None:
            fits &= timestamps <= self.end_ms
        return fits


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of one source: ``labels`` a row a series, the others a row a sample."""

    labels: LabelFrame
    series: Index
    timestamps: Times
    values: Floats

    def __len__(self) -> int:
        return len(self.timestamps)

    def only(self, wanted: Wanted) -> Samples:
        """The wanted ones."""
        fits = wanted.rows(self.labels)
        kept = fits[self.series] & wanted.times(self.timestamps)
        renumbered = np.cumsum(fits) - 1
        return Samples(
            self.labels.take(np.flatnonzero(fits)),
            renumbered[self.series[kept]].astype(np.int64),
            self.timestamps[kept],
            self.values[kept],
        )


@dataclass(slots=True)
class Fault:
    """Lines that could not be read for one reason: the first, how many there are, and the files they are in."""

    first: str
    files: set[str]
    lines: int = 1

    @property
    def text(self) -> str:
        if self.lines == 1:
            return self.first
        more = self.lines - 1
        where = f", in {len(self.files):,} files" if len(self.files) > 1 else ""
        return f"{self.first} (and {more:,} more line{'' if more == 1 else 's'} for the same reason{where})"


@dataclass(slots=True)
class Collected:
    """What has been read so far, and what could not be.

    Attributes:
        parts: the samples of each source; where two give the same series and time, the later source counts.
        bad: how many lines could not be read.
        faults: by reason, what the lines quote left out: the first place and reason, how many lines, and the files they are in.
        files: the files that were read, whether or not anything in them is wanted.
        catalogue: what the sources hold, wanted or not, as far as that was seen.
        damaged: the files that could not be read, or not to their end, each with the reason.
        notes: where different things became one.
        first_ms, last_ms: times of the first and the last sample that was read, wanted or not.
    """

    parts: list[Samples] = field(default_factory=list)
    bad: int = 0
    faults: dict[str, Fault] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    catalogue: Catalogue = field(default_factory=Catalogue)
    damaged: list[str] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
    first_ms: int | None = None
    last_ms: int | None = None

    def take(self, samples: Samples, wanted: Wanted) -> None:
        """Keep the wanted ones of some samples."""
        if len(samples):
            self.spans(int(samples.timestamps.min()), int(samples.timestamps.max()))
        self.catalogue.add(samples.labels)
        kept = samples.only(wanted)
        if len(kept):
            self.parts.append(kept)

    def spans(self, first_ms: int, last_ms: int) -> None:
        """Count the times of a first and a last sample."""
        self.first_ms = first_ms if self.first_ms is None else min(first_ms, self.first_ms)
        self.last_ms = last_ms if self.last_ms is None else max(last_ms, self.last_ms)

    def refuse(self, place: str, reason: str) -> None:
        """Count a line that cannot be read."""
        self.bad += 1
        kind = _QUOTED.sub("", reason)
        fault = self.faults.get(kind)
        if fault is not None:
            fault.lines += 1
            fault.files.add(place.rpartition(":")[0])
        elif len(self.faults) < KEPT_PROBLEMS:
            self.faults[kind] = Fault(f"{place}: {reason}", {place.rpartition(":")[0]})

    @property
    def problems(self) -> list[str]:
        """The lines that could not be read, one for each reason, with how many others there are of it."""
        return [fault.text for fault in self.faults.values()]

    def damage(self, file: str, reason: str) -> None:
        """Count a file that cannot be read, or not to its end."""
        self.damaged.append(f"{file}: {reason}")

    def storage(self) -> MemoryStorage:
        """All samples as one store."""
        return stored(self.parts)


def stored(parts: Sequence[Samples]) -> MemoryStorage:
    """Samples as one store in memory; of two with one series and time that of the later part counts."""
    parts = [part for part in parts if part.labels.size]
    if not parts:
        return MemoryStorage.from_series([])
    before = np.cumsum([0, *(part.labels.size for part in parts)])
    return MemoryStorage.from_columns(
        LabelFrame.concat([part.labels for part in parts]),
        np.concatenate([part.series + first for part, first in zip(parts, before.tolist(), strict=False)]),
        np.concatenate([part.timestamps for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def name_is(name: str) -> ast.Matcher:
    """The matcher of a metric name."""
    return ast.Matcher(METRIC_NAME, ast.MatchOp.EQUAL, name)


def by_parts(targets: Sequence[str], metrics: Sequence[str], target: Index, metric: Index) -> tuple[LabelFrame, Index]:
    """Labels of series that are given as target and metric parts (schemas/series.py), each distinct pair and text read once.

    Args:
        targets, metrics: distinct canonical texts.
        target, metric: of each sample, indices into them.

    Returns:
        a row of labels a distinct pair, and of each sample its row.
    """
    pairs, series = np.unique(target.astype(np.int64) * max(len(metrics), 1) + metric, return_inverse=True)
    one, other = np.divmod(pairs, max(len(metrics), 1))
    return labels_of_parts(targets, metrics, one, other), series.astype(np.int64)


def labels_of_parts(targets: Sequence[str], metrics: Sequence[str], target: Index, metric: Index) -> LabelFrame:
    """A row of labels for each pair of parts; arguments as those of :func:`by_parts`.

    Raises:
        ValueError: a text is not canonical.
    """
    return LabelFrame.of(list(_rows(targets, metrics, target, metric)))


def _rows(targets: Sequence[str], metrics: Sequence[str], target: Index, metric: Index) -> Iterator[dict[str, str]]:
    known_targets: dict[int, dict[str, str]] = {}
    known_metrics: dict[int, dict[str, str]] = {}
    for one, other in zip(target.tolist(), metric.tolist(), strict=True):
        if one not in known_targets:
            known_targets[one] = parse_labels(targets[one])
        if other not in known_metrics:
            name, labels = parse_metric(metrics[other])
            known_metrics[other] = {METRIC_NAME: name, **labels}
        yield {**known_targets[one], **known_metrics[other]}
