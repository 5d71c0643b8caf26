"""A job's outputs as transforms, for pipelines of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import apache_beam as beam

from schemas.tiers import Tiers
from transforms.io import kinds, sink


class WriteRollups(beam.PTransform):
    """Writes the rows of :class:`transforms.rollups.beam.Rollups` to an output, all tiers.

    Input: a collection of rows by the name of their tier. Output: the dead letters of rows that the output refused.

    Args:
        uri: of an output of rows (:data:`transforms.io.outputs.OUTPUTS`).
        tiers: those of the rows.

    Raises:
        ValueError: the URI is none of the forms.
        transforms.io.errors.SinkError: (on expanding) the output cannot be written.
    """

    def __init__(self, uri: str, tiers: Tiers) -> None:
        super().__init__()
        self._output, self._tiers = sink.rows(uri), tiers

    def expand(self, rows: Mapping[str, beam.PCollection]) -> beam.PCollection:
        """A step a tier."""
        self._output.validate([kinds.rollups(tier) for tier in self._tiers.rollups])
        refused = tuple(
            rows[tier.name] | f"Write {tier.name}" >> self._output.write(kinds.rollups(tier))
            for tier in self._tiers.rollups
        )
        return refused | "Refused" >> beam.Flatten()


Kind = Literal["dead_letters", "late", "alerts", "lines"]


class WriteRecords(beam.PTransform):
    """Writes records to a topic or to files; those of a bundle are delivered before the bundle is done.

    Input: dead letters, late samples or alert events as other transforms give them, or lines: bytes without a line feed, each a JSON document.

    Args:
        uri: of an output of records (:data:`transforms.io.outputs.OUTPUTS`).
        kind: what the records are.

    Raises:
        ValueError: the URI is none of the forms.
        transforms.io.errors.SinkError: (on expanding) the output cannot be written.
    """

    def __init__(self, uri: str, kind: Kind) -> None:
        super().__init__()
        known = (kinds.DEAD_LETTERS, kinds.LATE_SAMPLES, kinds.ALERT_EVENTS, kinds.LINES)
        self._kind = {each.name: each for each in known}[kind]
        self._output = sink.records(uri, self._kind)

    def expand(self, records: beam.PCollection) -> beam.PCollection:
        """One step."""
        self._output.validate([self._kind])
        return records | "Write" >> self._output.write(self._kind)
