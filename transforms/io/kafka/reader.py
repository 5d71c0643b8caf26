"""Reading one partition with confluent-kafka, and the consumers that a worker process keeps between calls.

confluent-kafka rather than kafka-python: 775 k against 23 k records/s consumed on the same machine, fetching ahead in threads of its own.
"""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.records import CONTENT_TYPE_HEADER, RawRecord
from transforms.io.errors import InputError
from transforms.io.kafka.topic import DISCARDED, KafkaTopic, Start

BLOCK_BYTES = 16 << 20
"""About how much of a partition is taken at once: 400,000 to 800,000 samples of JSON scrapes."""
MAX_BLOCK_RECORDS = 50_000
REQUEST_TIMEOUT_S = 30.0
CHECK_TIMEOUT_S = 10.0
"""How long the check before a job starts waits for an answer."""
END_TIMEOUT_S = 5.0
"""How long an idle reader waits for the end offset of its partition: no longer than a checkpoint can wait for it."""
IDLE_CONSUMER_S = 300.0
"""A consumer that no one asked for this long is closed: its partition is read elsewhere."""


class Read(NamedTuple):
    """What a call brought.

    Attributes:
        records: in order, may be empty.
        position: the next offset to read, behind gaps that compaction and transaction markers left.
        at_end: nothing has come since the end of the partition was reached.
        lost: offsets that retention had deleted before they were read.
    """

    records: list[RawRecord]
    position: int
    at_end: bool
    lost: int


class PartitionReader:
    """A consumer of one partition, at a position."""

    def __init__(self, source: KafkaTopic, partition: int, position: int) -> None:
        self._partition = TopicPartition(source.topic, partition, position)
        self._consumer = Consumer(
            {
                "group.id": "tidemark-reader",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "fetch.max.bytes": 16 << 20,
                "max.partition.fetch.bytes": 8 << 20,
                "queued.max.messages.kbytes": 32 << 10,
                # The default of half a second between fetches once the queue is full would starve a fast reader.
                "fetch.queue.backoff.ms": 10,
                **source.librdkafka(),
            }
        )
        self.position = position
        self.last_record = time.monotonic()
        self.last_used = time.monotonic()
        self._at_end = False
        self._mean_bytes = 1024.0
        self._consumer.assign([self._partition])

    def seek(self, position: int) -> None:
        """Go on from another position; the state of the runner, not this consumer, is the truth for positions."""
        self._partition.offset = position
        self._consumer.assign([self._partition])
        self.position = position
        self._at_end = False

    def read(self, timeout_s: float) -> Read:
        """The next block of records; waits for one at most ``timeout_s``.

        Raises:
            confluent_kafka.KafkaException: the brokers refuse, or the partition is gone; the message says what and where.
        """
        wanted = min(MAX_BLOCK_RECORDS, max(1, int(BLOCK_BYTES / self._mean_bytes)))
        messages = self._consumer.consume(wanted, timeout_s)
        self.last_used = time.monotonic()
        records: list[RawRecord] = []
        lost = size = 0
        for message in messages:
            error = message.error()
            if error is None:
                value = message.value() or b""
                size += len(value)
                record = _record(message, value)
                records.append(record)
                self.position = record.offset + 1
                self._at_end = False
            elif error.code() == KafkaError._PARTITION_EOF:
                self.position = max(self.position, message.offset() or 0)
                # librdkafka reports the end once, not at every read that finds nothing.
                self._at_end = True
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                low, high = self.bounds()
                # Only retention moves the low mark past a position that was valid; a position past the end is not ours to mend.
                if not self.position < low:
                    raise KafkaException(error)
                lost += low - self.position
                self.seek(low)
                self._at_end = low >= high
            elif not error.retriable():
                raise KafkaException(error)
        if records:
            self.last_record = self.last_used
            self._mean_bytes = max(64.0, size / len(records))
        return Read(records, self.position, self._at_end, lost)

    def bounds(self) -> tuple[int, int]:
        """First offset and the one after the last, asked of the broker."""
        low, high = self._consumer.get_watermark_offsets(self._partition, timeout=REQUEST_TIMEOUT_S)
        return low, high

    def caught_up(self) -> bool:
        """Whether the broker, asked now, has nothing beyond the position; False if it does not answer."""
        try:
            _, high = self._consumer.get_watermark_offsets(self._partition, timeout=END_TIMEOUT_S)
            return high <= self.position
        except KafkaException:
            return False

    def lag(self) -> int | None:
        """Records between the position and the end, as of the last fetch; None before the first."""
        _, high = self._consumer.get_watermark_offsets(self._partition, cached=True)
        return max(0, high - self.position) if high >= 0 else None

    def close(self) -> None:
        """Leave the brokers."""
        self._consumer.close()


def _record(message: Message, value: bytes) -> RawRecord:
    content_type = None
    headers: Any = message.headers() or ()
    for name, header in headers:
        if name == CONTENT_TYPE_HEADER and header is not None:
            content_type = header.decode("utf-8", "replace")
    return RawRecord(value, message.offset() or 0, message.timestamp()[1] or -1, content_type)


class ReaderPool:
    """The readers of a process, one a partition, lent to one caller at a time.

    DoFn instances come and go with bundles (a checkpoint that waits for its finalizer keeps one); connections and prefetched records
    should not.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: dict[tuple[str, str, int], PartitionReader] = {}

    def take(self, source: KafkaTopic, partition: int, position: int) -> PartitionReader:
        """A reader standing at the position; give it back with :meth:`give`."""
        now = time.monotonic()
        with self._lock:
            reader = self._free.pop((source.bootstrap, source.topic, partition), None)
            stale = [key for key, other in self._free.items() if now - other.last_used > IDLE_CONSUMER_S]
            abandoned = [self._free.pop(key) for key in stale]
        for other in abandoned:
            other.close()
        if reader is None:
            return PartitionReader(source, partition, position)
        if reader.position != position:
            reader.seek(position)
        return reader

    def give(self, source: KafkaTopic, partition: int, reader: PartitionReader) -> None:
        """Take a reader back for the next caller."""
        with self._lock:
            other = self._free.pop((source.bootstrap, source.topic, partition), None)
            self._free[source.bootstrap, source.topic, partition] = reader
        if other is not None:
            other.close()


POOL = ReaderPool()
"""The process's readers."""


class Catalog:
    """Questions to the brokers about a topic, before and while reading it."""

    def __init__(self, source: KafkaTopic) -> None:
        self._source = source
        settings = {"group.id": "tidemark-reader", "enable.auto.commit": False, **source.librdkafka()}
        self._consumer = Consumer(settings, logger=DISCARDED)

    def partitions(self, timeout_s: float = REQUEST_TIMEOUT_S) -> int:
        """How many partitions the topic has; waits so many seconds at most for an answer.

        Raises:
            InputError: there is no such topic, and the message says how to make it; or no broker answers.
        """
        source = self._source
        try:
            metadata = self._consumer.list_topics(source.topic, timeout=timeout_s).topics[source.topic]
        except KafkaException as error:
            raise InputError(
                f"Kafka at {source.bootstrap} does not answer ({error.args[0].str()}); "
                "is it running (tidemark stack status), and are its address and --kafka-config right?"
            ) from None
        if metadata.error is not None or not metadata.partitions:
            raise InputError(
                f"Kafka at {source.bootstrap} has no topic {source.topic!r}; make it with "
                f"`tidemark topics create {source.topic} --brokers={source.bootstrap} --partitions=4`"
            )
        return len(metadata.partitions)

    def offset(self, partition: int, start: Start) -> int:
        """The offset of a start position in a partition, within what the partition holds."""
        low, high = self.bounds(partition)
        if start.kind == "earliest":
            return low
        if start.kind == "latest":
            return high
        if start.kind == "offset":
            return min(max(start.value, low), high)
        asked = TopicPartition(self._source.topic, partition, start.value)
        found = self._consumer.offsets_for_times([asked], timeout=REQUEST_TIMEOUT_S)[0].offset
        return low if found == OFFSET_BEGINNING else high if found in (OFFSET_END, -1) else found

    def bounds(self, partition: int) -> tuple[int, int]:
        """First offset of a partition, and the one after the last."""
        asked = TopicPartition(self._source.topic, partition)
        low, high = self._consumer.get_watermark_offsets(asked, timeout=REQUEST_TIMEOUT_S)
        return low, high

    def written(self, partition: int) -> int:
        """The offset after the last record that was written to a partition, though a transaction that is still open may keep it from readers."""
        source = self._source
        # What a topic's end is goes by what the consumer that asks may read.
        settings = {**source.librdkafka(), "isolation.level": "read_uncommitted"}
        consumer = Consumer({"group.id": "tidemark-reader", "enable.auto.commit": False, **settings}, logger=DISCARDED)
        try:
            asked = TopicPartition(source.topic, partition)
            return int(consumer.get_watermark_offsets(asked, timeout=REQUEST_TIMEOUT_S)[1])
        finally:
            consumer.close()

    def close(self) -> None:
        """Leave the brokers."""
        self._consumer.close()


def check_topic(source: KafkaTopic) -> None:
    """Ask, before anything starts, whether there is such a topic.

    Raises:
        InputError: there is not, no broker answers, or the settings of the connection cannot be used.
    """
    where = f"--input=kafka://{source.bootstrap}/{source.topic}"
    try:
        catalog = Catalog(source)
    except (ValueError, KafkaException) as error:
        raise InputError(f"{where}: {error}") from None
    try:
        catalog.partitions(CHECK_TIMEOUT_S)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    finally:
        catalog.close()
