"""Every row that the job writes on Flink equals an independent recount; every record that it cannot read is a dead letter."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest

from deploy.stack import Stack
from tests.e2e import recount
from tests.e2e.flink_job import Ground, last_hours, wait_for
from tests.e2e.read_back import Message
from transforms.accounting import Balance

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MINUTE, HOUR = 60_000, 3_600_000
DELAY = 10_000
REASONS = {
    "broken-json": "not JSON",
    "bad-timestamp": "timestamp:",
    "bad-line": "value",
    "truncated-snappy": "snappy",
    "unknown-content-type": "no codec for content type 'text/csv'",
}


@dataclass
class Run:
    """A job that has read a load and was stopped, and what it should have written."""

    ground: Ground
    sent: dict[str, Any]
    samples: pa.Table


@pytest.fixture(scope="module")
def live(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """An unbounded job under a load in three formats with late, repeated and malformed records, none of them too late."""
    # The generator delays a scrape by 10 minutes at most, and an idle partition's watermark may pass all of the load.
    with Ground(stack, tmp_path_factory.mktemp("rows"), tiers={"lateness": "4h"}) as ground:
        faults = ["--lateness=3%:45s:10m", "--duplicates=2%:50%", "--malformed=1%", "--format=mixed"]
        load = ground.generate(*last_hours(2), "--hosts=12", "--metrics=12", "--seed=5", "--rate=5000", *faults)
        job = ground.start()
        job.wait_checkpoint()
        sent = load.wait()
        wanted = sent["samples"]["distinct"]
        wait_for(lambda: ground.total(ground.coarse, "count") == wanted, 90, f"{wanted} samples in the rows of an hour")
        job.stop()
        yield Run(ground, sent, recount.truth_samples(load.truth))


def test_every_row_of_a_minute_equals_the_recount(live: Run) -> None:
    wanted = recount.rollups(live.samples, MINUTE)
    recount.assert_rows_equal(wanted, live.ground.points(live.ground.fine))


def test_every_row_of_an_hour_equals_the_recount(live: Run) -> None:
    wanted = recount.rollups(live.samples, HOUR)
    assert wanted.num_rows == 2 * 12 * 12
    recount.assert_rows_equal(wanted, live.ground.points(live.ground.coarse))


def test_every_raw_sample_is_there(live: Run) -> None:
    recount.assert_raw_equal(live.samples, live.ground.points(live.ground.raw))


def test_nothing_was_too_late(live: Run) -> None:
    assert live.ground.messages(live.ground.late) == []


def test_every_malformed_record_is_a_dead_letter_with_reason_and_position(live: Run) -> None:
    records = {(record.partition, record.offset): record for record in live.ground.messages(live.ground.topic)}
    letters = [json.loads(message.value) for message in live.ground.messages(live.ground.dead_letters)]
    found: Counter[str] = Counter()
    for letter in letters:
        record = records[letter["partition"], letter["offset"]]
        assert letter["topic"] == live.ground.topic
        assert base64.b64decode(letter["payload"]) == record.value
        assert letter["content_type"] == record.headers["content-type"]
        found[_kind(letter["reason"], record)] += 1
    assert len({(letter["partition"], letter["offset"]) for letter in letters}) == len(letters)
    wanted = live.sent["malformed"]
    assert wanted["total"] > 50
    assert {"total": len(letters), **found} == wanted


def _kind(reason: str, record: Message) -> str:
    content_type = record.headers["content-type"]
    kinds = {
        "application/json": ("broken-json", "bad-timestamp"),
        "application/vnd.influx.line-protocol": ("bad-line",),
        "application/x-protobuf": ("truncated-snappy",),
        "text/csv": ("unknown-content-type",),
    }[content_type]
    [kind] = [kind for kind in kinds if REASONS[kind] in reason]
    return kind


def test_what_is_too_late_by_the_log_goes_to_its_topic_and_all_else_is_written(stack: Stack, tmp_path) -> None:
    with Ground(stack, tmp_path, tiers={"lateness": "2m"}) as ground:
        faults = ["--lateness=5%:3m:40m", "--duplicates=2%:50%"]
        load = ground.generate(*last_hours(1), "--hosts=12", "--metrics=8", "--seed=6", *faults)
        load.wait()
        summary = tmp_path / "balance.json"
        ground.run([*ground.words("--bounded", "--streaming", f"--summary_json={summary}"), *ground.runner()], 200)
        late = ground.messages(ground.late)
        refused = recount.late_samples(late)
        wanted = _too_late(ground.messages(ground.topic), 2 * MINUTE)
        assert Counter(zip(*refused.to_pydict().values(), strict=True)) == wanted
        assert len(wanted) > 100
        samples = recount.truth_samples(load.truth, refused)
        for bucket, window in ((ground.fine, MINUTE), (ground.coarse, HOUR)):
            recount.assert_rows_equal(recount.rollups(samples, window), ground.points(bucket))
        balance = Balance(json.loads(summary.read_text()))
        assert (balance.records_missing, balance.samples_missing) == (0, 0)
        assert balance["samples.too_late"] == refused.num_rows
        assert balance["samples.written"] + balance["samples.merged_late"] == samples.num_rows
        assert balance["samples.merged_late"] > 0


def _too_late(messages: list[Message], lateness: int) -> Counter[tuple[str, int, float]]:
    """The samples whose window had ended longer ago than the lateness, by the watermark that their partition had reached before."""
    newest: dict[int, int] = {}
    found: Counter[tuple[str, int, float]] = Counter()
    for message in messages:
        ts = json.loads(message.value)["timestamp"]
        before = newest.get(message.partition, 0)
        newest[message.partition] = max(before, ts)
        if ts - ts % MINUTE + MINUTE + lateness <= before - DELAY:
            found.update(zip(*recount.late_samples([message]).to_pydict().values(), strict=True))
    return found
