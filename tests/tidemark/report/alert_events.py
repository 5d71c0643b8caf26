"""Alert events for tests, made by the evaluator and the event maker that the stream has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from rules.evaluation.groups import Evaluator
from rules.evaluation.program import Program
from rules.events.events import EventMaker
from rules.files.load import load_rules
from rules.promql.storage import MemoryStorage
from schemas.alert_event import AlertEvent


def events_of(
    rules: str, series: Iterable[tuple[dict, Sequence[int], Sequence[float]]], start: int, end: int
) -> list[AlertEvent]:
    """The events of a rule file over series of labels, times (ms) and values, from ``start`` to ``end``."""
    loaded = load_rules(rules, "rules.yml")
    assert loaded.file is not None, loaded.diagnostics
    program = Program(loaded.file.groups)
    evaluator = Evaluator(program, MemoryStorage.from_series(series))
    schedule = program.due(start - 1, end)
    return EventMaker(program).make(evaluator, evaluator.evaluate_schedule(schedule).events)


def minutes(*values: float) -> tuple[list[int], list[float]]:
    """Times and values, one a minute from 0 on; NaN for none."""
    pairs = [(60_000 * number, value) for number, value in enumerate(values) if not np.isnan(value)]
    return [time for time, _ in pairs], [value for _, value in pairs]
