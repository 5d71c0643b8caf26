"""Reading a partition from librdkafka's own mock cluster: the protocol is real, the brokers are threads of a producer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from schemas.records import CONTENT_TYPE_HEADER, LINE_PROTOCOL
from transforms.io.errors import InputError
from transforms.io.kafka import reader as kafka_reader
from transforms.io.kafka.reader import Catalog, PartitionReader, Read, ReaderPool
from transforms.io.kafka.topic import KafkaTopic, Start

NOON = 1_700_049_600_000


class Cluster:
    """A mock cluster that makes topics as they are named, and its records."""

    def __init__(self) -> None:
        self.producer = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        (broker,) = self.producer.list_topics(timeout=10).brokers.values()
        self.source = KafkaTopic(f"{broker.host}:{broker.port}", "metrics.raw")

    def send(self, *values: bytes, **settings: object) -> None:
        for value in values:
            self.producer.produce(self.source.topic, value, partition=0, **settings)
        assert self.producer.flush(10) == 0


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.producer.flush(0)


@pytest.fixture
def reader(cluster: Cluster) -> Iterator[PartitionReader]:
    made = PartitionReader(cluster.source, 0, 0)
    yield made
    made.close()


def read_to_end(reader: PartitionReader) -> list[Read]:
    """Blocks up to the end of the partition."""
    blocks = [reader.read(0.1)]
    while not blocks[-1].at_end:
        blocks.append(reader.read(0.1))
    return blocks


def values(blocks: list[Read]) -> list[bytes]:
    return [record.value for block in blocks for record in block.records]


def test_records_come_in_order_with_what_is_known_of_them(cluster: Cluster, reader: PartitionReader) -> None:
    cluster.send(b"a", b"b", headers={CONTENT_TYPE_HEADER: LINE_PROTOCOL.encode()}, timestamp=NOON)
    cluster.send(b"c", headers=[("other", b"x"), (CONTENT_TYPE_HEADER, None)], timestamp=NOON + 1)
    records = [record for block in read_to_end(reader) for record in block.records]
    assert [(each.value, each.offset, each.timestamp_ms, each.content_type) for each in records] == [
        (b"a", 0, NOON, LINE_PROTOCOL),
        (b"b", 1, NOON, LINE_PROTOCOL),
        (b"c", 2, NOON + 1, None),
    ]
    assert reader.position == 3


def test_the_end_is_reported_until_something_comes(cluster: Cluster, reader: PartitionReader) -> None:
    cluster.send(b"a")
    read_to_end(reader)
    assert reader.read(0.01) == Read([], 1, True, 0)
    cluster.send(b"b")
    block = reader.read(0.1)
    while not block.records:
        block = reader.read(0.1)
    assert (block.position, values([block])) == (2, [b"b"])


def test_a_tombstone_is_an_empty_record(cluster: Cluster, reader: PartitionReader) -> None:
    cluster.producer.produce(cluster.source.topic, None, partition=0)
    cluster.send()
    assert values(read_to_end(reader)) == [b""]


def test_blocks_are_bounded(cluster: Cluster, reader: PartitionReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_reader, "MAX_BLOCK_RECORDS", 4)
    cluster.send(*(bytes([number]) for number in range(10)))
    blocks = read_to_end(reader)
    assert max(len(block.records) for block in blocks) == 4
    assert values(blocks) == [bytes([number]) for number in range(10)]


def test_lag_is_what_is_left(cluster: Cluster, reader: PartitionReader) -> None:
    assert reader.lag() is None
    cluster.send(b"a", b"b", b"c")
    read_to_end(reader)
    assert reader.lag() == 0
    assert reader.caught_up()
    reader.seek(1)
    assert not reader.caught_up()


def test_a_pool_lends_a_reader_to_one_at_a_time(cluster: Cluster) -> None:
    cluster.send(b"a", b"b", b"c")
    pool = ReaderPool()
    first = pool.take(cluster.source, 0, 0)
    second = pool.take(cluster.source, 0, 0)
    assert second is not first
    pool.give(cluster.source, 0, first)
    assert pool.take(cluster.source, 0, 0) is first
    for reader in (first, second):
        reader.close()


def test_a_reader_goes_on_where_the_runner_says_not_where_it_stood(cluster: Cluster) -> None:
    cluster.send(b"a", b"b", b"c")
    pool = ReaderPool()
    reader = pool.take(cluster.source, 0, 0)
    assert values(read_to_end(reader)) == [b"a", b"b", b"c"]
    pool.give(cluster.source, 0, reader)
    again = pool.take(cluster.source, 0, 1)
    assert again is reader
    assert values(read_to_end(again)) == [b"b", b"c"]
    again.close()


def test_start_positions_lie_within_the_partition(cluster: Cluster) -> None:
    cluster.send(b"a", b"b", b"c")
    catalog = Catalog(cluster.source)
    assert catalog.bounds(0) == (0, 3)
    starts = [Start(), Start("latest"), Start("offset", 2), Start("offset", 99)]
    assert [catalog.offset(0, start) for start in starts] == [0, 3, 2, 3]
    assert catalog.partitions() >= 1
    catalog.close()


def test_a_broker_that_does_not_answer_is_named() -> None:
    catalog = Catalog(KafkaTopic("127.0.0.1:1", "t", {"log_level": "0"}))
    with pytest.raises(InputError, match=r"Kafka at 127.0.0.1:1 does not answer \(.+\); is it running"):
        catalog.partitions(timeout_s=0.2)
    catalog.close()
