"""Rules and samples in short, for tests of evaluation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rules.evaluation.groups import Evaluator
from rules.evaluation.outcome import Outcome
from rules.files.load import load_rules
from rules.model import RuleGroup
from rules.promql.notation import parse_series_description
from rules.promql.storage import MemoryStorage

MINUTE = 60_000


def groups_of(text: str, name: str = "rules.yml") -> tuple[RuleGroup, ...]:
    """The groups of a rule file that is in order."""
    loaded = load_rules(text, name)
    assert loaded.file is not None, loaded.diagnostics
    return loaded.file.groups


def storage_of(*lines: str, interval_ms: int = MINUTE) -> MemoryStorage:
    """Series in the notation of unit tests, a sample a minute from 0 on."""
    series = []
    for line in lines:
        labels, values, present = parse_series_description(line)
        times = np.arange(len(values), dtype=np.int64) * interval_ms
        series.append((labels, times[present], values[present]))
    return MemoryStorage.from_series(series)


def minutes(first: int, last: int) -> np.ndarray:
    """The evaluation times of a stretch of minutes, both ends included."""
    return np.arange(first, last + 1, dtype=np.int64) * MINUTE


def written(evaluator: Evaluator) -> dict[tuple[tuple[str, str], ...], list[tuple[int, int]]]:
    """What rules wrote: by series, times and the bits of the values."""
    return {
        labels: list(zip(times.tolist(), values.view(np.uint64).tolist(), strict=True))
        for labels, _, times, values in evaluator.recorded.series()
    }


def reported(outcome: Outcome) -> list[tuple[object, ...]]:
    """Transitions in a form that compares, NaN with NaN too."""
    return [
        (
            each.transition.time_ms,
            each.rule.position,
            each.transition.after,
            each.transition.reason,
            repr(each.transition.alert),
        )
        for each in outcome.events
    ]


def failures(outcome: Outcome) -> list[tuple[int, int, str]]:
    """Failed evaluations in a form that compares."""
    return [(each.time_ms, each.rule.position, each.message) for each in outcome.errors]


def course(outcome: Outcome, name: str) -> list[str]:
    """``minute before>after`` for every transition of a rule's alerts."""
    return [
        f"{each.transition.time_ms / MINUTE:g} {each.transition.before.value}>{each.transition.after.value}"
        for each in outcome.events
        if each.rule.rule.name == name
    ]


def samples(evaluator: Evaluator, name: str, labels: Mapping[str, str] | None = None) -> list[str]:
    """``minute=value`` of one written series, staleness markers as ``stale``."""
    wanted = tuple(sorted({"__name__": name, **(labels or {})}.items()))
    found = written(evaluator).get(wanted, [])
    stale = 0x7FF0000000000002
    return [
        f"{when / MINUTE:g}={'stale' if bits == stale else format(np.uint64(bits).view(np.float64), 'g')}"
        for when, bits in found
    ]
