"""Every transcript through Kafka and an unbounded job on Flink, fed step by step.

Transcripts with the same tiers are played by one job, each on days of its own; the clock carries the watermark from one to the next.
Before a watermark is sent, the job has read what comes before it; before anything follows, what the watermark lets out is in the store.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from kafka import KafkaProducer

from deploy.stack import Stack
from schemas.batch import MAX_PARTITIONS
from schemas.series import parse_labels
from tests.e2e.flink_job import Ground, Job, wait_for
from tests.transcripts.transcript import BASE, DAY, DELAY, SHARDS, Shown, Transcript, load, shown, staged
from tests.transforms.naive import Row, Sample
from transforms.io.parquet.layout import RAW
from transforms.io.parquet.store import files

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

PATHS = sorted((Path(__file__).parents[1] / "transcripts").glob("*.yaml"))
STEP_SECONDS = 60


@dataclass
class Theatre:
    """A running job, and the one partition and the store it works on."""

    topic: str
    store: Path
    job: Job
    producer: KafkaProducer
    days: Iterator[int] = field(default_factory=lambda: itertools.count(0, 10))
    offset: int = -1

    def play(self, transcript: Transcript) -> list[list[str]]:
        """The rows of each stage of a transcript, the last those of the end of time."""
        base = BASE + next(self.days) * DAY

        def so_far() -> list[list[str]]:
            return staged(transcript, self._rows(transcript, base), base)

        clock = Sample(transcript.clock, base + DELAY, 0.0, 0)
        self._send(clock)
        for number, stage in enumerate(transcript.stages):
            # The clock's old time once more is read with the inputs or after them, and moves nothing.
            self._send(*(Sample(series, base + ts, value, 0) for series, ts, value in stage.inputs), clock)
            clock = transcript.tick(stage, base)
            self._send(clock)
            wait_for(
                lambda at=number, wanted=stage.expect: len(so_far()[at]) >= len(wanted), STEP_SECONDS, f"step {number}"
            )
        # The clock's row of a later day is written last: nothing of this one is still on its way then.
        for day in (3, 4, 5):
            self._send(clock._replace(ts=base + day * DAY))
        last = base + 4 * DAY
        for tier in transcript.tiers.rollups:
            wait_for(lambda tier=tier: any(files(self.store, tier.name, last, last + 1)), STEP_SECONDS, tier.name)
        return so_far()

    def _send(self, *samples: Sample) -> None:
        """Write a record a sample, and wait until the job has written the last one to the store."""
        for sample in samples:
            value = sample.value if sample.value - sample.value == 0 else _SPECIAL[str(sample.value)]
            document = {
                "labels": parse_labels(sample.series[0]),
                "timestamp": sample.ts,
                "samples": {sample.series[1]: value},
            }
            sent = self.producer.send(self.topic, json.dumps(document).encode())
        self.offset = sent.get(10).offset
        wait_for(lambda: self._read() >= self.offset, STEP_SECONDS, f"offset {self.offset} read; {self.job.state}")

    def _read(self) -> int:
        """The last offset of which a sample is in the store."""
        tables = (pq.read_table(file.path, columns=["seq"]) for file in files(self.store, RAW))
        return max((pc.max(table["seq"]).as_py() // MAX_PARTITIONS for table in tables), default=-1)

    def _rows(self, transcript: Transcript, base: int) -> list[Shown]:
        """Every row that was ever written, of every pane."""
        return [
            shown(
                tier.name,
                _plain(row["window"]),
                (row["target"], row["metric"]),
                row["pane"],
                row["watermark"],
                Row(*(_plain(row[name]) for name in Row._fields)),
                base,
            )
            for tier in transcript.tiers.rollups
            for file in files(self.store, tier.name, base, base + 2 * DAY)
            for row in pq.read_table(file.path).to_pylist()
        ]


_SPECIAL = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}


def _plain(value: float | datetime) -> float:
    return round(value.timestamp() * 1000) if isinstance(value, datetime) else value


def open_theatre(ground: Ground, transcript: Transcript, producer: KafkaProducer) -> Theatre:
    """Start a job with the transcript's tiers."""
    store, config = ground.directory / f"{ground.name}-store", ground.directory / f"{ground.name}-job.yaml"
    config.write_text(
        yaml.safe_dump({"tiers": dict(transcript.config), "shards": SHARDS, "watermark_delay": f"{DELAY}ms"})
    )
    ground.run(
        [
            f"--input={ground.input}",
            f"--output=parquet:{store}",
            f"--config={config}",
            "--dead_letter=blackhole:",
            "--late=blackhole:",
            "--idle_timeout=1d",
            "--parallelism=1",
            "--checkpointing_interval=1000",
            f"--job_name={ground.name}",
            "--detach",
            *ground.runner(),
        ]
    )
    job = Job(ground.flink, ground.flink.wait_running(ground.name, 60).id, ground.name)
    ground.jobs.append(job)
    return Theatre(ground.topic, store, job, producer)


@pytest.fixture(scope="module")
def theatre_of(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Transcript], Theatre]]:
    """The theatre of a transcript's tiers."""
    directory = tmp_path_factory.mktemp("transcripts")
    theatres: dict[str, Theatre] = {}
    with ExitStack() as opened:
        producer = opened.enter_context(KafkaProducer(bootstrap_servers=stack.address("kafka")))

        def theatre(transcript: Transcript) -> Theatre:
            key = json.dumps(transcript.config)
            if key not in theatres:
                ground = opened.enter_context(Ground(stack, directory, partitions=1))
                theatres[key] = open_theatre(ground, transcript, producer)
            return theatres[key]

        yield theatre


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_flink(theatre_of: Callable[[Transcript], Theatre], path: Path) -> None:
    transcript = load(path)
    assert theatre_of(transcript).play(transcript) == transcript.expected()
