"""What a real Prometheus sends by remote write is read back equal, staleness markers included."""

from __future__ import annotations

import json
import math
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Producer

from deploy.errors import StackError
from deploy.install.cache import install
from deploy.install.recipes import PROMETHEUS3
from deploy.stack import Stack
from schemas.codecs.block import BlockDecoder
from schemas.codecs.json_scrape import STALE_NAN_BITS
from schemas.records import REMOTE_WRITE, RawRecord
from schemas.series import series_text
from tests.e2e import recount
from tests.e2e.flink_job import Ground, wait_for
from tests.e2e.prometheus import Prometheus, Sample, now_ms, prometheus, serving
from transforms.accounting import Balance

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

# Scrapes are stored when they end, within a second of the time they carry.
SETTLED_MS = 3_000
EXPOSED = b'requests_total{path="/a b\\"c"} %d\ntemperature -3.5\nspare_ratio NaN\nlimit_bytes +Inf\n'
NAMES = {"requests_total", "temperature", "spare_ratio", "limit_bytes"}


@pytest.fixture(scope="module", autouse=True)
def binary() -> None:
    try:
        install(PROMETHEUS3)
    except StackError as error:
        pytest.skip(str(error))


def decoded(ground: Ground) -> set[Sample]:
    """What the job's codec reads from the topic."""
    records = [
        RawRecord(message.value, message.offset, -1, message.headers["content-type"])
        for message in ground.messages(ground.topic)
    ]
    block = BlockDecoder().decode_block(records, ground.topic, 0)
    assert block.dead_letters == []
    rows = block.batch
    texts = [series_text(rows.targets[t], rows.metrics[m]) for t, m in zip(rows.target, rows.metric, strict=True)]
    return set(zip(texts, rows.ts.tolist(), rows.value.view(np.uint64).tolist(), strict=True))


def value(server: Prometheus, expression: str) -> float:
    """The value of an instant query of one series; NaN without one."""
    found = server.query(expression)
    return float(found[0]["value"][1]) if found else math.nan


def newest(ground: Ground) -> int:
    """The newest event time in the topic, ms."""
    return max((ts for _, ts, _ in decoded(ground)), default=0)


def test_samples_of_a_prometheus_are_read_back_equal(stack: Stack, tmp_path: Path) -> None:
    scrapes = iter(range(1, 1_000_000))
    with Ground(stack, tmp_path, partitions=1) as ground:
        producer = Producer({"bootstrap.servers": ground.kafka})

        def receive(request: BaseHTTPRequestHandler) -> bytes:
            body = request.rfile.read(int(request.headers["Content-Length"]))
            producer.produce(ground.topic, body, headers={"content-type": REMOTE_WRITE})
            producer.flush(10)
            return b""

        with serving(receive) as receiver, ExitStack() as web:
            target = web.enter_context(serving(lambda _: EXPOSED % next(scrapes)))
            with prometheus(tmp_path, {"web": target}, f"http://{receiver}/write") as server:
                wait_for(lambda: value(server, 'requests_total{job="web"}') > 3, 60, "a few scrapes")
                web.close()
                wait_for(lambda: value(server, 'up{job="web"}') == 0, 60, "a failed scrape")
                until = now_ms()
                wait_for(lambda: newest(ground) > until + SETTLED_MS, 60, "what Prometheus stores afterwards")
                wanted = server.samples(until)
        read = decoded(ground)
        assert {sample for sample in read if sample[1] <= until} == wanted
        stale = {series for series, _, bits in wanted if bits == STALE_NAN_BITS}
        assert {name for name in NAMES if any(name in series for series in stale)} == NAMES

        summary = tmp_path / "balance.json"
        ground.run([*ground.words("--bounded", "--streaming", f"--summary_json={summary}"), *ground.runner()], 120)
        finite = recount.sample_table(_finite(read))
        recount.assert_raw_equal(finite, ground.points(ground.raw))
        recount.assert_rows_equal(recount.rollups(finite, 60_000), ground.points(ground.fine))
        assert ground.messages(ground.dead_letters) == []
        balance = Balance(json.loads(summary.read_text()))
        assert (balance.records_missing, balance.samples_missing) == (0, 0)
        assert balance["samples.unwritable"] == len(read) - finite.num_rows


def _finite(samples: set[Sample]) -> list[tuple[str, int, float]]:
    rows = [(series, ts, np.uint64(bits).view(np.float64).item()) for series, ts, bits in samples]
    return [row for row in rows if np.isfinite(row[2])]
