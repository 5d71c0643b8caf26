"""Archived data read back from a real Prometheus and a real InfluxDB is what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deploy.stack import Stack
from rules.promql.values import STALE, is_stale
from tests.e2e.test_influxdb_sink import Database
from tests.oracle.prometheus import prometheus
from tests.transforms.io.history.given import MINUTE, bits, read, series_of
from tests.transforms.io.sink_cases import WINDOW, rollups, samples, series
from transforms.io.influxdb.lines import rollup_lines, sample_lines

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

START = 1_767_225_600_000


def test_prometheus(tmp_path: Path) -> None:
    times = START + np.arange(0, 90 * MINUTE, 15_000)
    values = np.random.default_rng(1).normal(size=len(times))
    values[::7], values[100:140], values[99] = 0.0, np.nan, STALE
    with prometheus(tmp_path) as client:
        client.load(
            [
                ({"__name__": "cpu", "host": "a"}, times, values),
                ({"__name__": "cpu", "host": "b"}, times, np.ones(len(times))),
            ]
        )
        client.load([({"__name__": "memory", "host": "a"}, times, values)])
        words = ["--start", str(START), "--end", str(int(times[-1]))]
        history = read(["--data", f"prometheus:http://{client.address}", *words], 'cpu{host="a"}', "memory")
        found = bits(history.storage)
        wanted = list(zip(times.tolist(), values.view(np.uint64).tolist(), strict=True))
        assert found == {"__name__=cpu,host=a": wanted, "__name__=memory,host=a": wanted}

        source = f"prometheus:http://{client.address}?mode=query_range&step=15s"
        resampled = read(["--data", source, *words], 'cpu{host="a"}').storage
        gone = is_stale(values)
        assert resampled.timestamps.tolist() == times.tolist()
        assert is_stale(resampled.values).tolist() == gone.tolist()
        np.testing.assert_array_equal(resampled.values[~gone], values[~gone])


def test_influxdb(idle_stack: Stack, influxdb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFLUX_TOKEN", idle_stack.influx_token)
    idle_stack.ensure_bucket("history", 0)
    database = Database(idle_stack, influxdb, "history")
    writer = database.writer()
    key = series("a, b", "cpu_seconds", mode='"idle"')
    made = samples([(key, WINDOW + n * 15_000, n / 3, n) for n in range(40)])
    for chunk in sample_lines(made).chunks:
        writer.write("history", chunk)
    history = read(["--data", f"{database.uri}?bucket=history"], "cpu_seconds")
    text = '__name__=cpu_seconds,host=a, b,job=node,mode="idle"'
    assert series_of(history.storage) == {text: [(WINDOW + n * 15_000, n / 3) for n in range(40)]}

    rolled = [(series("a", "load"), {"sum": 7.0, "count": 2, "last_ts": WINDOW + 45_000, "max": 5.0})]
    for chunk in rollup_lines(rollups(rolled)).chunks:
        writer.write("history", chunk)
    for value, wanted in (("avg", 3.5), ("max", 5.0)):
        found = read(["--data", f"{database.uri}?bucket=history&value={value}"], "load").storage
        assert series_of(found) == {"__name__=load,host=a,job=node": [(WINDOW + 45_000, wanted)]}
