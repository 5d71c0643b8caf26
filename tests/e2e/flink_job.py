"""The metrics job on the stack's Flink, as a person runs it: submitted by its command line, watched and stopped over the REST API, its
output read back from InfluxDB and Kafka. Each :class:`Ground` has topics and buckets of its own.

The load of these tests ends with the last full hour, so that the clock, which an idle partition's watermark follows, is past all windows.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from kafka.admin import KafkaAdminClient, NewTopic

from deploy.logs import tail
from deploy.parts.influxdb import token_file
from deploy.stack import Stack
from pipelines.runners.flink import ENDED, Flink, FlinkError
from tests.e2e.read_back import ReadBack

ROOT = Path(__file__).parents[2]
SUBMIT_SECONDS = 120
LOGS = ("flink-jobmanager", "flink-taskmanager", "jobserver", "workers")


def last_hours(hours: int) -> list[str]:
    """Words for the generator: event times of the full hours that ended last."""
    end = int(time.time() - 60) // 3600 * 3600
    return [f"--start={(end - hours * 3600) * 1000}", f"--duration={hours}h"]


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> Any:
    """The first truthy value of a condition.

    Raises:
        AssertionError: there is none before the deadline.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)
    return found


@dataclass
class Job:
    """A job of the stack's Flink."""

    flink: Flink
    id: str
    name: str

    @property
    def state(self) -> str:
        return self.flink.state(self.id)

    def checkpoints(self) -> dict[str, Any]:
        """Flink's statistics: ``counts`` and the ``latest`` of each kind."""
        found: dict[str, Any] = self.flink.get(f"/jobs/{self.id}/checkpoints")
        return found

    def wait_checkpoint(self, seconds: float = 90) -> None:
        """Wait for a checkpoint triggered from now on."""
        now = time.time() * 1000

        def fresh() -> bool:
            latest = self.checkpoints()["latest"]["completed"]
            return latest is not None and latest["trigger_timestamp"] >= now

        wait_for(fresh, seconds, f"a checkpoint of {self.name}; {self.flink.failure(self.id)}")

    def take_checkpoint(self) -> None:
        """Take a checkpoint now, and wait until it is done: for jobs whose own ones are far apart. One that a restart cuts off is taken again."""

        def done() -> bool:
            path = f"/jobs/{self.id}/checkpoints"
            try:
                request = self.flink._ask("POST", path, {"checkpointType": "CONFIGURED"})["request-id"]
            except FlinkError:
                return False

            def ended() -> Any:
                found = self.flink.get(f"{path}/{request}")
                return found if found["status"]["id"] == "COMPLETED" else None

            operation = wait_for(ended, 60, f"the end of a checkpoint of {self.name}")["operation"]
            return "failureCause" not in operation and "failure-cause" not in operation

        wait_for(done, 60, f"a checkpoint of {self.name}")

    def restored(self) -> int:
        """How many times it has gone on from a checkpoint or savepoint."""
        return int(self.checkpoints()["counts"]["restored"])

    def wait_running(self, seconds: float = 120) -> None:
        """Wait until all its subtasks run."""
        self.flink.wait_running(self.name, seconds)

    def stop(self) -> str:
        """Stop it; the path of the savepoint."""
        return self.flink.stop(self.id)

    def cancel(self) -> None:
        """End it and wait for its end; nothing happens to one that has ended."""
        if self.state not in ENDED:
            self.flink.cancel(self.id)
            wait_for(lambda: self.state in ENDED, 60, f"the end of job {self.name}")


@dataclass
class Load:
    """A run of the load generator."""

    process: subprocess.Popen[bytes]
    truth: Path
    summary: Path
    log: Path

    @property
    def going(self) -> bool:
        return self.process.poll() is None

    def wait(self, seconds: float = 180) -> dict[str, Any]:
        """Wait for its end; its summary.

        Raises:
            AssertionError: it failed.
        """
        assert self.process.wait(seconds) == 0, self.log.read_text()
        found: dict[str, Any] = json.loads(self.summary.read_text())
        return found


@dataclass
class Ground(ReadBack):
    """Topics and buckets of one test, and the jobs it starts.

    Attributes:
        directory: for configuration and generated files.
        name: prefix of everything's name, unique.
        partitions: of the input topic.
        tiers: further keys of the configuration's ``tiers``, such as ``lateness``.
        windows: of the two tiers, whose buckets are ``fine`` and ``coarse``; raw samples are in ``raw``.
        shards: of the job.
        module: of the job.
    """

    stack: Stack
    directory: Path
    name: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:8]}")
    partitions: int = 4
    tiers: dict[str, str] = field(default_factory=dict)
    windows: tuple[str, str] = ("1m", "1h")
    shards: int = 4
    module: str = "pipelines.metrics"
    jobs: list[Job] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.flink = Flink(self.stack.address("flink"))
        self.topic, self.dead_letters, self.late = (f"{self.name}.{kind}" for kind in ("raw", "dead-letter", "late"))
        self.raw, self.fine, self.coarse = (f"{self.name}_{kind}" for kind in ("raw", *self.windows))
        topics = {self.topic: self.partitions, self.dead_letters: 1, self.late: 1}
        with KafkaAdminClient(bootstrap_servers=self.kafka) as admin:
            admin.create_topics([NewTopic(topic, count, 1) for topic, count in topics.items()])
        for bucket in (self.raw, self.fine, self.coarse):
            self.stack.ensure_bucket(bucket, 0)
        buckets = zip(self.windows, (self.fine, self.coarse), strict=True)
        rollups = [{"name": window, "window": window, "bucket": bucket} for window, bucket in buckets]
        raw = {"bucket": self.raw, "retention": "0s"}
        config = {"tiers": {"raw": raw, "rollups": rollups, **self.tiers}, "shards": self.shards}
        self.config = self.directory / f"{self.name}.yaml"
        self.config.write_text(yaml.safe_dump(config))

    @property
    def input(self) -> str:
        return f"kafka://{self.kafka}/{self.topic}"

    def runner(self) -> list[str]:
        """The words that name the stack's runner."""
        return [
            "--runner=PortableRunner",
            f"--job_endpoint={self.stack.address('jobserver')}",
            f"--artifact_endpoint={self.stack.address('jobserver-artifact')}",
            "--environment_type=EXTERNAL",
            f"--environment_config={self.stack.address('workers')}",
        ]

    def words(self, *more: str) -> list[str]:
        """The job's command line but for the runner: this ground's topics, buckets and configuration, then ``more``."""
        token = token_file(self.stack.instance)
        return [
            f"--input={self.input}",
            f"--output=influxdb://{self.stack.address('influxdb')}?token_file={token}",
            f"--config={self.config}",
            f"--dead_letter=kafka://{self.kafka}/{self.dead_letters}",
            f"--late=kafka://{self.kafka}/{self.late}",
            f"--job_name={self.name}",
            *more,
        ]

    def run(self, words: Sequence[str], seconds: float = SUBMIT_SECONDS) -> str:
        """Run the job's module to its end; what it printed.

        Raises:
            AssertionError: it fails.
        """
        argv = [sys.executable, "-m", self.module, *words]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
        assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}\n{done.stderr[-4000:]}"
        return done.stdout

    def start(self, *more: str, parallelism: int = 2, checkpoint_ms: int = 1000, idle: str = "2s") -> Job:
        """Submit the unbounded job, and wait until all its subtasks run."""
        name = f"{self.name}-{len(self.jobs)}"
        flags = [
            f"--job_name={name}",
            f"--parallelism={parallelism}",
            f"--checkpointing_interval={checkpoint_ms}",
            f"--idle_timeout={idle}",
            "--detach",
        ]
        self.run([*self.words(*flags, *more), *self.runner()])
        job = Job(self.flink, self.flink.wait_running(name, SUBMIT_SECONDS).id, name)
        self.jobs.append(job)
        return job

    def __enter__(self) -> Ground:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """End what still runs; after an exception print the logs that matter."""
        if kind is not None:
            print(self.logs())
        for load in self.loads:
            load.process.kill()
            load.process.wait()
        for job in self.jobs:
            job.cancel()
        # What a submission that was given up has left behind.
        for left in self.flink.jobs(self.name):
            self.flink.cancel(left.id)

    def generate(self, *words: str) -> Load:
        """Start the load generator into this ground's topic."""
        base = self.directory / f"{self.name}-load{len(self.loads)}"
        truth, summary, log = (base.with_suffix(suffix) for suffix in (".parquet", ".json", ".log"))
        reported = [f"--output={self.input}", f"--truth={truth}", f"--summary-json={summary}", "--quiet", *words]
        argv = [sys.executable, "-m", "tidemark.cli", "generate", "metrics", *reported]
        with log.open("wb") as file:
            load = Load(subprocess.Popen(argv, cwd=ROOT, stderr=file), truth, summary, log)
        self.loads.append(load)
        return load

    def logs(self) -> str:
        """The ends of the logs that report why a job did not do what a test wants, and of the generator's."""
        parts = []
        for part in LOGS:
            if self.stack.log(part).exists():
                parts += [f"--- {part}", *tail(self.stack.log(part), 15)]
        for load in self.loads:
            parts += ["--- generator", *tail(load.log, 20)]
        for job in self.jobs:
            parts += [f"--- job {job.name} {job.id}: {job.state}", self.flink.failure(job.id)]
        return "\n".join(parts)
