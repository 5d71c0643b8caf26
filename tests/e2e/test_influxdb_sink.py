"""The InfluxDB sink against a real server: every row reads back equal, a stopped server loses nothing, and what it cannot hold is named."""

from __future__ import annotations

import csv
import json
import math
import threading
import uuid
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
import urllib3
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from deploy.stack import Stack
from pipelines.metrics import main
from schemas import batch as batches
from schemas import rollup
from schemas.records import DeadLetter
from schemas.series import METRIC_NAME, parse_labels, series_text
from schemas.tiers import Tier, Tiers
from tests.transforms.io.sink_cases import MINUTE, WINDOW, as_rows, fleet, label_sets, rollups, samples, series
from transforms.io import sink as outputs
from transforms.io.influxdb.lines import Chunk, rollup_lines, sample_lines
from transforms.io.influxdb.settings import InfluxSettings
from transforms.io.influxdb.writer import InfluxWriter
from transforms.io.kinds import RowKind, raw_samples, row_kinds
from transforms.io.kinds import rollups as rollups_of

pytestmark = pytest.mark.e2e

Values = dict[str, float | int]


class Database:
    """A bucket of the session's InfluxDB that keeps points for ever."""

    def __init__(self, stack: Stack, url: str, bucket: str) -> None:
        self.stack, self.url, self.bucket = stack, url, bucket
        self.tiers = Tiers(rollups=(Tier("1m", MINUTE, 0, bucket),), raw_bucket=bucket)
        self.uri = url.replace("http:", "influxdb:")

    def output(self, options: str = "") -> outputs.Output[RowKind]:
        return outputs.rows(self.uri + options)

    def writer(self) -> InfluxWriter:
        return InfluxWriter(InfluxSettings.parse(self.uri), self.stack.influx_token)

    def points(self) -> dict[tuple[str, int], Values]:
        """All points: by canonical series and time (ms) the fields."""
        response = urllib3.request(
            "POST",
            f"{self.url}/api/v2/query?org=tidemark",
            body=f'from(bucket: "{self.bucket}") |> range(start: 0) |> map(fn: (r) => ({{r with _time: int(v: r._time)}}))'
            ' |> drop(columns: ["_start", "_stop"])',
            timeout=120,
            headers={
                "Authorization": f"Token {self.stack.influx_token}",
                "Content-Type": "application/vnd.flux",
                "Accept": "application/csv",
            },
        )
        assert response.status == 200, response.data
        found: dict[tuple[str, int], Values] = {}
        header: list[str] = []
        for line in csv.reader(StringIO(response.data.decode(), newline="")):
            if not any(line):
                header = []
            elif not header:
                header = line
            else:
                cells = {
                    name: cell for name, cell in zip(header, line, strict=True) if name not in ("", "result", "table")
                }
                time, field, text = int(cells.pop("_time")) // 1_000_000, cells.pop("_field"), cells.pop("_value")
                labels = {METRIC_NAME: cells.pop("_measurement"), **cells}
                fields = found.setdefault((series_text_of(labels), time), {})
                fields[field] = int(text) if field in ("count", "first_ts", "last_ts") else float(text)
        return found


def series_text_of(labels: dict[str, str]) -> str:
    # The server stores carriage returns, but leaves them out of the CSV that it answers.
    pairs = sorted((name.replace("\r", ""), value.replace("\r", "")) for name, value in labels.items())
    return repr(pairs)


def key_of(key: tuple[str, str]) -> str:
    return series_text_of(parse_labels(series_text(*key)))


@pytest.fixture
def database(idle_stack: Stack, influxdb: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    bucket = f"test_{uuid.uuid4().hex[:8]}"
    idle_stack.ensure_bucket(bucket, 0)
    monkeypatch.setenv("INFLUX_TOKEN", idle_stack.influx_token)
    return Database(idle_stack, influxdb, bucket)


def run(elements: list[bytes], transform: beam.PTransform, letters: int = 0) -> dict[str, int]:
    def check(actual: list[bytes]) -> None:
        assert len(actual) == letters, [DeadLetter.decode(letter).reason for letter in actual]

    pipeline = beam.Pipeline(runner=FnApiRunner())
    assert_that(pipeline | beam.Create(elements) | transform, check)
    result = pipeline.run()
    result.wait_until_finish()
    return {counter.key.metric.name: counter.result for counter in result.metrics().query()["counters"]}


def test_every_rollup_row_and_field_reads_back_equal(database: Database) -> None:
    parts = [fleet(hosts=20, metrics=10, window=WINDOW + i * MINUTE, seed=i) for i in range(30)]
    output = database.output()
    output.validate(row_kinds(database.tiers))
    counters = run([rollup.encode(part) for part in parts], output.write(rollups_of(database.tiers.rollups[0])))
    wanted = {(key_of(key), part.window): values for part in parts for key, values in as_rows(part).items()}
    assert database.points() == wanted
    assert counters["influxdb.rows_written"] == len(wanted) == 6_000


def test_a_correction_replaces_and_a_repetition_changes_nothing(database: Database) -> None:
    key = series("a", "up")
    panes = [rollup.encode(rollups([(key, {"count": count, "sum": float(count)})], pane=count)) for count in (3, 4, 4)]
    run(panes, database.output().write(rollups_of(database.tiers.rollups[0])))
    ((_, values),) = database.points().items()
    assert (values["count"], values["sum"]) == (4, 4.0)


def test_raw_samples_read_back_equal_and_non_finite_ones_are_counted(database: Database) -> None:
    values = [0.1, -0.0, 1e-7, 5e-324, 1.7976931348623157e308, 123456789.123456789, math.nan, math.inf]
    batch = samples([(series("a", "up"), WINDOW + i, value, i) for i, value in enumerate(values)])
    counters = run([batches.encode(batch)], database.output().write(raw_samples(database.tiers)))
    assert database.points() == {
        (key_of(series("a", "up")), WINDOW + i): {"value": value} for i, value in enumerate(values[:6])
    }
    assert counters["influxdb.unwritable"] == 2


def test_a_server_stopped_in_between_loses_nothing(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    parts = [fleet(hosts=50, metrics=10, window=WINDOW + i * MINUTE, seed=i) for i in range(60)]
    transform = database.output("?retry_for=5m&gzip=off").write(rollups_of(database.tiers.rollups[0]))
    writer = database.writer()
    lines = [chunk for part in parts for chunk in rollup_lines(part).chunks]
    for chunk in lines[:20]:
        assert writer.write(database.bucket, chunk) == []
    database.stack.down(["influxdb"])
    counters: dict[str, int] = {}
    thread = threading.Thread(
        target=lambda: counters.update(run([rollup.encode(part) for part in parts[20:]], transform))
    )
    thread.start()
    while "trying again" not in caplog.text:
        thread.join(0.01)
    assert thread.is_alive()
    database.stack.up(["influxdb"])
    thread.join(300)
    assert counters["influxdb.retries"] > 0
    wanted = {(key_of(key), part.window): values for part in parts for key, values in as_rows(part).items()}
    assert database.points() == wanted
    assert counters["influxdb.rows_written"] == 20_000


def test_lines_that_the_server_refuses_become_dead_letters(database: Database) -> None:
    writer = database.writer()
    assert writer.write(database.bucket, Chunk(b"temperature,host=x value=1i %d\n" % WINDOW, 1)) == []
    rows = [(series(f"h{i}", "temperature" if i in (3, 40) else "load"), WINDOW, float(i), i) for i in range(100)]
    counters = run([batches.encode(samples(rows))], database.output().write(raw_samples(database.tiers)), letters=2)
    assert (counters["influxdb.rows_written"], counters["influxdb.refused"]) == (98, 2)
    assert len(database.points()) == 99


def test_a_job_whose_rows_are_past_the_retention_says_so(
    idle_stack: Stack,
    influxdb: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("INFLUX_TOKEN", idle_stack.influx_token)
    lines = [f"cpu,host=web-1 usage={n} {(WINDOW + n * 10_000) * 1_000_000}" for n in range(30)]
    (tmp_path / "old.lp").write_text("\n".join(lines))
    words = [f"--input=file:{tmp_path / 'old.lp'}", f"--output={influxdb.replace('http:', 'influxdb:')}"]
    words += [f"--dead-letter=file:{tmp_path / 'dead'}", f"--summary-json={tmp_path / 'summary.json'}"]
    assert main(words) == 3
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["influxdb.rows_written"], summary["influxdb.refused"]) == (0, 36)
    assert not any(summary["differences"].values())
    said = capsys.readouterr().err
    assert "metrics: loss: 36 of 36 rows were refused, and are not stored" in said
    assert "the bucket's retention is shorter than these rows are old" in said


def test_points_past_the_retention_cost_one_request(database: Database) -> None:
    database.stack.ensure_bucket(f"{database.bucket}_short", 3_600)
    (chunk,) = rollup_lines(fleet(10, 100)).chunks
    writer = database.writer()
    refused = writer.write(f"{database.bucket}_short", chunk)
    assert len(refused) == 1_000
    assert all("outside retention policy" in line.reason for line in refused)


# Every example is a bucket of its own: shrinking one would take minutes.
@settings(
    phases=[Phase.reuse, Phase.generate],
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(label_sets(), unique=True, min_size=20, max_size=60))
def test_any_series_reads_back_or_has_a_reason_why_not(
    idle_stack: Stack, influxdb: str, keys: list[tuple[str, str]]
) -> None:
    bucket = f"test_{uuid.uuid4().hex[:8]}"
    idle_stack.ensure_bucket(bucket, 0)
    database = Database(idle_stack, influxdb, bucket)
    lines = sample_lines(samples([(key, WINDOW + i, float(i), i) for i, key in enumerate(keys)]))
    writer = database.writer()
    refused = [line for chunk in lines.chunks for line in writer.write(bucket, chunk)]
    assert refused == []
    left_out = {row.time for row in lines.unholdable}
    assert database.points() == {
        (key_of(key), WINDOW + i): {"value": float(i)} for i, key in enumerate(keys) if WINDOW + i not in left_out
    }


@pytest.mark.parametrize(
    ("key", "fate"),
    [
        (b"m,host=a\\", "refused"),
        (b"m,host\\=a", "refused"),
        (b"m,time=a", "refused"),
        (b"m,_field=a", "refused"),
        (b"m,_measurement=a", "refused"),
        (b"#m,host=a", "taken for a comment"),
        (b"m\\,host=a", "changed"),
    ],
)
def test_what_is_left_out_is_what_the_server_refuses_or_changes(database: Database, key: bytes, fate: str) -> None:
    refused = database.writer().write(database.bucket, Chunk(key + b" value=1 1\n", 1))
    assert bool(refused) == (fate == "refused")
    assert [name for name, _ in database.points()] == (
        [series_text_of({METRIC_NAME: "m,host=a"})] if fate == "changed" else []
    )


def test_validate_names_what_is_missing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    tiers: Any = Tiers(rollups=(Tier("1m", MINUTE, 0, "no_such_bucket"),), raw_bucket=database.bucket)
    with pytest.raises(Exception, match=r'404 bucket "no_such_bucket" not found: create the bucket'):
        outputs.rows(database.uri).validate(row_kinds(tiers))
    with pytest.raises(Exception, match=r'404 organization name "none" not found'):
        database.output("?org=none").validate(row_kinds(database.tiers))
    monkeypatch.setenv("INFLUX_TOKEN", "not-the-token")
    with pytest.raises(Exception, match=r"401 unauthorized access: the token is wrong"):
        database.output().validate(row_kinds(database.tiers))
