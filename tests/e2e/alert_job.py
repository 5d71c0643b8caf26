"""Alert rules on the stack's Flink: scrapes at exact event times into the partitions of a topic, and the events that come of them.

What events are due is reported by both stages of rule evaluation in this process (:mod:`transforms.alerts.local`), which are given the same samples
in one piece.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

import yaml
from confluent_kafka import Producer
from kafka.admin import KafkaAdminClient, NewTopic

from pipelines.options.job import parse as parse_metrics
from pipelines.options.job import parse_alerts
from rules.events.corrections import History
from schemas.alert_event import AlertEvent, decode, encode
from schemas.series import METRIC_NAME
from tests.e2e.flink_job import Ground, Job, wait_for
from tests.transforms.alerts.streams import Sent, batch_of
from transforms.alerts.local import LocalPipeline
from transforms.alerts.settings import EVENTS, EvaluationSettings

ALERTS = "pipelines.alerts"
RULE_FILE = "rules.yml"
DELAY_MS = 2_000
"""How far the watermark of a partition stays behind its newest event time in these tests."""

ROOM = 1_000_000


class Scrape(NamedTuple):
    """What a host said at a time: values by metric name."""

    partition: int
    labels: Mapping[str, str]
    time_ms: int
    values: Mapping[str, float]

    def sent(self, position: int) -> list[Sent]:
        """Its samples."""
        return [
            Sent(tuple(sorted({METRIC_NAME: name, **self.labels}.items())), self.time_ms, value, position)
            for name, value in self.values.items()
        ]


@dataclass
class AlertGround(Ground):
    """A ground whose job evaluates rules, with a topic of their alerts' events.

    Attributes:
        rules: the text of the rule file.
        stage: of the configuration's ``rules``.
    """

    rules: str = "groups: []"
    stage: Mapping[str, object] | None = None
    module: str = ALERTS

    def __post_init__(self) -> None:
        super().__post_init__()
        self.events = f"{self.name}.events"
        with KafkaAdminClient(bootstrap_servers=self.kafka) as admin:
            admin.create_topics([NewTopic(self.events, 2, 1)])
        config = yaml.safe_load(self.config.read_text())
        config |= {"watermark_delay": f"{DELAY_MS}ms", "rules": {"shards": self.shards, **(self.stage or {})}}
        self.config.write_text(yaml.safe_dump(config))
        self.folder = self.directory / f"{self.name}-rules"
        self.folder.mkdir()
        self.write_rules(self.rules)
        self.fed: list[Scrape] = []

    def write_rules(self, text: str) -> None:
        """Put another text in the place of the rule file."""
        (self.folder / RULE_FILE).write_text(text)

    def words(self, *more: str) -> list[str]:
        """See :meth:`Ground.words`: with rules, and without outputs of series."""
        words = [word for word in super().words(*more) if not word.startswith("--output=")]
        if self.module != ALERTS:
            words += ["--output=blackhole:", "--no-raw"]
        return [*words, f"--rules={self.folder}", f"--alerts=kafka://{self.kafka}/{self.events}"]

    def begin(self, *more: str, parallelism: int = 2, checkpoint_ms: int = 1000, idle: str = "1h") -> Job:
        """Start the job. Its time goes on with event times alone, unless ``idle`` is short."""
        return self.start(*more, parallelism=parallelism, checkpoint_ms=checkpoint_ms, idle=idle)

    def feed(self, scrapes: Iterable[Scrape]) -> None:
        """Write scrapes, each to its partition, in their order."""
        producer = Producer({"bootstrap.servers": self.kafka})
        found = list(scrapes)
        for scrape in found:
            document = {"labels": dict(scrape.labels), "timestamp": scrape.time_ms, "samples": dict(scrape.values)}
            headers = {"content-type": "application/json"}
            producer.produce(self.topic, json.dumps(document), partition=scrape.partition, headers=headers)
        assert producer.flush(60) == 0
        self.fed += found

    def reported(self) -> list[AlertEvent]:
        """All events so far, repetitions too, each alert's in their order."""
        return [decode(message.value) for message in self.messages(self.events)]

    def wait_reported(self, due: Sequence[AlertEvent], seconds: float = 90) -> list[AlertEvent]:
        """Wait until the events that are due have been reported; all that were."""
        wanted = {event.id for event in due}

        def found() -> list[AlertEvent]:
            reported = self.reported()
            return reported if wanted <= {event.id for event in reported} else []

        def missing() -> str:
            known = {event.id for event in self.reported()}
            return "; ".join(line(event) for event in due if event.id not in known)

        try:
            return list(wait_for(found, seconds, "the events that are due"))
        except AssertionError as error:
            raise AssertionError(f"{error}: {missing()}\n{self.jobs[-1].state} {self.logs()}") from None

    def settings(self) -> EvaluationSettings:
        """The stage's settings, as the job reads them."""
        parse = parse_alerts if self.module == ALERTS else parse_metrics
        rules = parse(self.words())[1].rules
        assert rules is not None
        return rules.settings

    def due(self, watermark_ms: int | None = None) -> list[AlertEvent]:
        """The events that a run without trouble reports what was fed, all of it in order, and with room for all series.

        Args:
            watermark_ms: how far time has come; None for as far as the scrapes themselves bring it.
        """
        stage = LocalPipeline(replace(self.settings(), max_series=ROOM))
        stage.add(batch_of([sent for position, scrape in enumerate(self.fed) for sent in scrape.sent(position)]))
        outs = stage.advance(self.watermark_ms if watermark_ms is None else watermark_ms)
        return [decode(out.data) for out in outs if out.tag == EVENTS]

    @property
    def watermark_ms(self) -> int:
        """Of the partition that is least far."""
        newest = [
            max((each.time_ms for each in self.fed if each.partition == n), default=0) for n in range(self.partitions)
        ]
        return min(newest) - DELAY_MS


def line(event: AlertEvent) -> str:
    """An event in short, for messages of tests."""
    time = datetime.fromtimestamp(event.evaluated_at / 1_000, UTC).strftime("%H:%M:%S")
    labels = ",".join(text for name, text in event.labels.items() if name != "alertname")
    return f"{time} {event.rule}{{{labels}}} {event.state.value}{' corrected' if event.correction else ''}"


def check_timeline(reported: Sequence[AlertEvent], wanted: Sequence[AlertEvent]) -> None:
    """What was reported is what is due: the same events, to the byte; what was reported twice has the same id and says the same.

    Raises:
        AssertionError: it is not; the message has the differences.
    """
    said: dict[str, bytes] = {}
    for event in reported:
        assert said.setdefault(event.id, encode(event)) == encode(event), f"sent in two ways: {line(event)}"
    right = {event.id: encode(event) for event in wanted}
    odd = [line(event) for event in reported if said[event.id] != right.get(event.id)]
    missing = [line(event) for event in wanted if event.id not in said]
    assert (odd, missing) == ([], []), f"odd: {odd}; missing: {missing}"
    assert list(map(encode, History(reported).events())) == list(map(encode, History(wanted).events()))
