"""The input of rule shards, and its order."""

from __future__ import annotations

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from schemas import batch as batches
from schemas.batch import MIN_WATERMARK
from tests.transforms.naive import NOON, Sample, batch_of
from transforms.alerts import messages
from transforms.alerts.shards.beam import KeyByRuleShard
from transforms.alerts.shards.machine import key_of
from transforms.machines.beam import is_no_mark, mark
from transforms.machines.watermarks import PartitionWatermark
from transforms.windows.content import Key

A = ('{host="a"}', "x")
KEYED: list[tuple[bytes, bytes]] = []


def keep(element: tuple[bytes, bytes]) -> None:
    KEYED.append(element)


def piece(shard: int, *samples: Sample) -> tuple[bytes, bytes]:
    return Key(shard, NOON).encode(), batches.encode(batch_of(list(samples)))


def keyed(bundle: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What comes of a bundle."""
    KEYED.clear()
    with beam.Pipeline(FnApiRunner()) as pipeline:
        created = pipeline | beam.Create(bundle, reshuffle=False)
        created | "Key" >> beam.ParDo(KeyByRuleShard(3)) | beam.Map(keep)
    return list(KEYED)


def marked(marks: PartitionWatermark) -> tuple[bytes, bytes]:
    element: tuple[bytes, bytes] = mark(marks, MIN_WATERMARK).value
    return element


def test_samples_go_to_their_rule_shard_and_all_shards_get_the_newest_event_time() -> None:
    pieces = [
        piece(5, Sample(A, NOON + 9_000, 1.0, 1), Sample(A, NOON + 70_000, 1.0, 2)),
        piece(6, Sample(A, NOON + 3_000, 1.0, 3)),
    ]
    wanted = [(key_of(2), messages.of_samples(pieces[0][1])), (key_of(0), messages.of_samples(pieces[1][1]))]
    extents = [(key_of(number), messages.of_extent(NOON + 70_000)) for number in range(3)]
    assert keyed(pieces) == wanted + extents


def test_partition_watermarks_go_to_all_shards_behind_the_samples() -> None:
    first, second = (piece(5, Sample(A, NOON + seconds, 1.0, seconds)) for seconds in (1_000, 2_000))
    marks = [
        PartitionWatermark(0, 3, 4, NOON - 9_000),
        PartitionWatermark(1, 3, 4, NOON - 7_000),
        PartitionWatermark(0, 3, 4, NOON - 8_000),
    ]
    found = keyed([marked(marks[0]), first, marked(marks[1]), second, marked(marks[2])])
    assert [element for _, element in found[:2]] == [messages.of_samples(first[1]), messages.of_samples(second[1])]
    # The last word about a partition stands for those before.
    extent = messages.of_extent(NOON + 2_000, [marks[2], marks[1]])
    assert found[2:] == [(key_of(number), extent) for number in range(3)]


def test_a_bundle_of_marks_alone_has_no_event_time() -> None:
    marks = PartitionWatermark(0, 3, 4, NOON)
    found = keyed([marked(marks)])
    assert [(messages.extent(element), messages.partition_watermarks(element)) for _, element in found] == [
        (None, [marks])
    ] * 3


def test_an_empty_bundle_sends_no_extent() -> None:
    dofn = KeyByRuleShard(3)
    dofn.start_bundle()
    list(dofn.process(piece(0, Sample(A, NOON, 1.0, 1))))
    list(dofn.process(marked(PartitionWatermark(0, 0, 1, NOON))))
    assert len(list(dofn.finish_bundle())) == 3
    dofn.start_bundle()
    assert list(dofn.finish_bundle()) == []


def test_marks_are_distinguished_from_samples() -> None:
    assert is_no_mark(piece(0, Sample(A, NOON, 1.0, 1)))
    assert not is_no_mark(marked(PartitionWatermark(0, 0, 1, NOON)))
