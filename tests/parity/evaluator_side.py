"""What our evaluator makes of rule files and samples in one piece, without shards and streams: to report where a difference comes from."""

from __future__ import annotations

from collections.abc import Sequence

from rules.evaluation.groups import Evaluator
from rules.evaluation.program import Program
from rules.events.events import EventMaker
from rules.promql.storage import MemoryStorage
from schemas.alert_event import AlertEvent
from tests.oracle.prometheus import Series
from tests.parity.verdict import PartitionWatermark, Rule, Turn, Verdict


def of_evaluator(program: Program, series: Sequence[Series], start_ms: int, end_ms: int) -> Verdict:
    """Evaluate the rules at the instants in ``[start, end]``."""
    evaluator = Evaluator(program, MemoryStorage.from_series(series))
    schedule = program.due(start_ms - 1, end_ms)
    outcome = evaluator.evaluate_schedule(schedule)
    reported = EventMaker(program).make(evaluator, outcome.events)
    written = {
        labels: dict(zip(times.tolist(), values.tolist(), strict=True))
        for labels, _, times, values in evaluator.recorded.series()
    }
    return Verdict(dict(map(turn_of, reported)), written)


def turn_of(event: AlertEvent) -> tuple[Turn, PartitionWatermark]:
    """An event as a verdict holds it."""
    rule = Rule(event.file, event.group, event.rule)
    labels = tuple(sorted(event.labels.items()))
    reported = PartitionWatermark(event.active_since, event.starts_at, event.ends_at, event.value)
    return Turn(rule, labels, event.evaluated_at, event.state.value), reported
