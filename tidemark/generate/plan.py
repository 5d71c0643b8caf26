"""The fate of each scrape: late, sent twice, followed by a malformed record. It depends only on the seed and the time."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tidemark.generate.fleet import DELIVERY_STREAM, Fleet, Matrix, random_at


@dataclass(frozen=True)
class Faults:
    """Shares of the scrapes that meet with a fault, each from 0 to 1.

    Attributes:
        late: delivered late, by an exponentially distributed delay of ``late_mean_ms``, no more than ``late_max_ms``.
        duplicates: sent a second time, some intervals after the first.
        differing: share of the duplicates whose values differ from the first; by the later position they win.
        malformed: followed by one record that no codec can read.

    Raises:
        ValueError: a share or a delay is out of its range; the message names it.
    """

    late: float = 0.0
    late_mean_ms: int = 30_000
    late_max_ms: int = 300_000
    duplicates: float = 0.0
    differing: float = 0.0
    malformed: float = 0.0

    def __post_init__(self) -> None:
        for name in ("late", "duplicates", "differing", "malformed"):
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise ValueError(f"{name}: a share from 0 to 1 is wanted, not {share}")
        if not 0 < self.late_mean_ms <= self.late_max_ms:
            raise ValueError(
                f"lateness: the mean delay ({self.late_mean_ms} ms) must be above zero and not above the maximum ({self.late_max_ms} ms)"
            )


class Scrape(NamedTuple):
    """One host's samples of one instant, and how they are delivered.

    Attributes:
        host: its number in the fleet.
        ts: event time, ms.
        values: one for each metric of the fleet.
        delay_ms: from the event time to the (first) delivery; 0 when on time.
        resent: the values of a second delivery, None if there is none; ``resent_delay_ms`` after the event time.
        malformed: a malformed record follows the first delivery.
    """

    host: int
    ts: int
    values: list[float]
    delay_ms: int = 0
    resent: list[float] | None = None
    resent_delay_ms: int = 0
    malformed: bool = False


class Delivery(NamedTuple):
    """One record to be sent: a scrape's values, or something malformed in their place."""

    host: int
    ts: int
    values: list[float]
    malformed: bool = False


def scrapes(fleet: Fleet, ts: int, interval_ms: int, faults: Faults) -> list[Scrape]:
    """The scrapes of all hosts at one instant (ms); equal arguments give equal scrapes."""
    values = fleet.scrape(ts)
    if not (faults.late or faults.duplicates or faults.malformed):
        return [Scrape(host, ts, row) for host, row in enumerate(values.tolist())]
    random = random_at(fleet.seed, DELIVERY_STREAM, ts)
    hosts = len(values)
    chance = random.random((4, hosts))
    delay = random.standard_exponential((2, hosts))
    late = chance[0] < faults.late
    late_ms = np.where(late, np.clip(delay[0] * faults.late_mean_ms, 1, faults.late_max_ms), 0).astype(np.int64)
    again_ms = late_ms + 1 + (delay[1] * interval_ms).astype(np.int64)
    return _planned(fleet, ts, values, late_ms, again_ms, chance, faults)


def _planned(
    fleet: Fleet,
    ts: int,
    values: Matrix,
    late_ms: np.ndarray,
    again_ms: np.ndarray,
    chance: np.ndarray,
    faults: Faults,
) -> list[Scrape]:
    rows = values.tolist()
    again: dict[int, list[float]] = {}
    for host in np.flatnonzero(chance[1] < faults.duplicates).tolist():
        again[host] = fleet.revised(values[host]).tolist() if chance[2, host] < faults.differing else rows[host]
    delays, again_delays = late_ms.tolist(), again_ms.tolist()
    malformed = (chance[3] < faults.malformed).tolist()
    return [
        Scrape(host, ts, row, delays[host], again.get(host), again_delays[host], malformed[host])
        for host, row in enumerate(rows)
    ]


class Schedule:
    """Puts scrapes in the order of their delivery; what is late waits here until its time has come."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, Delivery]] = []
        self._number = 0

    def _wait(self, due: int, delivery: Delivery) -> None:
        self._number += 1
        heapq.heappush(self._waiting, (due, self._number, delivery))

    def step(self, now: int, new: Iterable[Scrape]) -> Iterator[Delivery]:
        """What is delivered once event time has reached ``now`` (ms): first what has been waiting, then the new scrapes that are on time."""
        yield from self.due(now)
        for scrape in new:
            first = Delivery(scrape.host, scrape.ts, scrape.values)
            if scrape.resent is not None:
                self._wait(
                    scrape.ts + scrape.resent_delay_ms,
                    Delivery(scrape.host, scrape.ts, scrape.resent),
                )
            if scrape.delay_ms:
                self._wait(scrape.ts + scrape.delay_ms, first)
            else:
                yield first
            if scrape.malformed:
                yield first._replace(malformed=True)

    def due(self, now: int | None = None) -> Iterator[Delivery]:
        """What has waited until ``now`` (ms); None: all that is left, in the order of its time."""
        while self._waiting and (now is None or self._waiting[0][0] <= now):
            yield heapq.heappop(self._waiting)[2]
