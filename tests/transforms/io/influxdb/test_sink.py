from __future__ import annotations

import json
import math
from collections.abc import Iterator

import apache_beam as beam
import pytest
from apache_beam.internal import pickler
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from schemas import batch as batches
from schemas import rollup
from schemas.records import DeadLetter
from schemas.series import parse_labels, parse_metric, series_text
from schemas.tiers import Tiers
from tests.transforms.io.influxdb.fake_server import TOKEN, Server, fake_influxdb, status
from tests.transforms.io.line_reader import point
from tests.transforms.io.sink_cases import MINUTE, WINDOW, as_rows, fleet, rollups, samples, series
from transforms.io import sink as outputs
from transforms.io.errors import SinkError, Unavailable
from transforms.io.influxdb import sink as influxdb
from transforms.io.influxdb.lines import rollup_lines, sample_lines
from transforms.io.influxdb.settings import InfluxSettings
from transforms.io.influxdb.sink import refused_letter, unholdable_letter
from transforms.io.influxdb.writer import Refused
from transforms.io.kinds import RowKind, raw_samples, row_kinds
from transforms.io.kinds import rollups as rollups_of

TIERS = Tiers()
MINUTES = rollups_of(TIERS.rollups[0])
EVERY = row_kinds(TIERS)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("INFLUX_TOKEN", TOKEN)
    with fake_influxdb() as server:
        yield server


def output(server: Server) -> outputs.Output[RowKind]:
    return outputs.rows(server.url.replace("http:", "influxdb:"))


def run(elements: list[bytes], transform: beam.PTransform, letters: list[DeadLetter] | None = None) -> dict[str, int]:
    """Run the transform over windowed elements; check its dead letters; return the counters."""

    def check(actual: list[bytes]) -> None:
        decoded = sorted((DeadLetter.decode(letter) for letter in actual), key=repr)
        assert decoded == sorted(letters or [], key=repr), decoded

    pipeline = beam.Pipeline(runner=FnApiRunner())
    refused = (
        pipeline
        | beam.Create(elements)
        | beam.Map(lambda element: TimestampedValue(element, WINDOW / 1_000))
        | beam.WindowInto(FixedWindows(60))
        | transform
    )
    assert_that(refused, check)
    result = pipeline.run()
    result.wait_until_finish()
    found = result.metrics().query()["counters"]
    return {counter.key.metric.name: counter.result for counter in found if counter.key.metric.namespace == "tidemark"}


Row = tuple[str, tuple[tuple[str, str], ...], int]


def stored(server: Server, bucket: str) -> dict[Row, dict[str, float]]:
    found = {}
    for (where, key, time), fields in server.stored.items():
        read = point(b" ".join((key, fields, time)).decode())
        assert where == bucket
        found[read.measurement, tuple(read.tags.items()), read.time] = read.fields
    return found


def row(name: str, time: int = WINDOW, **tags: str) -> Row:
    return name, tuple(sorted(tags.items())), time


def test_rollups_of_many_windows_arrive_in_few_requests(server: Server) -> None:
    parts = [fleet(hosts=10, metrics=20, window=WINDOW + i * MINUTE, seed=i) for i in range(60)]
    counters = run([rollup.encode(part) for part in parts], output(server).write(MINUTES))
    found = stored(server, "rollup_1m")
    assert len(found) == 60 * 200
    for part in parts:
        for (target, metric), values in as_rows(part).items():
            name, labels = parse_metric(metric)
            assert found[row(name, part.window, **labels, **parse_labels(target))] == values
    assert counters.pop("influxdb.requests") == len(server.requests) <= 4
    assert counters == {
        "influxdb.rows_written": 12_000,
        "influxdb.unwritable": 0,
        "influxdb.values_unwritable": 0,
        "influxdb.refused": 0,
        "influxdb.retries": 0,
    }


def test_raw_samples_go_to_the_raw_bucket_and_what_is_not_finite_is_counted(server: Server) -> None:
    batch = samples(
        [
            (series("a", "up"), WINDOW, 1.0, 1),
            (series("a", "up"), WINDOW + 1, math.nan, 2),
            (series("b", "up"), WINDOW, math.inf, 3),
        ]
    )
    counters = run([batches.encode(batch)], output(server).write(raw_samples(TIERS)))
    assert stored(server, "raw") == {row("up", host="a", job="node"): {"value": 1.0}}
    assert (counters["influxdb.rows_written"], counters["influxdb.unwritable"]) == (1, 2)


def test_a_correction_replaces_the_row(server: Server) -> None:
    panes = [rollups([(series("a", "up"), {"count": count})], pane=pane) for pane, count in ((0, 3), (1, 4))]
    run([rollup.encode(pane) for pane in panes], output(server).write(MINUTES))
    (fields,) = stored(server, "rollup_1m").values()
    assert fields["count"] == 4


def test_refused_lines_and_series_that_cannot_be_held_become_dead_letters(server: Server) -> None:
    server.dropped = lambda line: b"host=bad" in line
    batch = rollups(
        [
            (series("good", "up"), {}),
            (series("bad", "up"), {}),
            (series("c", "up", path="C:\\"), {}),
            (series("d", "up"), {"sum": math.inf}),
        ]
    )
    line = (
        b"up,host=bad,job=node count=3i,sum=6,min=1,max=3,first=1,last=3,increase=2,"
        b"first_ts=1700000040000i,last_ts=1700000090000i 1700000040000"
    )
    refused = Refused(
        line, "InfluxDB answered 422: failure writing points to database: partial write: field type conflict dropped=1"
    )
    (unholdable,) = rollup_lines(batch).unholdable
    letters = [refused_letter("rollup_1m", refused), unholdable_letter("rollup_1m", unholdable)]
    counters = run([rollup.encode(batch)], output(server).write(MINUTES), letters)
    good, overflowed = (row("up", host=host, job="node") for host in ("good", "d"))
    found = stored(server, "rollup_1m")
    assert set(found) == {good, overflowed}
    assert found[good].keys() - found[overflowed].keys() == {"sum"}
    fates = [counters[f"influxdb.{fate}"] for fate in ("rows_written", "refused", "unwritable", "values_unwritable")]
    assert fates == [2, 2, 0, 1]


def test_dead_letters_say_what_and_why_and_are_recognised_when_they_come_again() -> None:
    letter = refused_letter("raw", Refused(b"up value=1 1", "because"))
    assert (letter.topic, letter.partition, letter.line) == ("influxdb/raw", -1, None)
    assert (letter.payload, letter.reason) == (b"up value=1 1", "because")
    assert letter.offset == refused_letter("raw", Refused(b"up value=1 1", "another reason")).offset
    assert letter.offset != refused_letter("raw", Refused(b"up value=1 2", "because")).offset
    assert DeadLetter.decode(letter.encode()) == letter
    (row,) = sample_lines(samples([(series("c", "up", path="C:\\"), WINDOW, 1.5, 0)])).unholdable
    letter = unholdable_letter("raw", row)
    assert letter.reason.startswith("InfluxDB cannot hold this series: value of label 'path' ends with a backslash")
    assert json.loads(letter.payload) == {
        "series": series_text(*series("c", "up", path="C:\\")),
        "time": WINDOW,
        "fields": {"value": 1.5},
    }
    (row,) = rollup_lines(rollups([(series("c", "up", path="C:\\"), {"sum": math.inf, "min": -math.inf})])).unholdable
    fields = json.loads(unholdable_letter("rollup_1m", row).payload)["fields"]
    assert (fields["sum"], fields["min"], fields["max"]) == ("+Inf", "-Inf", 3)


def test_a_busy_server_is_waited_for(server: Server) -> None:
    server.faults = [status(503)]
    counters = run([rollup.encode(fleet(1, 10))], output(server).write(MINUTES))
    assert len(stored(server, "rollup_1m")) == 10
    assert counters["influxdb.retries"] == 1


def test_a_server_that_takes_nothing_fails_the_pipeline(server: Server) -> None:
    server.faults = [status(503)] * 100
    transform = outputs.rows(f"{server.url.replace('http:', 'influxdb:')}?retry_for=0s").write(MINUTES)
    with pytest.raises(Unavailable, match="no write taken in 0 s and 1 tries"):
        run([rollup.encode(fleet(1, 1))], transform)


def test_validate_asks_for_every_bucket(server: Server) -> None:
    output(server).validate(EVERY)
    server.buckets.remove("raw")
    output(server).validate(row_kinds(TIERS, raw=False))
    with pytest.raises(SinkError, match="bucket raw: 404"):
        output(server).validate(EVERY)
    server.buckets = {"raw", "rollup_1m"}
    output(server).validate([raw_samples(TIERS)])
    with pytest.raises(SinkError, match="bucket rollup_1h: 404"):
        output(server).validate(EVERY)


def test_validate_without_a_token_says_where_it_goes(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INFLUX_TOKEN")
    with pytest.raises(SinkError, match="no token; put it into the environment variable INFLUX_TOKEN"):
        output(server).validate(EVERY)


def test_no_token_travels_with_the_pipeline(server: Server) -> None:
    settings = InfluxSettings.parse(server.url.replace("http:", "influxdb:"))
    do_fn = influxdb.WriteToInflux(settings, "raw", influxdb.sample_element)
    assert TOKEN not in str(pickler.loads(pickler.dumps(do_fn)).__dict__)


def test_describe(server: Server) -> None:
    assert output(server).describe(EVERY) == (
        f"InfluxDB {server.url}, organization tidemark: raw (7d), rollup_1m (30d), rollup_1h (365d)"
    )
    assert "raw" not in output(server).describe(row_kinds(TIERS, raw=False))
    assert "rollup" not in output(server).describe([raw_samples(TIERS)])
