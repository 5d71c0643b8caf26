"""The Kafka source against a real broker: where it begins and ends, what it does about gaps, idle and new partitions, and what is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence, Set
from functools import partial
from itertools import count
from pathlib import Path
from uuid import uuid4

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that
from confluent_kafka import Producer
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import NewTopic

from deploy.install.cache import install
from deploy.install.recipes import PRISM
from deploy.progress import Plain
from pipelines.metrics import counters, main
from schemas import batch as batches
from schemas.batch import MAX_PARTITIONS
from schemas.codecs.remote_write import encode_write_request
from tests.e2e.flink_job import ROOT, wait_for
from tidemark import cli
from transforms import accounting
from transforms.intake.beam import IntakeSettings
from transforms.io.kafka import source as kafka_source
from transforms.io.kafka.reader import Catalog, PartitionReader, ReaderPool
from transforms.io.kafka.source import KafkaSource, ReadKafka
from transforms.io.kafka.topic import KafkaTopic, Start
from transforms.io.parquet.layout import RAW
from transforms.io.parquet.store import files, read_rollups

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

NOON = 1_700_049_600_000
MINUTE = 60_000


class Topic:
    """A topic of its own, and the clients that fill and change it."""

    def __init__(self, brokers: str, partitions: int = 1, **settings: str) -> None:
        self.brokers, self.name = brokers, f"source-{uuid4().hex[:8]}"
        self.producer = Producer({"bootstrap.servers": brokers})
        self.admin = KafkaAdminClient(bootstrap_servers=brokers)
        self.admin.create_topics([NewTopic(self.name, partitions, 1, topic_configs=settings)])

    @property
    def source(self) -> KafkaTopic:
        return KafkaTopic(self.brokers, self.name)

    def send(self, numbers: Sequence[int], partition: int = 0, key: str | None = None, timestamp: int = 0) -> None:
        """Write a scrape for each number, which is its value and its second after noon; ``timestamp`` (ms) is the records' own time."""
        send(self.producer, self.name, numbers, partition, key, timestamp)
        assert self.producer.flush(30) == 0

    def close(self) -> None:
        self.admin.delete_topics([self.name])
        self.admin.close()


def send(
    producer: Producer, topic: str, numbers: Sequence[int], partition: int, key: str | None, timestamp: int
) -> None:
    for number in numbers:
        document = {"labels": {"host": f"h{partition}"}, "timestamp": NOON + number * 1000, "samples": {"m": number}}
        producer.produce(topic, json.dumps(document), key, partition, timestamp=timestamp)


@pytest.fixture(autouse=True)
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Readers of this test's own, closed at its end."""
    made = ReaderPool()
    monkeypatch.setattr(kafka_source, "POOL", made)
    yield
    for reader in made._free.values():
        reader.close()


@pytest.fixture
def topics(kafka: str) -> Iterator[list[Topic]]:
    made: list[Topic] = []
    yield made
    for topic in made:
        topic.close()


@pytest.fixture
def topic(kafka: str, topics: list[Topic]) -> Topic:
    topics.append(Topic(kafka))
    return topics[-1]


def read(source: KafkaSource, wanted: Collection[int], held: Callable[[], Set[int]] | None = None) -> dict[str, int]:
    """Read a source to its end on the local runner, check the values that come, and give the counters.

    ``held`` is asked after the values have come, where a broker may delete wanted ones meanwhile: what is held still.
    """

    def check(pieces: list[tuple[bytes, bytes]]) -> None:
        values = [value for _, data in pieces for value in batches.decode(data).value.tolist()]
        deleted = set(wanted) - held() if held else set()
        missing = set(wanted) - set(values)
        assert missing <= deleted
        assert sorted([*values, *missing]) == sorted(wanted)

    settings = IntakeSettings(max_future_ms=None)
    pipeline = beam.Pipeline(runner=FnApiRunner())
    outputs = pipeline | ReadKafka(source, settings)
    assert_that(outputs["samples"], check)
    result = pipeline.run()
    result.wait_until_finish()
    return counters(result)


def values_held(topic: KafkaTopic) -> set[int]:
    """The values that partition 0 of a topic holds now."""
    reader = PartitionReader(topic, 0, 0)
    values = set()
    while True:
        block = reader.read(5)
        values |= {json.loads(record.value)["samples"]["m"] for record in block.records}
        if block.at_end:
            reader.close()
            return values


@pytest.mark.parametrize(
    ("start", "first"),
    [("earliest", 0), ("offset:7", 7), ("offset:20", 20), ("offset:999", 20), ("time:5500", 5), ("time:5501", 6)],
)
def test_a_bounded_read_goes_from_its_start_to_the_end(topic: Topic, start: str, first: int) -> None:
    for number in range(20):
        topic.send([number], timestamp=number * 1000 + 500)
    found = read(KafkaSource(topic.source, Start.parse(start), bounded=True), range(first, 20))
    assert found.get(accounting.RECORDS_READ, 0) == 20 - first


def test_latest_is_the_end_of_each_partition_as_it_is(topic: Topic) -> None:
    topic.send(range(5))
    catalog = Catalog(topic.source)
    assert catalog.offset(0, Start("latest")) == 5
    assert catalog.offset(0, Start("time", 1 << 42)) == 5
    catalog.close()


def test_a_bounded_read_ends_where_the_topic_ended_when_it_began(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    topic.send(range(10))
    asked = Catalog.bounds

    def asked_then_more_written(catalog: Catalog, partition: int) -> tuple[int, int]:
        found = asked(catalog, partition)
        topic.send(range(found[1], found[1] + 5))
        return found

    monkeypatch.setattr(Catalog, "bounds", asked_then_more_written)
    # Asked once for where to begin, once for the end.
    read(KafkaSource(topic.source, bounded=True), range(15))
    catalog = Catalog(topic.source)
    assert asked(catalog, 0) == (0, 20)
    catalog.close()


def test_every_partition_is_read_and_an_empty_one_ends_at_once(kafka: str, topics: list[Topic]) -> None:
    topics.append(Topic(kafka, partitions=3))
    topics[0].send(range(5), partition=0)
    topics[0].send(range(100, 120), partition=2)
    read(KafkaSource(topics[0].source, bounded=True), [*range(5), *range(100, 120)])


def test_markers_and_aborted_transactions_are_crossed(topic: Topic) -> None:
    producer = Producer({"bootstrap.servers": topic.brokers, "transactional.id": topic.name})
    producer.init_transactions(30)
    for number in range(6):
        producer.begin_transaction()
        send(producer, topic.name, [number], 0, None, 0)
        # What has not been sent yet would leave no trace when aborted.
        assert producer.flush(30) == 0
        (producer.abort_transaction if number % 2 else producer.commit_transaction)(30)
    catalog = Catalog(topic.source)
    assert catalog.bounds(0) == (0, 12)
    catalog.close()
    found = read(KafkaSource(topic.source, bounded=True), [0, 2, 4])
    assert (found[accounting.RECORDS_READ], found.get(accounting.OFFSETS_LOST, 0)) == (3, 0)


def test_a_read_that_an_open_transaction_stops_says_where(
    topic: Topic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topic.send(range(5))
    words = [f"--input=kafka://{topic.brokers}/{topic.name}", "--bounded", f"--output=parquet:{tmp_path / 'store'}"]
    words += ["--dead-letter=blackhole:", "--late=blackhole:", f"--summary-json={tmp_path / 'summary.json'}"]
    assert main(words) == 0
    assert capsys.readouterr().err == ""
    producer = Producer({"bootstrap.servers": topic.brokers, "transactional.id": topic.name})
    producer.init_transactions(30)
    producer.begin_transaction()
    send(producer, topic.name, [5, 6, 7], 0, None, 0)
    assert producer.flush(30) == 0
    topic.send(range(8, 12))
    assert main(words) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["records.read"], summary["offsets.unread"]) == (5, 7)
    said = capsys.readouterr().err
    assert "metrics: warning: the read ended 7 offsets before the end of the topic" in said
    assert f"e.g. topic {topic.name}, partition 0: read up to offset 5 of 12: a transaction is open there" in said
    producer.commit_transaction(30)
    assert main(words) == 0
    assert json.loads((tmp_path / "summary.json").read_text())["records.read"] == 12


def test_gaps_left_by_compaction_are_crossed_and_are_no_loss(kafka: str, topics: list[Topic]) -> None:
    eager = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
    topics.append(Topic(kafka, **eager))
    topic = topics[0]
    # A function of its own, for the pipeline that is to ask it has to pickle it.
    held = partial(values_held, topic.source)
    numbers = count()
    topic.send([next(numbers) for _ in range(50)], key="same")

    def compacted() -> bool:
        # A segment is closed, and then cleaned, once something is written after it.
        topic.send([next(numbers)], key="same")
        return len(held()) < 40

    wait_for(compacted, 120, "compaction")
    # The broker goes on cleaning while this is read.
    found = read(KafkaSource(topic.source, bounded=True), held(), held)
    assert found.get(accounting.OFFSETS_LOST, 0) == 0


def test_what_retention_deleted_under_a_reader_is_counted(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    topic.send(range(50))
    # A position from before the deletion, as a savepoint holds one.
    monkeypatch.setattr(Catalog, "offset", lambda *_: 0)
    topic.admin.delete_records({TopicPartition(topic.name, 0): 30})
    found = read(KafkaSource(topic.source, bounded=True), range(30, 50))
    assert (found[accounting.OFFSETS_LOST], found[accounting.RECORDS_READ]) == (30, 20)


def test_a_topic_that_is_not_there_is_made_by_the_command_that_the_message_names(
    kafka: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"missing-{uuid4().hex[:8]}"
    words = [f"--input=kafka://{kafka}/{name}", "--bounded", f"--output=parquet:{tmp_path}"]
    words += ["--dead_letter=blackhole:", "--late=blackhole:"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert f"has no topic '{name}'" in said
    _, command, _ = said.split("`")
    tidemark, *rest = command.split()
    assert tidemark == "tidemark"
    assert cli.main(rest) == 0
    assert main(words) == 0


@pytest.fixture
def live(kafka: str, topics: list[Topic], tmp_path: Path) -> Iterator[tuple[Topic, Path]]:
    """An unbounded job on Prism that reads a topic of two partitions into a store."""
    install(PRISM, Plain())
    topics.append(Topic(kafka, partitions=2))
    argv = [
        *(sys.executable, "-m", "pipelines.metrics", f"--input=kafka://{kafka}/{topics[0].name}"),
        f"--output=parquet:{tmp_path / 'store'}",
        "--dead_letter=blackhole:",
        "--late=blackhole:",
        "--idle_timeout=2s",
        "--discovery_interval=1s",
        "--runner=PrismRunner",
        f"--prism_location={PRISM.directory() / 'bin' / 'prism'}",
    ]
    log = tmp_path / "job.log"
    with log.open("wb") as file:
        process = subprocess.Popen(argv, cwd=ROOT, stdout=file, stderr=file, start_new_session=True)
    yield topics[0], tmp_path / "store"
    # The group, since Prism outlives the job that started it.
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # Shown if the test failed.
    print(log.read_text()[-4000:])


def partitions_in(store: Path) -> set[int]:
    """The partitions of which samples are in the store."""
    tables = [pq.read_table(file.path, columns=["seq"]) for file in files(store, RAW)]
    return {seq % MAX_PARTITIONS for table in tables for seq in table["seq"].to_pylist()}


def test_new_partitions_are_read_and_idle_ones_hold_nothing_back(live: tuple[Topic, Path]) -> None:
    topic, store = live
    # Partition 1 stays empty; without the idle rule nothing would ever be on time.
    topic.send(range(0, 180, 10), partition=0)
    wait_for(lambda: read_rollups(store, "1m").num_rows >= 2, 90, "two minutes on time beside an idle partition")
    topic.admin.create_partitions({topic.name: 3})
    # A producer learns of new partitions some minutes later.
    topic.producer = Producer({"bootstrap.servers": topic.brokers})
    wait_for(
        lambda: len(topic.producer.list_topics(topic.name).topics[topic.name].partitions) == 3, 30, "the partition"
    )
    now = int(time.time()) - NOON // 1000
    topic.send([now, now + 1], partition=2)
    wait_for(lambda: partitions_in(store) == {0, 2}, 90, "samples of a partition that was added")


def test_records_without_headers_are_reported_by_their_content(topic: Topic) -> None:
    """As Telegraf writes them, which can set no header; each format beside the others."""
    nanoseconds = [(NOON + second * 1000) * 1_000_000 for second in range(4)]
    lines = [f"m,host=h0 value={number} {time}\n" for number, time in enumerate(nanoseconds)]
    request = encode_write_request([({"__name__": "m", "host": "h0"}, [(4.0, NOON + 4000)])])
    for value in (lines[0], "".join(lines[1:3]), b"\xef\xbb\xbf" + lines[3].encode(), request, b"\x28\xb5\x2f\xfd"):
        topic.producer.produce(topic.name, value)
    topic.send([5])
    found = read(KafkaSource(topic.source, bounded=True), range(6))
    assert {name: found.get(name) for name in (accounting.RECORDS_READ, accounting.RECORDS_DEAD_LETTERED)} == {
        accounting.RECORDS_READ: 6,
        accounting.RECORDS_DEAD_LETTERED: 1,
    }
