"""What the page is given of a source's alerts; its size is bounded whatever the rules do."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from rules.evaluation.alerts import Labels
from schemas.alert_event import Trace, TracedSeries
from schemas.series import METRIC_NAME, labels_text, metric_text
from tidemark.report.alerts import Alerts, Episode
from tidemark.report.lanes import lane_name, shared_labels

MAX_EPISODES = 300
"""Episodes of a source on the page: those that fired longest, then those that were pending longest."""

MAX_TEXT = 300
"""Characters of an expression, an annotation or the labels of an alert or series; what is longer is cut."""


def describe(alerts: Alerts, metrics: Collection[str]) -> dict[str, Any]:
    """The alerts, ready for JSON; times are ms of event time.

    Args:
        metrics: the names of the metrics that the page draws.
    """
    kept = _kept(alerts)
    numbers = {rule.key: number for number, rule in enumerate(alerts.rules)}
    lanes: dict[tuple[tuple[str, str], Labels], list[Episode]] = {}
    for episode in kept:
        lanes.setdefault((episode.rule, episode.labels), []).append(episode)
    shared = shared_labels(lanes)
    return {
        "start": alerts.start,
        "end": alerts.end,
        "events": alerts.events,
        "corrections": alerts.corrections,
        "left_out": len(alerts.episodes) - len(kept),
        "fired": len(alerts.fired),
        "pending_only": len(alerts.pending_only),
        "rules": [
            {
                "name": rule.name,
                "expr": _cut(rule.expr),
                "for": rule.for_ms,
                "keep": rule.keep_firing_for_ms,
                "metrics": sorted(filter(rule.reads, metrics)),
            }
            for rule in alerts.rules
        ],
        "lanes": [
            {
                "rule": numbers[rule],
                "name": _cut(dict(labels).get("host") or lane_name(labels, shared[rule])),
                "labels": _cut(labels_text(labels)),
                "about": {name: value for name, value in labels if len(value) <= MAX_TEXT},
                "episodes": [_episode(each, alerts.end) for each in episodes],
            }
            for (rule, labels), episodes in lanes.items()
        ],
    }


def _kept(alerts: Alerts) -> list[Episode]:
    """The episodes that are shown, by time."""

    def weight(numbered: tuple[int, Episode]) -> tuple[bool, int, int]:
        number, each = numbered
        return not each.fired, -(each.firing_for(alerts.end) or each.until(alerts.end) - each.pending_ms), number

    heaviest = sorted(enumerate(alerts.episodes), key=weight)[:MAX_EPISODES]
    return [each for _, each in sorted(heaviest, key=lambda numbered: numbered[0])]


def _episode(each: Episode, end: int) -> dict[str, Any]:
    return {
        "pending": each.pending_ms,
        "firing": each.firing_ms,
        "ended": each.ended_ms,
        "until": each.until(end),
        "value": number(each.value),
        "last": number(each.last),
        "reason": each.reason,
        "annotations": {_cut(name): _cut(text) for name, text in list(each.annotations.items())[:8]},
        "corrected": each.corrected,
        "trace": list(_traces(each.trace)),
    }


def _traces(traces: Iterable[Trace]) -> Iterable[dict[str, Any]]:
    for trace in traces:
        yield {
            "selector": _cut(trace.selector),
            "series": [_series(each) for each in trace.series],
            "omitted": trace.omitted,
        }


def _series(series: TracedSeries) -> dict[str, Any]:
    labels = dict(series.labels)
    name = labels.pop(METRIC_NAME, "")
    text = metric_text(name, labels.items()) if name else labels_text(labels.items())
    return {"labels": _cut(text), "value": number(series.value), "time": series.time_ms, "samples": series.samples}


def number(value: float) -> str:
    """Six digits of a value."""
    return f"{value:.6g}"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 3]}..."
