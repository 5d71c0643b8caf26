"""``tidemark rules test`` and ``check`` beside promtool's, on the same files: ``python -m benchmarks.rule_tools``.

Unit tests: 100 rule files of six rules each (rates, a ratio, a quantile of a histogram, a recording rule that alerts read, absence), each with a test
file of two tests over an hour, all of which pass. Checks: 100 files of 20 rules. Whole processes are timed, start-up included, in turns, after a
warm-up each. The verdicts have to be the same.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.paired import Figure, print_table, spread
from deploy.install.recipes import prometheus3_binary

OUT = Path(__file__).with_name("out")

RULES = """
groups:
  - name: web{n}
    interval: 1m
    rules:
      - record: job:requests{n}:rate5m
        expr: sum by (job) (rate(requests{n}_total[5m]))
      - alert: ErrorRatioHigh{n}
        expr: sum by (job) (rate(requests{n}_total{{code=~"5.."}}[5m])) / job:requests{n}:rate5m > 0.05
        for: 5m
        labels: {{severity: page}}
        annotations:
          summary: '{{{{ $labels.job }}}} fails {{{{ $value | humanizePercentage }}}} of its requests'
      - alert: RequestsDropped{n}
        expr: job:requests{n}:rate5m < 0.5 * job:requests{n}:rate5m offset 20m
        for: 3m
        labels: {{severity: warn}}
      - alert: LatencyHigh{n}
        expr: histogram_quantile(0.9, sum by (job, le) (rate(latency{n}_bucket[5m]))) > 0.4
        for: 5m
        labels: {{severity: warn}}
      - alert: HostDown{n}
        expr: up{n} == 0
        for: 2m
        labels: {{severity: page}}
        annotations:
          summary: '{{{{ $labels.instance }}}} is down'
      - alert: HostsAbsent{n}
        expr: absent(up{n})
        for: 10m
"""

TESTS = """
rule_files: [rules{n}.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {{series: 'requests{n}_total{{job="a",code="200",instance="1"}}', values: '0+60x60'}}
      - {{series: 'requests{n}_total{{job="a",code="500",instance="1"}}', values: '0+1x30 37+7x29'}}
      - {{series: 'requests{n}_total{{job="b",code="200",instance="2"}}', values: '0+60x30 1800+6x29'}}
      - {{series: 'latency{n}_bucket{{job="a",le="0.1"}}', values: '0+10x60'}}
      - {{series: 'latency{n}_bucket{{job="a",le="0.5"}}', values: '0+20x60'}}
      - {{series: 'latency{n}_bucket{{job="a",le="+Inf"}}', values: '0+60x60'}}
      - {{series: 'up{n}{{instance="1"}}', values: '1x20 0x9 1x30'}}
    alert_rule_test:
      - {{eval_time: 20m, alertname: ErrorRatioHigh{n}, exp_alerts: []}}
      - eval_time: 45m
        alertname: ErrorRatioHigh{n}
        exp_alerts:
          - exp_labels: {{severity: page, job: a}}
            exp_annotations: {{summary: a fails 10.45% of its requests}}
      - eval_time: 45m
        alertname: RequestsDropped{n}
        exp_alerts:
          - exp_labels: {{severity: warn, job: b}}
      - eval_time: 30m
        alertname: LatencyHigh{n}
        exp_alerts:
          - exp_labels: {{severity: warn, job: a}}
      - eval_time: 25m
        alertname: HostDown{n}
        exp_alerts:
          - exp_labels: {{severity: page, instance: "1"}}
            exp_annotations: {{summary: 1 is down}}
      - {{eval_time: 40m, alertname: HostDown{n}, exp_alerts: []}}
    promql_expr_test:
      - expr: job:requests{n}:rate5m{{job="a"}}
        eval_time: 20m
        exp_samples:
          - {{labels: 'job:requests{n}:rate5m{{job="a"}}', value: 1.0166666666666666}}
  - interval: 1m
    input_series: []
    alert_rule_test:
      - eval_time: 1h
        alertname: HostsAbsent{n}
        exp_alerts:
          - exp_labels: {{}}
"""

CHECKED = """
groups:
  - name: group{n}
    rules:
{rules}
"""

CHECKED_RULE = """
      - alert: Alert{n}_{rule}
        expr: |
          sum by (instance, job) (rate(errors_total{{job="job{n}",path=~"/api/.*"}}[5m]))
            / sum by (instance, job) (rate(requests_total{{job="job{n}"}}[5m])) > 0.{rule:02}
          and on (job) max by (job) (up{{job="job{n}"}}) == 1
        for: 10m
        labels: {{severity: warning}}
        annotations:
          summary: 'Errors of {{{{ $labels.instance }}}}'
          description: '{{{{ $value | humanizePercentage }}}} of the requests of {{{{ $labels.job }}}} fail'
"""


def write_files(folder: Path, files: int, rules: int) -> tuple[list[str], list[str]]:
    """The test files, and the rule files to be checked."""
    tests, checked = [], []
    for n in range(files):
        (folder / f"rules{n}.yml").write_text(RULES.format(n=n))
        (folder / f"test{n}.yml").write_text(TESTS.format(n=n))
        tests.append(f"test{n}.yml")
        body = "".join(CHECKED_RULE.format(n=n, rule=rule) for rule in range(rules))
        (folder / f"checked{n}.yml").write_text(CHECKED.format(n=n, rules=body))
        checked.append(f"checked{n}.yml")
    return tests, checked


def timed(command: list[str], folder: Path) -> tuple[float, float]:
    """Wall and processor seconds of a process and its children.

    Raises:
        RuntimeError: it does not end with status 0.
    """
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - start, os.times()
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command[:3])} ... ended with status {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, processor


def measure(folder: Path, what: str, words: list[str], files: list[str], repeats: int) -> list[Figure]:
    """Both tools at the same files."""
    commands = {
        "Tidemark": [sys.executable, "-m", "tidemark.cli", "rules", *words, *files],
        "promtool": [str(prometheus3_binary("promtool")), *words, "rules", *files],
    }
    for command in commands.values():
        timed(command, folder)
    rounds = [[timed(command, folder) for command in commands.values()] for _ in range(repeats)]
    figures = []
    for number, engine in enumerate(commands):
        wall, processor = (spread([one[number][column] for one in rounds]) for column in (0, 1))
        figures.append(Figure(what, engine, wall, processor))
    return figures


def main(argv: list[str] | None = None) -> int:
    """Print the table, and keep the figures in ``benchmarks/out/rule_tools.json``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rule_tools", description=(__doc__ or "").partition("\n\n")[0]
    )
    parser.add_argument("--files", type=int, default=100, help="test files, and rule files to check (%(default)s)")
    parser.add_argument("--rules", type=int, default=20, help="rules in each file to check (%(default)s)")
    parser.add_argument("--repeats", type=int, default=7, help="%(default)s")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="tidemark-bench-") as name:
        folder = Path(name)
        tests, checked = write_files(folder, args.files, args.rules)
        figures = measure(folder, f"test, {args.files} files", ["test"], tests, args.repeats)
        figures += measure(folder, f"check, {args.files * args.rules} rules", ["check"], checked, args.repeats)
    print_table(f"tools of rule authors, {args.repeats} repeats", "work", figures)
    print(f"Python {platform.python_version()}")
    OUT.mkdir(exist_ok=True)
    (OUT / "rule_tools.json").write_text(json.dumps([asdict(one) for one in figures], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
