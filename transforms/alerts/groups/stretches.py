"""How far rules are evaluated at once, and which of them need not be evaluated at all: event time may run over years in which there is nothing.

One sample whose clock is wrong, or a log that stopped for a year, leaves millions of instants at which no rule can see anything. What comes of
them is nothing, but for rules such as ``absent(x)``, which are then evaluated by themselves, many instants at once::

    12:00          a sample, and no other for a year
    12:01 - 12:20  all rules are evaluated: the sample is seen, its alert fires, is resolved, and is forgotten
    a year         skipped, or only the rules that need no samples are evaluated; of decades, the beginning and the last million instants
    12:01          all rules are evaluated

That a stretch is skipped is proved, not guessed. Nothing that shards said, and nothing that other rules wrote, is in reach of any of its instants. No
rule has an alert or a series that could end. The expressions of the rules left out yield nothing without samples
(:func:`rules.evaluation.known_empty.needs_samples`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from rules.evaluation.groups import Evaluator
from rules.evaluation.rule_state import IDLE
from schemas.strict_json import format_time
from transforms.alerts.groups.partial_store import PartialStore
from transforms.alerts.live.live import CompiledRules

STRIDE = 64
"""Instants evaluated at once at most where there are samples: what bounds memory while a job catches up."""

BLOCK = 16_384
"""Instants evaluated at once at most of rules that need no samples, where there are none."""

MOST_ALONE = 1_000_000
"""Instants (of the shortest interval) of one stretch without samples at which rules that need none are evaluated, when a job comes to it at once:
two years of minutes."""

_DAY_MS = 86_400_000
LONG_MS = 7 * _DAY_MS
"""Event time without samples that is worth a word."""


class Stretch(NamedTuple):
    """Instants that are evaluated alike.

    Attributes:
        until_ms: the last of them is not after this.
        rules: the positions of those to evaluate; None for all that were asked for.
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
    """The instants after a time that are evaluated alike, and by which rules.

    Args:
        ready: the rules.
        store: what shards said.
        evaluator: of the rules; what they wrote, and their states after ``after_ms``.
        after_ms: the instants are later.
        until_ms: and not after this.
        only: the positions of the rules that are to be evaluated; None for all.
        most: instants at once where there are samples.
        alone: whether rules that need no samples were evaluated by themselves up to ``after_ms``.
    """
    first = ready.following(after_ms)
    if first is None or ready.count(after_ms, until_ms) <= most:
        return Stretch(until_ms)
    shortest = ready.intervals_ms[0]
    usual = Stretch(min(until_ms, first + (most - 1) * shortest))
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
    # What they say after the first block is all but certainly what they say at the end of it, and two rows an instant would be written of it.
    last_ones = empty_until - MOST_ALONE * shortest
    if alone and last_ones >= first:
        return Stretch(last_ones, frozenset())
    return Stretch(min(empty_until, first + (BLOCK - 1) * shortest), unprompted)


def _before(seen_ms: int | None, until_ms: int) -> int:
    """The last millisecond before something is seen, but not after a time."""
    return until_ms if seen_ms is None else min(seen_ms - 1, until_ms)


def no_samples_from(time_ms: int) -> str:
    """What to say of a stretch longer than :data:`LONG_MS`."""
    try:
        moment = format_time(time_ms)
    except ValueError:
        moment = f"{time_ms} ms"
    return (
        f"rules: for more than {LONG_MS // _DAY_MS} days of event time from {moment} on there is no sample that a rule reads: "
        "if one sample's clock is wrong, leave it out with --since or --max-future"
    )
