"""The job on the local runner, from files to files, as its command line runs it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

from pipelines import metrics
from pipelines.metrics import Result, build
from pipelines.options.job import parse
from schemas.records import DeadLetter
from schemas.series import labels_text
from tests.transforms.naive import MINUTE, NOON, Row, Sample, agree, rolled
from transforms.accounting import RECORDS_READ, Balance
from transforms.io.parquet.store import read_raw, read_rollups

HOUR = 60 * MINUTE


def series(host: str, name: str) -> tuple[str, str]:
    return labels_text([("host", host)]), name


def scrape(host: str, ts: int, **samples: Any) -> bytes:
    return json.dumps({"labels": {"host": host}, "timestamp": ts, "samples": samples}).encode()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Two files of records: JSON scrapes with late, repeated and unreadable ones among them, and line protocol."""
    lines = [scrape("a", NOON + second * 1000, load=second, up=1) for second in range(0, 600, 5)]
    lines += [
        b"not json",
        scrape("a", NOON + 500_000, load=500),
        scrape("a", NOON + 501_000, load=-7.5),
        scrape("a", NOON + 502_000, load="NaN"),
        scrape("a", NOON + 1_000, load=99),
    ]
    (tmp_path / "scrapes.jsonl").write_bytes(b"\n".join(lines))
    plain = [f"disk,host=b used={number} {(NOON + number * MINUTE) * 1_000_000}" for number in range(70)]
    (tmp_path / "disk.lp").write_text("\n".join([*plain, "disk,host=b used= 1"]) + "\n")
    return tmp_path


def words(directory: Path, *more: str) -> list[str]:
    return [
        f"--input=file:{directory}/*.jsonl",
        f"--input=file:{directory}/*.lp",
        f"--output=parquet:{directory / 'store'}",
        f"--dead-letter=file:{directory / 'dead'}",
        f"--late=file:{directory / 'late'}",
        "--file-watermark=events",
        f"--summary-json={directory / 'balance.json'}",
        *more,
    ]


def stored(directory: Path, tier: str) -> dict[tuple[int, tuple[str, str]], Row]:
    found = {}
    for row in read_rollups(directory / "store", tier).to_pylist():
        times = {name: round(row[name].timestamp() * 1000) for name in ("window", "first_ts", "last_ts")}
        key = times["window"], (row["target"], row["metric"])
        found[key] = Row(*({**row, **times}[name] for name in Row._fields))
    return found


def test_files_become_rows_and_every_record_is_accounted_for(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert metrics.main(words(directory)) == 0

    samples = [
        Sample(series("a", name), NOON + second * 1000, value, 0)
        for second in range(0, 600, 5)
        for name, value in (("load", second), ("up", 1))
    ]
    samples.append(Sample(series("a", "load"), NOON + 501_000, -7.5, 0))
    samples += [Sample(series("b", "disk_used"), NOON + number * MINUTE, number, 0) for number in range(70)]
    for tier, length in (("1m", MINUTE), ("1h", HOUR)):
        agree(stored(directory, tier), rolled(samples, length))
    # Beside them the raw store has what is no part of a rollup, and each sample once.
    raw = read_raw(directory / "store")
    assert raw.num_rows == len(samples) + 1
    assert sum(math.isnan(value) for value in raw["value"].to_pylist()) == 1

    counts = json.loads((directory / "balance.json").read_text())
    wanted = {
        "records.read": 125 + 71,
        "records.decoded": 124 + 70,
        "records.dead_lettered": 2,
        "dead_letters": 2,
        "samples.read": 244 + 70,
        "samples.written": 240 + 70,
        "samples.merged_late": 1,
        "samples.duplicate": 1,
        "samples.unwritable": 1,
        "samples.too_late": 1,
    }
    assert {name: counts.get(name) for name in wanted} == wanted
    said = capsys.readouterr().out
    assert "samples: difference 0" in said
    assert "records: difference 0" in said

    letters = [
        DeadLetter.decode(line) for path in (directory / "dead").iterdir() for line in path.read_bytes().splitlines()
    ]
    assert sorted((Path(letter.topic).name, letter.offset) for letter in letters) == [
        ("disk.lp", 70),
        ("scrapes.jsonl", 120),
    ]
    (late,) = [json.loads(path.read_bytes()) for path in (directory / "late").iterdir()]
    assert (late["timestamp"], late["samples"]) == (NOON + 1_000, {"load": 99})


def test_build_gives_the_rows_of_each_tier(directory: Path) -> None:
    _, options, _ = parse(words(directory, "--no-raw"))
    pipeline = beam.Pipeline()
    assert set(build(pipeline, options).rollups) == {"1m", "1h"}
    steps: list[str] = []

    class Steps(beam.pipeline.PipelineVisitor):
        def visit_transform(self, node: Any) -> None:
            steps.append(node.full_label)

    pipeline.visit(Steps())
    # Flink finds state by these names in a savepoint: to change one is to orphan it.
    for label in ("Rollups/Roll up 1m", "Rollups/Roll up 1h", "Read 0: files/Read and decode/ParDo(_ReadFile)"):
        assert any(step.startswith(label) for step in steps), label
    assert not any("raw" in step for step in steps)


def test_a_plan_is_printed_and_nothing_runs(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert metrics.main(words(directory, "--plan")) == 0
    assert "rolls up" in capsys.readouterr().out
    assert not (directory / "store").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--output=tape:/dev/st0"], "no output 'tape:/dev/st0'; write one of"),
        (["--late=tape:x"], "no output for late 'tape:x'"),
        (["--dead-letter=tape:x"], "no output for dead letters 'tape:x'"),
        (["--output=parquet:/proc/none"], "/proc/none cannot be written"),
        (["--strat=latest"], "no such option: --strat"),
        (["--detach"], "--detach is for jobs without an end"),
        (["--input=kafka://127.0.0.1:1/t"], "the local runner only runs jobs that come to an end"),
        (["--config=/no/such.yaml"], "--config=/no/such.yaml"),
    ],
)
def test_a_mistake_is_reported_before_anything_runs(
    directory: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert metrics.main(words(directory, *more)) == 2
    said = capsys.readouterr().err
    assert "metrics: " in said
    assert message in said
    assert not (directory / "store" / "raw").exists()


@pytest.mark.parametrize("more", [[], ["--runner=PrismRunner"]])
def test_brokers_that_do_not_answer_are_those_of_the_input(
    more: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transforms.io.kafka.reader.CHECK_TIMEOUT_S", 0.2)
    words = ["--input=kafka://127.0.0.1:1/metrics.raw", "--output=blackhole:"]
    assert metrics.main([*words, *(more or ["--bounded"])]) == 2
    # What librdkafka writes itself is among it.
    (said,) = capfd.readouterr().err.splitlines()
    assert said.startswith("metrics: --input=kafka://127.0.0.1:1/metrics.raw: Kafka at 127.0.0.1:1 does not answer")
    assert "dead" not in said


def test_a_balance_that_does_not_add_up_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(metrics, "run", lambda argv: Result(Balance({RECORDS_READ: 1})))
    assert metrics.main([]) == 1
    assert "does not add up" in capsys.readouterr().out
