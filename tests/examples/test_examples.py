"""The examples run as their docstrings say, and print what the README shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOON = 1_700_049_600_000

ROLLUPS = """\
1h from  0 min, hall: 8 readings, mean 18.44, maximum 18.875
1h from  0 min, loft: 8 readings, mean 24.44, maximum 24.875
1m from  0 min, hall: 4 readings, mean 18.19, maximum 18.375
1m from  0 min, loft: 4 readings, mean 24.19, maximum 24.375
1m from  1 min, hall: 4 readings, mean 18.69, maximum 18.875
1m from  1 min, loft: 4 readings, mean 24.69, maximum 24.875
"""
RULES = """\
12:03 pending TooWarm loft has 26 degrees
12:05 firing TooWarm loft has 26 degrees
12:08 resolved TooWarm loft has 26 degrees
"""


def run(example: str, *words: str) -> str:
    """What an example prints."""
    done = subprocess.run(
        [sys.executable, f"examples/{example}.py", *words],
        cwd=ROOT,
        env={"PATH": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("example", "printed"), [("rollups_of_dicts", ROLLUPS), ("rules_on_samples", RULES)])
def test_what_an_example_prints(example: str, printed: str) -> None:
    assert sorted(run(example).splitlines()) == printed.splitlines()


def test_the_whole_job_with_a_step_more(tmp_path: Path) -> None:
    samples = [
        (1, "a", 1),
        (16, "a", 2),
        (31, "a", 1),
        (31, "b", 5),
        (61, "a", 3),
        (200, "a", 3),
        (47, "a", 7),
        (50, "b", 5),
    ]
    lines = [f"cpu,host={host} usage={value} {NOON + second * 1000}000000" for second, host, value in samples]
    (tmp_path / "cpu.lp").write_text("\n".join(lines))
    words = [f"--input=file:{tmp_path}/cpu.lp", f"--output=parquet:{tmp_path}/store", "--file-watermark=events"]
    printed = run("distinct", *words, f"--distinct=file:{tmp_path}/counts")
    assert "distinct: every record accounted for:" in printed
    assert "samples.merged_late   2 " in printed
    counts = [json.loads(line) for path in (tmp_path / "counts").iterdir() for line in path.read_text().splitlines()]
    newest = {
        (each["window"], each["series"]): each["distinct"] for each in sorted(counts, key=lambda each: each["as_of"])
    }
    assert newest == {
        (NOON, '{__name__="cpu_usage",host="a"}'): 3,
        (NOON, '{__name__="cpu_usage",host="b"}'): 1,
        (NOON + 60_000, '{__name__="cpu_usage",host="a"}'): 1,
        (NOON + 180_000, '{__name__="cpu_usage",host="a"}'): 1,
    }
