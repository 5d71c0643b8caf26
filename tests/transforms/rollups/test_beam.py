from __future__ import annotations

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.window import TimestampedValue

from schemas import batch as batches
from schemas import rollup as rollups
from schemas.tiers import Tiers
from tests.transforms.naive import MINUTE, NOON, Sample, batch_of, rows_of
from transforms.machines.beam import mark
from transforms.machines.watermarks import PartitionWatermark
from transforms.rollups.beam import Rollups
from transforms.windows.content import Key

KEPT: list[bytes] = []


def keep(data: bytes) -> None:
    """Where the rows go: the local runner runs in this process."""
    KEPT.append(data)


def test_marks_among_the_samples_are_dropped() -> None:
    KEPT.clear()
    samples = batches.encode(batch_of([Sample(("{}", "up"), NOON + 1_000, 2.0, 0)]))
    elements = [
        TimestampedValue((Key(0, NOON).encode(), samples), NOON // 1000),
        mark(PartitionWatermark(7, 0, 1, NOON + 2 * MINUTE), NOON),
    ]
    with beam.Pipeline(FnApiRunner()) as pipeline:
        created = pipeline | beam.Create(elements).with_output_types(TimestampedValue)
        given = created | beam.Map(lambda element: element).with_output_types(tuple[bytes, bytes])
        tiers = given | Rollups(Tiers())
        tuple(tiers.values()) | beam.Flatten() | beam.Map(keep)
    found = [rollups.decode(data) for data in KEPT]
    assert sorted((pane.tier, pane.window, len(rows_of(pane))) for pane in found) == [("1h", NOON, 1), ("1m", NOON, 1)]
