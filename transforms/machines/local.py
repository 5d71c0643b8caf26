"""A machine in one process, without a framework: state in dicts, timers in a heap, and a watermark that the caller moves."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field

from schemas.batch import MIN_WATERMARK
from transforms.machines.machine import Machine, Out


@dataclass
class _Key:
    """State and timers of a key; see :class:`transforms.machines.machine.Cells` and :class:`transforms.machines.machine.Timers`."""

    cells: dict[str, bytes] = field(default_factory=dict)
    bags: dict[str, list[bytes]] = field(default_factory=dict)
    set_for: set[int] = field(default_factory=set)
    due: list[int] = field(default_factory=list)

    def read(self, cell: str) -> bytes | None:
        return self.cells.get(cell)

    def write(self, cell: str, data: bytes) -> None:
        self.cells[cell] = data

    def read_bag(self, bag: str) -> list[bytes]:
        return list(self.bags.get(bag, ()))

    def append(self, bag: str, data: bytes) -> None:
        self.bags.setdefault(bag, []).append(data)

    def replace(self, bag: str, data: Iterable[bytes]) -> None:
        self.bags[bag] = list(data)

    def at(self, time_ms: int) -> None:
        if time_ms not in self.set_for:
            self.set_for.add(time_ms)
            heapq.heappush(self.due, time_ms)

    def next_due(self, watermark_ms: int) -> int | None:
        """Takes the first timer up to a watermark, if there is one."""
        if not self.due or self.due[0] > watermark_ms:
            return None
        time_ms = heapq.heappop(self.due)
        self.set_for.remove(time_ms)
        return time_ms


class LocalMachine:
    """A machine with its state."""

    def __init__(self, make: Callable[[], Machine]) -> None:
        """A machine without state; ``make`` gives one that remembers nothing."""
        self._make = make
        self._keys: dict[bytes, _Key] = {}
        self._saved: dict[bytes, _Key] = {}
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
            key = self._keys.setdefault(name, _Key())
            outputs += self.machine.arrive(name, element, key, key)
        for name, key in list(self._keys.items()):
            while (time_ms := key.next_due(watermark_ms)) is not None:
                outputs += self.machine.fire(name, time_ms, key, key)
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

    def key(self, name: bytes) -> _Key:
        """The state of a key, to look into."""
        return self._keys.setdefault(name, _Key())

    def states(self) -> list[tuple[bytes, _Key]]:
        """All keys with their state, by name."""
        return sorted(self._keys.items())

    @property
    def stored_bytes(self) -> int:
        """The size of the state."""
        return sum(
            sum(map(len, key.cells.values())) + sum(len(data) for bag in key.bags.values() for data in bag)
            for key in self._keys.values()
        )
