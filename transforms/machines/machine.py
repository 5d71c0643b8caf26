"""What the two stages of rule evaluation in a stream have in common: settings, state cells, timers, and what stays in memory between bundles.

A *machine* is a stage without a framework (:mod:`transforms.alerts.shards.machine`, :mod:`transforms.alerts.groups.machine`). It receives elements
and event-time timers, key by key, within *bundles*: units of work that are committed together, or not at all. The same machine runs in Beam, and in
a test with a dict and a heap (:mod:`transforms.alerts.local`).

Machines keep elements, and decide at evaluation times, in ascending order. What counts at each is what had arrived by the samples' own watermarks. A
timer, or the watermarks of sources and shards, show when the input of an evaluation time is complete. So the output is a function of the log: the
same in any run, at any speed, after any restart.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from threading import Lock
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

T = TypeVar("T")


class Out(NamedTuple):
    """An output of a machine.

    Attributes:
        time_ms: its evaluation time.
        tag: ``contributions`` (:mod:`transforms.alerts.messages`, from shards to groups), ``events`` (:func:`schemas.alert_event.encode`) or
            ``samples`` (what rules wrote, :func:`schemas.batch.encode`).
    """

    time_ms: int
    tag: str
    data: bytes


class Cells(Protocol):
    """The state of one key: single values and bags, by name. Writes take effect when the bundle is committed; reads see them at once."""

    def read(self, cell: str) -> bytes | None: ...
    def write(self, cell: str, data: bytes) -> None: ...
    def read_bag(self, bag: str) -> list[bytes]: ...
    def append(self, bag: str, data: bytes) -> None: ...
    def replace(self, bag: str, data: Iterable[bytes]) -> None:
        """The bag holds these, and nothing else."""


class Timers(Protocol):
    """Event-time timers of one key. Each time fires once, however often it is set."""

    def at(self, time_ms: int) -> None: ...


class Machine(Protocol):
    """A stage. One instance works on one bundle at a time, of many keys.

    ``CELLS`` and ``BAGS`` name the state that it uses; ``counted`` is what happened, by the names of counters, for the caller to take away;
    ``complaints`` are sentences about what somebody should look at, such as a rule that fails, likewise; ``noted`` are texts by the name of their
    set, likewise.
    """

    CELLS: tuple[str, ...]
    BAGS: tuple[str, ...]
    counted: dict[str, int]
    complaints: list[str]
    noted: dict[str, set[str]]

    def begin(self) -> None:
        """A bundle begins; what an earlier one left unfinished has failed, and is forgotten."""

    def arrive(self, key: bytes, element: bytes, cells: Cells, timers: Timers) -> Iterable[Out]:
        """An element (:mod:`transforms.alerts.messages`)."""

    def fire(self, key: bytes, time_ms: int, cells: Cells, timers: Timers) -> Iterable[Out]:
        """The watermark has reached a timer's time. Those of a key come in ascending order."""

    def finish(self) -> Iterable[Out]:
        """The bundle ends: what was put off to be done at once. No state may be reached any more."""


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
