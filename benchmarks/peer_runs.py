"""The peers of the metrics job: how each is run over a load, and how its rows are read back."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import pyarrow.compute as pc

from benchmarks import vmagent
from benchmarks.jobs import Load, counted, fill, measure, measure_flink_sql, run_flink_sql, run_tidemark, start_tidemark
from benchmarks.metering import Figures
from benchmarks.python_peers import environments
from benchmarks.python_peers import job as python_job
from benchmarks.recount import Right, Row, named, names, score
from deploy.install.recipes import FLINK, VMAGENT
from deploy.stack import Stack
from pipelines.runners.flink import Flink
from schemas.series import series_text
from transforms.accounting import TOO_LATE
from transforms.io.parquet.store import read_rollups

RECOUNT = Load(hosts=200, metrics=50, interval_s=15, scrapes=60, partitions=4)
RECOUNT_TOPIC = "recount"
# No sample comes later than the metrics job waits for by default, 5 minutes.
FAULTS = ("--lateness=1%:30s:4m", "--duplicates=1%:50%")
SETTLE_S = 120


@dataclass(frozen=True)
class Setting:
    """Where peers run: the stack, a folder for files, and how many documents the topic of the recount has with its truth."""

    stack: Stack
    folder: Path
    truth: Path
    sent: int

    def topic(self, load: Load) -> str:
        """The topic of a load, filled when it is first asked for: a shorter one is the beginning of a longer one."""
        name = f"bench-{load.scrapes}"
        marker = self.folder / name
        if not marker.exists():
            print(f"filling a topic with {load.samples:,} samples ...", flush=True)
            fill(self.stack, load, name)
            marker.touch()
        return name


@dataclass(frozen=True)
class Peer:
    """One way to the rollup.

    Attributes:
        title: in the table.
        version: of what runs.
        scrapes: of each series, so that a run takes half a minute or so.
        run: sends a load through it.
        right: runs it on the load of the recount, and compares.
        lacks: what it does not do, of what the metrics job does.
    """

    title: str
    version: str
    scrapes: int
    run: Callable[[Setting, Load], Figures]
    right: Callable[[Setting], Right]
    lacks: str


def _run_tidemark(setting: Setting, load: Load) -> Figures:
    topic = setting.topic(load)
    return measure(
        setting.stack, ["flink-taskmanager", "workers"], load, lambda: run_tidemark(setting.stack, load, topic)
    )


def _tidemark_right(setting: Setting) -> Right:
    flink = Flink(setting.stack.address("flink-jobmanager"))
    store = setting.folder / "store"
    job = start_tidemark(setting.stack, RECOUNT_TOPIC, f"parquet:{store}")
    deadline = time.monotonic() + SETTLE_S
    # The rows of a corrected window follow those of all windows: the last ones are there when every sample is in one.
    while _samples_in(store) + counted(flink, job.id, TOO_LATE) < RECOUNT.samples and time.monotonic() < deadline:
        time.sleep(0.5)
    flink.stop(job.id)
    table = read_rollups(store, "1m")
    columns = [table["target"].to_pylist(), table["metric"].to_pylist(), table["window"].cast("int64").to_pylist()]
    columns += [table[name].to_pylist() for name in ("count", "sum", "min", "max")]
    rows = (Row(series_text(target, metric), *rest) for target, metric, *rest in zip(*columns, strict=True))
    return score(setting.truth, rows)


def _samples_in(store: Path) -> int:
    if not store.exists():
        return 0
    return int(pc.sum(read_rollups(store, "1m", columns=("count",))["count"]).as_py() or 0)


def _run_flink_sql(setting: Setting, load: Load) -> Figures:
    return measure_flink_sql(setting.stack, load, setting.folder / "sql", setting.topic(load))


def _flink_sql_right(setting: Setting) -> Right:
    folder = setting.folder / "sql-rows"
    run_flink_sql(setting.stack, setting.folder / "sql", RECOUNT_TOPIC, folder)
    known = names(setting.truth)
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open(newline="") as file:
            for host, metric, start, number, total, low, high in csv.reader(file):
                at = int(datetime.fromisoformat(start).replace(tzinfo=timezone.utc).timestamp() * 1000)
                found.append((host, metric, at, float(number), float(total), float(low), float(high)))
    return score(setting.truth, named(found, known))


def _run_vmagent(setting: Setting, load: Load) -> Figures:
    return vmagent.run(_made(setting.folder / "vmagent"), load)


def _vmagent_right(setting: Setting) -> Right:
    truth = setting.folder / "live.parquet"
    rows = vmagent.live_rows(_made(setting.folder / "vmagent-live"), truth, RECOUNT.hosts, RECOUNT.metrics)
    return score(truth, rows, vmagent.LIVE_WINDOW_MS)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _python(name: str, title: str, scrapes: int, lacks: str) -> Peer:
    def run(setting: Setting, load: Load) -> Figures:
        documents = load.hosts * load.scrapes
        return python_job.run(name, setting.stack.address("kafka"), setting.topic(load), documents, load.samples)

    def right(setting: Setting) -> Right:
        rows = setting.folder / f"{name}.csv"
        documents = setting.sent // RECOUNT.metrics
        python_job.run(name, setting.stack.address("kafka"), RECOUNT_TOPIC, documents, setting.sent, rows)
        return score(setting.truth, named(python_job.read_rows(rows), names(setting.truth)))

    return Peer(title, environments.version(name), scrapes, run, right, lacks)


PEERS: Mapping[str, Peer] = {
    "tidemark": Peer(
        "Tidemark",
        f"Beam {version('apache-beam')}, Flink {FLINK.version}",
        40,
        _run_tidemark,
        _tidemark_right,
        "Writes the 1-hour tier, first, last, increase and times as well.",
    ),
    "flink_sql": Peer(
        "Flink SQL",
        f"Flink {FLINK.version}",
        12,
        _run_flink_sql,
        _flink_sql_right,
        "Drops late samples, counts duplicates twice. No corrections.",
    ),
    "vmagent": Peer(
        "vmagent",
        VMAGENT.version,
        20,
        _run_vmagent,
        _vmagent_right,
        "Drops late samples, counts duplicates twice. Loses open windows when it ends. Windows are of the clock: it cannot replay. Reads no Kafka.",
    ),
    "bytewax": _python(
        "bytewax",
        "Bytewax",
        40,
        "Drops late samples (into a stream of their own), counts duplicates twice. One process here; a cluster is possible.",
    ),
    "quixstreams": _python(
        "quixstreams",
        "Quix Streams",
        24,
        "Drops late samples, counts duplicates twice. A window stays open until its host has a later scrape.",
    ),
    "pathway": _python(
        "pathway",
        "Pathway",
        16,
        "Drops late samples, counts duplicates twice, and drops samples of partitions that lag. Recomputes from its copy of the input after a "
        "restart: state that is kept needs a licence key.",
    ),
}
