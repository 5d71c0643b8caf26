"""Hosts scraped in real time, into Kafka and into a Prometheus: the same samples, with alerts that are due at known times.

A host has 100 counters and ``crossing``, which is 1 during four scrapes of every twelve on the hosts that are watched, and 0 else: each change of
it is a *transition*, and the rule ``crossing > 0`` has to report of it. A sample is a function of its host and its scrape alone.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from confluent_kafka import KafkaError, Message, Producer

from benchmarks.stage import METRICS, STEP_MS
from rules.promql.labels import METRIC_NAME
from schemas.codecs.remote_write import encode_labels
from schemas.records import CONTENT_TYPE_HEADER, JSON_SCRAPE
from tests.oracle.prometheus import Client, Series, encode_samples

CROSSING = "crossing"
PERIOD = 12
ON = 4
TICK_S = 0.02
SAMPLE_BYTES = 18

Scrape = tuple[int, int]
"""A host, and which of its scrapes: multiples of 15 s since the epoch."""


@dataclass(frozen=True)
class Transition:
    """A change of ``crossing``; ``time_ms`` is that of the sample that shows it."""

    host: str
    time_ms: int
    on: bool
    scrape: Scrape


class LiveFleet:
    """Which samples there are."""

    def __init__(self, series: int, crossings: int, seed: int = 1) -> None:
        """A fleet of about so many series.

        Args:
            series: without ``crossing``.
            crossings: hosts that begin to cross at each scrape.
        """
        rng = np.random.default_rng(seed)
        hosts = series // METRICS
        self.names = [f"host-{host:05d}" for host in range(hosts)]
        self.labels = [
            {"job": "node", "instance": name, "pool": f"pool-{host % 20:02d}"} for host, name in enumerate(self.names)
        ]
        self.metrics = [*(f"m{metric}" for metric in range(METRICS)), CROSSING]
        self.offsets = np.sort(rng.integers(0, STEP_MS, hosts))
        self.watched = set(rng.choice(hosts, min(hosts, crossings * PERIOD), replace=False).tolist())
        self._rates = rng.integers(0, 100, (hosts, METRICS))
        self._since = int(time.time() * 1000) // STEP_MS - 10_000

    def time_ms(self, scrape: Scrape) -> int:
        """When it is due, which is its samples' event time."""
        host, number = scrape
        return number * STEP_MS + int(self.offsets[host])

    def values(self, scrape: Scrape) -> np.ndarray:
        """A value of each metric."""
        host, number = scrape
        crosses = host in self.watched and (number - host) % PERIOD < ON
        return np.append(self._rates[host] * (number - self._since), int(crosses))

    def transitions(self, begin_ms: int, end_ms: int) -> Iterator[Transition]:
        """Those of scrapes due in ``[begin, end)``."""
        for scrape in self.due(begin_ms, end_ms):
            host, number = scrape
            phase = (number - host) % PERIOD
            if host in self.watched and phase in (0, ON):
                yield Transition(self.names[host], self.time_ms(scrape), phase == 0, scrape)

    def due(self, begin_ms: int, end_ms: int) -> Iterator[Scrape]:
        """The scrapes due in ``[begin, end)``, in the order of their times."""
        for number in range(begin_ms // STEP_MS, end_ms // STEP_MS + 1):
            bounds = np.array([begin_ms, end_ms]) - number * STEP_MS
            for host in range(*np.searchsorted(self.offsets, bounds).tolist()):
                yield host, number


class Feed:
    """Scrapes on their way to one place: those of the past at once, those to come when they are due, in a thread."""

    def __init__(self, fleet: LiveFleet, send: Callable[[Sequence[Scrape]], None]) -> None:
        self._fleet, self._send = fleet, send
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self.behind_s = 0.0
        """How long after its time a scrape was sent, at most; to be set to zero where measuring begins."""

    def start(self, begin_ms: int) -> None:
        """Send what is due from a time on, until :meth:`halt`."""
        self._thread = threading.Thread(target=self._run, args=(begin_ms,), daemon=True)
        self._thread.start()

    def halt(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def check(self) -> None:
        """Make sure that it goes on.

        Raises:
            RuntimeError: it does not, for the reason given.
        """
        if self._failure is not None:
            raise RuntimeError("samples are not sent any more") from self._failure

    def _run(self, begin_ms: int) -> None:
        try:
            while not self._stop.wait(TICK_S):
                now = int(time.time() * 1000)
                scrapes = list(self._fleet.due(begin_ms, now))
                if scrapes:
                    self._send(scrapes)
                    self.behind_s = max(self.behind_s, time.time() - self._fleet.time_ms(scrapes[0]) / 1000)
                begin_ms = now
        except BaseException as error:  # noqa: BLE001 it is raised where the thread is waited for
            self._failure = error


class KafkaSide:
    """Scrape documents into a topic whose records are stamped by the broker as they arrive.

    Attributes:
        arrived: when each scrape was appended, ms of the broker's clock.
        log: for each partition, event time and arrival of its records, in their order.
    """

    def __init__(self, fleet: LiveFleet, bootstrap: str, topic: str, partitions: int) -> None:
        self._fleet, self._topic = fleet, topic
        self._producer = Producer(
            {"bootstrap.servers": bootstrap, "linger.ms": 0, "queue.buffering.max.kbytes": 1 << 20}
        )
        self._headers: dict[str, str | bytes | None] = {CONTENT_TYPE_HEADER: JSON_SCRAPE}
        self.arrived: dict[Scrape, int] = {}
        self.log: list[list[tuple[int, int]]] = [[] for _ in range(partitions)]

    def send(self, scrapes: Sequence[Scrape]) -> None:
        """Hand scrapes to the producer, and take up what was delivered."""
        fleet = self._fleet
        for scrape in scrapes:
            samples = dict(zip(fleet.metrics, fleet.values(scrape).tolist(), strict=True))
            document = {"labels": fleet.labels[scrape[0]], "timestamp": fleet.time_ms(scrape), "samples": samples}
            self._producer.produce(
                self._topic,
                orjson.dumps(document),
                partition=scrape[0] % len(self.log),
                headers=self._headers,
                on_delivery=self._delivered(scrape),
            )
            self._producer.poll(0)

    def flush(self) -> None:
        """Wait until everything is delivered.

        Raises:
            RuntimeError: it is not within a minute.
        """
        if self._producer.flush(60):
            raise RuntimeError("Kafka did not take the samples within 60 s")

    def passing(self, time_ms: int) -> int | None:
        """When every partition had a record with at least this event time; None if one never had."""
        places = [bisect_left(each, (time_ms, 0)) for each in self.log]
        if any(place == len(each) for place, each in zip(places, self.log, strict=True)):
            return None
        return max(each[place][1] for place, each in zip(places, self.log, strict=True))

    def _delivered(self, scrape: Scrape) -> Callable[[KafkaError | None, Message], None]:
        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                raise RuntimeError(f"Kafka did not take a scrape: {error}")
            at: Any = message.timestamp()[1]
            self.arrived[scrape] = at
            self.log[message.partition() or 0].append((self._fleet.time_ms(scrape), at))

        return delivered


class PrometheusSide:
    """The same samples by remote write, a request for all scrapes that are due.

    Attributes:
        arrived: when the request with each scrape had been answered, ms.
    """

    def __init__(self, fleet: LiveFleet, client: Client) -> None:
        self._fleet, self._client = fleet, client
        self._requests: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.arrived: dict[Scrape, int] = {}

    def load(self, begin_ms: int, end_ms: int) -> None:
        """All that is due in ``[begin, end)``, series by series."""
        scrapes: dict[int, list[Scrape]] = {}
        for scrape in self._fleet.due(begin_ms, end_ms):
            scrapes.setdefault(scrape[0], []).append(scrape)
        self._client.load(self._series(scrapes))

    def send(self, scrapes: Sequence[Scrape]) -> None:
        """Write the samples of scrapes."""
        self._client.write(b"".join(map(self._request, scrapes)))
        now = int(time.time() * 1000)
        self.arrived.update(dict.fromkeys(scrapes, now))

    def _series(self, scrapes: dict[int, list[Scrape]]) -> Iterator[Series]:
        fleet = self._fleet
        for host, its in scrapes.items():
            times = np.array([fleet.time_ms(scrape) for scrape in its], np.int64)
            values = np.array([fleet.values(scrape) for scrape in its], np.float64)
            for metric, name in enumerate(fleet.metrics):
                yield {METRIC_NAME: name, **fleet.labels[host]}, times, values[:, metric]

    def _request(self, scrape: Scrape) -> bytes:
        """The host's request, whose labels are encoded once, with the samples of this scrape in their places."""
        fleet = self._fleet
        if scrape[0] not in self._requests:
            self._requests[scrape[0]] = _template(fleet.labels[scrape[0]], fleet.metrics)
        body, places = self._requests[scrape[0]]
        values = fleet.values(scrape).astype(np.float64)
        encoded = encode_samples(np.full(len(values), fleet.time_ms(scrape), np.int64), values)
        body[places] = np.frombuffer(encoded, np.uint8).reshape(-1, SAMPLE_BYTES)
        return body.tobytes()


def _template(labels: dict[str, str], metrics: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The ``timeseries`` fields of a write request, and where in it the bytes of each sample are."""
    body, starts = bytearray(), []
    for name in metrics:
        series = encode_labels({METRIC_NAME: name, **labels})
        size = len(series) + SAMPLE_BYTES
        if size > 0x3FFF:
            raise ValueError(f"labels of more than 16 kB: {labels}")
        body += bytes((0x0A, size & 0x7F | 0x80, size >> 7)) + series
        starts.append(len(body))
        body += bytes(SAMPLE_BYTES)
    return np.frombuffer(body, np.uint8).copy(), np.array(starts)[:, None] + np.arange(SAMPLE_BYTES)
