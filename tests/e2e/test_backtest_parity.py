"""A backtest of the shipped rules over real series decides what a real Prometheus decides that was fed the same samples.

Prometheus evaluates every rule at every instant through its range queries, and what its recording rules yield is written back to it; alerts
are taken through their lives here, a second time and naively. For some of the series promtool runs the rules themselves.
"""

from __future__ import annotations

import csv
import json
import subprocess
from collections import defaultdict
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import pytest

from deploy.install.recipes import prometheus3_binary
from rules.backtest.run import Backtest, backtest
from rules.evaluation.program import Prepared, Program
from rules.files.load import load_rules
from rules.model import AlertingRule
from rules.promql.storage import MemoryStorage
from tests.oracle.prometheus import Client, prometheus
from tests.oracle.rule_lives import Labels, Samples, asked, columns, lives, recorded

ROOT = Path(__file__).parents[2]
CORPUS = ROOT.parent / "shared" / "corpora" / "nab" / "data"
RULES = ROOT / "rules" / "library" / "hosts-cloudwatch.yml"
FOLDERS = ("realAWSCloudwatch", "realKnownCause")
STEP = 300_000
DAY = 86_400_000

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the corpus {CORPUS} is absent"),
]


class Active(NamedTuple):
    """An alert at an instant, and since when it is active."""

    time: int
    labels: Labels
    phase: str
    since: int


def read(path: Path) -> tuple[Labels, dict[int, float]]:
    """A file's series, named as the documentation says; of two rows with one time the later counts."""
    metric, _, instance = path.stem.rpartition("_")
    if not any(letter in "0123456789" for letter in instance):
        metric, instance = path.stem, path.stem
    labels = (("__name__", metric.replace("-", "_")), ("instance", instance))
    with path.open(newline="") as file:
        rows = [(datetime.fromisoformat(row["timestamp"]), float(row["value"])) for row in csv.DictReader(file)]
    return labels, {round(when.replace(tzinfo=timezone.utc).timestamp() * 1000): value for when, value in rows}


def program() -> Program:
    file = load_rules(RULES.read_text(), RULES.name).file
    assert file is not None
    return Program(file.groups)


def ours(samples: Samples) -> Backtest:
    series = [(dict(labels), *zip(*sorted(points.items()), strict=True)) for labels, points in samples.items()]
    times = [when for points in samples.values() for when in points]
    return backtest(program(), MemoryStorage.from_series(series), min(times), max(times))


def states(found: Backtest) -> set[Active]:
    """Every alert at every instant at which it is pending or firing."""
    result = set()
    for each in found.episodes:
        last = each.until + 1 if each.ended_at is None else each.until
        for when in range(each.pending_since, last, STEP):
            firing = each.firing_since is not None and when >= each.firing_since
            result.add(Active(when, each.labels, "firing" if firing else "pending", each.pending_since))
    return result


def load(client: Client, samples: Samples) -> None:
    """Days in their order, because a server takes no samples that are much older than its newest."""
    days: dict[int, Samples] = defaultdict(lambda: defaultdict(dict))
    for labels, points in samples.items():
        for when, value in points.items():
            days[when // DAY][labels][when] = value
    for day in sorted(days):
        client.load(columns(days[day]))


@pytest.fixture(scope="module")
def series() -> Samples:
    files = [path for folder in FOLDERS for path in sorted((CORPUS / folder).glob("*.csv"))]
    assert len(files) == 24
    return dict(read(path) for path in files)


def test_every_instant_is_as_a_server_has_it(series: Samples, tmp_path: Path) -> None:
    # What no rule sees would lengthen the range, and nothing else.
    seen = [each for each in series if any(reach.sees(dict(each)["__name__"]) for reach in ours(series).reaches)]
    samples = {labels: series[labels] for labels in seen}
    found = ours(samples)
    start = -(-found.start_ms // STEP) * STEP
    instants = range(start, found.end_ms + 1, STEP)
    wanted: set[Active] = set()
    rules = list(found.program.rules)
    stage = 0
    while rules:
        # A server for each generation of recorded series: it takes no samples that are months older than its newest.
        new: Samples = {}
        with prometheus(tmp_path / str(stage)) as client:
            load(client, samples)
            ready = [rule for rule in rules if not reads(rule, {each.rule.name for each in rules})]
            assert ready
            for rule in ready:
                rules.remove(rule)
                yielded = asked(client, rule, instants)
                assert not yielded.failed
                if isinstance(rule.rule, AlertingRule):
                    wanted |= {Active(*state[:4]) for state in lives(rule, yielded, instants)}
                else:
                    new |= recorded(rule, yielded, instants)
        samples |= new
        stage += 1
    mine = states(found)
    assert len({state.labels for state in wanted if state.phase == "firing"}) >= 20
    assert sorted(mine - wanted)[:5] == []
    assert sorted(wanted - mine)[:5] == []


def reads(rule: Prepared, names: set[str]) -> bool:
    return any(name in rule.rule.expr for name in names)


@pytest.mark.parametrize("name", ["ec2_cpu_utilization_fe7f93", "rds_cpu_utilization_e47b3b"])
def test_promtool_finds_the_same_alerts_active(name: str, series: Samples, tmp_path: Path) -> None:
    """The rules themselves in Prometheus' own code, asked right before, at and after every change of phase."""
    labels, points = read(CORPUS / FOLDERS[0] / f"{name}.csv")
    # Unit tests have one sample an interval: the series is put on the grid, for both sides.
    first = min(points) // STEP * STEP
    gridded: dict[int, float] = {when // STEP * STEP: value for when, value in sorted(points.items())}
    found = ours({labels: gridded})
    active = defaultdict(set)
    for state in states(found):
        if state.phase == "firing":
            active[state.time].add(state.labels)
    changes = {each for one in found.episodes for each in (one.firing_since, one.ended_at) if each is not None}
    assert len(changes) >= 4
    instants = sorted({max(each + shift, first) for each in changes for shift in (-STEP, 0, STEP)})
    alerts = list(found.alerts)
    cases = [
        {
            "alertname": rule.rule.name,
            "eval_time": f"{(when - first) // 1000}s",
            "exp_alerts": [
                {"exp_labels": {name: value for name, value in each if name != "alertname"}}
                for each in sorted(active[when])
                if dict(each)["alertname"] == rule.rule.name
            ],
        }
        for when in instants
        if when <= found.end_ms
        for rule in alerts
    ]
    values = " ".join(repr(gridded[when]) if when in gridded else "_" for when in range(first, max(gridded) + 1, STEP))
    metric = dict(labels)
    selector = f'{metric["__name__"]}{{instance="{metric["instance"]}"}}'
    rules = tmp_path / "rules.yml"
    rules.write_text("\n".join(line for line in RULES.read_text().splitlines() if not annotates(line)))
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "5m",
        # Without it promtool takes groups in any order.
        "group_eval_order": [group.name for group in found.program.groups],
        "tests": [
            {
                "interval": "5m",
                "start_timestamp": first // 1000,
                "input_series": [{"series": selector, "values": values}],
                "alert_rule_test": cases,
            }
        ],
    }
    (tmp_path / "test.yml").write_text(json.dumps(test))
    words = [prometheus3_binary("promtool"), "test", "rules", tmp_path / "test.yml"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def annotates(line: str) -> bool:
    """Whether a line belongs to annotations, which would have to be expected word by word."""
    return line.strip().startswith(("annotations:", "summary:", "description:", "runbook_url:"))
