"""From what an evaluation brings to the events that go out.

An event's id depends on nothing but its rule's name and place, the alert's labels and the transition, so a transition that is evaluated
again, after a restart or by a second worker, has the same id.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from rules.evaluation.alerts import Phase, Transition, label_set
from rules.evaluation.groups import Evaluator
from rules.evaluation.outcome import Event
from rules.evaluation.program import Program
from rules.events.corrections import diff
from rules.events.identity import alert_id, event_id, rule_keys
from rules.events.trace import traced
from schemas.alert_event import AlertEvent, State


class _Draft(NamedTuple):
    """A transition and the ids of its event and its alert: enough to see whether it was sent."""

    id: str
    alert: str
    event: Event


class EventMaker:
    """Makes the events of one program's alerts; it holds no state and may be shared."""

    def __init__(self, program: Program) -> None:
        self._keys = rule_keys(program)
        self._places: dict[tuple[str, str, str], list[int]] = {}
        for position, key in enumerate(self._keys):
            self._places.setdefault((key.file, key.group, key.name), []).append(position)

    def make(
        self, evaluator: Evaluator, transitions: Iterable[Event], known: Container[str] = frozenset()
    ) -> list[AlertEvent]:
        """The events to be sent, in the order of the transitions.

        Args:
            evaluator: of the program, after the evaluation that brought the transitions; annotations and traces come from what it sees.
            transitions: of :class:`rules.evaluation.outcome.Outcome`.
            known: ids of events that were sent. They are left out before annotations and traces are made.
        """
        drafts = [draft for draft in self._drafts(transitions) if draft.id not in known]
        return _traced(evaluator, [self._untraced(evaluator, draft) for draft in drafts], drafts)

    def corrections(
        self, evaluator: Evaluator, sent: Iterable[AlertEvent], transitions: Iterable[Event], noticed_ms: int
    ) -> list[AlertEvent]:
        """The corrections of sent events after a second evaluation; see :func:`rules.events.corrections.diff`.

        Most events of a second evaluation are those that were sent. Annotations count as a difference, and are made of all; traces do not, and are
        made of the events that are sent.

        Args:
            evaluator: of the program, after the second evaluation.
            sent: the valid events, retractions included.
            transitions: of the second evaluation.
            noticed_ms: the evaluation time at which the difference is found.
        """
        found = list(self._drafts(transitions))
        drafts = {draft.id: draft for draft in found}
        due = [self._untraced(evaluator, draft) for draft in found]
        return diff(
            sent, due, noticed_ms, lambda events: _traced(evaluator, events, [drafts[each.id] for each in events])
        )

    def position(self, event: AlertEvent) -> int | None:
        """The position of the rule that an event is of; None if it is none of the program's."""
        found = self._places.get((event.file, event.group, event.rule), ())
        labels = label_set(event.labels)
        return next((each for each in found if alert_id(self._keys[each], labels) == event.alert), None)

    def _drafts(self, transitions: Iterable[Event]) -> Iterator[_Draft]:
        for event in transitions:
            identity = alert_id(self._keys[event.rule.position], event.transition.alert.labels)
            yield _Draft(event_id(identity, event.transition), identity, event)

    def _untraced(self, evaluator: Evaluator, draft: _Draft) -> AlertEvent:
        transition, alert = draft.event.transition, draft.event.transition.alert
        key = self._keys[draft.event.rule.position]
        return AlertEvent(
            id=draft.id,
            alert=draft.alert,
            file=key.file,
            group=key.group,
            rule=key.name,
            labels=dict(alert.labels),
            annotations=evaluator.annotations(draft.event.rule, alert),
            value=alert.value,
            state=_state(transition),
            reason=transition.reason.name.lower(),
            active_since=alert.active_at,
            starts_at=alert.fired_at,
            ends_at=alert.resolved_at,
            evaluated_at=transition.time_ms,
        )


def _traced(evaluator: Evaluator, events: Sequence[AlertEvent], drafts: Sequence[_Draft]) -> list[AlertEvent]:
    """Events with their traces. Those of one rule and evaluation time are traced together."""
    together: dict[tuple[int, int], list[int]] = {}
    for number, draft in enumerate(drafts):
        together.setdefault((draft.event.rule.position, draft.event.transition.time_ms), []).append(number)
    found = list(events)
    for (position, time_ms), numbers in together.items():
        sources = [drafts[number].event.transition.alert.source for number in numbers]
        traces = traced(evaluator, evaluator.program.rules[position], time_ms, sources)
        for number, trace in zip(numbers, traces, strict=True):
            found[number] = replace(events[number], trace=trace)
    return found


def _state(transition: Transition) -> State:
    if transition.after is Phase.PENDING:
        return State.PENDING
    if transition.after is Phase.FIRING:
        return State.FIRING
    return State.RESOLVED if transition.before is Phase.FIRING else State.INACTIVE
