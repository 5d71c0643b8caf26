"""Rules on the local runner, from files to files, as the command lines of both jobs run them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import apache_beam as beam
import pytest

from pipelines import alerts, metrics
from pipelines.options.job import parse
from rules.events.corrections import History
from schemas.alert_event import AlertEvent, State, decode
from tests.transforms.naive import NOON
from transforms.io.parquet.store import read_raw, read_rollups

SECOND = 1_000
RULES = """
groups:
- name: hosts
  interval: 15s
  rules:
  - record: load:max
    expr: max(load)
  - alert: Overloaded
    expr: load > 5
    for: 1m
    labels: {severity: page}
    annotations: {summary: "{{ $labels.host }} is at {{ $value }}"}
  - alert: AllQuiet
    expr: load:max < 5
"""
JOBS: dict[str, Callable[[Sequence[str]], int]] = {"metrics": metrics.main, "alerts": alerts.main}


def scrape(host: str, second: int, load: float) -> bytes:
    document = {"labels": {"host": host}, "timestamp": NOON + second * SECOND, "samples": {"load": load}}
    return json.dumps(document).encode()


def load_of(host: str, second: int) -> float:
    return 9 if host == "a" and 180 <= second < 600 else 1


SCRAPES = [(host, second) for second in range(0, 1_200, 15) for host in "abc"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "rules.yml").write_text(RULES)
    write(tmp_path, SCRAPES)
    return tmp_path


def write(directory: Path, scrapes: Sequence[tuple[str, int]]) -> None:
    lines = [scrape(host, second, load_of(host, second)) for host, second in scrapes]
    (directory / "scrapes.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def words(directory: Path, *more: str) -> list[str]:
    return [
        f"--input=file:{directory}/*.jsonl",
        f"--output=parquet:{directory / 'store'}",
        f"--rules={directory / 'rules.yml'}",
        f"--alerts=file:{directory / 'alerts'}",
        f"--dead-letter=file:{directory / 'dead'}",
        f"--late=file:{directory / 'late'}",
        f"--summary-json={directory / 'balance.json'}",
        *more,
    ]


def reported(directory: Path) -> list[AlertEvent]:
    """The events, in the order in which they were written to files."""
    return [decode(line) for path in (directory / "alerts").glob("*.ndjson") for line in path.read_bytes().splitlines()]


def course(events: Sequence[AlertEvent]) -> list[tuple[str, str, str, int]]:
    """Rule, host, state and second of each event."""
    return sorted(
        (event.rule, event.labels.get("host", ""), event.state.value, (event.evaluated_at - NOON) // SECOND)
        for event in events
    )


WANTED = [
    ("AllQuiet", "", "firing", 0),
    ("AllQuiet", "", "firing", 600),
    ("AllQuiet", "", "resolved", 180),
    ("Overloaded", "a", "firing", 240),
    ("Overloaded", "a", "pending", 180),
    ("Overloaded", "a", "resolved", 600),
]


def written(directory: Path) -> dict[str, list[tuple[int, float]]]:
    """Of the raw samples each series that a scrape did not bring: seconds and values."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in read_raw(directory / "store").sort_by("ts").to_pylist():
        second = (round(row["ts"].timestamp() * 1_000) - NOON) // SECOND
        found.setdefault(f"{row['metric']} {row['target']}", []).append((second, row["value"]))
    return {series: samples for series, samples in found.items() if not series.startswith("load {")}


@pytest.mark.parametrize("job", JOBS)
def test_alerts_are_reported_and_what_rules_write_is_stored(
    job: str, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert JOBS[job](words(directory)) == 0
    events = reported(directory)
    assert course(events) == WANTED
    (fired,) = [event for event in events if event.rule == "Overloaded" and event.state is State.FIRING]
    assert fired.labels == {"alertname": "Overloaded", "host": "a", "severity": "page"}
    assert fired.annotations == {"summary": "a is at 9"}
    assert (fired.file, fired.group, fired.reason, fired.value) == ("rules.yml", "hosts", "held", 9)

    series = written(directory)
    (maxima,) = [samples for name, samples in series.items() if name.startswith("load:max")]
    assert maxima == [(second, load_of("a", second)) for second in range(0, 1_200, 15)]
    firing = [
        samples
        for name, samples in series.items()
        if name.startswith("ALERTS{") and "Overloaded" in name and "firing" in name
    ]
    assert [second for second, value in firing[0] if value == 1] == list(range(240, 600, 15))

    counts = json.loads((directory / "balance.json").read_text())
    wanted = {
        "alerts.pending": 1,
        "alerts.firing": 3,
        "alerts.resolved": 2,
        "alerts.written": 6,
        "rules.instants": 80,
        "rules.evaluations": 240,
        "rules.samples_kept": 240,
        "samples.read": 240,
        "rules.samples_written": sum(map(len, series.values())),
    }
    assert {name: counts.get(name) for name in wanted} == wanted
    # Series that rules write are rows too, and their events are delivered.
    assert {"parquet rows", "events"} < counts["differences"].keys()
    assert not any(counts["differences"].values())
    said = capsys.readouterr().out
    assert said.startswith(f"{job}: every record accounted for:")
    assert "records: difference 0" in said
    assert f"events of alerts (6): files {directory}/alerts/alerts-*.ndjson" in said
    assert re.search(r"^rules:$(.*\n)*  alerts.firing +3  events of alerts that fired$", said, re.MULTILINE)


def test_the_metrics_job_rolls_up_what_was_read_and_not_what_rules_wrote(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert metrics.main(words(directory)) == 0
    assert set(read_rollups(directory / "store", "1m")["metric"].to_pylist()) == {"load"}
    assert "samples: difference 0" in capsys.readouterr().out
    counts = json.loads((directory / "balance.json").read_text())
    assert (counts["samples.read"], counts["samples.written"]) == (240, 240)


def test_the_alerts_job_writes_what_rules_wrote_and_nothing_else(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alerts.main(words(directory)) == 0
    assert {path.name for path in (directory / "store").iterdir()} == {"_runs", "raw"}
    assert not any(name.startswith("load ") for name in read_raw(directory / "store")["metric"].to_pylist())
    assert "samples: difference" not in capsys.readouterr().out


def test_without_raw_samples_the_series_of_rules_are_not_written_either(directory: Path) -> None:
    assert metrics.main(words(directory, "--no-raw")) == 0
    assert course(reported(directory)) == WANTED
    assert not (directory / "store" / "raw").exists()


def test_the_alerts_job_needs_no_output(directory: Path) -> None:
    given = [word for word in words(directory) if not word.startswith("--output")]
    assert alerts.main(given) == 0
    assert course(reported(directory)) == WANTED
    assert not (directory / "store").exists()


def test_records_that_cannot_be_read_and_samples_too_late_go_where_they_always_go(directory: Path) -> None:
    with (directory / "scrapes.jsonl").open("ab") as file:
        file.write(b"not json\n" + scrape("a", -3_600, 99) + b"\n")
    assert alerts.main(words(directory, "--file-watermark=events")) == 0
    assert course(reported(directory)) == WANTED
    assert [len(list((directory / name).iterdir())) for name in ("dead", "late")] == [1, 1]


def test_late_samples_make_corrections_and_the_history_is_that_of_a_run_in_order(directory: Path) -> None:
    late = [("a", second) for second in range(180, 300, 15)]
    rest = [each for each in SCRAPES if each not in late]
    at = rest.index(("a", 360))
    write(directory, [*rest[:at], *late, *rest[at:]])
    assert metrics.main(words(directory, "--file-watermark=events")) == 0
    events = reported(directory)
    corrections = [event for event in events if event.correction]
    assert corrections
    history = History()
    for event in sorted(events, key=lambda event: event.correction):
        history.apply(event)
    assert course([event for event in history.events() if event.state is not State.RETRACTED]) == WANTED
    counts = json.loads((directory / "balance.json").read_text())
    assert counts["alerts.corrections"] == len(corrections)
    assert counts["rules.late_samples"] == len(late)
    assert counts["rules.instants_again"] > 0


def test_a_file_in_any_order_has_the_alerts_of_one_in_order(directory: Path) -> None:
    write(directory, sorted(SCRAPES, key=lambda each: (each[0], -each[1])))
    assert metrics.main(words(directory)) == 0
    assert course(reported(directory)) == WANTED
    counts = json.loads((directory / "balance.json").read_text())
    untouched = ("samples.too_late", "samples.merged_late", "alerts.corrections", "rules.instants_again")
    assert [counts[name] for name in untouched] == [0, 0, 0, 0]


def test_a_rule_that_fails_is_counted_and_stops_nothing(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "rules.yml").write_text(RULES + "  - {record: twice, expr: 'load * on() group_left() load'}\n")
    assert metrics.main(words(directory)) == 0
    assert course(reported(directory)) == WANTED
    assert json.loads((directory / "balance.json").read_text())["rules.failures"] == 80


@pytest.mark.parametrize("job", JOBS)
def test_broken_rules_are_reported_before_anything_runs(
    job: str, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / "rules.yml").write_text(RULES.replace("max(load)", "max(load"))
    assert JOBS[job](words(directory)) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"{job}: --rules: 1 of 1 files cannot be evaluated")
    assert "rules.yml:7:" in said
    assert "tidemark rules check" in said
    assert not (directory / "store").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--alerts=file:/proc/none"], "/proc/none cannot be written"),
        (["--alerts=kafka://127.0.0.1:1/alerts.events"], "alerts output: Kafka 127.0.0.1:1 does not answer"),
    ],
)
def test_an_output_of_events_that_cannot_be_written_is_reported_before_anything_runs(
    more: list[str], message: str, directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transforms.io.kafka.sink.CHECK_TIMEOUT_S", 0.2)
    assert alerts.main(words(directory, *more)) == 2
    assert message in capsys.readouterr().err


def test_a_plan_is_printed_and_nothing_runs(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert alerts.main(words(directory, "--plan")) == 0
    assert capsys.readouterr().out.startswith("alerts, bounded\n")
    assert not (directory / "alerts").exists()


def test_a_job_built_without_rules_is_no_alerts_job(directory: Path) -> None:
    given = [word for word in words(directory) if not word.startswith(("--rules", "--alerts"))]
    with pytest.raises(ValueError, match="there are no rules to evaluate"):
        alerts.build(beam.Pipeline(), parse(given)[1])


def test_every_event_is_reported_once(directory: Path) -> None:
    assert metrics.main(words(directory)) == 0
    assert set(Counter(event.id for event in reported(directory)).values()) == {1}
