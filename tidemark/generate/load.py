"""The stream of records a run sends: scrapes in delivery order, rendered, with malformed records among them; and how many of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import NamedTuple

from tidemark.generate.fleet import Fleet
from tidemark.generate.malformed import Malformed, kinds_for, spoil
from tidemark.generate.plan import Delivery, Schedule, Scrape
from tidemark.generate.render import JsonScrape, LineProtocol, RemoteWrite, Renderer

_RENDERERS: Mapping[str, type[JsonScrape | LineProtocol | RemoteWrite]] = {
    renderer.content_type: renderer for renderer in (JsonScrape, LineProtocol, RemoteWrite)
}


class Record(NamedTuple):
    """One record to send; ``target`` is the key that keeps a host in one partition."""

    target: str
    value: bytes
    content_type: str


@dataclass
class Counts:
    """What a run has sent.

    Attributes:
        scrapes: distinct (host, instant) pairs planned.
        late: of them, those first delivered late.
        duplicates: scrapes sent a second time with the same values; ``differing``: with other values.
        malformed: records of each kind.
    """

    scrapes: int = 0
    late: int = 0
    duplicates: int = 0
    differing: int = 0
    malformed: Counter[Malformed] = field(default_factory=Counter)

    def plan(self, scrapes: Iterable[Scrape]) -> None:
        """Count scrapes as they are planned."""
        for scrape in scrapes:
            self.scrapes += 1
            self.late += scrape.delay_ms > 0
            if scrape.resent is not None:
                if scrape.resent == scrape.values:
                    self.duplicates += 1
                else:
                    self.differing += 1

    @property
    def deliveries(self) -> int:
        """Good records: every scrape once, and the second deliveries."""
        return self.scrapes + self.duplicates + self.differing


class Load:
    """Renders scrapes in the order of their delivery.

    Args:
        fleet: whose scrapes.
        content_types: the formats; of several, the hosts take turns.
        headers: records carry a content type, so an unknown one can be among the malformed.

    Attributes:
        counts: what was sent so far.

    Raises:
        KeyError: no such content type.
    """

    def __init__(self, fleet: Fleet, content_types: Sequence[str], headers: bool) -> None:
        self._targets = fleet.targets
        self._renderers: dict[str, Renderer] = {name: _RENDERERS[name](fleet) for name in content_types}
        self._by_host = [self._renderers[content_types[i % len(content_types)]] for i in range(len(fleet.targets))]
        self._kinds = cycle(kinds_for(content_types, headers))
        self._schedule = Schedule()
        self.counts = Counts()

    def step(self, now: int, planned: list[Scrape]) -> Iterator[Record]:
        """The records delivered once event time has reached ``now`` (ms), when these scrapes have just been taken."""
        self.counts.plan(planned)
        return map(self._record, self._schedule.step(now, planned))

    def rest(self) -> Iterator[Record]:
        """What is still waiting to be delivered late, when no new scrapes come."""
        return map(self._record, self._schedule.due())

    def _record(self, delivery: Delivery) -> Record:
        host, ts, values, malformed = delivery
        target = self._targets[host]
        if malformed:
            # In turn, so that even a few malformed records are of every kind.
            kind = next(self._kinds)
            self.counts.malformed[kind] += 1
            return Record(target, *spoil(kind, self._renderers, host, ts, values))
        renderer = self._by_host[host]
        return Record(target, renderer.render(host, ts, values), renderer.content_type)
