"""The benchmark over numbers of series, without a run."""

import json

import pytest
from rich.console import Console

from benchmarks import scale
from benchmarks.metering import Figures, Usage

CHECKPOINTS = {
    "counts": {"completed": 3, "failed": 1},
    "summary": {
        "state_size": {"min": 1, "avg": 2_000_000, "max": 12_345_678},
        "end_to_end_duration": {"min": 1, "avg": 100, "max": 2_310},
    },
}
RESULT = scale.Result(
    series=1_000_000,
    samples=20_000_000,
    figures=Figures(32.0, 625_000, 1.9, 4_000),
    tail_s=3.21,
    checkpoints=scale.Checkpoints.of(CHECKPOINTS),
    processes=[scale.Process("flink-taskmanager", 0.6, 2_500), scale.Process("worker 1-1", 0.5, 700)],
)


def lines_of(table):
    console = Console(width=120)
    with console.capture() as captured:
        console.print(table)
    return [line.replace("│", " ").split() for line in captured.get().splitlines() if "│" in line]


def test_numbers_of_series_are_hosts_of_a_hundred_metrics(capsys):
    assert scale.parser().parse_args([]).series == [10_000, 100_000, 1_000_000, 10_000_000]
    assert scale.parser().parse_args(["--series=10000,200"]).series == [10_000, 200]
    for wrong in ("150", "0", "many"):
        with pytest.raises(SystemExit, match="2"):
            scale.parser().parse_args([f"--series={wrong}"])
    assert "150 series are no number of hosts" in capsys.readouterr().err


@pytest.mark.parametrize(("series", "scrapes"), [(10_000, 2_000), (1_000_000, 20), (10_000_000, 6)])
def test_a_load_has_its_samples_or_six_scrapes(series, scrapes):
    load = scale.load_of(series, 20_000_000)
    assert (load.series, load.scrapes) == (series, scrapes)


def test_checkpoints_are_the_largest_and_the_longest():
    assert scale.Checkpoints.of(CHECKPOINTS) == scale.Checkpoints(3, 1, 12.3, 2.31)
    none = {"counts": {"completed": 0, "failed": 2}, "summary": {"state_size": {"max": 0}}}
    assert scale.Checkpoints.of(none) == scale.Checkpoints(0, 2, 0.0, 0.0)


def test_processes_are_named_by_part_and_workers_by_their_id():
    log = "2026-01-05 INFO  pool - worker 1-2 started as process 23\n... - stopping worker 1-2\n"
    usage = [
        Usage(root=1, pid=1, cpu_seconds=2.0, peak_bytes=900_000_000),
        Usage(root=2, pid=2, cpu_seconds=0.1, peak_bytes=50_000_000),
        # The process that workers are forked from.
        Usage(root=2, pid=22, cpu_seconds=0.3, peak_bytes=100_000_000),
        Usage(root=2, pid=23, cpu_seconds=10.0, peak_bytes=700_000_000),
    ]
    assert scale.processes(usage, {1: "kafka", 2: "workers"}, scale.worker_ids(log), 4_000_000) == [
        scale.Process("kafka", 0.5, 900),
        scale.Process("worker 1-2", 2.5, 700),
        scale.Process("workers", 0.1, 150),
    ]


def test_the_tables_have_a_line_a_load_and_a_line_a_process():
    assert lines_of(scale.table_of([RESULT])) == [["1,000,000", "20", "625,000", "1.90", "4,000", "12", "2.3", "3.2"]]
    assert lines_of(scale.process_table([RESULT])) == [
        ["1,000,000", "flink-taskmanager", "0.60", "2,500"],
        ["1,000,000", "worker", "1-1", "0.50", "700"],
    ]


def test_results_are_written_with_versions(tmp_path):
    scale.write(tmp_path / "out" / "scale.json", [RESULT])
    found = json.loads((tmp_path / "out" / "scale.json").read_text())
    assert found["results"][0]["checkpoints"]["state_mb"] == 12.3
    assert set(found["versions"]) == {"apache-beam", "flink", "kafka"}
