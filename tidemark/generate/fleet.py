"""A seeded fleet: the values of every host's metrics at any instant, as a pure function of seed and instant.

Nothing is carried from one scrape to the next, so any stretch of time can be made alone and comes out the same.

* A gauge is a base with a daily cycle, noise, and *incidents*: now and then a host suffers for some minutes,
  its load, latency and CPU rise together and fall again.
* A counter is the integral of a rate with a daily cycle since its host's last reboot: it rises, and begins at zero anew after each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from schemas.batch import Float64, Int64
from schemas.series import labels_text
from tidemark.generate.catalog import Kind, Metric, metrics

DAY_MS = 86_400_000
_INCIDENT_CHANCE = 0.6
"""Share of the days on which a host has an incident."""
_ZONES = ("a", "b", "c")
_POOLS = ("web", "api", "db", "cache", "batch")
_HOST_STREAM, _NOISE_STREAM, _INCIDENT_STREAM, DELIVERY_STREAM = range(4)

Matrix = npt.NDArray[np.float64]


def random_at(seed: int, stream: int, position: int = 0) -> np.random.Generator:
    """Random numbers that depend on the seed, what they are for, and a place in time, and on nothing else."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, stream], np.uint64), counter=[0, 0, 0, position]))


def host_labels(number: int, job: str = "node") -> dict[str, str]:
    """The target labels of a host: five pools in turn, three zones."""
    pool = _POOLS[number % len(_POOLS)]
    return {"host": f"{pool}-{number:05d}", "job": job, "pool": pool, "zone": _ZONES[number % len(_ZONES)]}


@dataclass(frozen=True)
class _Incidents:
    """One day's incidents, a row a host: start and length in ms since the epoch, and height from 0 (none) to 1."""

    start: Float64
    length: Float64
    height: Float64


class Fleet:
    """Hosts and what they measure.

    Args:
        seed: from 0 to 2**64 - 1; equal seeds give equal fleets.
        hosts, metrics_per_host: how many.

    Attributes:
        metrics: of every host, in the order of the columns of :meth:`scrape`.
        labels, targets: the target labels of each host, and their canonical text.
        scale: 10 to the power of each metric's decimals.

    Raises:
        ValueError: a number is out of its range; the message names it.
    """

    def __init__(self, seed: int, hosts: int, metrics_per_host: int) -> None:
        if hosts < 1:
            raise ValueError(f"hosts: at least one is needed, not {hosts}")
        if not 0 <= seed < 1 << 64:
            raise ValueError(f"seed: a number from 0 to 2**64 - 1 is wanted, not {seed}")
        self.seed = seed
        self.metrics: tuple[Metric, ...] = metrics(metrics_per_host)
        self.labels = [host_labels(number) for number in range(hosts)]
        self.targets = [labels_text(labels.items()) for labels in self.labels]
        self._model(hosts)
        self._incidents_of_day = lru_cache(maxsize=4)(self._draw_incidents)

    def _model(self, hosts: int) -> None:
        random = random_at(self.seed, _HOST_STREAM)
        self._phase = random.uniform(-0.4, 0.4, (hosts, 1))
        self._uptime_ms = random.integers(DAY_MS // 2, 12 * DAY_MS, hosts)
        self._boot_ms = random.integers(0, self._uptime_ms)
        size = random.uniform(0.7, 1.3, (hosts, len(self.metrics)))
        base = size * np.array([metric.base for metric in self.metrics])
        counter = np.array([metric.kind is Kind.COUNTER for metric in self.metrics])
        self._gauges, self._counters = np.flatnonzero(~counter), np.flatnonzero(counter)
        self._base, self._rate = base[:, self._gauges], base[:, self._counters]
        self._daily, self._rate_daily = self._each("daily", self._gauges), self._each("daily", self._counters)
        self._noise = self._base * self._each("noise", self._gauges)
        self._incident = self._base * self._each("incident", self._gauges)
        self._ceiling = np.minimum(self._each("ceiling", self._gauges), 1e15)
        self.scale = 10.0 ** np.array([metric.decimals for metric in self.metrics])
        self._gauge_scale = self.scale[self._gauges]

    def _each(self, attribute: str, columns: npt.NDArray[np.intp]) -> Float64:
        return np.array([getattr(self.metrics[i], attribute) for i in columns.tolist()], np.float64)

    def _draw_incidents(self, day: int) -> _Incidents:
        hosts = len(self.labels)
        random = random_at(self.seed, _INCIDENT_STREAM, day)
        happens = random.random(hosts) < _INCIDENT_CHANCE
        return _Incidents(
            start=day * DAY_MS + random.uniform(0, 0.95, hosts) * DAY_MS,
            length=random.uniform(4, 45, hosts) * 60_000,
            height=happens * random.uniform(0.3, 1, hosts),
        )

    def incident(self, ts: int) -> Float64:
        """How deep in an incident each host is at an event time (ms): 0 for not at all, at most 1."""
        incidents = self._incidents_of_day(ts // DAY_MS)
        progress = np.clip((ts - incidents.start) / incidents.length, 0, 1)
        # Steep rise, slow decline: what an overload looks like.
        result: Float64 = incidents.height * np.minimum(progress * 8, (1 - progress) ** 0.7)
        return result

    def booted(self, ts: int) -> Int64:
        """When each host last booted, in ms since the epoch, as of an event time (ms)."""
        result: Int64 = ts - (ts - self._boot_ms) % self._uptime_ms
        return result

    def scrape(self, ts: int) -> Matrix:
        """The values of all hosts at an event time (ms): an array of hosts x metrics, no value with more decimals than its metric has."""
        day = 2 * np.pi * (ts % DAY_MS) / DAY_MS
        random = random_at(self.seed, _NOISE_STREAM, ts)
        values = np.empty((len(self.labels), len(self.metrics)))
        values[:, self._gauges] = self._gauge_values(ts, day, random)
        values[:, self._counters] = self._counter_values(ts)
        return values

    def revised(self, values: Matrix) -> Matrix:
        """Other values of the same series and instants, each one more, for a record that is sent again with a difference."""
        result: Matrix = (np.rint(values * self.scale) + self.scale) / self.scale
        return result

    def _gauge_values(self, ts: int, day: float, random: np.random.Generator) -> Matrix:
        # The low of the cycle is at about four in the morning.
        cycle = np.sin(day - 2.6 + self._phase)
        values: Matrix = self._base * (1 + self._daily * cycle)
        values += self._noise * random.standard_normal(values.shape, dtype=np.float32)
        incident = self.incident(ts)
        if incident.any():
            values += self._incident * incident[:, None]
        np.clip(values, 0, self._ceiling, out=values)
        # A whole number over a power of ten is the very float that its decimal text reads back as.
        values *= self._gauge_scale
        np.rint(values, out=values)
        values /= self._gauge_scale
        return values

    def _counter_values(self, ts: int) -> Matrix:
        boot = self.booted(ts)[:, None]
        to_angle = 2 * np.pi / DAY_MS
        cycles = np.cos(boot * to_angle - 2.6 + self._phase) - np.cos(ts * to_angle - 2.6 + self._phase)
        seconds = (ts - boot) / 1000 + self._rate_daily * (cycles * (DAY_MS / 2000 / np.pi))
        result: Matrix = np.floor(self._rate * seconds)
        return result
