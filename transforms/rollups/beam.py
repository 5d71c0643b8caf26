"""Rollups of all tiers: a step a tier, each a :class:`transforms.windows.machine.WindowMachine`.

Everything runs in the global window, keyed by (shard, window start): the runner then never drops an element on its own, and the window's
life, lateness included, is the state machine's. The source has already separated late data from too late data (:mod:`transforms.windows.cut`).
"""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam

from schemas import rollup as rollups
from schemas.tiers import Tiers
from transforms.machines.beam import is_no_mark, machine_step
from transforms.rollups.contents import windows_of
from transforms.rollups.rows import Row, rows_of
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


class Rollups(beam.PTransform):
    """Samples to the rows of every tier.

    Input: ``(Key.encode(), schemas.batch.encode(...))``, each element of one shard and one window of the finest tier; marks among them are
    dropped. Output: a dict from tier name to a PCollection of rollup rows in wire form (:mod:`schemas.rollup`); corrected panes follow on-time
    ones.
    """

    def __init__(self, tiers: Tiers) -> None:
        super().__init__()
        self._tiers = tiers

    def expand(self, keyed: beam.PCollection) -> dict[str, beam.PCollection]:
        """One stateful step a tier; each feeds the next coarser one."""
        outputs: dict[str, beam.PCollection] = {}
        # A collection of its own: see RunMachine.
        keyed = keyed | "For windows" >> beam.Filter(is_no_mark).with_output_types(tuple[bytes, bytes])
        for level, tier in enumerate(self._tiers.rollups):
            if level:
                keyed = outputs[self._tiers.rollups[level - 1].name] | f"Key by {tier.name}" >> beam.Map(
                    _key_by_coarser, tier.window_ms
                ).with_output_types(tuple[bytes, bytes])
            outputs[tier.name] = keyed | f"Roll up {tier.name}" >> machine_step(
                WindowMachine, windows_of(self._tiers, level), f"window_{tier.name}", PANES
            )
        return outputs
