"""The demo's input: a seeded day of a small fleet, and this computer's own metrics while somebody waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from schemas.records import JSON_SCRAPE, LINE_PROTOCOL
from services.agent import readings as agent_sample
from services.agent.readings import Samples
from tidemark.generate.fleet import Fleet
from tidemark.generate.load import Counts, Load, Record
from tidemark.generate.plan import Faults, Scrape, scrapes

DAY_START_MS = 1_768_176_000_000
"""2026-01-12T00:00:00Z: the seeded day is always the same one, so that equal seeds give equal files."""

HOUR_MS = 3_600_000
INTERVAL_MS = 10_000
HOSTS, METRICS = 6, 8
SILENT_HOST, SILENT_FROM_MS, SILENT_UNTIL_MS = 1, DAY_START_MS + 70 * 60_000, DAY_START_MS + 82 * 60_000
"""Which host sends nothing for a while, and when."""

FAULTS = Faults(late=0.01, late_mean_ms=90_000, late_max_ms=900_000, duplicates=0.005, differing=0.5, malformed=0.0002)


@dataclass(frozen=True)
class FleetDay:
    """A generated day: its files, what is in them, and its fleet.

    Attributes:
        paths: one of JSON scrape documents, one of line protocol; the hosts take turns.
        counts: what was generated.
        lines: of both files, each a record.
        hours: how long a day it is.
    """

    fleet: Fleet
    paths: Sequence[Path]
    counts: Counts
    lines: int
    hours: int

    @property
    def samples(self) -> int:
        """Samples in the files, duplicates included."""
        return self.counts.deliveries * len(self.fleet.metrics)


def write_fleet_day(directory: Path, seed: int, hours: int) -> FleetDay:
    """Generate the first hours of the seeded day into a directory.

    Raises:
        OSError: a file cannot be written.
        ValueError: the seed is out of range.
    """
    fleet = Fleet(seed, HOSTS, METRICS)
    load = Load(fleet, (JSON_SCRAPE, LINE_PROTOCOL), headers=False)
    paths = {JSON_SCRAPE: directory / "fleet.jsonl", LINE_PROTOCOL: directory / "fleet.lp"}
    lines = 0
    with ExitStack() as stack:
        files = {kind: stack.enter_context(path.open("wb")) for kind, path in paths.items()}

        def write(record: Record) -> int:
            files[record.content_type].write(record.value + b"\n")
            return 1 + record.value.count(b"\n")

        for ts in range(DAY_START_MS, DAY_START_MS + hours * HOUR_MS, INTERVAL_MS):
            lines += sum(map(write, load.step(ts, _sent(fleet, ts))))
        lines += sum(map(write, load.rest()))
    return FleetDay(fleet, tuple(paths.values()), load.counts, lines, hours)


def _sent(fleet: Fleet, ts: int) -> list[Scrape]:
    """The scrapes of an instant, without those of the silent host."""
    planned = scrapes(fleet, ts, INTERVAL_MS, FAULTS)
    if not SILENT_FROM_MS <= ts < SILENT_UNTIL_MS:
        return planned
    return [scrape for scrape in planned if scrape.host != SILENT_HOST]


@dataclass
class Sampling:
    """Readings of this computer, one a second, written to a file by a thread of their own.

    Attributes:
        path: of newline-delimited JSON scrape documents.
        seconds: how many readings in all.
        readings: so far, as (event time in ms, samples); the thread only appends.
        error: why it stopped early, if it did.
    """

    path: Path
    seconds: int
    readings: list[tuple[int, Samples]] = field(default_factory=list)
    error: Exception | None = None

    def start(self, read: Callable[[], Samples] = agent_sample.read_samples) -> None:
        """Begin; :meth:`wait` for the end."""
        self._thread = threading.Thread(target=self._run, args=(read,), name="sampling", daemon=True)
        self._thread.start()

    def _run(self, read: Callable[[], Samples]) -> None:
        labels = agent_sample.target_labels()
        try:
            with self.path.open("wb") as file:
                for ts, samples in agent_sample.scrapes(self.seconds, read=read):
                    file.write(agent_sample.scrape_document(labels, ts, samples) + b"\n")
                    self.readings.append((ts, samples))
        except Exception as error:  # noqa: BLE001 - the main thread raises it
            self.error = error

    @property
    def running(self) -> bool:
        """Whether readings are still to come."""
        return self._thread.is_alive()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until all is read and written, or so long.

        Raises:
            Exception: what stopped the thread early.
        """
        self._thread.join(seconds)
        if self.error is not None:
            raise self.error
