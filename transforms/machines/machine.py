"""A stateful machine: a step that keeps state and sets timers, without a framework.

It receives elements and event-time timers, key by key, within *bundles*: units of work that are committed together, or not at all. The same machine
runs in Beam (:mod:`transforms.machines.beam`), and in one process with a dict and a heap (:mod:`transforms.machines.local`). Windows
(:mod:`transforms.windows.machine`) and both stages of rules (:mod:`transforms.alerts`) are such machines; ``examples/distinct.py`` is a small one.

A machine has no clock. It keeps elements, and decides when a timer fires, that is when the watermark has passed a time. So its output is a function
of its input: the same in any run, at any speed, after any restart.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from threading import Lock
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

T = TypeVar("T")


class Out(NamedTuple):
    """An output of a machine.

    Attributes:
        time_ms: its event time.
        tag: the collection that it belongs to.
        data: what it is, encoded.
    """

    time_ms: int
    tag: str
    data: bytes


class Cells(Protocol):
    """The state of one key: single values and bags, by name. Writes take effect when the bundle is committed; reads see them at once."""

    def read(self, cell: str) -> bytes | None: ...
    def write(self, cell: str, data: bytes) -> None: ...
    def clear(self, cell: str) -> None: ...
    def read_bag(self, bag: str) -> list[bytes]: ...
    def append(self, bag: str, data: bytes) -> None: ...
    def replace(self, bag: str, data: Iterable[bytes]) -> None:
        """The bag holds these, and nothing else."""


class Timer(NamedTuple):
    """A timer that fires.

    Attributes:
        time_ms: the event time that it was set for.
        tag: the one that it was set with; the time as text if it was set without one.
    """

    time_ms: int
    tag: str


class Timers(Protocol):
    """Event-time timers of one key."""

    def at(self, time_ms: int, tag: str = "") -> None:
        """Set a timer. A tag has one timer, and setting it again moves it. Without a tag each time has its own, which fires once."""

    def cancel(self, tag: str) -> None:
        """The timer of a tag does not fire, unless it is set again. It need not be set."""


class Machine:
    """A step. One instance works on one bundle at a time, of many keys.

    Attributes:
        CELLS, BAGS: the names of the state that it uses.
        ARRIVES_WITH: the names of those that :meth:`arrive` uses; None for all. A runner makes a cell ready for each element, so few are fast.
        counted: what happened, by the names of counters, for the host to take away.
        complaints: sentences about what somebody should look at, such as a rule that fails, for the host to log.
        noted: texts by the name of their set, for the host to take away.
    """

    CELLS: ClassVar[tuple[str, ...]] = ()
    BAGS: ClassVar[tuple[str, ...]] = ()
    ARRIVES_WITH: ClassVar[tuple[str, ...] | None] = None

    def __init__(self, settings: Any, memory: Memory[Any]) -> None:
        """A machine that has seen nothing.

        Args:
            settings: how it works; the host takes them to wherever it runs.
            memory: what its instances in one process share.
        """
        self.settings = settings
        self.memory = memory
        self.counted: dict[str, int] = {}
        self.complaints: list[str] = []
        self.noted: dict[str, set[str]] = {}

    def begin(self) -> None:
        """A bundle begins; what an earlier one left unfinished has failed, and is forgotten."""

    def arrive(self, key: bytes, element: bytes, cells: Cells, timers: Timers) -> Iterable[Out]:
        """An element arrives."""
        raise NotImplementedError

    def fire(self, key: bytes, timer: Timer, cells: Cells, timers: Timers) -> Iterable[Out]:
        """The watermark has passed a timer's time. A local runner may fire the timers of a key in no order of time."""
        raise NotImplementedError

    def finish(self) -> Iterable[Out]:
        """The bundle ends: what was put off to be done at once. No state may be reached any more."""
        return ()

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter."""
        if number:
            self.counted[name] = self.counted.get(name, 0) + number


class Memory(Generic[T]):
    """What machines of one process keep in memory of their keys from bundle to bundle, so that state is not read over and over.

    Each version of a key's state has a token, which is part of the state too: what is here counts only while the state has the same one. A
    bundle that failed, a restore from a checkpoint, or a key that another process worked on meanwhile leave another token in the state, or here.
    What is taken out is not here until it is put back, so two bundles never share it.
    """

    def __init__(self) -> None:
        self._kept: dict[Any, tuple[bytes, T]] = {}
        self._lock = Lock()

    def take(self, key: Any, token: bytes) -> T | None:
        """What was put back under this token, if it is still so."""
        with self._lock:
            found = self._kept.pop(key, None)
        return found[1] if found is not None and found[0] == token else None

    def put(self, key: Any, token: bytes, value: T) -> None:
        """Keep it until it is taken."""
        with self._lock:
            self._kept[key] = (token, value)


TOKEN_BYTES = 8


def new_token() -> bytes:
    """A token that no other version of any state has."""
    return os.urandom(TOKEN_BYTES)
