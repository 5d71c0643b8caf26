"""Seeded samples to compare engines on: gauges, counters with resets, info series and classic histograms, with the faults of real scrapes.

Scrapes jitter, are missed, stop for longer than the lookback, end in a staleness marker and come back; values repeat, and are NaN or infinite
now and then. All numbers that are not meant to be odd are multiples of 1/8, so that sums do not depend on their order.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rules.promql.values import STALE
from tests.oracle.prometheus import Series

BASE_MS = 1_700_000_000_000
SPAN_MS = 40 * 60_000

JOBS = ("api", "db")
INSTANCES = ("h0", "h1", "h2")
LABELS = ("job", "instance", "dev", "code", "version", "le")
BOUNDS = ("0.1", "0.5", "1", "+Inf")


@dataclass(frozen=True)
class Dataset:
    """Series whose names share a prefix of their own, so that many sets live in one server.

    Attributes:
        gauges, counters, buckets: names of metrics.
        info: name of a metric with one series a job, for ``group_left``.
    """

    number: int
    gauges: tuple[str, ...]
    counters: tuple[str, ...]
    buckets: str
    info: str
    series: tuple[Series, ...]

    @property
    def prefix(self) -> str:
        return f"d{self.number}_"

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.gauges, *self.counters, self.info, self.buckets)


def dataset(seed: int, number: int) -> Dataset:
    """The same data set for the same numbers."""
    rng = random.Random(f"data {seed} {number}")
    prefix = f"d{number}_"
    gauges, counters = (f"{prefix}temp", f"{prefix}free"), (f"{prefix}reqs_total", f"{prefix}errs_total")
    made = Maker(rng)
    series = [
        *made.gauge(gauges[0], ()),
        *made.gauge(gauges[1], ("sda", "sdb")),
        *made.counter(counters[0], ("200", "500")),
        *made.counter(counters[1], ()),
        *made.info(f"{prefix}info"),
        *made.histogram(f"{prefix}lat_bucket"),
    ]
    return Dataset(number, gauges, counters, f"{prefix}lat_bucket", f"{prefix}info", tuple(series))


class Maker:
    """Draws the series of one data set."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.interval = rng.choice((15_000, 15_000, 30_000, 60_000))
        self.jitter = rng.choice((0, 0, 3, 400, 4_000))
        self.targets = [
            (job, instance)
            for job in JOBS
            for instance in INSTANCES
            if rng.random() < 0.75  # the two jobs differ
        ] or [("api", "h0")]
        self.clocks = {target: self._clock() for target in self.targets}

    def gauge(self, name: str, devices: tuple[str, ...]) -> Iterator[Series]:
        """Values that wander, repeat, stay, or are drawn anew each time; odd ones now and then."""
        for labels, clock in self._series(name, "dev", devices):
            style = self.rng.choice(("walk", "small", "constant", "fresh", "decimal"))
            yield self._broken(labels, clock, self._gauge_values(style, len(clock)))

    def _gauge_values(self, style: str, count: int) -> list[float]:
        rng = self.rng
        if style == "constant":
            return [rng.randrange(-40, 40) / 8] * count
        if style == "small":
            return [float(rng.randrange(-1, 3)) for _ in range(count)]
        if style == "fresh":
            return [rng.randrange(-8_000, 8_000) / 8 for _ in range(count)]
        if style == "decimal":
            return [round(rng.gauss(20, 5), 2) for _ in range(count)]
        level, values = rng.randrange(0, 400), []
        for _ in range(count):
            level += rng.randrange(-8, 9)
            values.append(level / 8)
        return values

    def counter(self, name: str, codes: tuple[str, ...]) -> Iterator[Series]:
        """Whole numbers that rise, or stay, and start again at times."""
        for labels, clock in self._series(name, "code", codes):
            level, values = float(self.rng.choice((0, 0, 3, 1_000_000))), []
            steepness = self.rng.choice((0, 2, 50))
            for _ in clock:
                level = 0.0 if self.rng.random() < 0.03 else level + self.rng.randint(0, steepness)
                values.append(level)
            yield self._broken(labels, clock, values, odd=0.1)

    def info(self, name: str) -> Iterator[Series]:
        """One series of 1 for each job; sometimes a second version beside it."""
        for job in JOBS:
            for version in ("1", "2")[: 1 if self.rng.random() < 0.8 else 2]:
                clock = self._clock()
                yield self._broken({"__name__": name, "job": job, "version": version}, clock, [1.0] * len(clock), odd=0)

    def histogram(self, name: str) -> Iterator[Series]:
        """Cumulative buckets of one clock each; a bucket is missing, malformed or out of order at times."""
        for job, instance in self.targets:
            clock = self.clocks[job, instance]
            below = np.zeros(len(clock))
            resets = [self.rng.random() < 0.02 for _ in clock]
            for bound in BOUNDS:
                level, rises = 0, []
                for reset in resets:
                    level = 0 if reset else level + self.rng.randint(0, 5)
                    rises.append(level)
                below = below + np.array(rises, np.float64)
                if self.rng.random() < 0.03:
                    below = np.maximum(below - 7, 0)
                if self.rng.random() < 0.04:
                    continue
                le = "wide" if bound == "0.5" and self.rng.random() < 0.06 else bound
                labels = {"__name__": name, "job": job, "instance": instance, "le": le}
                yield labels, np.array(clock, np.int64), below

    def _series(self, name: str, extra: str, values: tuple[str, ...]) -> Iterator[tuple[dict[str, str], list[int]]]:
        for job, instance in self.targets:
            for value in values or ("",):
                if self.rng.random() < 0.9:
                    more = {extra: value} if value else {}
                    yield {"__name__": name, "job": job, "instance": instance, **more}, self.clocks[job, instance]

    def _clock(self) -> list[int]:
        phase = self.rng.choice((0, 0, self.rng.randrange(self.interval)))
        clock = [
            BASE_MS + phase + when + (self.rng.randint(-self.jitter, self.jitter) if self.jitter else 0)
            for when in range(self.interval, SPAN_MS, self.interval)
        ]
        return sorted(set(clock))

    def _broken(self, labels: dict[str, str], clock: list[int], values: list[float], odd: float = 0.3) -> Series:
        """The series with what befalls real ones."""
        rng = self.rng
        numbers = np.array(values)
        if rng.random() < odd:
            for _ in range(rng.randint(1, 4)):
                numbers[rng.randrange(len(clock))] = rng.choice((np.nan, np.inf, -np.inf, 1e300))
        kept = np.array([rng.random() > 0.04 for _ in clock]) if rng.random() < 0.5 else np.ones(len(clock), np.bool_)
        times = np.array(clock, np.int64)
        if rng.random() < 0.3:
            at, length = rng.randrange(SPAN_MS), rng.choice((90_000, 290_000, 420_000, 900_000))
            gone = (times > BASE_MS + at) & (times <= BASE_MS + at + length)
            kept &= ~gone
            if gone.any() and rng.random() < 0.5:
                first = int(np.flatnonzero(gone)[0])
                kept[first], numbers[first] = True, STALE
        if rng.random() < 0.2:
            kept &= times > BASE_MS + rng.randrange(SPAN_MS)
        kept[0] |= not kept.any()
        return labels, times[kept], numbers[kept]
