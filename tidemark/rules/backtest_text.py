"""Backtests as text: a table of episodes and one of rules for people, lines of JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from types import MappingProxyType

from rules.backtest.run import Backtest, Episode
from rules.backtest.scoring import Score
from rules.backtest.summary import RuleSummary
from rules.evaluation.alerts import ALERT_NAME, Labels
from rules.planning.no_data import Unfed
from schemas.series import labels_text
from schemas.times import format_duration

Row = Sequence[str]

NO_DATA = "no data"
"""What stands for the episodes of a rule that could not have any."""

NOTHING: Mapping[int, Unfed] = MappingProxyType({})


def instant(ms: int | None) -> str:
    """A time in UTC: to the minute, or as exactly as it takes; empty for None."""
    if ms is None:
        return ""
    when = datetime.fromtimestamp(ms / 1000, timezone.utc)
    form = "%Y-%m-%d %H:%M" if ms % 60_000 == 0 else "%Y-%m-%d %H:%M:%S"
    return when.strftime(form) + (f".{ms % 1000:03d}" if ms % 1000 else "")


def own_labels(labels: Labels) -> str:
    """The labels of an alert without its name."""
    return labels_text((name, value) for name, value in labels if name != ALERT_NAME)


def number(value: float) -> str:
    """Six digits of a value, ``-`` for none."""
    return "-" if math.isnan(value) else f"{value:.6g}"


def share(value: float | None) -> str:
    """A ratio as a percentage, ``-`` for none."""
    return "-" if value is None else f"{100 * value:.0f}%"


def episode_lines(found: Backtest, *, pending: bool) -> Iterator[str]:
    """A line for each episode that fired, and with ``pending`` for each that did not."""
    shown = [each for each in found.episodes if each.fired or pending]
    if not shown:
        yield "no alert would have fired"
        return
    heads = ("ALERT", "PENDING", "FIRING", "RESOLVED", "FIRED FOR", "PEAK", "LABELS")
    rows = [
        (
            each.rule.rule.name,
            instant(each.pending_since),
            instant(each.firing_since) or "-",
            instant(each.ended_at) or ("still firing" if each.fired else "still pending"),
            format_duration(each.firing_ms) if each.fired else "-",
            number(each.peak),
            own_labels(each.labels),
        )
        for each in shown
    ]
    yield from table(heads, rows, right=(4, 5))


def summary_lines(
    summaries: Sequence[RuleSummary], scores: Mapping[int, Score] | None, lacking: Mapping[int, Unfed] = NOTHING
) -> Iterator[str]:
    """A line for each alerting rule; with what was found of labelled windows, if scores are given.

    Args:
        lacking: the rules with selectors that find nothing, by position; one that can yield nothing for that did not just never fire.
    """
    heads = ["RULE", "FIRED", "ALERTS", "TOTAL", "LONGEST", "MEDIAN", "FLAPS", "STILL FIRING", "PENDING ONLY"]
    if scores is not None:
        heads += ["FOUND", "FALSE ALARMS", "PRECISION", "DELAY"]
    rows = []
    for each in summaries:
        row = [
            each.rule.rule.name,
            str(each.fired) if each.fired else NO_DATA if is_known_empty(each, lacking) else "never",
            str(each.alerts),
            format_duration(each.total_ms) if each.fired else "-",
            format_duration(each.longest_ms) if each.fired else "-",
            format_duration(round(each.median_ms)) if each.fired else "-",
            str(each.flaps),
            str(each.still_firing),
            str(each.pending_only),
        ]
        if scores is not None:
            row += _score_cells(scores[each.rule.position])
        rows.append(row)
    yield from table(heads, rows, right=range(1, len(heads)))


def is_known_empty(summary: RuleSummary, lacking: Mapping[int, Unfed]) -> bool:
    """Whether a rule could not fire for want of data."""
    found = lacking.get(summary.rule.position)
    return found is not None and found.silent and not summary.fired


def score_lines(total: Score) -> Iterator[str]:
    """What all rules found together."""
    unread = f"; {total.unread} are of series that no rule reads" if total.unread else ""
    yield f"recall        {share(total.recall)}  ({total.found} of {total.windows} labelled windows found{unread})"
    yield f"false alarms  {total.false_alarms}  (of {total.episodes} firing episodes on labelled series)"
    yield f"precision     {share(total.precision)}"
    if total.delays_ms:
        longest = format_duration(max(total.delays_ms))
        yield f"delay         {format_duration(round(total.median_delay_ms or 0))} median, {longest} at most"
    if total.unlabelled:
        yield f"unlabelled    {total.unlabelled} firing episodes on no labelled series, not counted above"


def table(heads: Row, rows: Sequence[Row], right: Iterable[int] = ()) -> Iterator[str]:
    """Columns as wide as their widest cell; the columns ``right`` are set to the right."""
    flush = set(right)
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    for row in (heads, *rows):
        cells = [
            cell.rjust(width) if column in flush else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def json_lines(
    found: Backtest,
    summaries: Sequence[RuleSummary],
    scores: tuple[Score, Mapping[int, Score]] | None,
    lacking: Mapping[int, Unfed] = NOTHING,
) -> Iterator[str]:
    """One object a line, with its ``kind``: every episode, then every rule, then the score if there is one. Times and durations are ms."""
    for each in found.episodes:
        yield json.dumps({"kind": "episode", **episode_document(each)}, ensure_ascii=False)
    for summary in summaries:
        document = {"kind": "rule", **summary_document(summary, lacking)}
        if scores is not None:
            document["score"] = score_document(scores[1][summary.rule.position])
        yield json.dumps(document, ensure_ascii=False)
    if scores is not None:
        yield json.dumps({"kind": "score", **score_document(scores[0])})


def episode_document(each: Episode) -> dict[str, object]:
    """An episode for JSON; what there is not is null."""
    return {
        "rule": each.rule.rule.name,
        "group": each.rule.group.name,
        "file": each.rule.group.file,
        "labels": dict(each.labels),
        "pending_since": each.pending_since,
        "firing_since": each.firing_since,
        "ended_at": each.ended_at,
        "firing_ms": each.firing_ms,
        "peak": each.peak if math.isfinite(each.peak) else None if math.isnan(each.peak) else str(each.peak),
        "ended_because": each.reason or None,
        "annotations": dict(each.annotations),
    }


def summary_document(each: RuleSummary, lacking: Mapping[int, Unfed] = NOTHING) -> dict[str, object]:
    """A rule's summary for JSON; ``no_data`` lists its selectors that find nothing, ``silent`` says that it could not fire for want of data."""
    missing = lacking.get(each.rule.position)
    return {
        "rule": each.rule.rule.name,
        "group": each.rule.group.name,
        "file": each.rule.group.file,
        "fired": each.fired,
        "alerts": each.alerts,
        "firing_ms": each.total_ms,
        "longest_ms": each.longest_ms,
        "median_ms": each.median_ms,
        "flaps": each.flaps,
        "still_firing": each.still_firing,
        "pending_only": each.pending_only,
        "silent": is_known_empty(each, lacking),
        "no_data": [asdict(selector) for selector in missing.selectors] if missing else [],
    }


def score_document(each: Score) -> dict[str, object]:
    """A score for JSON."""
    return {
        "windows": each.windows,
        "unread": each.unread,
        "found": each.found,
        "recall": each.recall,
        "episodes": each.episodes,
        "false_alarms": each.false_alarms,
        "precision": each.precision,
        "unlabelled": each.unlabelled,
        "median_delay_ms": each.median_delay_ms,
        "longest_delay_ms": max(each.delays_ms, default=None),
    }


def _score_cells(each: Score) -> list[str]:
    delay = "-" if each.median_delay_ms is None else format_duration(round(each.median_delay_ms))
    return [f"{each.found}/{each.windows}", str(each.false_alarms), share(each.precision), delay]
