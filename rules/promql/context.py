"""What every part of an evaluation is given: the instants, the options, and where to leave annotations."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from rules.promql.labels import METADATA
from rules.promql.storage import Storage
from rules.promql.syntax.errors import EvaluationError, LimitExceeded, Span
from rules.promql.values import InstantVector, Times

SAME_LABELS = "vector cannot contain metrics with the same labelset"


@dataclass(frozen=True, slots=True)
class Options:
    """How to evaluate; the defaults are a Prometheus 3 server's.

    Attributes:
        lookback_ms: how old a sample an instant selector still takes.
        default_step_ms: the step of a subquery that names none (``evaluation_interval`` of a server).
        delayed_name_removal: drop metric names at the end of the evaluation rather than at each function
            (``--enable-feature=promql-delayed-name-removal``).
        max_cells: series times instants that one intermediate result may hold; eight bytes each, and the mask.
        max_work: values that all parts of an evaluation may hold together, and samples that they may go through one by one.
    """

    lookback_ms: int = 300_000
    default_step_ms: int = 60_000
    delayed_name_removal: bool = False
    max_cells: int = 50_000_000
    max_work: int = 2_000_000_000

    def reserve(self, series: int, instants: int, span: Span | None = None) -> None:
        """Refuse a result that would be too large, before it is made.

        Raises:
            LimitExceeded: more than ``max_cells``.
        """
        if series * instants > self.max_cells:
            raise LimitExceeded(
                f"{series:,} series at {instants:,} instants are more than the {self.max_cells:,} values "
                "that an evaluation may hold at once",
                span,
                "select fewer series, or evaluate a shorter range or a longer step",
            )


class Severity(str, Enum):
    """How much an annotation matters: a result that may be wrong, or one worth a look."""

    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Annotation:
    """A remark about a result that is valid all the same, in Prometheus' words.

    Attributes:
        message: begins with ``PromQL warning:`` or ``PromQL info:``, as Prometheus has it; without the place.
        span: what it is about.
    """

    severity: Severity
    message: str
    span: Span | None = None


@dataclass(slots=True)
class Annotations:
    """The remarks of one evaluation, each kept once, in order."""

    found: dict[Annotation, None] = field(default_factory=dict)

    def warn(self, message: str, span: Span | None = None) -> None:
        """Leave a warning; what it begins with is put before the message."""
        self._add(Severity.WARNING, message, span)

    def info(self, message: str, span: Span | None = None) -> None:
        """As :meth:`warn`."""
        self._add(Severity.INFO, message, span)

    def _add(self, severity: Severity, message: str, span: Span | None) -> None:
        self.found[Annotation(severity, f"PromQL {severity.value}: {message}", span)] = None


@dataclass(slots=True)
class Work:
    """What an evaluation has cost so far, all its parts together; see ``Options.max_work``."""

    done: int = 0


@dataclass(frozen=True, slots=True)
class Context:
    """One evaluation.

    Attributes:
        storage: where the samples are.
        times: ``[T]`` ascending instants in ms, at which everything is evaluated.
        start_ms: what ``@ start()`` means.
        end_ms: what ``@ end()`` means.
        annotations: collects remarks.
        work: counts what is done; the parts of an evaluation share it.
    """

    storage: Storage
    times: Times
    start_ms: int
    end_ms: int
    options: Options = field(default_factory=Options)
    annotations: Annotations = field(default_factory=Annotations)
    work: Work = field(default_factory=Work)

    @property
    def instants(self) -> int:
        return len(self.times)

    def reserve(self, series: int, instants: int, span: Span | None = None) -> None:
        """As :meth:`Options.reserve`, and :meth:`spend` as much."""
        self.options.reserve(series, instants, span)
        self.spend(series * instants, span)

    def spend(self, values: int, span: Span | None = None) -> None:
        """Count work that is about to be done.

        Raises:
            LimitExceeded: with what was done before, it is more than ``max_work``.
        """
        self.work.done += values
        if self.work.done > self.options.max_work:
            raise LimitExceeded(
                f"the evaluation goes through more than {self.options.max_work:,} values",
                span,
                "take shorter ranges, a longer step, or fewer subqueries within each other",
            )


def without_name(vector: InstantVector, context: Context) -> InstantVector:
    """The vector without its metric names: now, or marked to be dropped at the end (delayed name removal).

    Raises:
        EvaluationError: two series present at the same instant become the same.
    """
    if context.options.delayed_name_removal:
        marked = np.ones(vector.size, np.bool_)
        return InstantVector(vector.labels, vector.values, vector.present, marked)
    dropped = [column for name in METADATA if (column := vector.labels.columns.get(name)) is not None]
    if not dropped:
        return vector
    nameless = InstantVector(vector.labels.drop(METADATA), vector.values, vector.present)
    # Series of one name differ in something else.
    return nameless if all(column.is_constant for column in dropped) else merged(nameless)


def merged(vector: InstantVector) -> InstantVector:
    """The vector with rows of equal labels made one: a series may come from different rows at different instants.

    Raises:
        EvaluationError: two of them are present at the same instant.
    """
    if vector.size < 2:
        return vector
    if not vector.labels.has_duplicates():
        return vector
    group, first = vector.labels.groups()
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(first)))
    if (np.add.reduceat(vector.present[order].astype(np.int32), starts, axis=0) > 1).any():
        raise EvaluationError(SAME_LABELS)
    present = np.logical_or.reduceat(vector.present[order], starts, axis=0)
    values = np.add.reduceat(np.where(vector.present, vector.values, 0.0)[order], starts, axis=0)
    dropped = None if vector.drop_name is None else vector.drop_name[first]
    return InstantVector(vector.labels.take(first), values, present, dropped)
