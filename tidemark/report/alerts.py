"""Alert events as episodes: which alerts there were, when they were pending and firing, and what made them so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rules.diagnostics.text import text_of
from rules.evaluation.alerts import ALERT_NAME, Labels, Reason
from rules.evaluation.program import Program
from rules.events.corrections import History
from rules.files.load import load_rules
from rules.model import AlertingRule
from rules.planning.reach import Reach, reaches
from schemas import strict_json
from schemas.alert_event import AlertEvent, State, Trace, decode
from schemas.errors import FAILURE, UserError
from transforms.io.files.atomic import in_order_written

_REASONS = {each.name.lower(): each.value for each in Reason}


class AlertsError(UserError):
    """A rule file or a line that is no alert event; the message says which, where, and what is wrong."""

    status = FAILURE


@dataclass(frozen=True)
class AlertRule:
    """An alerting rule as the report shows it.

    Attributes:
        group, name: of the rule; together they identify it.
        expr: as written.
        for_ms, keep_firing_for_ms: how long it waits before it fires, and goes on once the condition is gone.
        reaches: what it reads, also through what other rules of its file record.
    """

    group: str
    name: str
    expr: str = ""
    for_ms: int = 0
    keep_firing_for_ms: int = 0
    reaches: Sequence[Reach] = ()

    @property
    def key(self) -> tuple[str, str]:
        """By which events name it."""
        return self.group, self.name

    def reads(self, metric: str) -> bool:
        """Whether it may read metrics of this name."""
        return any(reach.sees(metric) for reach in self.reaches)


@dataclass(frozen=True)
class Episode:
    """One alert from the first instant of its condition until it is neither pending nor firing; times are ms of event time.

    Attributes:
        rule: group and name of the rule.
        labels: the alert's, by name, without its name's own.
        pending_ms: since when the condition held.
        firing_ms: the instant from which it fired; None if it never did.
        ended_ms: the instant from which it was over; None if it still was not at the end.
        value: of the expression when it fired, or when it became pending if it never did.
        last: the expression's last value.
        reason: why it ended, in words; empty while it goes on.
        annotations, trace: as of that moment too: its annotations, and the samples behind it.
        corrected: whether late data changed it after its first event.
    """

    rule: tuple[str, str]
    labels: Labels
    pending_ms: int
    firing_ms: int | None
    ended_ms: int | None
    value: float
    last: float
    reason: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    trace: Sequence[Trace] = ()
    corrected: bool = False

    @property
    def fired(self) -> bool:
        return self.firing_ms is not None

    def until(self, end_ms: int) -> int:
        """When it ended, or else the end of what was looked at."""
        return end_ms if self.ended_ms is None else self.ended_ms

    def firing_for(self, end_ms: int) -> int:
        """How long it fired, in ms."""
        return 0 if self.firing_ms is None else max(self.until(end_ms) - self.firing_ms, 0)


@dataclass(frozen=True)
class Alerts:
    """The alerts of one source.

    Attributes:
        start, end: of the event times that were looked at, ms.
        rules: all alerting rules, in the order of their file; those of no file last.
        episodes: by time.
        events: how many were sent, each counted once.
        corrections: how many of them corrected others.
    """

    start: int
    end: int
    rules: Sequence[AlertRule]
    episodes: Sequence[Episode]
    events: int = 0
    corrections: int = 0

    @property
    def fired(self) -> list[Episode]:
        """The episodes that fired."""
        return [each for each in self.episodes if each.fired]

    @property
    def pending_only(self) -> list[Episode]:
        """Those that never did."""
        return [each for each in self.episodes if not each.fired]


def read_alerts(directory: Path, rules: Sequence[AlertRule], span: tuple[int, int]) -> Alerts:
    """The alerts of a directory's files of newline-delimited events (``alerts-*.ndjson``).

    A second run over corrected input sends an event again with the same id. Of two events with one id, that in the newest file counts.

    Raises:
        AlertsError: a line is no alert event.
        OSError: a file cannot be read.
    """
    events = []
    for path in in_order_written(directory.glob("alerts-*.ndjson")):
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            try:
                events.append(decode(line))
            except strict_json.DocumentError as error:
                raise AlertsError(f"{path}:{number}: {error}") from None
    return alerts_of(events, rules, span)


def alerts_of(events: Iterable[AlertEvent], rules: Sequence[AlertRule], span: tuple[int, int]) -> Alerts:
    """The alerts of events, which may be in any order.

    Args:
        span: event times in ms, the first and the last that were looked at.
    """
    found = {event.id: event for event in events}
    history = History(_sent(found))
    known = {rule.key for rule in rules}
    strangers = dict.fromkeys(
        (each.group, each.rule) for each in found.values() if (each.group, each.rule) not in known
    )
    return Alerts(
        start=span[0],
        end=span[1],
        rules=[*rules, *(AlertRule(*each) for each in strangers)],
        episodes=_episodes(history.events()),
        events=len(found),
        corrections=sum(event.correction for event in found.values()),
    )


def _sent(events: Mapping[str, AlertEvent]) -> list[AlertEvent]:
    """Each event after the one that it replaces: files keep no order among them."""

    def depth(event: AlertEvent) -> int:
        seen = {event.id}
        before = events.get(event.replaces or "")
        # No job writes a circle, and a damaged file must not hang its reader.
        while before is not None and before.id not in seen:
            seen.add(before.id)
            before = events.get(before.replaces or "")
        return len(seen)

    return sorted(events.values(), key=lambda event: (depth(event), event.evaluated_at, event.id))


def _episodes(events: Iterable[AlertEvent]) -> list[Episode]:
    """Episodes from what has happened, by time."""
    apart: dict[tuple[str, int], list[AlertEvent]] = defaultdict(list)
    for event in events:
        apart[event.alert, event.active_since].append(event)
    return sorted(map(_episode, apart.values()), key=lambda each: (each.pending_ms, each.rule, each.labels))


def _episode(events: Sequence[AlertEvent]) -> Episode:
    newest = events[-1]
    firing = next((event for event in events if event.state is State.FIRING), None)
    shown = firing or events[0]
    return Episode(
        rule=(newest.group, newest.rule),
        labels=tuple(sorted((name, value) for name, value in newest.labels.items() if name != ALERT_NAME)),
        pending_ms=newest.active_since,
        firing_ms=next((event.starts_at for event in events if event.starts_at is not None), None),
        ended_ms=newest.ends_at,
        value=shown.value,
        last=newest.value,
        reason="" if newest.ends_at is None else _REASONS.get(newest.reason, newest.reason),
        annotations=shown.annotations,
        trace=shown.trace,
        corrected=any(event.correction for event in events),
    )


def read_rules(text: str, name: str) -> list[AlertRule]:
    """The alerting rules of a rule file, those of one name in one group as one.

    Raises:
        AlertsError: the file is refused; the message has all that is wrong, with its places.
    """
    loaded = load_rules(text, name)
    if loaded.file is None:
        raise AlertsError("\n".join(text_of(each, text) for each in loaded.refusals))
    program = Program(loaded.file.groups)
    found: dict[tuple[str, str], AlertRule] = {}
    for prepared, reach in zip(program.rules, reaches(program), strict=True):
        rule = prepared.rule
        if not isinstance(rule, AlertingRule):
            continue
        group = program.groups[prepared.group_number].name
        new = AlertRule(group, rule.name, rule.expr.strip(), rule.for_ms, rule.keep_firing_for_ms, (reach,))
        before = found.get(new.key)
        if before is not None:
            new = replace(before, expr=f"{before.expr}\n{new.expr}", reaches=(*before.reaches, reach))
        found[new.key] = new
    return list(found.values())
