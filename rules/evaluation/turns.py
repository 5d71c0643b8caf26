"""What rules yield at several evaluation times, before it is written, and how those write that may write the same series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

from rules.evaluation.alerts import Labels
from rules.evaluation.program import Prepared
from rules.evaluation.recorded import Recorded
from rules.evaluation.rule_state import RuleState
from rules.evaluation.writing import Block
from rules.promql.values import Mask, Times


@dataclass(frozen=True, slots=True)
class Yield:
    """What comes of a rule at some evaluation times.

    Attributes:
        times: ``[T]`` ascending milliseconds.
        blocks: the series to write, a block for each metric name.
        good: ``[T]``, the evaluation times at which the rule succeeds; at the others it writes nothing.
    """

    rule: Prepared
    times: Times
    blocks: tuple[Block, ...]
    good: Mask

    def of(self, some: slice | Mask) -> Yield:
        """At some of the evaluation times."""
        blocks = tuple(
            Block(each.name, each.series, each.values[:, some], each.mask[:, some], each.whole) for each in self.blocks
        )
        return Yield(self.rule, self.times[some], blocks, self.good[some])


def in_turns(yields: Sequence[Yield]) -> Iterator[Yield]:
    """What rules yield at each evaluation time, in the order of the rules; without the times at which a rule fails."""
    turns = [
        (when, each.rule.position, place, each)
        for each in yields
        for place, when in enumerate(each.times.tolist())
        if each.good[place]
    ]
    for _, _, place, each in sorted(turns, key=itemgetter(0, 1)):
        yield each.of(slice(place, place + 1))


def clash(yields: Sequence[Yield], recorded: Recorded, states: Sequence[RuleState]) -> bool:
    """Whether two rules write, or are to end, the same series, or a series has a sample already that is not before the first to be written."""
    owners: dict[Labels, int] = {}
    for each in yields:
        position = each.rule.position
        dated = int(each.times[0]) - each.rule.writer.query_offset_ms
        for block in each.blocks:
            series = {*block.series, *states[position].written.get(block.name, ())}
            if any(owners.setdefault(labels, position) != position for labels in series):
                return True
            if (recorded.newest(block.name, block.series)[0] >= dated).any():
                return True
    return False
