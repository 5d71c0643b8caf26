"""Sampling this computer: a reading a second by the test's clock, and documents that the codec reads back."""

from __future__ import annotations

import psutil
import pytest

from schemas.codecs import BlockDecoder
from schemas.records import RawRecord
from services.agent import readings as agent_sample


def test_a_reading_each_second_by_the_clock():
    now = [1000.0]
    numbers = iter(range(100))
    readings = agent_sample.scrapes(
        3,
        clock=lambda: now[0],
        sleep=lambda seconds: now.__setitem__(0, now[0] + seconds),
        read=lambda: {"n": next(numbers)},
    )
    assert list(readings) == [(1_001_000, {"n": 1}), (1_002_000, {"n": 2}), (1_003_000, {"n": 3})]


def test_a_late_reading_does_not_put_off_the_next():
    now = [1000.0]

    def read():
        now[0] += 1.4
        return {}

    readings = agent_sample.scrapes(3, clock=lambda: now[0], sleep=lambda s: now.__setitem__(0, now[0] + s), read=read)
    times = [ts for ts, _ in readings]
    assert times == [1_002_400, 1_003_800, 1_005_200]


def test_real_readings_become_samples():
    samples = agent_sample.read_samples()
    document = agent_sample.scrape_document(agent_sample.target_labels(), 1_700_000_000_000, samples)
    block = BlockDecoder().decode_block([RawRecord(document, 0)], "t", 0)
    assert block.dead_letters == []
    batch = block.batch
    read = {batch.metrics[i]: value for i, value in zip(batch.metric.tolist(), batch.value.tolist(), strict=True)}
    assert read == samples
    assert {"system_load1", "mem_used_percent", 'cpu_usage_percent{cpu="cpu0"}'} <= set(read)
    assert '"job":"agent"' in document.decode()


@pytest.mark.parametrize("broken", ["disk_io_counters", "swap_memory", "getloadavg"])
def test_a_reading_that_the_system_lacks_is_left_out(monkeypatch, broken):
    def lacking(*_args, **_options):
        raise OSError("not here")

    everything = agent_sample.read_samples()
    monkeypatch.setattr(psutil, broken, lacking)
    left = agent_sample.read_samples()
    assert left.keys() <= everything.keys()
    assert "mem_used_percent" in left
