"""What a rule keeps from one evaluation to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rules.evaluation.alerts import AlertState, Labels


@dataclass(frozen=True, slots=True)
class RuleState:
    """A rule's alerts, and the series it wrote when it last succeeded, by metric name. An evaluation makes a new one, so snapshots may share them."""

    alerts: AlertState = field(default_factory=AlertState)
    written: dict[str, frozenset[Labels]] = field(default_factory=dict)

    @classmethod
    def of(cls, alerts: AlertState, written: dict[str, frozenset[Labels]]) -> RuleState:
        """The state; :data:`IDLE` if there is nothing in it."""
        return cls(alerts, written) if alerts.alerts or any(written.values()) else IDLE

    def as_plain(self) -> dict[str, Any]:
        """The state in lists, dictionaries, texts and numbers, for JSON or a checkpoint."""
        written = {name: sorted(map(list, series)) for name, series in self.written.items()}
        return {"alerts": self.alerts.as_plain(), "written": written}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> RuleState:
        """The state that :meth:`as_plain` gave.

        Raises:
            ValueError: it is none.
        """
        try:
            written = {
                str(name): frozenset(tuple((str(label), str(value)) for label, value in each) for each in series)
                for name, series in plain["written"].items()
            }
            return cls.of(AlertState.from_plain(plain["alerts"]), written)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not the state of a rule: {error}") from error


IDLE = RuleState()
"""The state of every rule that has no alerts, none it remembers either, and no series of which it would have to say that they ended."""
