"""Processor time and memory of processes, and the machine that they ran on."""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

PERIOD_S = 0.25


@dataclass(frozen=True)
class Figures:
    """What one job came to.

    Attributes:
        seconds: running, as Flink counts.
        samples_per_s: over all of that.
        cpu_s_per_million: processor seconds a million samples, of all processes that were metered.
        peak_mb: their resident memory, the most at any moment.
    """

    seconds: float
    samples_per_s: float
    cpu_s_per_million: float
    peak_mb: float

    @classmethod
    def of(cls, samples: int, seconds: float, cpu_seconds: float, peak_bytes: int) -> Figures:
        """The figures of so many samples, rounded."""
        return cls(
            seconds=round(seconds, 2),
            samples_per_s=round(samples / seconds),
            cpu_s_per_million=round(cpu_seconds / samples * 1e6, 3),
            peak_mb=round(peak_bytes / 1e6),
        )


@dataclass
class Usage:
    """What one process used.

    Attributes:
        root: the process that was asked for; this one, or an ancestor of it.
        pid: this one.
        cpu_seconds: since the meter began.
        peak_bytes: resident memory, the most at any moment.
    """

    root: int
    pid: int
    cpu_seconds: float = 0.0
    peak_bytes: int = 0


class Meter:
    """Processor time and memory of some processes and all their descendants, read four times a second."""

    def __init__(self, pids: Callable[[], list[int]]) -> None:
        self._pids = pids
        self._base: dict[tuple[int, float], float] = {}
        self._usage: dict[tuple[int, float], Usage] = {}
        self.peak_bytes = 0
        self._stop = threading.Event()

    @property
    def cpu_seconds(self) -> float:
        """Spent since the meter began; a process that began later counts whole."""
        return sum(usage.cpu_seconds for usage in self.usage)

    @property
    def usage(self) -> list[Usage]:
        """Of each process that was seen, in the order in which they were."""
        return list(self._usage.values())

    def look(self) -> None:
        """Read the counters once."""
        resident = 0
        for root, process in self._family():
            try:
                times, memory = process.cpu_times(), process.memory_info()
                key = process.pid, process.create_time()
                usage = self._usage.get(key) or self._usage.setdefault(key, Usage(root, process.pid))
            except psutil.Error:
                continue
            usage.cpu_seconds = times.user + times.system - self._base.get(key, 0.0)
            usage.peak_bytes = max(usage.peak_bytes, memory.rss)
            resident += memory.rss
        self.peak_bytes = max(self.peak_bytes, resident)

    def _family(self) -> Iterator[tuple[int, psutil.Process]]:
        for pid in self._pids():
            try:
                process = psutil.Process(pid)
                yield pid, process
                yield from ((pid, child) for child in process.children(recursive=True))
            except psutil.Error:
                continue

    @contextmanager
    def running(self) -> Iterator[Meter]:
        """Look until the block ends, and once more then."""
        self.look()
        self._base = {key: usage.cpu_seconds for key, usage in self._usage.items()}
        for usage in self._usage.values():
            usage.cpu_seconds = 0.0

        def keep_looking() -> None:
            while not self._stop.wait(PERIOD_S):
                self.look()

        thread = threading.Thread(target=keep_looking, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()
            self.look()


def machine() -> dict[str, object]:
    """What the figures were measured on, for a file of results."""
    return {
        "processors": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
