"""Logs of several partitions, as sources read them: what was overtaken, and how far the watermark of all of them is."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from rules.promql.values import STALE
from schemas.batch import MIN_WATERMARK, SampleBatch
from tests.transforms.alerts.streams import Row, Sent, batch_of
from transforms.machines.watermarks import PartitionWatermark

DELAY = 10_000
LATE = 150_000


class Record(NamedTuple):
    """A record's samples, and the watermark of its partition just before and after it."""

    samples: tuple[Sent, ...]
    before: int
    after: int

    def batches(self) -> Iterator[SampleBatch]:
        """What of it was ahead of the watermark, and what was not."""
        ahead = [each for each in self.samples if each.ts > self.before]
        behind = [each for each in self.samples if each.ts <= self.before]
        if ahead:
            yield batch_of(ahead)
        if behind:
            yield replace(batch_of(behind), overtaken=-(-self.before // 1000) * 1000)


class Step(NamedTuple):
    """What a bundle is given: batches, the watermark after them, and those of partitions that were read."""

    batches: tuple[SampleBatch, ...]
    watermark: int
    marks: tuple[PartitionWatermark, ...]


@dataclass(frozen=True)
class Log:
    """Partitions of records."""

    partitions: Sequence[Sequence[Record]]

    @property
    def samples(self) -> list[Sent]:
        return [sample for records in self.partitions for record in records for sample in record.samples]

    def read(self, seed: int) -> Iterator[Step]:
        """The records of each partition in their order, else in any; bundles of any size; a watermark that is behind by any time."""
        rng = random.Random(seed)
        places = [0] * len(self.partitions)
        while any(place < len(records) for place, records in zip(places, self.partitions, strict=True)):
            found: list[SampleBatch] = []
            marks: list[PartitionWatermark] = []
            for _ in range(rng.choice((1, 1, 2, 5, 20, 100))):
                left = [n for n, records in enumerate(self.partitions) if places[n] < len(records)]
                if not left:
                    break
                number = rng.choice(left)
                record = self.partitions[number][places[number]]
                found += record.batches()
                marks.append(PartitionWatermark(0, number, len(self.partitions), record.after))
                places[number] += 1
            rng.shuffle(found)
            rng.shuffle(marks)
            reached = min(
                records[place - 1].after if place else MIN_WATERMARK
                for place, records in zip(places, self.partitions, strict=True)
            )
            lag = rng.choice((0, 0, 1_000, 100_000))
            yield Step(tuple(found), reached - lag if reached > MIN_WATERMARK else reached, tuple(marks))


def log_of(seed: int, series: Sequence[Row], length: int, begin: int = 0) -> Log:
    """Series scraped every 30 s or so for a time; some samples late, some repeated with another value, some stale."""
    rng = random.Random(seed)
    partitions = []
    for number in range(2):
        sent = []
        for labels in series[number::2]:
            when = begin + rng.randrange(1, 30_000)
            while when < begin + length:
                value = rng.choice((0.0, 1.0, 2.0, 3.5, float("nan"), float(STALE)))
                delay = rng.choice((0, 0, 0, 0, 5_000, 60_000, LATE - DELAY - 20_000))
                sent.append((when + delay, Sent(labels, when, value, 0)))
                if rng.random() < 0.1:
                    sent.append((when + delay + 7_000, Sent(labels, when, 9.0, 0)))
                when += rng.choice((10_000, 30_000, 30_000, 170_000))
        partitions.append(partition_of(number, [each for _, each in sorted(sent, key=lambda pair: pair[0])], rng))
    return Log(partitions)


def partition_of(
    number: int, sent: Sequence[Sent], rng: random.Random, sizes: Sequence[int] = (1, 1, 2, 3)
) -> list[Record]:
    """Samples in the order in which they arrive, as records of a few each."""
    records = []
    newest, place = MIN_WATERMARK, 0
    while place < len(sent):
        size = rng.choice(sizes)
        seq = (len(records) * 4096) + number
        samples = tuple(each._replace(seq=seq) for each in sent[place : place + size])
        place += size
        before = newest
        newest = max(newest, *(each.ts - DELAY for each in samples))
        records.append(Record(samples, before, newest))
    return records
