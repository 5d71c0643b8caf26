from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing import test_stream
from hypothesis import given
from hypothesis import strategies as st

from schemas import batch as batches
from schemas.forms.model import VersionError
from schemas.records import DeadLetter
from tests.transforms.naive import MINUTE, NOON, samples_of
from transforms.intake.beam import DEAD_LETTERS, SAMPLES, TOO_LATE, IntakeSettings
from transforms.intake.source import CutRecords, Position, Record, _CutPartition, partition_key
from transforms.windows.content import Key

KEPT: defaultdict[str, list[Any]] = defaultdict(list)


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    KEPT.clear()


def keep(element: Any, name: str) -> None:
    """Where the local runner's elements go: it runs in this process."""
    KEPT[name].append(element)


def keep_all(taken: dict[str, beam.PCollection]) -> None:
    for name, collection in taken.items():
        collection | f"Keep {name}" >> beam.Map(keep, name)


def scrape(second: int, value: float, host: str = "a") -> dict[str, Any]:
    return {"labels": {"host": host}, "timestamp": NOON + second * 1000, "samples": {"load": value}}


def pieces() -> list[tuple[int, bool, list[float]]]:
    """Of each piece the minute, whether it is late, and the values."""
    found = [(Key.decode(key).window, batches.decode(data)) for key, data in KEPT[SAMPLES]]
    return sorted(((window - NOON) // MINUTE, piece.late, sorted(piece.value.tolist())) for window, piece in found)


def test_in_a_collection_that_ends_nothing_is_late() -> None:
    records: list[Record] = [
        scrape(3_000, 3.0),
        scrape(5, 1.0),
        scrape(1, 2.0),
        f"load,host=b v=7 {NOON}000000".encode(),
    ]
    with beam.Pipeline(FnApiRunner()) as pipeline:
        keep_all(pipeline | beam.Create(records) | CutRecords(IntakeSettings(shards=1)))
    assert [(minute, late) for minute, late, _ in pieces()] == [(0, False)] * (len(pieces()) - 1) + [(50, False)]
    assert sorted(value for _, _, values in pieces() for value in values) == [1.0, 2.0, 3.0, 7.0]
    assert KEPT[TOO_LATE] == KEPT[DEAD_LETTERS] == []


@pytest.mark.parametrize("record", [b"no record", {"labels": {"host": "a"}, "timestamp": object()}])
def test_what_cannot_be_decoded_is_a_dead_letter(record: Record) -> None:
    with beam.Pipeline(FnApiRunner()) as pipeline:
        keep_all(pipeline | beam.Create([[record]]) | beam.FlatMap(lambda each: each) | CutRecords(IntakeSettings()))
    (letter,) = map(DeadLetter.decode, KEPT[DEAD_LETTERS])
    assert letter.topic == "collection"
    assert KEPT[SAMPLES] == []


def cut(elements: list[Any]) -> None:
    """Cut a stream of records, or of lists of them."""
    stream = test_stream.TestStream().advance_watermark_to(0)
    for element in elements:
        stream = stream.add_elements([element])
    options = PipelineOptions(["--streaming"])
    options.view_as(StandardOptions).streaming = True
    with beam.Pipeline(options=options) as pipeline:
        records = pipeline | stream.advance_watermark_to_infinity()
        keep_all(records | CutRecords(IntakeSettings(shards=1, delay_ms=10_000), partition_of))


def partition_of(record: Record) -> int:
    assert isinstance(record, dict)
    return int(record["labels"]["host"] == "b")


def test_partitions_decide_by_their_own_watermarks_what_is_late() -> None:
    cut(
        [
            scrape(0, 1.0),
            scrape(200, 2.0),
            scrape(10, 3.0),  # late: the minute ended 130 s before the watermark
            scrape(10, 4.0, "b"),  # another partition
            scrape(2_000, 5.0),
            scrape(20, 6.0),  # too late
        ]
    )
    assert pieces() == [(0, False, [1.0]), (0, False, [4.0]), (0, True, [3.0]), (3, False, [2.0]), (33, False, [5.0])]
    (too_late,) = [samples_of(batches.decode(data)) for data in KEPT[TOO_LATE]]
    assert [sample.value for sample in too_late] == [6.0]


def test_lists_are_cut_as_their_records_one_by_one() -> None:
    records = [scrape(0, 1.0), scrape(200, 2.0), scrape(10, 3.0), scrape(2_000, 5.0), scrape(20, 6.0)]
    found = []
    for elements in (records, [records], [records[:2], [], records[2:]]):
        KEPT.clear()
        cut(elements)
        (too_late,) = [samples_of(batches.decode(data)) for data in KEPT[TOO_LATE]]
        samples = [sample for _, data in KEPT[SAMPLES] for sample in samples_of(batches.decode(data))]
        found.append((pieces(), sorted(sample.seq for sample in samples), [sample.value for sample in too_late]))
    assert found[0] == found[1] == found[2]
    assert found[0][2] == [6.0]


class Cell:
    """A cell of Beam's, in memory."""

    def __init__(self) -> None:
        self.held: bytes | None = None

    def read(self) -> bytes | None:
        return self.held

    def write(self, data: bytes) -> None:
        self.held = data


def samples_cut(lists: list[list[Record]]) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """The samples of a partition that is cut list by list, each with what was decided of it; those that were too late apart."""
    dofn, cell = _CutPartition(IntakeSettings(shards=2, delay_ms=10_000)), Cell()
    dofn.setup()
    taken: list[tuple[object, ...]] = []
    too_late: list[tuple[object, ...]] = []
    for records in lists:
        for out in dofn.process((partition_key(3), records), cell):
            late = isinstance(out, beam.pvalue.TaggedOutput)
            batch = batches.decode(out.value if late else out.value[1])
            found = [(sample, batch.late, batch.overtaken) for sample in samples_of(batch)]
            if late:
                too_late += [sample for sample, *_ in found]
            else:
                taken += found
    assert cell.held is not None
    return sorted(taken, key=repr), [*sorted(too_late, key=repr), (cell.held,)]


@given(
    seconds=st.lists(st.integers(0, 1_500), min_size=1, max_size=30),
    cuts=st.lists(st.integers(0, 30), max_size=6),
)
def test_whatever_lists_records_come_in_the_same_is_decided(seconds: list[int], cuts: list[int]) -> None:
    records: list[Record] = [scrape(second, float(place)) for place, second in enumerate(seconds)]
    bounds = sorted({0, len(records), *(cut for cut in cuts if cut < len(records))})
    lists = [records[first:end] for first, end in pairwise(bounds)]
    assert samples_cut(lists) == samples_cut([[record] for record in records])


def test_a_position_of_another_release_is_refused() -> None:
    assert Position.decode(Position(NOON, 7).encode()) == Position(NOON, 7)
    with pytest.raises(VersionError, match="position in a collection"):
        Position.decode(Position(NOON, 7).encode() + b"2")


def test_a_bounded_collection_may_hold_lists() -> None:
    with beam.Pipeline(FnApiRunner()) as pipeline:
        keep_all(
            pipeline | beam.Create([[scrape(0, 1.0), scrape(1, 2.0)], [scrape(2, 3.0)]]) | CutRecords(IntakeSettings())
        )
    assert sorted(value for _, _, values in pieces() for value in values) == [1.0, 2.0, 3.0]


def test_a_collection_without_an_end_needs_partitions() -> None:
    pipeline = beam.Pipeline(options=PipelineOptions(["--streaming"]))
    endless = pipeline | test_stream.TestStream().advance_watermark_to(0)
    endless.is_bounded = False
    with pytest.raises(ValueError, match="give CutRecords a partition_of"):
        endless | CutRecords(IntakeSettings())


def test_a_partition_that_cannot_be_is_named() -> None:
    with (
        pytest.raises(Exception, match="partition -1 of a record is not from 0 to 4095"),
        beam.Pipeline(FnApiRunner()) as pipeline,
    ):
        pipeline | beam.Create([scrape(0, 1.0)]) | CutRecords(IntakeSettings(), lambda _: -1)
