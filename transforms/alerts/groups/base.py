"""The base of a group's state: what a checkpoint holds besides the elements that arrived after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from rules.evaluation.recorded import Recorded
from rules.evaluation.rule_state import IDLE, RuleState
from rules.events.corrections import History
from schemas.forms import table as forms
from transforms.alerts.groups import written

_PARTS = 4
_SIZE_BYTES = 8


@dataclass(frozen=True, slots=True)
class Base:
    """A group's state at an evaluation time that late samples can no longer change.

    Attributes:
        time_ms: the evaluation time; None if there was none yet.
        done: the last time that had been evaluated when the base was taken.
        initial: whether nothing was evaluated before ``time_ms``.
        states: of the rules, after ``time_ms``.
        rules: what :meth:`transforms.alerts.live.live.LiveRules.to_bytes` gave.
        recorded: what rules wrote; the part up to ``time_ms`` is kept.
        history: of events as of ``done``.
        progress: how far shards had reported, as :meth:`transforms.alerts.groups.progress.ShardProgress.as_plain` gives it.
    """

    time_ms: int | None
    done: int | None
    initial: bool
    states: list[RuleState]
    rules: bytes
    recorded: Recorded
    history: History
    progress: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        """For a checkpoint."""
        plain = {
            "done": self.done,
            "base": self.time_ms,
            "initial": self.initial,
            "rules": len(self.states),
            "states": {str(place): state.as_plain() for place, state in enumerate(self.states) if state is not IDLE},
            "fronts": self.progress,
        }
        parts = [
            orjson.dumps(plain),
            self.rules,
            written.to_bytes(self.recorded, self.time_ms),
            self.history.to_bytes(),
        ]
        return b"".join(len(part).to_bytes(_SIZE_BYTES, "big") + part for part in parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Base:
        """The base that :meth:`to_bytes` gave.

        Raises:
            ValueError: the bytes are not a base; :class:`schemas.forms.model.VersionError` if another release wrote them.
        """
        head, rules, recorded, history = _parts(data)
        plain = orjson.loads(head)
        forms.BASE.check_key(plain)
        # Most rules have no state, and are left out.
        states = [IDLE] * plain["rules"]
        for place, state in plain["states"].items():
            states[int(place)] = RuleState.from_plain(state)
        return cls(
            time_ms=plain["base"],
            done=plain["done"],
            initial=plain["initial"],
            states=states,
            rules=rules,
            recorded=written.from_bytes(recorded),
            history=History.from_bytes(history),
            progress=plain["fronts"],
        )


def _parts(data: bytes) -> list[bytes]:
    parts, place = [], 0
    while place < len(data):
        size = int.from_bytes(data[place : place + _SIZE_BYTES], "big")
        place += _SIZE_BYTES
        parts.append(data[place : place + size])
        place += size
    if len(parts) != _PARTS or place != len(data):
        raise ValueError("not the base of a group's state")
    return parts
