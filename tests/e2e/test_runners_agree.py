"""One topic, read to its end on every runner: the same rows to the bit, the same fate of every record."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deploy.install.cache import install
from deploy.install.recipes import PRISM
from deploy.progress import Plain
from deploy.stack import Stack
from schemas.records import DeadLetter
from tests.e2e.flink_job import ROOT
from tidemark.cli import main
from transforms.accounting import MEANINGS, Balance
from transforms.io.parquet.store import read_raw, read_rollups

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]

RUN_SECONDS = 180
LOAD = [
    "--hosts=9",
    "--metrics=6",
    "--interval=30s",
    "--start=2026-01-12",
    "--duration=3h",
    "--seed=11",
    "--lateness=5%:3m:40m",
    "--duplicates=3%:50%",
    "--malformed=1%",
    "--format=mixed",
    "--create-topic=4",
    "--quiet",
]


def direct(stack: Stack) -> list[str]:
    return ["--runner=DirectRunner"]


def prism(stack: Stack) -> list[str]:
    install(PRISM, Plain())
    return ["--runner=PrismRunner", f"--prism_location={PRISM.directory() / 'bin' / 'prism'}"]


def flink(stack: Stack) -> list[str]:
    stack.up(["flink", "jobserver", "workers"], Plain())
    return [
        "--runner=PortableRunner",
        "--streaming",
        "--parallelism=2",
        "--checkpointing_interval=2000",
        f"--job_endpoint={stack.address('jobserver')}",
        f"--artifact_endpoint={stack.address('jobserver-artifact')}",
        "--environment_type=EXTERNAL",
        f"--environment_config={stack.address('workers')}",
    ]


RUNNERS: dict[str, Callable[[Stack], list[str]]] = {"direct": direct, "prism": prism, "flink": flink}


@dataclass(frozen=True)
class Outcome:
    """What a run left in its directory."""

    directory: Path

    @property
    def balance(self) -> Balance:
        counts = json.loads((self.directory / "balance.json").read_text())
        # A sink's counters report how often it wrote what, which may differ.
        return Balance({name: counts.get(name, 0) for name in MEANINGS})

    def rows(self, tier: str) -> list[tuple[object, ...]]:
        """The rows of a tier, each number as its bits, but for their run, and for their pane: that depends on how far a runner reads ahead."""
        store = str(self.directory / "store")
        table = read_raw(store) if tier == "raw" else read_rollups(store, tier)
        columns = [table.column(name) for name in table.column_names if name not in ("pane", "watermark", "run")]
        return [tuple(map(_bits, row)) for row in zip(*(column.to_pylist() for column in columns), strict=True)]

    def lines(self, folder: str) -> list[Any]:
        """The records of a folder of dead letters or late samples."""
        return [line for path in (self.directory / folder).iterdir() for line in path.read_bytes().splitlines()]


def _bits(value: object) -> object:
    return value.hex() if isinstance(value, float) else value


@pytest.fixture(scope="module")
def topic(kafka: str) -> str:
    """A generated load of three hours in four partitions."""
    name = f"agree-{uuid4().hex[:8]}"
    assert main(["generate", "metrics", f"--output=kafka://{kafka}/{name}", *LOAD]) == 0
    return f"kafka://{kafka}/{name}"


@pytest.fixture(scope="module")
def outcomes(idle_stack: Stack, topic: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    found = {}
    for name, runner in RUNNERS.items():
        directory = tmp_path_factory.mktemp(name)
        config = directory / "config.yaml"
        config.write_text("shards: 4\n")
        argv = [
            *(sys.executable, "-m", "pipelines.metrics", f"--input={topic}", "--bounded", f"--config={config}"),
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


def test_the_load_has_something_of_everything(outcomes: dict[str, Outcome]) -> None:
    balance = outcomes["direct"].balance
    fates = ["written", "merged_late", "duplicate", "too_late"]
    assert min(balance[f"samples.{fate}"] for fate in fates) > 50
    assert balance["records.dead_lettered"] > 10
    assert len(outcomes["direct"].rows("1h")) >= 3 * 9 * 6


@pytest.mark.parametrize("runner", ["prism", "flink"])
@pytest.mark.parametrize("tier", ["1m", "1h", "raw"])
def test_rows_are_the_same_to_the_bit(outcomes: dict[str, Outcome], tier: str, runner: str) -> None:
    assert outcomes[runner].rows(tier) == outcomes["direct"].rows(tier)


@pytest.mark.parametrize("runner", RUNNERS)
def test_the_balance_is_the_same_and_adds_up(outcomes: dict[str, Outcome], runner: str) -> None:
    balance = outcomes[runner].balance
    assert balance == outcomes["direct"].balance
    assert (balance.records_missing, balance.samples_missing) == (0, 0)


@pytest.mark.parametrize("runner", RUNNERS)
def test_what_is_kept_is_the_same(outcomes: dict[str, Outcome], runner: str) -> None:
    def letters(outcome: Outcome) -> list[tuple[object, ...]]:
        found = map(DeadLetter.decode, outcome.lines("dead"))
        return sorted((each.partition, each.offset, each.line or 0, each.reason, each.payload) for each in found)

    assert letters(outcomes[runner]) == letters(outcomes["direct"])
    assert len(letters(outcomes[runner])) == outcomes[runner].balance["dead_letters"]
    late = [sorted(outcomes[name].lines("late")) for name in (runner, "direct")]
    assert samples_in(late[0]) == samples_in(late[1])
    assert len(samples_in(late[0])) == outcomes[runner].balance["samples.too_late"]


def samples_in(documents: list[bytes]) -> list[tuple[str, int, str, float]]:
    """Every sample of scrape documents, however they are put together."""
    return sorted(
        (json.dumps(document["labels"], sort_keys=True), document["timestamp"], key, value)
        for document in map(json.loads, documents)
        for key, value in document["samples"].items()
    )
