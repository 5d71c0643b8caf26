"""A job's outputs as transforms, for pipelines of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import apache_beam as beam

from schemas.tiers import Tiers
from transforms.io import sink
from transforms.io.records import OutRecord


class WriteRollups(beam.PTransform):
    """Writes the rows of :class:`transforms.rollups.beam.Rollups` to an output, all tiers.

    Input: a collection of rows by the name of their tier. Output: the dead letters of rows that the output refused.

    Args:
        uri: one of :data:`transforms.io.sink.FORMS`.
        tiers: those of the rows.

    Raises:
        ValueError: the URI is none of the forms.
        transforms.io.errors.SinkError: (on expanding) the output cannot be written.
    """

    def __init__(self, uri: str, tiers: Tiers) -> None:
        super().__init__()
        self._output, self._tiers = sink.parse(uri, tiers), tiers

    def expand(self, rows: Mapping[str, beam.PCollection]) -> beam.PCollection:
        """A step a tier."""
        self._output.validate(raw=False)
        refused = tuple(
            rows[tier.name] | f"Write {tier.name}" >> self._output.rollups(tier) for tier in self._tiers.rollups
        )
        return refused | "Refused" >> beam.Flatten()


Kind = Literal["dead_letters", "late", "alerts", "lines"]


class WriteRecords(beam.PTransform):
    """Writes records to a topic or to files; those of a bundle are delivered before the bundle is done.

    Input: dead letters, late samples or alert events as other transforms give them, or lines: bytes without a line feed, each a JSON document.

    Args:
        uri: one of :data:`transforms.io.sink.RECORD_FORMS`.
        kind: what the records are.

    Raises:
        ValueError: the URI is none of the forms.
        transforms.io.errors.SinkError: (on expanding) the output cannot be written.
    """

    def __init__(self, uri: str, kind: Kind) -> None:
        super().__init__()
        outputs = {
            "dead_letters": sink.dead_letters,
            "late": sink.late_samples,
            "alerts": sink.alert_events,
            "lines": _lines_output,
        }
        self._output = outputs[kind](uri)

    def expand(self, records: beam.PCollection) -> beam.PCollection:
        """One step."""
        self._output.validate()
        return records | "Write" >> self._output.write()


def _lines_output(uri: str) -> sink.RecordOutput:
    return sink.record_output(uri, "lines", _line)


def _line(element: bytes) -> Iterator[OutRecord]:
    yield OutRecord(None, element, ())
