"""Metrics by name: those that exist, and those that a counter's functions are meant for."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rules.lints.finding import Finding
from rules.model import Rule
from rules.promql.syntax.ast import Aggregate, Call, MatchOp, MatrixSelector, Subquery, VectorSelector, unwrap, walk

_NATIVE = ("histogram_avg", "histogram_count", "histogram_sum", "histogram_stddev", "histogram_stdvar")
_COUNTED = ("rate", "increase", "irate")
_GAUGE_SUFFIXES = (
    "_ratio",
    "_percent",
    "_celsius",
    "_info",
    "_timestamp_seconds",
    "_temp",
    "_temperature",
    "_utilization",
)
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_TYPE = re.compile(r"#\s*TYPE\s+(\S+)\s+(\S+)")
_QUOTED = re.compile(r'\{\s*"((?:[^"\\]|\\.)*)"\s*[,}]')
# What Prometheus itself writes for every target and alert.
_SYNTHETIC = {
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
    "ALERTS",
    "ALERTS_FOR_STATE",
}
_CANDIDATES = 200


@dataclass(slots=True)
class Metrics:
    """The metrics that there are.

    Attributes:
        names: of series, so that a histogram is its ``_bucket``, ``_sum`` and ``_count``.
        types: of metric families, where known: ``counter``, ``gauge``, ...
    """

    names: set[str] = field(default_factory=set)
    types: Mapping[str, str] = field(default_factory=dict)
    _words: dict[str, set[str]] = field(default_factory=dict, init=False, repr=False)

    def closest(self, name: str) -> str | None:
        """The known name most like another one; of many, those are compared which share most words with it."""
        if not self._words:
            for known in self.names:
                for word in _words_of(known):
                    self._words.setdefault(word, set()).add(known)
        shared: dict[str, int] = {}
        for word in _words_of(name):
            for known in self._words.get(word, ()):
                shared[known] = shared.get(known, 0) + 1
        candidates = sorted(shared, key=lambda known: (-shared[known], abs(len(known) - len(name)), known))
        close = difflib.get_close_matches(name, candidates[:_CANDIDATES], 1, 0.7)
        if not close:
            # A slip inside of the only word.
            alike = sorted(known for known in self.names if known[:3] == name[:3] and abs(len(known) - len(name)) < 3)
            close = difflib.get_close_matches(name, alike[:_CANDIDATES], 1, 0.8)
        return close[0] if close else None


def _words_of(name: str) -> list[str]:
    return [word for word in re.split(r"[_:.]", name) if word]


def read_metrics(text: str) -> Metrics:
    """Metrics from a list of names, from what a target exposes, or from the answer of ``/api/v1/label/__name__/values``.

    Raises:
        ValueError: the text holds no name.
    """
    names: set[str] = set()
    types: dict[str, str] = {}
    if text.lstrip()[:1] in ("{", "[") and not _QUOTED.match(text.lstrip()):
        names.update(_from_json(text))
    else:
        for line in text.splitlines():
            if typed := _TYPE.match(line):
                types[typed[1]] = typed[2]
            elif (named := _NAME.match(line.strip()) or _QUOTED.match(line.strip())) is not None:
                names.add(named[1] if named.re is _QUOTED else named[0])
    if not names:
        raise ValueError("it names no metric: give one name a line, or what a target exposes under /metrics")
    return Metrics(names, types)


def _from_json(text: str) -> list[str]:
    document = json.loads(text)
    values = document.get("data") if isinstance(document, dict) else document
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise ValueError('a JSON file of metrics is {"data": ["name", ...]}, as /api/v1/label/__name__/values answers')
    return values


def unknown_metrics(rule: Rule, metrics: Metrics) -> Iterator[Finding]:
    """Selectors of names that no metric has."""
    seen = set()
    for node in walk(rule.ast):
        if not isinstance(node, VectorSelector):
            continue
        name = node.name or next(
            (each.value for each in node.matchers if each.name == "__name__" and each.op is MatchOp.EQUAL), None
        )
        if name is None or name in seen or name in metrics.names or name in _SYNTHETIC:
            continue
        seen.add(name)
        close = metrics.closest(name)
        hint = f"did you mean {close!r}?" if close else ""
        yield Finding("unknown-metric", f"no metric is called {name!r}", "expr", node.span, hint)


def misused_counters(rule: Rule, metrics: Metrics | None) -> Iterator[Finding]:
    """Rates of what only looks like a counter."""
    for node in walk(rule.ast):
        if not isinstance(node, Call) or node.func not in _COUNTED or not node.args:
            continue
        arg = unwrap(node.args[0])
        if isinstance(arg, MatrixSelector) and arg.selector.name:
            yield from _rate_of(node, arg.selector.name, metrics)
        elif isinstance(arg, Subquery):
            inner = unwrap(arg.expr)
            if isinstance(inner, Aggregate) and inner.op == "sum":
                message = f"`{node.func}` of a sum: a counter that restarts looks like a drop of the whole sum"
                hint = f"take the {node.func} first, then the sum: `sum(rate(...))`"
                yield Finding("sum-before-rate", message, "expr", inner.span, hint)


def _rate_of(node: Call, name: str, metrics: Metrics | None) -> Iterator[Finding]:
    known = metrics.types.get(name) if metrics else None
    looks = known is None and name.endswith(_GAUGE_SUFFIXES)
    if known == "gauge" or looks:
        why = "is a gauge" if known else "looks like a gauge"
        message = f"`{node.func}` is for counters, and {name!r} {why}: each fall counts as a restart"
        hint = "use `delta` or `deriv`" if node.func != "irate" else "use `idelta`"
        yield Finding("rate-of-gauge", message, "expr", node.span, hint)


def native_histograms(rule: Rule) -> Iterator[Finding]:
    """Functions of native histograms, which the engine refuses to evaluate."""
    for node in walk(rule.ast):
        if isinstance(node, Call) and node.func in _NATIVE:
            message = f"`{node.func}` needs native histograms, which Prometheus has and this engine has not"
            hint = "of a classic histogram take `..._sum` and `..._count`"
            yield Finding("unsupported", message, "expr", node.span, hint)
