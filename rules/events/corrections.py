"""What late data changes in what has been told: the corrections between two courses of alerts, and the history that they leave.

Instants that late samples touch are evaluated again. Where the transitions are others than those that were told, corrections go out: an event
in another's place, one that had been missing, or a retraction. A worked example, of an alert with ``for: 2m``; the sample of minute 1 is late::

    told       2 pending    4 firing    6 resolved
    in order   1 pending    3 firing    6 resolved
    corrections: pending at 1 for pending at 2, firing at 3 for firing at 4, resolved at 6 (active since 1) for resolved at 6
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import orjson

from rules.events.identity import correction_id, retraction_id
from schemas.alert_event import AlertEvent, State, decode, encode

_KINDS = {State.PENDING: 0, State.FIRING: 1, State.RESOLVED: 2, State.INACTIVE: 2}


class History:
    """The events that stand, of any number of alerts: what a reader of the topic has when it has read them.

    Events are applied in the order in which they were sent, each alert's at least (they share a key). One that is known is recognised by its
    id; a correction takes the place of what it replaces, or of what took that place before it, so the latest word counts even if a
    restarted job says another than the lost one did. Its size is bounded by :meth:`forget`.
    """

    def __init__(self, events: Iterable[AlertEvent] = ()) -> None:
        self._places: dict[str, str] = {}
        self._standing: dict[str, AlertEvent] = {}
        for event in events:
            self.apply(event)

    def apply(self, event: AlertEvent) -> bool:
        """Take an event in; gives whether it was new."""
        if event.id in self._places:
            return False
        place = event.id if event.replaces is None else self._places.get(event.replaces, event.id)
        self._places[event.id] = place
        self._standing[place] = event
        return True

    def standing(self) -> list[AlertEvent]:
        """The newest event of each place, retractions too, as :func:`diff` wants them."""
        return sorted(self._standing.values(), key=_order)

    def events(self) -> list[AlertEvent]:
        """What has happened, by time: without what was retracted."""
        return [event for event in self.standing() if event.state is not State.RETRACTED]

    def forget(self, before_ms: int) -> None:
        """Drop what was evaluated before a time; no correction may come for it any more."""
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
            ValueError: it is none.
        """
        plain = orjson.loads(data)
        history = cls()
        history._places = dict(plain["places"])
        history._standing = {place: decode(orjson.dumps(event)) for place, event in plain["standing"].items()}
        return history


def diff(before: Iterable[AlertEvent], after: Iterable[AlertEvent], told_ms: int = 0) -> list[AlertEvent]:
    """The corrections that lead from what stands to what should: nothing where both say the same.

    A transition is corrected if anything in it is another: its instant, its reason, since when it holds, its value, its annotations.
    The trace alone makes no difference.

    Args:
        before: the events that stand (:meth:`History.standing`) of the instants that were evaluated again, which are all from the first
            one touched to the newest: what an alert became depends on what it was.
        after: the events of the second evaluation of the same instants, as :class:`rules.events.events.EventMaker` makes them.
        told_ms: the instant from which the difference is known; another one each time, since an event may be missing, come and be missing again.

    Returns:
        by instant; the same input gives the same ids.
    """
    told, due = defaultdict(list), defaultdict(list)
    for event in sorted(before, key=_order):
        told[event.alert].append(event)
    for event in sorted(after, key=_order):
        due[event.alert].append(event)
    found = [each for alert in sorted({*told, *due}) for each in _corrections(told[alert], due[alert], told_ms)]
    return sorted(found, key=_order)


def _corrections(told: list[AlertEvent], due: list[AlertEvent], told_ms: int) -> list[AlertEvent]:
    """Those of one alert, both sides by time."""
    retracted = [event for event in told if event.state is State.RETRACTED]
    standing: dict[bytes, list[AlertEvent]] = defaultdict(list)
    for event in told:
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
    found = []
    for event in missing:
        # A place that was vacated is taken again, so that each id leads to a new one.
        places = free[_KINDS[event.state]] or retracted
        found.append(_correction(event, places.pop(0).id if places else None, told_ms))
    found.extend(_retraction(event) for rest in free.values() for event in rest)
    return found


def _correction(event: AlertEvent, replaces: str | None, told_ms: int) -> AlertEvent:
    return replace(event, id=correction_id(event.id, replaces, told_ms), correction=True, replaces=replaces)


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


def _content(event: AlertEvent) -> bytes:
    return encode(replace(event, id="", correction=False, replaces=None, trace=()))


def _order(event: AlertEvent) -> tuple[int, str, int, str]:
    return event.evaluated_at, event.alert, _KINDS.get(event.state, 3), event.id
