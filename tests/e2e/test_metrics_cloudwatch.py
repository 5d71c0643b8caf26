"""Real input: 17 CloudWatch series of 2013 and 2014 through Kafka and Flink into InfluxDB equal an independent recount."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from confluent_kafka import Producer

from deploy.stack import Stack
from schemas.series import labels_text, series_text
from tests.e2e import recount
from tests.e2e.flink_job import ROOT, Ground
from transforms.accounting import Balance

CORPUS = ROOT.parent / "shared" / "corpora" / "nab" / "data" / "realAWSCloudwatch"
SERIES = 17
HOUR = 3_600_000

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the corpus {CORPUS} is absent"),
]

Row = tuple[int, str, str, float]


def rows(path: Path) -> Iterator[Row]:
    """Event time (ms), metric and instance, both from the file's name, and value; the corpus's times are in UTC."""
    metric, _, instance = path.stem.rpartition("_")
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            time = datetime.fromisoformat(row["timestamp"]).replace(tzinfo=timezone.utc)
            yield int(time.timestamp() * 1000), metric, instance, float(row["value"])


def produce(ground: Ground, everything: list[Row]) -> None:
    producer = Producer({"bootstrap.servers": ground.kafka, "linger.ms": 50})
    for ts, metric, instance, value in everything:
        document = {"labels": {"instance": instance}, "timestamp": ts, "samples": {metric: value}}
        # Two of the series have one time twice: in one partition, the later row wins.
        producer.produce(ground.topic, json.dumps(document), instance, headers={"content-type": "application/json"})
        producer.poll(0)
    assert producer.flush(30) == 0


def test_every_row_equals_the_recount(stack: Stack, tmp_path: Path) -> None:
    files = sorted(CORPUS.glob("*.csv"))
    assert len(files) == SERIES
    everything = sorted((row for path in files for row in rows(path)), key=lambda row: row[0])
    # A sample every five minutes: windows of a minute would each hold one, and cost more than all else.
    with Ground(stack, tmp_path, partitions=1, windows=("1h", "1d"), shards=1) as ground:
        produce(ground, everything)
        summary = tmp_path / "balance.json"
        flags = ["--bounded", "--streaming", f"--summary_json={summary}", "--parallelism=2"]
        ground.run([*ground.words(*flags), *ground.runner()], 240)
        last = {(metric, instance, ts): value for ts, metric, instance, value in everything}
        samples = recount.sample_table(
            (series_text(labels_text([("instance", instance)]), metric), ts, value)
            for (metric, instance, ts), value in last.items()
        )
        recount.assert_raw_equal(samples, ground.points(ground.raw))
        for bucket, window in ((ground.fine, HOUR), (ground.coarse, 24 * HOUR)):
            wanted = recount.rollups(samples, window)
            assert len(set(wanted["series"].to_pylist())) == SERIES
            recount.assert_rows_equal(wanted, ground.points(bucket))
        balance = Balance(json.loads(summary.read_text()))
        assert (balance.records_missing, balance.samples_missing) == (0, 0)
        assert balance["samples.read"] == len(everything)
        assert balance["samples.duplicate"] == len(everything) - samples.num_rows
