from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipelines.options.job import Parsed, parse, parse_alerts
from pipelines.plans.job import plan


def planned(*words: str, read: Callable[[Sequence[str]], Parsed] = parse, name: str = "metrics") -> str:
    _, options, rest = read(words)
    return plan(name, options, rest)


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
        "  records without a content-type header are recognised by their content",
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
    assert "  watermark of a file: stands until its end, nothing in it is late" in said.splitlines()
    assert "watermark of a partition" not in said
    followed = planned(f"--input=file:{tmp_path}/*.lp", "--output=blackhole:", "--file-watermark=events")
    assert "  watermark of a file: its newest event time less 10s" in followed.splitlines()
    assert "runner options: (the local runner)" in said.splitlines()


def test_a_plan_contacts_nothing_and_makes_nothing(tmp_path: Path) -> None:
    planned(
        "--input=kafka://127.0.0.1:1/t", "--output=influxdb://127.0.0.1:1", f"--output=parquet:{tmp_path / 'store'}"
    )
    assert list(tmp_path.iterdir()) == []


RULES = """
groups:
- name: hosts
  interval: 15s
  rules:
  - {record: "load:sum", expr: sum by (pool) (load)}
  - {alert: High, expr: "load:sum > 5 and max_over_time(sum(busy)[1h:1m]) > 1", for: 1m}
- name: slow
  query_offset: 30s
  rules:
  - {alert: Few, expr: "count(up{job=\\"node\\"}) < 3 and rate(requests_total[2h]) > 0"}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    return path


def test_a_plan_says_what_becomes_of_rules(tmp_path: Path, rules: Path) -> None:
    config = tmp_path / "job.yaml"
    config.write_text("rules: {shards: 4, grace: 5s}\n")
    said = planned(
        "--input=kafka://broker:9092/metrics.raw",
        f"--output=parquet:{tmp_path / 'store'}",
        f"--rules={rules}",
        "--rules-poll=1m",
        f"--config={config}",
    ).splitlines()
    start = said.index("evaluates")
    assert said[start + 1 : said.index("", start)] == [
        "  1 rule file: rules.yml",
        "  2 groups, evaluated every 15s or 1m; 3 rules: 2 alerting, 1 recording",
        "  they read 4 metrics that no rule writes: busy, load, requests_total, up",
        "  in 4 shards: 4 parts of expressions (3 partial aggregates, 1 at steps), 3 selections of raw samples gathered; "
        "in one place: the rest",
        "      state of a shard, 6m36s more of each for late data:",
        "      requests_total: samples of the last 2h",
        "      ALERTS: samples of the last 5m",
        "      ALERTS_FOR_STATE: samples of the last 5m",
        "      busy: samples of the last 5m",
        "      load: samples of the last 5m",
        "      load:sum: samples of the last 5m",
        '      up{job="node"}: samples of the last 5m',
        "  an instant is evaluated 5s after the watermark has passed it; samples up to 6m1s behind the watermark correct it",
        "  the files are looked at every 1m; changes count from then on",
    ]
    assert "  series that rules write: to the same, kept 7d" in said
    assert "  events of alerts: Kafka broker:9092, topic alerts.events" in said


def test_a_plan_of_the_alerts_job_has_no_rollups(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "m.lp").touch()
    said = planned(f"--input=file:{tmp_path}/m.lp", f"--rules={rules}", read=parse_alerts, name="alerts").splitlines()
    assert said[0] == "alerts, bounded"
    assert "rolls up" not in said
    assert not any(line.startswith("  raw samples") for line in said)
    assert "  series that rules write: not written" in said
    assert "  the files are as they are now until the job ends" in said
    assert f"  Parquet store {tmp_path}/s: raw (7d)" in planned(
        f"--input=file:{tmp_path}/m.lp", f"--rules={rules}", f"--output=parquet:{tmp_path}/s", read=parse_alerts
    )


def test_a_plan_of_many_selections_names_those_kept_longest(tmp_path: Path) -> None:
    alerts = "".join(f"  - {{alert: A{n}, expr: 'rate(m{n:02}[{n}m]) > 1'}}\n" for n in range(6, 30))
    (tmp_path / "many.yml").write_text(f"groups:\n- name: g\n  rules:\n{alerts}")
    (tmp_path / "m.lp").touch()
    said = planned(f"--input=file:{tmp_path}/m.lp", f"--rules={tmp_path}/*.yml", "--output=blackhole:").splitlines()
    assert next(line for line in said if "samples of the last" in line) == "      m29: samples of the last 29m"
    assert "      ... and 16 more" in said
    assert "  series that rules write: to the same, kept 7d" in said


def test_a_plan_of_rule_files_without_rules(tmp_path: Path) -> None:
    (tmp_path / "none.yml").write_text("groups: []\n")
    # A job without an end may be given its rules later; a bounded one would evaluate nothing, and is refused.
    said = planned("--input=kafka://k:9092/t", f"--rules={tmp_path}/none.yml", "--output=blackhole:").splitlines()
    assert "  0 groups; 0 rules: 0 alerting, 0 recording" in said
    assert "      state of a shard: none" in said


def test_a_plan_says_what_is_packed(tmp_path: Path) -> None:
    exprs = "rate(a_total[1d]) > 1", "quantile_over_time(0.9, b[1d]) > 1", "c < c offset 1w"
    alerts = "".join(f"  - {{alert: A{n}, expr: '{expr}'}}\n" for n, expr in enumerate(exprs))
    (tmp_path / "long.yml").write_text(f"groups:\n- name: g\n  rules:\n{alerts}")
    (tmp_path / "m.lp").touch()
    said = planned(f"--input=file:{tmp_path}/m.lp", f"--rules={tmp_path}/*.yml", "--output=blackhole:").splitlines()
    assert "      a_total: samples of the last 1d, packed when they are old" in said
    assert "      b: samples of the last 1d, gone through one by one" in said
    assert next(line for line in said if line.startswith("      c: ")).endswith(", packed when they are old")
