"""From what an evaluation brings to the events that go out.

An event's id depends on nothing but its rule's name and place, the alert's labels and the transition, so a transition that is evaluated
again, after a restart or by a second worker, has the same id.
"""

from __future__ import annotations

from collections.abc import Iterable

from rules.evaluation.alerts import Phase, Transition, label_set
from rules.evaluation.groups import Evaluator
from rules.evaluation.outcome import Event
from rules.evaluation.program import Program
from rules.events.identity import alert_id, event_id, rule_keys
from rules.events.trace import traced
from schemas.alert_event import AlertEvent, State, Trace


class EventMaker:
    """Makes the events of one program's alerts; it holds no state and may be shared."""

    def __init__(self, program: Program) -> None:
        self._keys = rule_keys(program)
        self._places: dict[tuple[str, str, str], list[int]] = {}
        for position, key in enumerate(self._keys):
            self._places.setdefault((key.file, key.group, key.name), []).append(position)

    def make(self, evaluator: Evaluator, events: Iterable[Event]) -> list[AlertEvent]:
        """The events to be sent, in the order of the transitions.

        Args:
            evaluator: of the program, after the evaluation that brought the transitions; annotations and traces come from what it sees.
            events: of :class:`rules.evaluation.outcome.Outcome`.
        """
        found = list(events)
        together: dict[tuple[int, int], list[int]] = {}
        for number, event in enumerate(found):
            together.setdefault((event.rule.position, event.transition.time_ms), []).append(number)
        traces: dict[int, tuple[Trace, ...]] = {}
        for (position, time_ms), numbers in together.items():
            sources = [found[number].transition.alert.source for number in numbers]
            rule = evaluator.program.rules[position]
            traces.update(zip(numbers, traced(evaluator, rule, time_ms, sources), strict=True))
        return [self._made(evaluator, event, traces[number]) for number, event in enumerate(found)]

    def position(self, event: AlertEvent) -> int | None:
        """The position of the rule that an event is of; None if it is none of the program's."""
        found = self._places.get((event.file, event.group, event.rule), ())
        labels = label_set(event.labels)
        return next((each for each in found if alert_id(self._keys[each], labels) == event.alert), None)

    def _made(self, evaluator: Evaluator, event: Event, trace: tuple[Trace, ...]) -> AlertEvent:
        transition, alert = event.transition, event.transition.alert
        key = self._keys[event.rule.position]
        identity = alert_id(key, alert.labels)
        return AlertEvent(
            id=event_id(identity, transition),
            alert=identity,
            file=key.file,
            group=key.group,
            rule=key.name,
            labels=dict(alert.labels),
            annotations=evaluator.annotations(event.rule, alert),
            value=alert.value,
            state=_state(transition),
            reason=transition.reason.name.lower(),
            active_since=alert.active_at,
            starts_at=alert.fired_at,
            ends_at=alert.resolved_at,
            evaluated_at=transition.time_ms,
            trace=trace,
        )


def _state(transition: Transition) -> State:
    if transition.after is Phase.PENDING:
        return State.PENDING
    if transition.after is Phase.FIRING:
        return State.FIRING
    return State.RESOLVED if transition.before is Phase.FIRING else State.INACTIVE
