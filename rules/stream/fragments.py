"""What of a program's rules shards evaluate (fragments), and what is left to be evaluated in one place (remainders)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from rules.plan import State, plan
from rules.program import Program
from rules.promql import ast
from rules.promql.printer import to_text

SHARD_LABEL = "__shard__"
"""The label that tells the partial aggregates of different shards apart; remainders aggregate it away."""


@dataclass(frozen=True, slots=True, order=True)
class Schedule:
    """The instants ``k * interval_ms - behind_ms`` for whole ``k``."""

    interval_ms: int
    behind_ms: int = 0


@dataclass(frozen=True, slots=True)
class FragmentSpec:
    """What shards evaluate, or gather, on behalf of rules.

    Attributes:
        number: its index in :attr:`Cut.fragments`, which :class:`rules.promql.ast.Fragment` names.
        expr: of a vector, the expression, of type instant vector; of samples, a selector without offset.
        kind: ``vector``: its value at each instant travels. ``samples``: the raw samples it selects travel, staleness markers too, because
            the remainders select them among what rules write.
        step_ms: of a vector that a subquery asks for: it is evaluated at all multiples of this. None: at the instants of ``schedules``.
        history_ms: how long before an instant that rules are evaluated at its values (or samples) may be asked for; 0: at the instant alone.
        shard_label: its series of different shards may have the same labels, and :data:`SHARD_LABEL` is added to tell them apart.
        schedules: when the rules that use it are evaluated, distinct, ascending.
    """

    number: int
    expr: ast.Expr
    kind: Literal["vector", "samples"]
    step_ms: int | None
    history_ms: int
    shard_label: bool
    schedules: tuple[Schedule, ...] = ()

    @property
    def key(self) -> str:
        """What tells it among the fragments of any program: two of one key have the same values at the same instants."""
        step = "" if self.step_ms is None else f" every {self.step_ms} ms"
        shard = f" with {SHARD_LABEL}" if self.shard_label else ""
        return f"{self.kind} {to_text(self.expr)}{step}{shard}"


@dataclass(frozen=True, eq=False)
class Cut:
    """A program cut for shards.

    Attributes:
        program: the rules with remainders in the place of their expressions.
        fragments: what shards evaluate, distinct by key.
        target_labels: the labels that make up a target part; a shard holds whole targets.
    """

    program: Program
    fragments: tuple[FragmentSpec, ...]
    target_labels: frozenset[str]

    def state(self) -> tuple[State, ...]:
        """The selectors whose samples shards keep, distinct by their text without offset, and for how long before an instant."""
        kept: dict[str, State] = {}
        lookback = self.program.settings.options.lookback_ms
        for spec in self.fragments:
            for state in plan(spec.expr, self.target_labels, lookback).states:
                selector = ast.VectorSelector(state.selector.name, state.selector.matchers)
                text = to_text(selector)
                longest = max(state.retention_ms, kept[text].retention_ms if text in kept else 0)
                kept[text] = State(selector, longest, False)
        return tuple(kept.values())

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the fragments' keys, in hexadecimal: programs with the same need the same of shards."""
        keys = "\n".join(sorted(spec.key for spec in self.fragments))
        return hashlib.blake2b(keys.encode(), digest_size=8).hexdigest()
