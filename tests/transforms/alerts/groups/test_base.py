"""The base of a group's state comes back from its bytes, and nothing else is taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from rules.evaluation.alerts import Alert, AlertState, Phase
from rules.evaluation.recorded import Recorded, Writer
from rules.evaluation.rule_state import IDLE, RuleState
from rules.events.corrections import History
from transforms.alerts.groups.base import Base

LABELS = (("__name__", "y"),)
ACTIVE = RuleState(AlertState({LABELS: Alert(LABELS, LABELS, Phase.FIRING, 3.0, 60_000, 60_000, 60_000)}), {})


def base(time_ms: int | None = 60_000, *, initial: bool = True) -> Base:
    recorded = Recorded()
    mask = np.ones((1, 2), np.bool_)
    recorded.append(Writer(1), "y", [LABELS], np.array([60_000, 120_000]), np.array([[1.0, 2.0]]), mask)
    progress = {"fronts": [[0, 120_000, 1]], "beyond": []}
    done = None if time_ms is None else 120_000
    return Base(time_ms, done, initial, [IDLE, ACTIVE, IDLE], b"rules", recorded, History(), progress)


@pytest.mark.parametrize("initial", [True, False])
def test_a_base_comes_back(initial: bool) -> None:
    found = Base.from_bytes(base(initial=initial).to_bytes())
    assert (found.time_ms, found.done, found.initial) == (60_000, 120_000, initial)
    assert (found.rules, found.progress) == (b"rules", {"fronts": [[0, 120_000, 1]], "beyond": []})
    assert [state.as_plain() for state in found.states] == [each.as_plain() for each in (IDLE, ACTIVE, IDLE)]
    assert found.history.standing() == []


def test_what_was_written_after_the_base_is_left_to_be_evaluated_again() -> None:
    found = Base.from_bytes(base().to_bytes())
    ((labels, writer, times, values),) = found.recorded.series()
    assert (labels, writer, times.tolist(), values.tolist()) == (LABELS, Writer(1), [60_000], [1.0])


def test_before_the_first_evaluation_time_nothing_was_written() -> None:
    found = Base.from_bytes(base(None).to_bytes())
    assert (found.time_ms, found.done, list(found.recorded.series())) == (None, None, [])


@pytest.mark.parametrize("damage", [b"", lambda data: data[:-1], lambda data: data + b"\0" * 8, lambda data: data[:40]])
def test_what_is_no_base_is_refused(damage: object) -> None:
    whole = base().to_bytes()
    data = damage(whole) if callable(damage) else b""
    with pytest.raises(ValueError, match="not the base of a group's state"):
        Base.from_bytes(data)
