"""How many evaluation times are evaluated at once, and which rules are skipped: event time may jump over years without samples.

One sample with a wrong clock, or a log that stopped for a year, leaves millions of evaluation times at which no rule sees a sample. Their results are
empty, except those of rules such as ``absent(x)``. These are then evaluated by themselves, many evaluation times at once::

    12:00          a sample, and no other for a year
    12:01 - 12:20  all rules are evaluated: the sample is seen, its alert fires, is resolved, and is forgotten
    a year         skipped, or only the rules that need no samples are evaluated; of decades, the beginning and the last million evaluation times
    12:01          all rules are evaluated

A stretch is skipped only if this is certain: none of its evaluation times reaches anything that shards reported or other rules wrote, no rule has an
alert or a series that could end, and the expressions of the skipped rules are empty without samples
(:func:`rules.evaluation.known_empty.needs_samples`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from rules.evaluation.groups import Evaluator
from rules.evaluation.rule_state import IDLE
from rules.evaluation.schedule import reach
from schemas.strict_json import format_time
from transforms.alerts.groups.partial_store import PartialStore
from transforms.alerts.live.live import CompiledRules

STRIDE = 64
"""Most evaluation times at once where there are samples. It bounds memory while a job catches up."""

BLOCK = 16_384
"""Most evaluation times at once, where there are no samples, of rules that need none."""

MOST_ALONE = 1_000_000
"""Most evaluation times (of the shortest interval) of one stretch without samples at which rules that need none are evaluated, when a job reaches
the whole stretch at once: two years of minutes."""

_DAY_MS = 86_400_000
LONG_MS = 7 * _DAY_MS
"""Event time without samples beyond which a warning is logged."""


class Stretch(NamedTuple):
    """Evaluation times that are evaluated by the same rules.

    Attributes:
        until_ms: the last of them is not after this.
        rules: the positions of the rules to evaluate; None for all requested ones.
    """

    until_ms: int
    rules: frozenset[int] | None = None


def next_stretch(
    ready: CompiledRules,
    store: PartialStore,
    evaluator: Evaluator,
    after_ms: int,
    until_ms: int,
    only: Collection[int] | None = None,
    most: int = STRIDE,
    *,
    alone: bool = False,
) -> Stretch:
    """The next evaluation times that are evaluated by the same rules, and these rules.

    Args:
        ready: the rules.
        store: what shards reported.
        evaluator: of the rules; what they wrote, and their states after ``after_ms``.
        after_ms: the evaluation times are after this.
        until_ms: and not after this.
        only: the positions of the rules that are to be evaluated; None for all.
        most: evaluation times at once where there are samples.
        alone: whether rules that need no samples were evaluated by themselves up to ``after_ms``.
    """
    first = ready.times.following(after_ms)
    if first is None or ready.times.count(after_ms, until_ms) <= most:
        return Stretch(until_ms)
    shortest = ready.times.shortest_ms or 1
    usual = Stretch(min(until_ms, reach(first, most, shortest)))
    offset = max((rule.turn.query_offset_ms for rule in ready.program.rules), default=0)
    empty_until = _before(store.seen(first, offset), until_ms)
    if empty_until <= usual.until_ms:
        return usual
    unprompted = ready.unprompted if only is None else ready.unprompted & frozenset(only)
    others = range(len(evaluator.states)) if only is None else only
    if any(evaluator.states[position] is not IDLE for position in others if position not in unprompted):
        return usual
    empty_until = _before(evaluator.recorded.seen(first, ready.reach_ms + offset + 1, ready.unprompted), empty_until)
    if empty_until <= usual.until_ms:
        return usual
    if not unprompted:
        return Stretch(empty_until, unprompted)
    # Their results after the first block are almost certainly those at its end, and would take two rows each evaluation time.
    last_ones = empty_until - MOST_ALONE * shortest
    if alone and last_ones >= first:
        return Stretch(last_ones, frozenset())
    return Stretch(min(empty_until, reach(first, BLOCK, shortest)), unprompted)


def _before(seen_ms: int | None, until_ms: int) -> int:
    """The last millisecond before something is seen, but not after a time."""
    return until_ms if seen_ms is None else min(seen_ms - 1, until_ms)


def no_samples_from(time_ms: int) -> str:
    """The warning for a stretch longer than :data:`LONG_MS`."""
    try:
        moment = format_time(time_ms)
    except ValueError:
        moment = f"{time_ms} ms"
    return (
        f"rules: for more than {LONG_MS // _DAY_MS} days of event time from {moment} on there is no sample that a rule reads: "
        "if one sample's clock is wrong, leave it out with --since or --max-future"
    )
