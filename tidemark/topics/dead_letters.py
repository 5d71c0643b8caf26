"""Dead letters of a topic: read once each, counted by reason, and sent again to where they came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from schemas.errors import FAILURE, UserError
from schemas.records import CONTENT_TYPE_HEADER, DeadLetter, reason_kind

REPLAYED_HEADER = "replayed-from"
"""Names the record, ``topic:partition:offset``, of which a replayed one is a copy."""

_POLL_MS = 1000


class Found(NamedTuple):
    """The result of a reading: each dead letter once, and how many records were repeats of one or no dead letters at all."""

    letters: list[DeadLetter]
    repeats: int
    unreadable: int


def read(options: dict[str, Any], topic: str) -> Iterator[bytes]:
    """The values of all records that the topic holds at this moment.

    Args:
        options: of kafka-python's clients.

    Raises:
        UserError: no such topic.
        kafka.errors.KafkaError: the broker refuses.
    """
    consumer = KafkaConsumer(**options, enable_auto_commit=False)
    try:
        numbers = consumer.partitions_for_topic(topic)
        if not numbers:
            raise UserError(f"no topic {topic}", FAILURE)
        found = [TopicPartition(topic, number) for number in sorted(numbers)]
        consumer.assign(found)
        consumer.seek_to_beginning(*found)
        ends = consumer.end_offsets(found)
        while any(consumer.position(tp) < ends[tp] for tp in found):
            for tp, records in consumer.poll(_POLL_MS).items():
                yield from (record.value for record in records if record.offset < ends[tp])
    finally:
        consumer.close()


def collect(values: Iterable[bytes], containing: str = "") -> Found:
    """Dead letters of records, each once, those whose reason contains a text.

    A job that starts again from a checkpoint may write a dead letter a second time: it is known by its place in the source.
    """
    letters: dict[tuple[str, int, int, int | None], DeadLetter] = {}
    repeats = unreadable = 0
    for value in values:
        try:
            letter = DeadLetter.decode(value)
        except (ValueError, KeyError, TypeError):
            unreadable += 1
            continue
        place = (letter.topic, letter.partition, letter.offset, letter.line)
        if place in letters:
            repeats += 1
        elif containing in letter.reason:
            letters[place] = letter
    return Found(list(letters.values()), repeats, unreadable)


def by_reason(letters: Iterable[DeadLetter]) -> list[tuple[str, int]]:
    """Kinds of reasons and how many dead letters have them, the most frequent first."""
    return Counter(reason_kind(letter.reason) for letter in letters).most_common()


def replay(options: dict[str, Any], letters: Iterable[DeadLetter], to: str | None) -> int:
    """Send the payloads again, with their content type, to the topics they came from or to one topic; how many were sent.

    Returns once the broker has all of them.

    Raises:
        kafka.errors.KafkaError: a record was not taken; those before it were.
    """
    producer = KafkaProducer(**options, acks="all", linger_ms=20)
    try:
        sent = [producer.send(to or letter.topic, value=letter.payload, headers=_headers(letter)) for letter in letters]
        for future in sent:
            future.get()
    finally:
        producer.close()
    return len(sent)


def _headers(letter: DeadLetter) -> list[tuple[str, bytes]]:
    headers = [(REPLAYED_HEADER, f"{letter.topic}:{letter.partition}:{letter.offset}".encode())]
    if letter.content_type is not None:
        headers.append((CONTENT_TYPE_HEADER, letter.content_type.encode()))
    return headers
