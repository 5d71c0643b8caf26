"""Corrections of alert events for late data: the difference between sent and correct events, and the history after applying it.

Evaluation times that late samples affect are evaluated again. Where the transitions differ from those that were sent, corrections are sent:
an event that replaces another, an event that was missing, or a retraction. Example of an alert with ``for: 2m``; the sample of minute 1 is late::

    sent       2 pending    4 firing    6 resolved
    in order   1 pending    3 firing    6 resolved
    corrections: pending at 1 for pending at 2, firing at 3 for firing at 4, resolved at 6 (active since 1) for resolved at 6
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace

import orjson

from rules.events.identity import correction_id, retraction_id
from schemas.alert_event import AlertEvent, State, decode, encode
from schemas.forms import table as forms

_KINDS = {State.PENDING: 0, State.FIRING: 1, State.RESOLVED: 2, State.INACTIVE: 2}


class History:
    """The valid events of any number of alerts: the state of a reader of the topic after reading them.

    Apply events in the order in which they were sent; only the order within an alert counts (its events share a key). A known event is
    recognised by its id. A correction takes the place of the event that it replaces, or of that event's latest correction. So the latest
    correction counts, even if a restarted job sends another one than the lost job did. :meth:`forget` bounds the size.
    """

    def __init__(self, events: Iterable[AlertEvent] = ()) -> None:
        self._places: dict[str, str] = {}
        self._standing: dict[str, AlertEvent] = {}
        for event in events:
            self.apply(event)

    def __contains__(self, event: object) -> bool:
        """Whether an event of this id was applied."""
        return event in self._places

    def apply(self, event: AlertEvent) -> bool:
        """Apply an event. Returns whether it was new."""
        if event.id in self._places:
            return False
        place = event.id if event.replaces is None else self._places.get(event.replaces, event.id)
        self._places[event.id] = place
        self._standing[place] = event
        return True

    def standing(self) -> list[AlertEvent]:
        """The newest event of each place, with retractions, as :func:`diff` needs them."""
        return sorted(self._standing.values(), key=_order)

    def events(self) -> list[AlertEvent]:
        """The valid events by time, without retracted ones."""
        return [event for event in self.standing() if event.state is not State.RETRACTED]

    def forget(self, before_ms: int) -> None:
        """Drop events evaluated before a time. No correction of them may follow."""
        self._standing = {place: event for place, event in self._standing.items() if event.evaluated_at >= before_ms}
        self._places = {event: place for event, place in self._places.items() if place in self._standing}

    def to_bytes(self) -> bytes:
        """Everything, for a checkpoint."""
        standing = {place: orjson.Fragment(encode(event)) for place, event in self._standing.items()}
        return orjson.dumps({"places": self._places, "standing": standing})

    @classmethod
    def from_bytes(cls, data: bytes) -> History:
        """The history that :meth:`to_bytes` gave.

        Raises:
            ValueError: it is none; :class:`schemas.forms.model.VersionError` if another release wrote it.
        """
        plain = orjson.loads(data)
        forms.HISTORY.check_key(plain)
        history = cls()
        history._places = dict(plain["places"])
        history._standing = {place: decode(orjson.dumps(event)) for place, event in plain["standing"].items()}
        return history


def diff(
    before: Iterable[AlertEvent],
    after: Iterable[AlertEvent],
    noticed_ms: int = 0,
    traced: Callable[[Sequence[AlertEvent]], Sequence[AlertEvent]] = lambda events: events,
) -> list[AlertEvent]:
    """The corrections that turn the events before into those after; empty if both agree.

    A transition is corrected if any of its fields differs: time, reason, start, value, annotations. A different trace alone does not count.

    Args:
        before: the valid events (:meth:`History.standing`) of all evaluation times from the first affected one to the newest, because the
            state of an alert depends on its past.
        after: the events of the second evaluation of the same times, from :class:`rules.events.events.EventMaker`.
        noticed_ms: the evaluation time at which the difference is found. It must differ each time, because an event may be missing, be sent
            and be missing again.
        traced: adds the traces to those of ``after`` that are sent, which are few. It is called once, and keeps their order.

    Returns:
        The corrections by time. The same input gives the same ids.
    """
    sent, due = defaultdict(list), defaultdict(list)
    for event in sorted(before, key=_order):
        sent[event.alert].append(event)
    for event in sorted(after, key=_order):
        due[event.alert].append(event)
    missing: list[tuple[AlertEvent, str | None]] = []
    wrong: list[AlertEvent] = []
    for alert in sorted({*sent, *due}):
        added, gone = _differences(sent[alert], due[alert])
        missing += added
        wrong += gone
    complete = traced([event for event, _ in missing])
    found = [_correction(event, replaces, noticed_ms) for event, (_, replaces) in zip(complete, missing, strict=True)]
    return sorted([*found, *map(_retraction, wrong)], key=_order)


def _differences(
    sent: list[AlertEvent], due: list[AlertEvent]
) -> tuple[list[tuple[AlertEvent, str | None]], list[AlertEvent]]:
    """Of one alert, the events that were not sent, each with the id of the one that it replaces, and those to retract. Both sides are sorted."""
    retracted = [event for event in sent if event.state is State.RETRACTED]
    standing: dict[Hashable, list[AlertEvent]] = defaultdict(list)
    for event in sent:
        if event.state is not State.RETRACTED:
            standing[_content(event)].append(event)
    missing = []
    for event in due:
        same = standing[_content(event)]
        if same:
            same.pop(0)
        else:
            missing.append(event)
    free: dict[int, list[AlertEvent]] = defaultdict(list)
    for event in sorted((event for rest in standing.values() for event in rest), key=_order):
        free[_KINDS[event.state]].append(event)
    added = []
    for event in missing:
        # Take a vacated place again, so that each id leads to a newer event.
        places = free[_KINDS[event.state]] or retracted
        added.append((event, places.pop(0).id if places else None))
    return added, [event for rest in free.values() for event in rest]


def _correction(event: AlertEvent, replaces: str | None, noticed_ms: int) -> AlertEvent:
    return replace(event, id=correction_id(event.id, replaces, noticed_ms), correction=True, replaces=replaces)


def _retraction(event: AlertEvent) -> AlertEvent:
    return replace(
        event,
        id=retraction_id(event.id),
        state=State.RETRACTED,
        reason="late_data",
        correction=True,
        replaces=event.id,
        trace=(),
    )


def _content(event: AlertEvent) -> Hashable:
    """What a correction would change. Events of one alert agree in its rule and its labels."""
    return (
        event.evaluated_at,
        event.state,
        event.reason,
        event.active_since,
        event.starts_at,
        event.ends_at,
        # By its text, not-a-number equals itself, and zero does not equal minus zero.
        event.value.hex(),
        frozenset(event.annotations.items()),
    )


def _order(event: AlertEvent) -> tuple[int, str, int, str]:
    return event.evaluated_at, event.alert, _KINDS.get(event.state, 3), event.id
