"""A real InfluxDB answers selectors as the store in memory does with the same samples."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.stack import Stack
from rules.promql.storage import MemoryStorage
from rules.promql.syntax.ast import Matcher
from schemas.series import labels_text, metric_text
from tests.e2e.test_influxdb_sink import Database
from tests.transforms.io.history.selecting import VALUES, Labels, in_memory, matchers_of, selected
from tests.transforms.io.sink_cases import MINUTE, WINDOW, rollups, samples
from transforms.io.influxdb.history import InfluxReader
from transforms.io.influxdb.lines import Chunk, rollup_lines, sample_lines

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

NAMES = ("host", "job", "mode")
METRICS = ("cpu", "cpu_usage_idle", "mem", "odd name")
HOLDABLE = tuple(value for value in VALUES if "\n" not in value and not value.endswith("\\"))
QUERY = (
    st.lists(matchers_of(NAMES, METRICS, VALUES), max_size=3),
    st.integers(-1, 5).map(lambda n: WINDOW + n * 20_000 - n % 2),
    st.integers(0, 3 * MINUTE),
)
Stores = tuple[InfluxReader, MemoryStorage]


def parts_of(labels: Labels) -> tuple[str, str]:
    others = [pair for pair in labels if pair[0] != "__name__"]
    return labels_text(others), metric_text(dict(labels)["__name__"])


def label_sets(dice: random.Random) -> list[Labels]:
    found = set()
    for _ in range(80):
        pairs = {"__name__": dice.choice(METRICS), **{name: dice.choice(HOLDABLE) for name in NAMES}}
        found.add(tuple(sorted((name, value) for name, value in pairs.items() if value)))
    return sorted(found)


@pytest.fixture(scope="module")
def token(idle_stack: Stack) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INFLUX_TOKEN", idle_stack.influx_token)
        yield


@pytest.fixture(scope="module")
def raw(idle_stack: Stack, influxdb: str, token: None) -> Stores:
    """Samples, some of them in fields of other writers."""
    database = _database(idle_stack, influxdb, "select_raw")
    dice = random.Random(1)
    wanted = {
        (labels, WINDOW + dice.randrange(4 * MINUTE)): dice.random()
        for labels in label_sets(dice)
        for _ in range(dice.randrange(1, 6))
    }
    rows = [(parts_of(labels), when, value, 0) for (labels, when), value in wanted.items()]
    writer = database.writer()
    for chunk in sample_lines(samples(rows)).chunks:
        writer.write(database.bucket, chunk)
    # The metric `cpu_usage_idle` of other writers' fields, between two milliseconds.
    writer_of_others = f'cpu,host=a usage_idle=4,text="no" {WINDOW}\ncpu_usage,host=b idle=5 {WINDOW + MINUTE}\n'
    writer.write(database.bucket, Chunk(writer_of_others.encode(), 2))
    for host, value, when in (("a", 4.0, WINDOW), ("b", 5.0, WINDOW + MINUTE)):
        wanted[(("__name__", "cpu_usage_idle"), ("host", host)), when] = value
    return InfluxReader(f"{database.uri}?bucket={database.bucket}"), in_memory(wanted)


@pytest.fixture(scope="module")
def rolled(idle_stack: Stack, influxdb: str, token: None) -> Stores:
    """Rollups of three windows."""
    database = _database(idle_stack, influxdb, "select_1m")
    dice = random.Random(2)
    wanted = {}
    writer = database.writer()
    for window in range(WINDOW, WINDOW + 3 * MINUTE, MINUTE):
        rows = []
        for labels in label_sets(dice):
            last_ts, total = window + dice.randrange(MINUTE), dice.random()
            wanted[labels, last_ts] = total / 3
            rows.append((parts_of(labels), {"sum": total, "count": 3, "last_ts": last_ts}))
        for chunk in rollup_lines(rollups(rows, window=window)).chunks:
            writer.write(database.bucket, chunk)
    return InfluxReader(f"{database.uri}?bucket={database.bucket}&value=avg"), in_memory(wanted)


def _database(stack: Stack, url: str, bucket: str) -> Database:
    stack.ensure_bucket(bucket, 0)
    return Database(stack, url, bucket)


PROPERTY = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@PROPERTY
@given(*QUERY)
def test_raw_samples(raw: Stores, matchers: list[Matcher], start: int, length: int) -> None:
    reader, memory = raw
    found, wanted = (selected(each, matchers, start, start + length, True) for each in (reader, memory))
    assert found == wanted


@PROPERTY
@given(*QUERY)
def test_rollups(rolled: Stores, matchers: list[Matcher], start: int, length: int) -> None:
    reader, memory = rolled
    found, wanted = (selected(each, matchers, start, start + length, True) for each in (reader, memory))
    assert found == wanted
