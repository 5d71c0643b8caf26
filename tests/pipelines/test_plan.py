from __future__ import annotations

from pathlib import Path

from pipelines.options import parse
from pipelines.plan import plan


def planned(*words: str) -> str:
    _, options, rest = parse(words)
    return plan(options, rest)


def test_a_plan_says_what_would_run(tmp_path: Path) -> None:
    config = tmp_path / "job.yaml"
    config.write_text("tiers: {lateness: 2m, rollups: [{window: 10s, retention: 7d}, {window: 1h}]}\nshards: 5\n")
    said = planned(
        "--input=kafka://broker:9092/metrics.raw",
        "--start=latest",
        f"--output=parquet:{tmp_path / 'store'}",
        "--output=blackhole:",
        f"--config={config}",
        "--runner=PrismRunner",
    )
    for line in (
        "metrics, unbounded",
        "  topic metrics.raw at broker:9092, from latest, idle after 30s, new partitions every 1m",
        "  records without a content-type header are application/json",
        "  watermark of a partition: its newest event time less 10s",
        "  10s: windows of 10s from samples, kept 7d",
        "      state a shard and window: each sample once, 2m10s long",
        "  1h: windows of 1h from panes of 10s, kept for ever",
        "  late data corrects its windows for 2m, gathered for 10s of event time a pane",
        f"  Parquet store {tmp_path / 'store'}: raw (7d), 10s (7d), 1h (for ever)",
        "  nowhere: rows are counted and forgotten",
        "  raw samples: to the same, kept 7d",
        "  what cannot be read: kafka://broker:9092/metrics.dead-letter",
        "  what comes too late: kafka://broker:9092/metrics.late",
        "runner options: --runner=PrismRunner",
    ):
        assert line in said.splitlines()
    assert "; 5 shards" in said


def test_a_plan_of_files_names_the_first_of_them(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.lp").touch()
    said = planned(f"--input=file:{tmp_path}/*.lp", "--output=blackhole:", "--no-raw")
    shown = ", ".join(str(tmp_path / f"{number}.lp") for number in range(3))
    assert f"  5 files: {shown}, ..." in said.splitlines()
    assert "  raw samples: not written" in said.splitlines()
    assert "metrics, bounded" in said.splitlines()
    assert "runner options: (the local runner)" in said.splitlines()


def test_a_plan_contacts_nothing_and_makes_nothing(tmp_path: Path) -> None:
    planned(
        "--input=kafka://127.0.0.1:1/t", "--output=influxdb://127.0.0.1:1", f"--output=parquet:{tmp_path / 'store'}"
    )
    assert list(tmp_path.iterdir()) == []
