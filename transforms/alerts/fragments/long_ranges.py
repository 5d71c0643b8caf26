"""How far back an expression needs single samples, where digests of them suffice, and which series are packed therefore."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from rules.planning.plan import DEFAULT_LOOKBACK_MS, State, plan
from rules.promql.digests.functions import NEEDS
from rules.promql.digests.measures import Measure
from rules.promql.syntax import ast
from rules.promql.values import Index, Mask
from schemas.series import DEFAULT_TARGET_LABELS

BLOCK_MS = 3_600_000


def states(
    expr: ast.Expr,
    target_labels: frozenset[str] = DEFAULT_TARGET_LABELS,
    lookback_ms: int = DEFAULT_LOOKBACK_MS,
    block_ms: int = BLOCK_MS,
) -> Iterator[State]:
    """What each selector of an expression keeps, as :func:`rules.planning.plan.plan` has it, and how it is read."""
    # Both go through the selectors in the order they are written.
    found = plan(expr, target_labels, lookback_ms).states
    for state, reading in zip(found, readings(expr, lookback_ms, block_ms), strict=True):
        yield replace(state, single_ms=reading.single_ms, measures=reading.measures)


@dataclass(frozen=True, slots=True)
class Packing:
    """Which samples are packed.

    Attributes:
        block_ms: what a block spans; blocks end at its multiples. Windows as long as this, or longer, are put together from digests.
        long_ms: only series whose samples are needed this long.
        open_ms: samples stay as they are for so long, besides what late ones may still touch. Series that a rule reads further back sample by
            sample (:attr:`rules.planning.plan.State.single_ms`) are not packed.
    """

    block_ms: int = BLOCK_MS
    long_ms: int = 10_800_000
    open_ms: int = 3_600_000

    def fits(self, keep_ms: Index, single_ms: Index) -> Mask:
        """Which series are packed, of how long their samples are needed, and their longest window that is gone through sample by sample."""
        fits: Mask = (keep_ms >= self.long_ms) & (single_ms <= self.open_ms)
        return fits


class Reading(NamedTuple):
    """How a selector is read.

    Attributes:
        single_ms: the longest window of it that is gone through sample by sample; None if it is read within a subquery, and so as far back as ever.
        measures: what digests of its windows have to hold.
    """

    single_ms: int | None
    measures: Measure = Measure.NONE


def readings(expr: ast.Expr, lookback_ms: int, block_ms: int = BLOCK_MS, *, within: bool = False) -> Iterator[Reading]:
    """How each selector of an expression is read.

    Args:
        expr: the expression.
        lookback_ms: how old a sample an instant selector still takes.
        block_ms: windows that are shorter are gone through sample by sample.
        within: it is in a subquery, which is evaluated at times anywhere in its range.
    """
    match expr:
        case ast.VectorSelector():
            yield Reading(None if within else lookback_ms)
        case ast.MatrixSelector():
            yield Reading(None if within else expr.range_ms)
        case ast.Call(func=func, args=args) if func in NEEDS and not within:
            for part in args:
                bare = ast.unwrap(part)
                if isinstance(bare, ast.MatrixSelector) and bare.range_ms >= block_ms:
                    yield Reading(0, NEEDS[func])
                else:
                    yield from readings(part, lookback_ms, block_ms)
        case _:
            for part in ast.children(expr):
                yield from readings(part, lookback_ms, block_ms, within=within or isinstance(expr, ast.Subquery))
