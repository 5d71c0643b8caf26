"""From a sample in Kafka to its alert in Kafka, through the alerts job on Flink; and from the same sample to a Prometheus' notification.

Both get the samples of :mod:`benchmarks.alert_load` as they come into being, and have the same rules and interval. Times of records are those that
the broker gives them as it appends them. The watermark passes an instant when the last partition has a record whose event time is the instant
and the job's watermark delay: what a stage can do at the earliest counts from there.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.alert_arrivals import RULE, Arrival, Events, Notifications
from benchmarks.alert_load import CROSSING, Feed, KafkaSide, LiveFleet, PrometheusSide, Scrape, Transition
from benchmarks.metering import Meter
from benchmarks.stage import STEP_MS, rule_text
from deploy.progress import Plain
from deploy.settings import Settings
from deploy.stack import Stack
from pipelines import alerts
from pipelines.runners.flink import ENDED, Flink
from schemas.times import format_duration
from tests.oracle.prometheus import prometheus

CATCH_UP_S = 600
START_S = 120
TAIL_S = 30
POLL_S = 1.0
WITHIN_MS = STEP_MS + 2_000
"""A transition is reported at the next instant, give or take the clocks."""

PARTS = ["flink-taskmanager", "workers"]
SIDES = ("Tidemark", "Prometheus")
PROMETHEUS = """\
global: {{evaluation_interval: 15s}}
rule_files: [rules/*.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{receiver}"]}}]}}]}}
storage: {{tsdb: {{out_of_order_time_window: 1d}}}}
"""


@dataclass(frozen=True)
class Load:
    """What is measured.

    Attributes:
        crossings: alerts that begin to fire at each scrape.
        minutes: measured, once the job has caught up.
        history_minutes: of samples that are there before.
        delay_ms: the job's watermark delay.
        parallelism, workers: of the job, and Python processes.
        rule_shards: of the job.
        sides: who takes part.
        options: further ones of the job.
    """

    rules: int
    series: int
    crossings: int = 20
    minutes: float = 3
    history_minutes: float = 2
    delay_ms: int = 1_000
    parallelism: int = 2
    workers: int = 2
    rule_shards: int = 4
    partitions: int = 4
    sides: tuple[str, ...] = SIDES
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Latency:
    """Milliseconds."""

    p50: float
    p99: float
    most: float

    @classmethod
    def of(cls, found: Sequence[float]) -> Latency | None:
        """Of some measurements; None without any."""
        return cls(*np.percentile(found, [50, 99, 100]).round(1).tolist()) if found else None


@dataclass(frozen=True)
class Figures:
    """What one side came to.

    Attributes:
        transitions: how many there were.
        reported: how many of them it reported, as of an instant within an interval after them.
        wrong: what else it said of these alerts in that time.
        from_sample: from the arrival of the sample that shows a transition to that of the word about it.
        from_watermark: from the watermark's passing of its instant; None for Prometheus, which has none.
        cores: processor seconds a second, of TaskManager and workers, or of Prometheus.
        peak_mb: their resident memory.
        fed_late_s: how long after its time a sample left for it, at most: where this is long, the machine could not hold the load.
    """

    transitions: int
    reported: int
    wrong: int
    from_sample: Latency | None
    from_watermark: Latency | None
    cores: float
    peak_mb: float
    fed_late_s: float


def measure(loads: Sequence[Load]) -> Iterator[tuple[Load, dict[str, Figures]]]:
    """Each load, one after the other, on one stack of its own.

    Raises:
        RuntimeError: a side does not keep up, or ends.
    """
    with tempfile.TemporaryDirectory(prefix="tidemark-bench-") as folder:
        settings = Settings(flink={"state.backend.type": "hashmap"})
        with Stack(Path(folder) / "stack", ports="free", settings=settings) as stack:
            stack.up(["kafka", "flink", "jobserver", "workers"], progress=Plain())
            for number, load in enumerate(loads):
                stack.restart("flink-taskmanager")
                yield load, _Run(load, stack, Path(folder) / f"run-{number}", f"bench-{number}").measure()


class _Run:
    """One load on a stack that runs."""

    def __init__(self, load: Load, stack: Stack, folder: Path, name: str) -> None:
        self._load, self._stack, self._folder, self._name = load, stack, folder, name
        self._flink = Flink(stack.address("flink-jobmanager"))
        self._fleet = LiveFleet(load.series, load.crossings)
        self._kafka = stack.address("kafka")
        (folder / "rules").mkdir(parents=True)
        crossed = f"\n- name: crossings\n  interval: 15s\n  rules: [{{alert: {RULE}, expr: '{CROSSING} > 0'}}]\n"
        (folder / "rules" / "rules.yml").write_text(rule_text(load.rules) + crossed)
        (folder / "job.yml").write_text(f"watermark_delay: {format_duration(load.delay_ms)}\n")

    def measure(self) -> dict[str, Figures]:
        """Fill, catch up, measure, and see what the sides said."""
        load, fleet = self._load, self._fleet
        _make_topics(self._kafka, {f"{self._name}.raw": load.partitions, f"{self._name}.events": load.partitions})
        sides: dict[str, _Side] = {}
        with ExitStack() as cleanup:
            events = Events(self._kafka, f"{self._name}.events", load.partitions)
            cleanup.callback(events.close)
            live_ms = int(time.time() * 1000)
            past = live_ms - int(load.history_minutes * 60_000), live_ms
            if "Prometheus" in load.sides:
                sides["Prometheus"] = self._prometheus(cleanup, past)
            if "Tidemark" in load.sides:
                sides["Tidemark"] = self._tidemark(cleanup, past, events)
            for side in sides.values():
                side.feed.start(live_ms)
                cleanup.callback(side.feed.halt)
            if "Tidemark" in sides:
                job = cleanup.enter_context(self._job())
                self._catch_up(events, job)
            start_ms = int(time.time() * 1000)
            end_ms = start_ms + int(load.minutes * 60_000)
            self._say(f"measuring for {load.minutes:g} min ...")
            for side in sides.values():
                side.feed.behind_s = 0.0
            with ExitStack() as metering:
                for side in sides.values():
                    metering.enter_context(side.meter.running())
                while time.time() * 1000 < end_ms:
                    events.take(POLL_S)
                    for side in sides.values():
                        side.feed.check()
                seconds = time.time() - start_ms / 1000
            # What was shown last is reported at the next instant, which only further samples let pass.
            events.take(TAIL_S + load.delay_ms / 1000)
            for side in sides.values():
                side.feed.halt()
                side.feed.check()
                side.flush()
            expected = list(fleet.transitions(start_ms, end_ms))
            return {name: side.figures(expected, (start_ms, end_ms), seconds) for name, side in sides.items()}

    def _prometheus(self, cleanup: ExitStack, past: tuple[int, int]) -> _Side:
        posted = Notifications()
        receiver = cleanup.enter_context(posted.serving())
        server = cleanup.enter_context(prometheus(self._folder, config=PROMETHEUS.format(receiver=receiver)))
        side = PrometheusSide(self._fleet, server)
        self._say("loading the past into Prometheus ...")
        side.load(*past)
        return _Side(Feed(self._fleet, side.send), side.arrived, posted.reported, Meter(lambda: [server.pid]))

    def _tidemark(self, cleanup: ExitStack, past: tuple[int, int], events: Events) -> _Side:
        side = KafkaSide(self._fleet, self._kafka, f"{self._name}.raw", self._load.partitions)
        self._say("writing the past to Kafka ...")
        side.send(list(self._fleet.due(*past)))
        side.flush()
        meter = Meter(lambda: [self._stack.pid(part) for part in PARTS])

        def passed(instant_ms: int) -> int | None:
            return side.passing(instant_ms + self._load.delay_ms)

        return _Side(Feed(self._fleet, side.send), side.arrived, events.reported, meter, passed, side.flush)

    @contextmanager
    def _job(self) -> Iterator[str]:
        """The job while it runs; its id."""
        load, stack = self._load, self._stack
        self._say("submitting the job ...")
        alerts.run(
            [
                f"--input=kafka://{self._kafka}/{self._name}.raw",
                f"--rules={self._folder / 'rules'}",
                f"--alerts=kafka://{self._kafka}/{self._name}.events",
                f"--config={self._folder / 'job.yml'}",
                f"--rule_shards={load.rule_shards}",
                "--idle_timeout=5s",
                "--dead_letter=blackhole:",
                "--late=blackhole:",
                "--detach",
                f"--job_name={self._name}",
                "--runner=PortableRunner",
                f"--job_endpoint={stack.address('jobserver')}",
                f"--artifact_endpoint={stack.address('jobserver-artifact')}",
                "--environment_type=EXTERNAL",
                f"--environment_config={stack.address('workers')}",
                "--checkpointing_interval=10000",
                f"--parallelism={load.parallelism}",
                f"--sdk_worker_parallelism={load.workers}",
                *load.options,
            ]
        )
        job = self._flink.wait_running(self._name, START_S).id
        try:
            yield job
        finally:
            if self._flink.state(job) not in ENDED:
                self._flink.cancel(job)
            while self._flink.state(job) not in ENDED:
                time.sleep(POLL_S)

    def _catch_up(self, events: Events, job: str) -> None:
        """Wait until the job reports an instant of the present.

        Raises:
            RuntimeError: it does not within :data:`CATCH_UP_S`, or ended.
        """
        self._say("waiting until it has caught up ...")
        begin = time.time()
        while not any(each.instant_ms > begin * 1000 for each in events.reported):
            events.take(POLL_S)
            if self._flink.state(job) != "RUNNING":
                raise RuntimeError(f"job {self._name} is {self._flink.state(job)}: {self._flink.failure(job)}")
            if time.time() > begin + CATCH_UP_S:
                raise RuntimeError(f"job {self._name} has not caught up within {CATCH_UP_S} s: it does not keep up")
        self._say(f"caught up after {time.time() - begin:.0f} s")

    def _say(self, what: str) -> None:
        print(f"{self._load.rules:,} rules, {self._load.series:,} series: {what}", flush=True)


@dataclass
class _Side:
    """One who takes part: what it is fed, when scrapes arrived there, what it said, and what it used."""

    feed: Feed
    arrived: Mapping[Scrape, int]
    reported: list[Arrival]
    meter: Meter
    passed: Callable[[int], int | None] | None = None
    flush: Callable[[], None] = lambda: None

    def figures(self, expected: Sequence[Transition], span: tuple[int, int], seconds: float) -> Figures:
        """What it came to over the transitions of a span of time."""
        said: dict[tuple[str, bool], list[Arrival]] = {}
        for word in self.reported:
            said.setdefault((word.host, word.firing), []).append(word)
        from_sample: list[float] = []
        from_watermark: list[float] = []
        right: set[Arrival] = set()
        for each in expected:
            # Event time is exact; a Prometheus can report no sooner than it has the sample.
            since = each.time_ms if self.passed is not None else self.arrived[each.scrape]
            words = [
                word
                for word in said.get((each.host, each.on), ())
                if each.time_ms <= word.instant_ms < since + WITHIN_MS
            ]
            if not words:
                continue
            first = min(words, key=lambda word: word.at_ms)
            right.add(first)
            from_sample.append(first.at_ms - self.arrived[each.scrape])
            passed = self.passed(first.instant_ms) if self.passed is not None else None
            if passed is not None:
                from_watermark.append(first.at_ms - passed)
        # At the edges what is said is of transitions outside.
        within = [word for word in self.reported if span[0] + WITHIN_MS <= word.instant_ms < span[1]]
        return Figures(
            transitions=len(expected),
            reported=len(right),
            wrong=sum(word not in right for word in within),
            from_sample=Latency.of(from_sample),
            from_watermark=Latency.of(from_watermark),
            cores=round(self.meter.cpu_seconds / seconds, 3),
            peak_mb=round(self.meter.peak_bytes / 1e6),
            fed_late_s=round(self.feed.behind_s, 2),
        )


def _make_topics(bootstrap: str, partitions: Mapping[str, int]) -> None:
    """Topics whose records are stamped as they arrive."""
    stamped = {"message.timestamp.type": "LogAppendTime"}
    topics = [NewTopic(name, count, 1, config=stamped) for name, count in partitions.items()]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_topics(topics).values():
        made.result(60)
