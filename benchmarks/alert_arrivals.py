"""Where alerts arrive, each with its time: the topic of events, and a receiver that a Prometheus takes for an Alertmanager."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from schemas.alert_event import State, decode
from tests.e2e.prometheus import now_ms, serving

RULE = "Crossed"


class Arrival(NamedTuple):
    """What was said of an alert.

    Attributes:
        host: its label ``instance``.
        firing: or resolved.
        instant_ms: of the evaluation since when it is so.
        at_ms: when it arrived.
    """

    host: str
    firing: bool
    instant_ms: int
    at_ms: int


class Events:
    """The alerts of :data:`RULE` in a topic whose records are stamped by the broker as they arrive."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic, "enable.auto.commit": False})
        self._consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(partitions)])
        self.reported: list[Arrival] = []
        self.others = 0
        """Events of other rules, and corrections."""

    def take(self, seconds: float) -> None:
        """Take up what comes within a time.

        Raises:
            KafkaException: the broker does not give it.
        """
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            message = self._consumer.poll(left)
            if message is None:
                continue
            if message.error() is not None:
                raise KafkaException(message.error())
            event = decode(message.value() or b"")
            if event.rule != RULE or event.correction:
                self.others += 1
                continue
            firing = event.state is State.FIRING
            self.reported.append(Arrival(event.labels["instance"], firing, event.evaluated_at, message.timestamp()[1]))

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()


class Notifications:
    """The alerts of :data:`RULE` that were posted, each when it was posted first; a Prometheus repeats them."""

    def __init__(self) -> None:
        self.reported: list[Arrival] = []
        self.others = 0
        """Notifications of other rules."""
        self._known: set[tuple[str, bool, int]] = set()
        self._lock = threading.Lock()

    def take(self, body: bytes, at_ms: int) -> None:
        """Take up a request (Alertmanager's API v2, ``postAlerts``) that arrived at a time."""
        for alert in orjson.loads(body):
            if alert["labels"]["alertname"] != RULE:
                self.others += 1
                continue
            begins, ends = _ms(alert["startsAt"]), _ms(alert["endsAt"])
            # What still fires is said to end some minutes on.
            firing = ends > at_ms
            key = alert["labels"]["instance"], firing, begins
            with self._lock:
                if key not in self._known:
                    self._known.add(key)
                    self.reported.append(Arrival(key[0], firing, begins if firing else ends, at_ms))

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Receive; gives the address."""

        def answer(handler: BaseHTTPRequestHandler) -> bytes:
            at_ms = now_ms()
            self.take(handler.rfile.read(int(handler.headers["Content-Length"])), at_ms)
            return b""

        with serving(answer) as address:
            yield address


def _ms(text: str) -> int:
    """A time as Prometheus writes it, to the millisecond."""
    whole, _, rest = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(f"{whole}+00:00").timestamp()) * 1000 + int((rest + "000")[:3])
