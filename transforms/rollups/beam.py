"""Rollups of all tiers: a step a tier, each a :class:`transforms.windows.machine.WindowMachine`.

Everything runs in the global window, keyed by (shard, window start): the runner then never drops an element on its own, and the window's
life, lateness included, is the state machine's. The source has already separated late data from too late data (:mod:`transforms.windows.cut`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import apache_beam as beam

from schemas import rollup as rollups
from schemas.tiers import Tiers
from transforms.machines import watermarks
from transforms.machines.beam import is_no_mark, machine_step
from transforms.rollups.contents import windows_of
from transforms.rollups.rows import Row, rows_of
from transforms.windows import marks
from transforms.windows.content import Key
from transforms.windows.machine import PANES, WindowMachine


class Rows(beam.PTransform):
    """Rollup rows in wire form, of one tier of :class:`Rollups`, to a dict each: see :func:`transforms.rollups.rows.rows_of`."""

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        """One step."""
        return rows | "Decode" >> beam.FlatMap(_rows_of).with_output_types(Row)


def _rows_of(data: bytes) -> Iterator[Row]:
    return rows_of(rollups.decode(data))


def _key_by_coarser(data: bytes, window_ms: int) -> tuple[bytes, bytes]:
    shard, window = rollups.read_place(data)
    return Key(shard, window - window % window_ms).encode(), data


def _for_windows(element: tuple[bytes, bytes], shards: int, window_ms: int) -> Iterator[tuple[bytes, bytes]]:
    if watermarks.is_mark(element):
        yield from marks.elements_of(element[1], shards, window_ms)
    else:
        yield element


@dataclass(frozen=True)
class Marked:
    """Sources that send the watermarks of their partitions as marks among the samples, in order (:mod:`transforms.windows.marks`).

    Attributes:
        sources: their numbers.
        shards: of the samples.
    """

    sources: frozenset[int]
    shards: int


class Rollups(beam.PTransform):
    """Samples to the rows of every tier.

    Windows of the finest tier fire as soon as the marks of all partitions have passed their end, if sources send any; else, and in the other
    tiers, by the runner's watermark. Panes hold the same either way.

    Input: ``(Key.encode(), schemas.batch.encode(...))``, each element of one shard and one window of the finest tier; marks among them. Output:
    a dict from tier name to a PCollection of rollup rows in wire form (:mod:`schemas.rollup`); corrected panes follow on-time ones.
    """

    def __init__(self, tiers: Tiers, marked: Marked | None = None) -> None:
        """Roll up into tiers. ``marked``: the sources that send marks, if all do; else marks are dropped."""
        super().__init__()
        self._tiers, self._marked = tiers, marked

    def expand(self, keyed: beam.PCollection) -> dict[str, beam.PCollection]:
        """One stateful step a tier; each feeds the next coarser one."""
        outputs: dict[str, beam.PCollection] = {}
        marked, finest = self._marked, self._tiers.rollups[0]
        # A collection of its own: see RunMachine.
        own = beam.Filter(is_no_mark) if marked is None else beam.FlatMap(_for_windows, marked.shards, finest.window_ms)
        keyed = keyed | "For windows" >> own.with_output_types(tuple[bytes, bytes])
        for level, tier in enumerate(self._tiers.rollups):
            if level:
                keyed = outputs[self._tiers.rollups[level - 1].name] | f"Key by {tier.name}" >> beam.Map(
                    _key_by_coarser, tier.window_ms
                ).with_output_types(tuple[bytes, bytes])
            windows = windows_of(self._tiers, level)
            if not level and marked is not None:
                windows = replace(windows, sources=marked.sources)
            step = machine_step(WindowMachine, windows, f"window_{tier.name}", PANES)
            if marked is not None:
                # Flink's runner spreads steps over a job's Python processes by lot, and often most of the work ends up in one. Steps with other
                # resource hints have processes of their own: the finest tier, and all others together. The hint itself asks for nothing.
                step = step.with_resource_hints(min_ram=f"{min(level, 1) + 1}B")
            outputs[tier.name] = keyed | f"Roll up {tier.name}" >> step
        return outputs
