"""What a source reports a partition, and when: behind the samples of a block, and while it is idle."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from apache_beam.io.restriction_trackers import OffsetRange
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.utils.timestamp import Duration

from schemas.batch import MAX_OFFSET, MIN_WATERMARK
from tests.transforms.io.kafka.test_reader import NOON, Cluster
from transforms.intake.beam import IntakeSettings
from transforms.io.beam import OffsetTracker
from transforms.io.kafka import source as kafka
from transforms.io.kafka.beam import Partition, watermark_of
from transforms.io.kafka.reader import ReaderPool
from transforms.io.kafka.source import KafkaSource
from transforms.machines.watermarks import MARK, PartitionWatermark, decode

DELAY = 10_000


class Tracker(OffsetTracker):
    """Takes back what is handed back."""

    def defer_remainder(self, deferred_time: Duration | None = None) -> None:
        self.try_split(0)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    made, pool = Cluster(), ReaderPool()
    monkeypatch.setattr(kafka, "POOL", pool)
    yield made
    for reader in pool._free.values():
        reader.close()
    made.producer.flush(0)


def reading(cluster: Cluster, source_id: int | None, idle_ms: int = 3_600_000) -> Any:
    settings = IntakeSettings(delay_ms=DELAY, max_future_ms=None)
    dofn = kafka._ReadForever(KafkaSource(cluster.source, idle_ms=idle_ms), settings, source_id)
    dofn.setup()
    return dofn


def call(dofn: Any, estimator: ManualWatermarkEstimator, start: int = 0) -> list[tuple[bytes, bytes]]:
    """One call; its elements."""
    tracker = Tracker(OffsetRange(start, MAX_OFFSET), bounded=False)
    found = dofn.process(Partition(0, False, 4).encode(), tracker, estimator)
    return [each.value for each in found]


def something(dofn: Any, estimator: ManualWatermarkEstimator, start: int = 0) -> list[tuple[bytes, bytes]]:
    """The elements of the first call that has any."""
    for _ in range(100):
        if found := call(dofn, estimator, start):
            return found
    raise AssertionError("nothing is read")


def send(cluster: Cluster, *seconds: int) -> None:
    for second in seconds:
        document = {"labels": {"host": f"h{second}"}, "timestamp": NOON + second * 1_000, "samples": {"m": 1}}
        cluster.send(json.dumps(document).encode())


def marks_of(elements: list[tuple[bytes, bytes]]) -> list[PartitionWatermark]:
    return [each for key, data in elements if key == MARK for each in decode(data)]


def test_a_block_is_followed_by_the_watermark_that_the_runner_receives_of(cluster: Cluster) -> None:
    dofn, estimator = reading(cluster, source_id=2), ManualWatermarkEstimator(None)
    send(cluster, 3, 1)
    first = something(dofn, estimator)
    assert marks_of(first) == [PartitionWatermark(2, 0, 4, at) for at in (MIN_WATERMARK, NOON + 3_000 - DELAY)]
    assert (first[-1][0], len(first)) == (MARK, 3), "after the samples of two hosts"
    assert watermark_of(estimator) == NOON + 3_000 - DELAY
    assert call(dofn, estimator, 2) == []
    # What is late changes nothing.
    send(cluster, 2)
    assert marks_of(something(dofn, estimator, 2)) == [PartitionWatermark(2, 0, 4, NOON + 3_000 - DELAY)] * 2


def test_an_idle_partition_reports_the_clock(cluster: Cluster) -> None:
    dofn, estimator = reading(cluster, source_id=0, idle_ms=0), ManualWatermarkEstimator(None)
    send(cluster, 3)
    begun = int(time.time() * 1_000)
    found = something(dofn, estimator)
    ended = int(time.time() * 1_000)
    of_block, of_clock = NOON + 3_000 - DELAY, watermark_of(estimator)
    assert [each.watermark_ms for each in marks_of(found)] == [MIN_WATERMARK, of_block, of_block, of_clock]
    assert begun - DELAY <= watermark_of(estimator) <= ended - DELAY


def test_nothing_is_reported_where_nobody_wants_it(cluster: Cluster) -> None:
    dofn, estimator = reading(cluster, source_id=None, idle_ms=0), ManualWatermarkEstimator(None)
    send(cluster, 3)
    assert [key == MARK for key, _ in something(dofn, estimator)] == [False]
