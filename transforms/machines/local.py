"""A machine in one process, without a framework: state in dicts, timers in a heap, and a watermark that the caller moves."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field

from schemas.batch import MIN_WATERMARK
from transforms.machines.machine import Machine, Out, Timer


@dataclass
class LocalKey:
    """State and timers of a key; see :class:`transforms.machines.machine.Cells` and :class:`transforms.machines.machine.Timers`.

    Attributes:
        cells, bags: what is in each, by name.
        timers: the time of each timer that is set, by its tag; of one without a tag by its time.
    """

    cells: dict[str, bytes] = field(default_factory=dict)
    bags: dict[str, list[bytes]] = field(default_factory=dict)
    timers: dict[str | int, int] = field(default_factory=dict)
    _due: list[tuple[int, str]] = field(default_factory=list)

    def read(self, cell: str) -> bytes | None:
        return self.cells.get(cell)

    def write(self, cell: str, data: bytes) -> None:
        self.cells[cell] = data

    def clear(self, cell: str) -> None:
        self.cells.pop(cell, None)

    def read_bag(self, bag: str) -> list[bytes]:
        return list(self.bags.get(bag, ()))

    def append(self, bag: str, data: bytes) -> None:
        self.bags.setdefault(bag, []).append(data)

    def replace(self, bag: str, data: Iterable[bytes]) -> None:
        self.bags[bag] = list(data)

    def at(self, time_ms: int, tag: str = "") -> None:
        name = tag or time_ms
        if self.timers.get(name) != time_ms:
            self.timers[name] = time_ms
            heapq.heappush(self._due, (time_ms, tag))

    def cancel(self, tag: str) -> None:
        self.timers.pop(tag, None)

    def due(self, watermark_ms: int) -> list[Timer]:
        """The timers that a watermark has passed, in order of time."""
        return sorted(Timer(time_ms, str(name)) for name, time_ms in self.timers.items() if time_ms <= watermark_ms)

    def next_due(self, watermark_ms: int) -> Timer | None:
        """Takes the first timer that a watermark has passed, if there is one."""
        while self._due and self._due[0][0] <= watermark_ms:
            time_ms, tag = heapq.heappop(self._due)
            # A timer that was moved stands here at its old time too.
            if self.timers.get(tag or time_ms) == time_ms:
                del self.timers[tag or time_ms]
                return Timer(time_ms, tag or str(time_ms))
        return None

    @property
    def is_empty(self) -> bool:
        """Whether it keeps no state; timers may be set."""
        return not self.cells and not any(self.bags.values())


class LocalMachine:
    """A machine with its state."""

    def __init__(self, make: Callable[[], Machine]) -> None:
        """A machine without state; ``make`` gives one that remembers nothing."""
        self._make = make
        self._keys: dict[bytes, LocalKey] = {}
        self._saved: dict[bytes, LocalKey] = {}
        self.machine = make()

    def run(
        self, elements: Iterable[tuple[bytes, bytes]], watermark_ms: int = MIN_WATERMARK, *, breaks: bool = False
    ) -> list[Out]:
        """A bundle: elements by key, then all timers up to a watermark, also those that are set meanwhile.

        Args:
            elements: ``(key, element)``, in this order.
            watermark_ms: of the input, after the elements.
            breaks: the bundle fails just before its end: nothing is committed or emitted.
        """
        before = deepcopy(self._keys) if breaks else {}
        self.machine.begin()
        outputs: list[Out] = []
        for name, element in elements:
            key = self._keys.setdefault(name, LocalKey())
            outputs += self.machine.arrive(name, element, key, key)
        for name, key in list(self._keys.items()):
            while (timer := key.next_due(watermark_ms)) is not None:
                outputs += self.machine.fire(name, timer, key, key)
        if breaks:
            self._keys = before
            return []
        outputs += self.machine.finish()
        return outputs

    def restart(self) -> None:
        """Forget what is in memory; state stays."""
        self.machine = self._make()

    def checkpoint(self) -> None:
        """Take a copy of the state."""
        self._saved = deepcopy(self._keys)

    def lose(self) -> None:
        """Go back to the copy; what is in memory stays, as in a process that outlives a failure elsewhere."""
        self._keys = deepcopy(self._saved)

    def key(self, name: bytes) -> LocalKey:
        """The state of a key, to look into."""
        return self._keys.setdefault(name, LocalKey())

    def states(self) -> list[tuple[bytes, LocalKey]]:
        """All keys with their state, by name."""
        return sorted(self._keys.items())

    @property
    def stored_bytes(self) -> int:
        """The size of the state."""
        return sum(
            sum(map(len, key.cells.values())) + sum(len(data) for bag in key.bags.values() for data in bag)
            for key in self._keys.values()
        )
