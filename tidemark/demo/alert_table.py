"""Alerts in the terminal: when each was pending and fired, as times and as a line, and why."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.series import labels_text
from schemas.times import format_duration
from tidemark.report.alerts import Alerts, Episode
from tidemark.report.payload import Source

MOST_ROWS = 24
"""Alerts that are listed; those that fired longest, then those that were pending longest."""

_WIDTHS = 16, 36
"""Least and greatest length of a line of time, in characters."""

_BESIDE = 66
"""What names and times beside it need."""

_HOUR_MS = 3_600_000

INACTIVE, PENDING, FIRING = "·", "▒", "█"
_STYLES = {INACTIVE: "dim", PENDING: "yellow", FIRING: "red"}


def alert_bar(episodes: Iterable[Episode], start: int, end: int, width: int) -> str:
    """The times from ``start`` to ``end`` (ms) in so many characters: firing, pending, or neither.

    A character stands for what is gravest in its share of the time, so that no episode is too short to be seen.
    """
    span = max(end - start, 1)
    bar = [INACTIVE] * width
    found = list(episodes)
    for each in found:
        _fill(bar, each.pending_ms - start, each.until(end) - start, span, PENDING)
    for each in found:
        if each.firing_ms is not None:
            _fill(bar, each.firing_ms - start, each.until(end) - start, span, FIRING)
    return "".join(bar)


def _fill(bar: list[str], begin: int, until: int, span: int, mark: str) -> None:
    width = len(bar)
    first = min(max(begin * width // span, 0), width - 1)
    # The end itself is no longer part of it.
    last = min(max((until - 1) * width // span, first), width - 1)
    bar[first : last + 1] = mark * (last - first + 1)


def alert_table(source: Source, width: int) -> RenderableType:
    """The alerts of a source, a line of time for each with the times of its episodes, and the counts.

    Args:
        width: of the terminal, in characters.

    Raises:
        ValueError: no rules were evaluated over it.
    """
    alerts = source.alerts
    if alerts is None:
        raise ValueError(f"no rules were evaluated over {source.id}")
    title = f"Alerts: {source.title}, {_time(alerts.start, alerts)} to {_end(alerts)}"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1))
    table.add_column("alert", ratio=1, overflow="fold")
    table.add_column("over time", no_wrap=True)
    for name in ("pending", "fired", "resolved", "for"):
        table.add_column(name, justify="right", no_wrap=True)
    groups = _by_alert(alerts)
    for episodes in groups[:MOST_ROWS]:
        _rows(table, episodes, alerts, min(max(width - _BESIDE, _WIDTHS[0]), _WIDTHS[1]))
    lines: list[RenderableType] = [table] if groups else [Text(title, style="bold")]
    if len(groups) > MOST_ROWS:
        lines.append(Text(f" and {len(groups) - MOST_ROWS} more alerts in the report", style="dim"))
    lines.append(Text(f" {counts(alerts)}"))
    return Group(*lines)


def counts(alerts: Alerts) -> str:
    """What there was in numbers, and what late data did."""
    fired, pending = len(alerts.fired), len(alerts.pending_only)
    inactive = len({rule.key for rule in alerts.rules} - {each.rule for each in alerts.fired})
    text = f"{_count(fired, 'episode')} fired, {pending} pending only; {inactive} of {_count(len(alerts.rules), 'rule')} stayed quiet."
    if alerts.corrections:
        text += f" Late data corrected {_count(alerts.corrections, 'event')} of {alerts.events}."
    return text


def _by_alert(alerts: Alerts) -> list[list[Episode]]:
    """Episodes of each alert by time; the alerts in the order of their first episode, of those that are kept."""
    found: dict[tuple[tuple[str, str], object], list[Episode]] = {}
    for each in alerts.episodes:
        found.setdefault((each.rule, each.labels), []).append(each)

    def weight(episodes: list[Episode]) -> tuple[int, int]:
        end = alerts.end
        return -sum(each.firing_for(end) for each in episodes), -sum(
            each.until(end) - each.pending_ms for each in episodes
        )

    kept = {id(episodes) for episodes in sorted(found.values(), key=weight)[:MOST_ROWS]}
    # The others follow those that are shown, because the table shows their number.
    return sorted(found.values(), key=lambda episodes: id(episodes) not in kept)


def _rows(table: Table, episodes: list[Episode], alerts: Alerts, width: int) -> None:
    name = Text(episodes[0].rule[1], style="bold")
    name.append(f" {_about(episodes[0])}", style="not bold")
    bar = Text()
    for mark in alert_bar(episodes, alerts.start, alerts.end, width):
        bar.append(mark, style=_STYLES[mark])
    shown = [each for each in episodes if each.fired] or episodes[:1]
    for number, each in enumerate(shown):
        alert = Text.assemble(name, "\n", (_why(each, episodes), "dim")) if number == 0 else Text("")
        fired = Text(_time(each.firing_ms, alerts)) if each.firing_ms is not None else Text("never", style="dim")
        resolved = Text("still active", style="red") if each.ended_ms is None else Text(_time(each.ended_ms, alerts))
        table.add_row(
            alert,
            bar if number == 0 else "",
            _time(each.pending_ms, alerts),
            fired,
            resolved,
            format_duration(each.firing_for(alerts.end) // 1000 * 1000) if each.fired else "",
        )


def _why(each: Episode, episodes: list[Episode]) -> str:
    text = each.annotations.get("summary") or f"value {each.value:.6g}"
    if not each.fired and len(episodes) > 1:
        return f"pending only, {len(episodes)} times: {text}"
    return text if each.fired else f"pending only: {text}"


def _about(each: Episode) -> str:
    """What an alert is about: its host if it has one, else its labels."""
    labels = dict(each.labels)
    return labels.get("host") or labels_text((name, value) for name, value in each.labels if name != "severity")


def _time(ms: int, alerts: Alerts) -> str:
    """A time of the day, to the second where all of it is within an hour."""
    when = datetime.fromtimestamp(ms / 1000, timezone.utc)
    return when.strftime("%H:%M:%S" if alerts.end - alerts.start < _HOUR_MS else "%H:%M")


def _end(alerts: Alerts) -> str:
    """The end as the reader of a day knows it."""
    text = _time(alerts.end, alerts)
    return "24:00" if text == "00:00" and alerts.end > alerts.start else text


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
