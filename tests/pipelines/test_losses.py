"""Runs that lose or refuse: what a person is reported, and the exit status."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipelines import alerts, metrics
from schemas.records import DeadLetter
from tests.transforms.io.influxdb.fake_server import TOKEN, Server, fake_influxdb
from tests.transforms.naive import MINUTE, NOON
from transforms.io.parquet.store import read_rollups

RULES = """
groups:
- name: hosts
  rules: [{alert: Busy, expr: cpu_usage > 5}]
"""
JOBS: dict[str, Callable[[Sequence[str]], int]] = {"metrics": metrics.main, "alerts": alerts.main}


class Run:
    """A job on some lines of input, and what it left behind."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory, self._capsys = directory, capsys
        (directory / "rules.yml").write_text(RULES)

    def __call__(self, lines: Sequence[str], *more: str, job: str = "metrics", name: str = "in.lp") -> int:
        (self.directory / name).write_text("\n".join(lines) + "\n")
        words = [
            f"--input=file:{self.directory / name}",
            f"--summary_json={self.directory / 'summary.json'}",
            f"--dead_letter=file:{self.directory / 'dead'}",
            f"--late=file:{self.directory / 'late'}",
        ]
        if job == "alerts":
            words += [f"--rules={self.directory / 'rules.yml'}", f"--alerts=file:{self.directory / 'alerts'}"]
        elif not any(word.startswith("--output") for word in more):
            words.append(f"--output=parquet:{self.store}")
        status = JOBS[job]([*words, *more])
        self.out, self.err = self._capsys.readouterr()
        return status

    @property
    def store(self) -> Path:
        return self.directory / "store"

    @property
    def summary(self) -> dict[str, Any]:
        return dict(json.loads((self.directory / "summary.json").read_text()))

    @property
    def codes(self) -> list[str]:
        return [each["code"] for each in self.summary["findings"]]

    @property
    def letters(self) -> list[DeadLetter]:
        paths = sorted((self.directory / "dead").glob("*.ndjson"))
        return [DeadLetter.decode(line) for path in paths for line in path.read_bytes().splitlines()]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(tmp_path, capsys)


@pytest.fixture
def influxdb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("INFLUX_TOKEN", TOKEN)
    with fake_influxdb() as server:
        yield server


def line(ts: int, value: float = 1, host: str = "web-1") -> str:
    return f"cpu,host={host} usage={value} {ts * 1_000_000}"


HONEST = [line(NOON + second * 1_000, second) for second in range(0, 300, 10)]


def test_rows_that_a_store_refuses_are_in_the_balance_and_in_the_exit_status(run: Run, influxdb: Server) -> None:
    influxdb.dropped = lambda _: True
    output = influxdb.url.replace("http:", "influxdb:")
    assert run(HONEST, f"--output={output}") == 3
    assert len(run.letters) == 30 + 5 + 1
    wanted = {"influxdb.rows_written": 0, "influxdb.refused": 36, "influxdb.unwritable": 0, "samples.written": 30}
    assert {name: run.summary[name] for name in wanted} == wanted
    assert run.summary["differences"] == {"records": 0, "samples": 0, "influxdb rows": 0, "dead letters": 0}
    assert run.summary["status"] == 3
    assert run.out.startswith("metrics: every record accounted for, but not every row is stored:")
    assert re.search(r"influxdb.refused +36 ", run.out)
    assert f"dead letters (36): files {run.directory}/dead/dead_letters-*.ndjson" in run.out
    assert "metrics: loss: 36 of 36 rows were refused, and are not stored" in run.err
    assert "e.g. InfluxDB, bucket raw: InfluxDB answered 422: failure writing points to database" in run.err
    assert "cpu_usage,host=web-1 value=0 1700049600000  (2023-11-15T12:00:00Z)" in run.err


def test_one_row_refused_of_two_outputs_shows_in_the_balance_of_the_one(run: Run, influxdb: Server) -> None:
    influxdb.dropped = lambda text: b"value=10 " in text
    outputs = [f"--output={influxdb.url.replace('http:', 'influxdb:')}", f"--output=parquet:{run.store}"]
    assert run(HONEST, *outputs) == 3
    wanted = {"influxdb.rows_written": 35, "influxdb.refused": 1, "parquet.rows_written": 36}
    assert {name: run.summary[name] for name in wanted} == wanted
    assert not any(run.summary["differences"].values())


def test_a_sum_that_overflows_takes_nothing_along(run: Run, influxdb: Server) -> None:
    output = influxdb.url.replace("http:", "influxdb:")
    lines = [line(NOON, 1.7e308), line(NOON + 1_000, 1.7e308), line(NOON, 2, "web-2")]
    assert run(lines, f"--output={output}") == 0
    minutes = {series: fields for (bucket, series, _), fields in influxdb.stored.items() if bucket == "rollup_1m"}
    assert b"sum=2," in minutes[b"cpu_usage,host=web-2"]
    overflowed = minutes[b"cpu_usage,host=web-1"]
    assert b"sum=" not in overflowed
    assert b"count=2i,min=1.7e+308,max=1.7e+308," in overflowed
    assert (run.summary["influxdb.values_unwritable"], run.summary["influxdb.rows_written"]) == (2, 7)
    assert "metrics: warning: 2 values of rows are not finite" in run.err


@pytest.mark.parametrize(
    ("job", "lines", "text"),
    [
        ("metrics", [], "nothing was read: the input holds no records"),
        ("alerts", ["cpu usage=", "cpu,"], "2 records were read, and what came of them is 2 dead letters"),
    ],
)
def test_a_run_of_which_nothing_comes_is_no_success(job: str, lines: Sequence[str], text: str, run: Run) -> None:
    assert run(lines, job=job) == 3
    assert text in run.err
    assert not any(run.summary["differences"].values())


def test_a_run_without_losses_says_nothing(run: Run) -> None:
    assert run(HONEST) == 0
    assert (run.err, run.codes) == ("", [])
    assert "event times: 2023-11-15T12:00:00Z to 2023-11-15T12:04:50Z" in run.out
    assert "dead letters (" not in run.out


def test_dead_letters_are_announced_and_explained(run: Run) -> None:
    assert run([*HONEST, "cpu usage=", "cpu usage=x 1", "cpu usage=y 1"]) == 0
    assert f"dead letters (3): files {run.directory}/dead/dead_letters-*.ndjson" in run.out
    assert run.codes == ["dead-letters"]
    assert "3 of 33 records could not be read" in run.err
    assert f"e.g. {run.directory}/in.lp, line 31: column 1: '' is no value" in run.err
    assert "     cpu usage=\n" in run.err
    # Two of them differ in what is quoted alone.
    assert len(run.summary["findings"][0]["examples"]) == 1


def test_rules_that_select_nothing_are_reported(run: Run) -> None:
    assert run([text.replace("usage", "usag") for text in HONEST], job="alerts") == 0
    assert run.codes == ["rules-without-data"]
    assert "1 of 1 rules found no data" in run.err


def stored(run: Run) -> int:
    return sum(row["count"] for row in read_rollups(run.store, "1m").to_pylist())


def test_nothing_in_a_file_is_late_in_whatever_order_it_is(run: Run) -> None:
    hosts = [line(NOON + minute * MINUTE, minute, host) for host in ("a", "b", "c") for minute in range(20)]
    assert run(hosts) == 0
    assert (run.err, run.codes) == ("", [])
    assert (run.summary["samples.written"], stored(run)) == (60, 60)


def test_a_file_read_as_a_stream_says_which_samples_are_too_late_and_why(run: Run) -> None:
    hosts = [line(NOON + minute * MINUTE, minute, host) for host in ("a", "b") for minute in range(20)]
    assert run(hosts, "--file-watermark=events") == 0
    assert run.codes == ["too-late"]
    # The watermark has reached 12:18:50: minutes that ended by 12:13:50 are over.
    assert "13 of 40 samples came later than the allowed 5m and are in no window" in run.err
    assert f"e.g. {run.directory}/in.lp, line 21: before it the watermark had reached 2023-11-15T12:18:50Z" in run.err
    assert '{__name__="cpu_usage",host="b"} 0  (2023-11-15T12:00:00Z)' in run.err
    assert "leave out --file-watermark=events" in run.err
    assert f"late samples (13): files {run.directory}/late/late-*.ndjson" in run.out


@pytest.mark.parametrize("watermark", ["end", "events"])
def test_one_stamp_of_the_future_makes_nobody_late(run: Run, watermark: str) -> None:
    far = line(4_070_908_800_000)
    assert run([far, *HONEST], f"--file-watermark={watermark}") == 0
    assert (run.summary["samples.written"], run.summary["dead_letters"]) == (30, 1)
    assert "event time 4070908800000 ms (2099-01-01T00:00:00Z) lies too far in the future" in run.letters[0].reason
    assert "--max-future" in run.err


def test_any_time_of_the_future_is_taken_where_the_guard_is_off(run: Run) -> None:
    assert run([line(4_070_908_800_000), *HONEST], "--max-future=none") == 0
    assert run.summary["samples.written"] == 31


def test_different_series_and_times_that_become_one_are_no_duplicates(run: Run) -> None:
    at = NOON * 1_000_000
    more = [
        f"disk,host=web-1 used_percent=10 {at}",
        f"disk_used,host=web-1 percent=90 {at}",
        f"disk_used,host=web-1 percent=91 {at + 10_000_000_000}",
        f"fine,host=web-1 value=1 {at + 1}",
        f"fine,host=web-1 value=2 {at + 2}",
    ]
    assert run([*more, *HONEST, HONEST[-1]]) == 0
    counts = {name: run.summary[f"samples.{name}"] for name in ("read", "written", "duplicate", "collided")}
    assert counts == {"read": 36, "written": 32, "duplicate": 1, "collided": 3}
    assert run.summary["names.shared"] == 1
    assert run.codes == ["collided"]
    assert not any(run.summary["differences"].values())
    assert "3 of 36 samples are left out: they became one with others, of another series or time" in run.err
    assert "in.lp, line 2: disk_used_percent of measurement disk_used; measurement disk has that name" in run.err
    assert f"of {at + 1} ns and {at + 2} ns: one time in milliseconds" in run.err
    assert "rename one of the two where it is sent" in run.err
    rows = {row["name"]: row["max"] for row in read_rollups(run.store, "1h").to_pylist()}
    assert rows == {"cpu_usage": 290.0, "disk_used_percent": 10.0, "fine": 2.0}


def test_names_that_measurements_share_are_reported_where_nothing_is_rolled_up(run: Run) -> None:
    at = NOON * 1_000_000
    assert run([*HONEST, f"cpu_usage,host=web-2 value=1 {at}"], job="alerts") == 0
    assert run.codes == ["names-shared"]
    assert "e.g. cpu_usage: of measurement cpu, and of measurement cpu_usage" in run.err


def test_timestamps_of_the_wrong_unit_are_refused_with_the_option_that_reads_them(run: Run) -> None:
    seconds = [f"cpu,host=web-1 usage={n} {NOON // 1_000 + n}" for n in range(6)]
    assert run(seconds) == 3
    assert (run.summary["dead_letters"], run.summary["samples.read"]) == (6, 0)
    assert "in.lp, line 1: timestamp 1700049600 in ns is 1970-01-01T00:00:01.700Z" in run.err
    assert "it looks like seconds, 2023-11-15T12:00:00Z: --precision=s reads it so" in run.err
    assert run(seconds, "--precision=s") == 0
    assert (run.summary["samples.written"], run.err) == (6, "")


def test_times_of_1970_are_taken_by_those_who_ask_for_them(run: Run) -> None:
    assert run([line(12, 1), line(1_012, 2)], "--since=1970-01-01T00:00:00Z") == 0
    assert run.summary["samples.written"] == 2
    assert "event times: 1970-01-01T00:00:00Z to 1970-01-01T00:00:01Z" in run.out


def test_a_store_that_goes_away_ends_the_run_with_its_reason_and_no_traceback(run: Run, influxdb: Server) -> None:
    influxdb.write = lambda bucket, body: (503, "try later") if body else (204, "")  # type: ignore[method-assign]
    assert run(HONEST, f"--output={influxdb.url.replace('http:', 'influxdb:')}?retry_for=0s") == 1
    first, *rest = run.err.splitlines()
    assert first.startswith(f"metrics: the run failed: InfluxDB {influxdb.url}, bucket ")
    assert "last: 503: try later" in first
    assert len(rest) == 1


def test_series_of_rules_that_a_store_refuses_are_in_the_balance(run: Run, influxdb: Server) -> None:
    influxdb.dropped = lambda text: text.startswith(b"ALERTS,")
    output = f"--output={influxdb.url.replace('http:', 'influxdb:')}"
    assert run(HONEST, output, job="alerts") == 3
    assert not any(run.summary["differences"].values())
    written, refused = (run.summary[f"influxdb.{fate}"] for fate in ("rows_written", "refused"))
    # ALERTS_FOR_STATE is written, ALERTS is refused, sample by sample.
    assert written == refused > 0
    assert "rows were refused" in run.err
