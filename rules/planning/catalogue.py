"""What metrics some data hold, and with which labels: to say of a selector that finds nothing why it does not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import orjson

from rules.lints.metrics import Metrics
from rules.promql.labels import METRIC_NAME, LabelFrame
from rules.promql.matchers import predicate
from rules.promql.syntax.ast import Matcher, MatchOp

MAX_VALUES = 1_000
"""Values of a label of a metric that are remembered; of a label with more, no value is said to be missing."""

MAX_WRITTEN = 50
"""Values of a label that a text holds."""

Labels = dict[str, "set[str] | None"]

_SHOWN = 5
_FEW = 1_000


class Catalogue:
    """Metric names, and of each the labels and their values."""

    def __init__(self) -> None:
        # Of a metric that is known by name alone, None; of a label with too many values, None.
        self._metrics: dict[str, Labels | None] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._metrics

    @property
    def names(self) -> list[str]:
        """The metric names, sorted."""
        return sorted(self._metrics)

    def add(self, labels: LabelFrame) -> None:
        """Take up series."""
        if not labels.size:
            return
        names = labels.column(METRIC_NAME)
        for label, column in labels.columns.items():
            pairs = np.unique(names.codes.astype(np.int64) * len(column.values) + column.codes)
            for pair in pairs.tolist():
                name, value = divmod(pair, len(column.values))
                known = self._labels(names.values[name])
                if label != METRIC_NAME and column.values[value]:
                    _add(known, label, [column.values[value]])

    def add_names(self, names: Iterable[str]) -> None:
        """Take up metrics of whose labels nothing is known."""
        for name in names:
            self._metrics.setdefault(name, None)

    def texts(self) -> Iterator[str]:
        """All of it but for metrics that are known by name alone, in texts that :meth:`add_texts` takes."""
        for name, labels in self._metrics.items():
            if labels is not None:
                yield orjson.dumps([name, "", None]).decode()
                for label, values in labels.items():
                    few = sorted(values) if values is not None and len(values) <= MAX_WRITTEN else None
                    yield orjson.dumps([name, label, few]).decode()

    def add_texts(self, texts: Iterable[str]) -> None:
        """Take up what :meth:`texts` of this or another one gave."""
        for name, label, values in map(orjson.loads, texts):
            known = self._labels(name)
            if label:
                _add(known, label, values)

    def _labels(self, name: str) -> Labels:
        known = self._metrics.get(name)
        if known is None:
            known = self._metrics[name] = {}
        return known

    def why_nothing(self, matchers: Sequence[Matcher]) -> tuple[str, str]:
        """Why a selector finds no series: the reason, and what may be meant, or empty."""
        name = next((each.value for each in matchers if each.name == METRIC_NAME and each.op is MatchOp.EQUAL), None)
        if name is None:
            return "no series of the data fits", ""
        if not self._metrics:
            return "the data hold no such series", ""
        if name not in self._metrics:
            return f"the data hold no metric {name}", self._other_name(name)
        labels = self._metrics[name]
        for each in matchers:
            if labels is not None and each.name != METRIC_NAME and not _is_there(labels, each):
                missing = f"{each.name}{each.op.value}{_quoted(each.value)}"
                return f"{name} is there, but never with {missing}", _other(labels, each)
        which = "no sample with all of these labels" if len(matchers) > 1 else "no sample of it"
        return f"{name} is there, but {which} at these times", ""

    def _other_name(self, name: str) -> str:
        found = Metrics(set(self._metrics)).closest(name)
        if found is None and len(self._metrics) <= _FEW:
            found = next(iter(difflib.get_close_matches(name, self._metrics, 1)), None)
        return f"did you mean {found}?" if found else _listed("they hold", self.names)


def _add(labels: Labels, label: str, values: Iterable[str] | None) -> None:
    known = labels.setdefault(label, set())
    if known is not None and values is not None:
        known.update(values)
    if known is None or values is None or len(known) > MAX_VALUES:
        labels[label] = None


def _is_there(labels: Labels, matcher: Matcher) -> bool:
    values = labels.get(matcher.name, set())
    # Any label may be absent from some series.
    return values is None or any(map(predicate(matcher), {"", *values}))


def _other(labels: Labels, matcher: Matcher) -> str:
    values = sorted(labels.get(matcher.name) or ())
    if not values:
        near = difflib.get_close_matches(matcher.name, labels, 1)
        known = _listed("its labels are", sorted(labels)) or "it has no labels"
        return f"did you mean the label {near[0]}?" if near else known
    near = difflib.get_close_matches(matcher.value, values, 1) if matcher.op is MatchOp.EQUAL else []
    return (
        f"did you mean {_quoted(near[0])}?"
        if near
        else _listed(f"its {matcher.name} is", [_quoted(each) for each in values])
    )


def _listed(what: str, texts: Sequence[str]) -> str:
    shown = ", ".join(texts[:_SHOWN]) + (", ..." if len(texts) > _SHOWN else "")
    return f"{what} {shown}" if texts else ""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
