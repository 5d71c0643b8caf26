"""A backtest as a page: one file that holds its styles, scripts, the chart library and all data, and asks nothing of any network."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rules.backtest.run import Backtest, Episode
from rules.backtest.scoring import LabelledSeries, Score
from rules.backtest.summary import RuleSummary
from rules.evaluation.alerts import Labels
from rules.planning.no_data import Unfed
from tidemark.report.lanes import lane_name, shared_labels
from tidemark.report.page import Static, fill
from tidemark.rules.backtest_text import NOTHING, own_labels, score_document, summary_document

MAX_LANES = 400
"""Alerts on the page; the ones that fired longest."""

_STYLES = (
    Static("tidemark.report", "uPlot.min.css"),
    Static("tidemark.report", "report.css"),
    Static("tidemark.report", "timeline.css"),
    Static("tidemark.rules", "backtest.css"),
)
_SCRIPTS = (
    Static("tidemark.report", "uPlot.iife.min.js"),
    Static("tidemark.report", "format.js"),
    Static("tidemark.report", "timeline.js"),
    Static("tidemark.rules", "backtest.js"),
)

Scores = tuple[Score, Mapping[int, Score]]


def render(
    found: Backtest,
    summaries: Sequence[RuleSummary],
    flap_ms: int,
    labelled: Sequence[LabelledSeries] = (),
    scores: Scores | None = None,
    lacking: Mapping[int, Unfed] = NOTHING,
) -> str:
    """The page as text.

    Args:
        flap_ms: what the summaries were made with.
        labelled: what is known of the series, shaded on the lanes of the alerts that concern them.
        scores: of all rules, and of each by position.
        lacking: the rules with selectors that find nothing, by position.
    """
    data = json.dumps(payload(found, summaries, flap_ms, labelled, scores, lacking), ensure_ascii=False)
    return fill(Static("tidemark.rules", "backtest.html"), _STYLES, _SCRIPTS, data)


def payload(
    found: Backtest,
    summaries: Sequence[RuleSummary],
    flap_ms: int,
    labelled: Sequence[LabelledSeries],
    scores: Scores | None,
    lacking: Mapping[int, Unfed] = NOTHING,
) -> dict[str, Any]:
    """What the page's scripts draw, ready for JSON."""
    numbers = {rule.position: number for number, rule in enumerate(found.alerts)}
    alerts: dict[tuple[int, Labels], list[Episode]] = {}
    for each in found.episodes:
        alerts.setdefault((each.rule.position, each.labels), []).append(each)
    by_firing = sorted(alerts.items(), key=lambda item: -sum(each.firing_ms for each in item[1]))
    kept = dict(by_firing[:MAX_LANES])
    inside = [each.within(found.start_ms, found.end_ms) for each in labelled]
    shared = shared_labels(alerts)
    lanes = []
    alerted: set[str] = set()
    for (position, labels), episodes in alerts.items():
        about = [each for each in inside if each.fits(labels) and each.seen_by(found.reaches[position])]
        if any(each.fired for each in episodes):
            alerted.update(each.title for each in about)
        if (position, labels) in kept:
            lanes.append(
                {
                    "rule": numbers[position],
                    "name": lane_name(labels, shared[position]),
                    "labels": own_labels(labels),
                    "episodes": [_episode(each) for each in episodes],
                    "windows": _windows(about),
                }
            )
    missed = [
        {"name": each.title, "labels": each.title, "windows": _windows([each])}
        for each in inside
        if each.windows and each.title not in alerted
    ]
    rules = [{**summary_document(each, lacking), "name": each.rule.rule.name} for each in summaries]
    if scores is not None:
        for rule, summary in zip(rules, summaries, strict=True):
            rule["score"] = score_document(scores[1][summary.rule.position])
    return {
        "start": found.start_ms,
        "end": found.end_ms,
        "flap": flap_ms,
        "rules": rules,
        "lanes": lanes,
        "left_out": len(alerts) - len(kept),
        "missed": missed,
        "score": None if scores is None else score_document(scores[0]),
    }


def _episode(each: Episode) -> dict[str, object]:
    return {
        "pending": each.pending_since,
        "firing": each.firing_since,
        "ended": each.ended_at,
        "until": each.until,
        "peak": float(f"{each.peak:.6g}") if math.isfinite(each.peak) else None,
        "reason": each.reason,
        "summary": each.annotations.get("summary", ""),
    }


def _windows(series: Sequence[LabelledSeries]) -> list[dict[str, object]]:
    return [{"title": each.title, "span": list(window)} for each in series for window in each.windows]
