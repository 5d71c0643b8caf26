"""The alerts job on the local runner, from files to files, reports what a real Prometheus decides on the same samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines import alerts
from rules.evaluation.program import Program
from rules.events.corrections import History
from schemas.alert_event import decode
from schemas.codecs.json_scrape import encode_scrape
from schemas.series import parse_labels, parse_metric
from tests.oracle.rule_lives import Samples
from tests.parity.evaluator_side import turn_of
from tests.parity.prometheus_side import of_prometheus
from tests.parity.rule_files import LIBRARY, evaluated, library, program_of, seen_fleet
from tests.parity.stage_side import in_order
from tests.parity.verdict import Verdict, differences
from transforms.io.parquet.store import read_raw

SEED = 6
SHARE = 0.1

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(540)]


def reported(directory: Path, program: Program) -> Verdict:
    """What the job reported: its events, and of the raw samples those under the names that rules write."""
    history = History()
    for path in (directory / "alerts").glob("*.ndjson"):
        for line in path.read_bytes().splitlines():
            history.apply(decode(line))
    names = {name for rule in program.rules for name in rule.names}
    written: Samples = {}
    for row in read_raw(directory / "store").to_pylist():
        name, labels = parse_metric(row["metric"])
        if name in names:
            series = tuple(sorted({**parse_labels(row["target"]), **labels, "__name__": name}.items()))
            written.setdefault(series, {})[round(row["ts"].timestamp() * 1000)] = row["value"]
    return Verdict(dict(map(turn_of, history.events())), written)


def test_the_alerts_job(tmp_path: Path) -> None:
    program = program_of(library())
    series = seen_fleet(program, SEED, SHARE)
    (tmp_path / "scrapes.jsonl").write_bytes(b"\n".join(encode_scrape(in_order(series))) + b"\n")
    (tmp_path / "config.yml").write_text("rules: {evaluation_interval: 15s}\n")
    words = [
        f"--input=file:{tmp_path / 'scrapes.jsonl'}",
        f"--output=parquet:{tmp_path / 'store'}",
        f"--rules={LIBRARY}",
        f"--alerts=file:{tmp_path / 'alerts'}",
        f"--dead_letter=file:{tmp_path / 'dead'}",
        f"--late=file:{tmp_path / 'late'}",
        f"--config={tmp_path / 'config.yml'}",
    ]
    assert alerts.main(words) == 0
    theirs = of_prometheus(tmp_path / "prometheus", program, series, *evaluated(program, series))
    assert len(theirs.fired()) >= 5
    assert differences(reported(tmp_path, program), theirs) == []
