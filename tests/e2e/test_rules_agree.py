"""Rules evaluated on one topic, read to its end on every runner: the same events to the byte, corrections included, and the same series."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from deploy.stack import Stack
from schemas import alert_event
from tests.e2e.flink_job import ROOT
from tests.e2e.test_runners_agree import RUNNERS
from tests.transforms.alerts.test_beam import RULES, scrapes
from transforms.io.parquet.store import read_raw

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]

RUN_SECONDS = 180


@dataclass(frozen=True)
class Outcome:
    """What a run left in its directory."""

    directory: Path

    @property
    def events(self) -> list[bytes]:
        return sorted(line for path in (self.directory / "alerts").iterdir() for line in path.read_bytes().splitlines())

    @property
    def series(self) -> list[tuple[str, ...]]:
        """What rules wrote: labels, time, value as text (a staleness marker is not equal to itself)."""
        table = read_raw(str(self.directory / "store"))
        names = [name for name in table.column_names if name not in ("seq", "pane", "watermark", "run")]
        return sorted(tuple(map(str, row)) for row in zip(*(table[name].to_pylist() for name in names), strict=True))

    @property
    def counts(self) -> dict[str, int]:
        found: dict[str, int] = json.loads((self.directory / "balance.json").read_text())
        return found


@pytest.fixture(scope="module")
def topic(kafka: str) -> str:
    """Ten minutes of hosts in two partitions, a fifth of the scrapes late."""
    name = f"rules-{uuid4().hex[:8]}"
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        admin.create_topics([NewTopic(name, 2, 1)])
    producer = KafkaProducer(bootstrap_servers=kafka)
    for document in scrapes(seed=5, disorder=0.2):
        producer.send(name, document, partition=int(json.loads(document)["labels"]["host"][1:]) % 2)
    producer.flush()
    producer.close()
    return f"kafka://{kafka}/{name}"


@pytest.fixture(scope="module")
def outcomes(idle_stack: Stack, topic: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    found = {}
    for name, runner in RUNNERS.items():
        directory = tmp_path_factory.mktemp(name)
        (directory / "rules.yml").write_text(RULES)
        argv = [
            *(sys.executable, "-m", "pipelines.alerts", f"--input={topic}", "--bounded"),
            f"--rules={directory / 'rules.yml'}",
            f"--alerts=file:{directory / 'alerts'}",
            f"--output=parquet:{directory / 'store'}",
            f"--dead_letter=file:{directory / 'dead'}",
            f"--late=file:{directory / 'late'}",
            f"--summary_json={directory / 'balance.json'}",
            *runner(idle_stack),
        ]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
        assert done.returncode == 0, f"{name}\n{done.stdout}\n{done.stderr[-4000:]}"
        found[name] = Outcome(directory)
    return found


def test_there_is_something_of_everything(outcomes: dict[str, Outcome]) -> None:
    events = [alert_event.decode(event) for event in outcomes["direct"].events]
    assert {event.state.value for event in events} >= {"pending", "firing", "resolved", "retracted"}
    assert {event.rule for event in events} == {"High", "HostHigh", "Gone"}
    assert outcomes["direct"].counts["rules.late_samples"] > 0


@pytest.mark.parametrize("runner", [name for name in RUNNERS if name != "direct"])
def test_runners_agree_on_every_event(outcomes: dict[str, Outcome], runner: str) -> None:
    assert outcomes[runner].events == outcomes["direct"].events


@pytest.mark.parametrize("runner", [name for name in RUNNERS if name != "direct"])
def test_runners_agree_on_what_rules_write(outcomes: dict[str, Outcome], runner: str) -> None:
    assert outcomes[runner].series == outcomes["direct"].series
    assert any("ALERTS_FOR_STATE" in row[1] for row in outcomes["direct"].series)
